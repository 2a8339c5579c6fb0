"""A case as the networks see it: turned to LPS, cut to the brain's box, on the grid that a stage was trained at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..case import MODALITIES, Case
from ..orientation import from_lps, to_lps
from .model import Stage
from .preprocessing import Box, bounding_box, halve, normalise, normalise_nonzero
from .resampling import resize_linear

SAME_GRID = 0.03
"""Grids whose sizes differ by at most this share are taken as the same."""


@dataclass(frozen=True)
class BrainVolume:
    """The brain's box of a case in LPS orientation.

    Attributes
    ----------
    image : float32 (4, z, y, x), intensities as in the scans, modalities in the order of ``MODALITIES``
    brain : bool (z, y, x), where any modality is not zero
    spacing : (x, y, z) in mm
    box : where the box lies in the whole volume, whose size is ``shape``
    grid : size (z, y, x) of the box at 1 mm, on which the stages' results are combined
    """

    image: np.ndarray
    brain: np.ndarray
    spacing: tuple[float, float, float]
    box: Box
    shape: tuple[int, int, int]
    grid: tuple[int, int, int]

    @classmethod
    def of(cls, case: Case) -> BrainVolume:
        """Turn and cut ``case``."""
        oriented = [to_lps(case.volumes[name], case.geometry) for name in MODALITIES]
        spacing = oriented[0][1]
        whole = (oriented[0][0] != 0) | (oriented[1][0] != 0) | (oriented[2][0] != 0) | (oriented[3][0] != 0)
        box = bounding_box(whole)
        image = np.stack([array[box.slices] for array, _ in oriented]).astype(np.float32, copy=False)
        z, y, x = (max(round(n * s), 8) for n, s in zip(box.shape, spacing[::-1], strict=True))
        close = all(abs(a - b) <= SAME_GRID * b for a, b in zip((z, y, x), box.shape, strict=True))
        return cls(image, whole[box.slices], spacing, box, whole.shape, box.shape if close else (z, y, x))

    @cached_property
    def _over_brain(self) -> np.ndarray:
        """Normalised once for all stages."""
        return normalise(self.image, self.brain)

    @cached_property
    def _over_nonzero(self) -> np.ndarray:
        return normalise_nonzero(self.image)

    def for_stage(self, stage: Stage) -> np.ndarray:
        """Normalised float32 (channel, z, y, x), channels and spacing as the stage wants them."""
        normalised = self._over_brain if stage.normalisation == "brain" else self._over_nonzero
        image = normalised[[MODALITIES.index(name) for name in stage.inputs]]
        if stage.spacing == 2.0:
            # the mean over blocks of 1 mm voxels, as in training
            return halve(resize_linear(image, self.grid))
        return resize_linear(image, self.stage_shape(stage))

    def stage_shape(self, stage: Stage) -> tuple[int, int, int]:
        """Size (z, y, x) of the box on the stage's grid."""
        z, y, x = (max(round(n / stage.spacing), 4) for n in self.grid)
        return self.grid if stage.spacing == 1.0 else (z, y, x)

    def to_grid(self, probability: np.ndarray, stage: Stage) -> np.ndarray:
        """Bring a stage's probabilities (region, z, y, x) of the whole box onto ``grid``."""
        if stage.spacing == 2.0:
            z, y, x = (2 * n for n in probability.shape[1:])
            # blocks of two voxels, the last of which may be half outside the box
            fine = resize_linear(probability, (z, y, x))
            return fine[:, : self.grid[0], : self.grid[1], : self.grid[2]]
        return resize_linear(probability, self.grid)

    def whole(self, values: np.ndarray, case: Case) -> np.ndarray:
        """Put values (..., z, y, x) of the box on its own grid into the whole volume, in the case's own orientation."""
        result = np.zeros((*values.shape[:-3], *self.shape), dtype=values.dtype)
        result[(..., *self.box.slices)] = values
        return np.ascontiguousarray(from_lps(result, case.geometry))
