"""One extraction as the engines see it: what to measure, and where the values go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..geometry import Geometry
from .columns import Key
from .settings import Settings
from .volume import Box, Volume


@dataclass
class Job:
    """What to measure, and what was found.

    Attributes
    ----------
    volumes : dict
        Modality to its whole image; empty where only shape is wanted.
    geometry : Geometry
        The grid of all images and regions.
    box : three slices
        The box around all regions.
    masks : dict
        Region to its mask inside ``box``, bool, with at least one voxel.
    settings : Settings
    device : str
        What counts texture matrices, see ``kernels.kernels``.
    shape_once : bool
        Whether a region's shape is the same in all modalities and measured once; its key then has no modality.
    values : dict
        What was found, by key; what is not there is undefined.
    notes : dict
        What a reader should know about a region, or about a modality, region and image, and why values are missing.
    """

    volumes: dict[str, Volume]
    geometry: Geometry
    box: Box
    masks: dict[str, np.ndarray]
    settings: Settings
    shape_once: bool = True
    diagnostics: bool = False
    device: str = "auto"
    values: dict[Key, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel spacing in mm, (z, y, x)."""
        x, y, z = self.geometry.spacing
        return z, y, x

    @cached_property
    def mask_diagnostics(self) -> dict[str, dict[str, Any]]:
        """pyradiomics' diagnostics of each region as it was given."""
        from .diagnostics import of_mask

        return {region: of_mask(self.whole_mask(region), self.geometry) for region in self.masks}

    def whole_mask(self, region: str) -> np.ndarray:
        """Return the mask of a region on the whole grid, (z, y, x) bool."""
        mask = np.zeros(self.geometry.size[::-1], bool)
        mask[self.box] = self.masks[region]
        return mask


@dataclass(frozen=True)
class Task:
    """A part of the work that no other part waits for.

    Attributes
    ----------
    steps : int
        How many steps ``run`` yields.
    run : callable
        Returns an iterator that does the work and yields, after each step, what was done.
    """

    steps: int
    run: Callable[[], Iterator[str]]
