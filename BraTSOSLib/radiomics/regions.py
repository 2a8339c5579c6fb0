"""One image inside one region, prepared once for all feature classes: its grey levels and their texture matrices."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..errors import InputError
from .box import bounding_box
from .discretisation import Discretised, discretise
from .firstorder import Intensities
from .kernels import kernels
from .offsets import neighbour_offsets
from .settings import Settings

_NEAREST = (1,)
# Entries of all co-occurrence matrices together; the features need some ten arrays of that size, of 8 bytes an entry.
_MOST_PAIRS = 100_000_000
_DEFAULT = Settings()


class Footprint:
    """Where a region is, whatever the image: its mask in its bounding box, for all images of a case.

    Parameters
    ----------
    mask : (z, y, x) bool
        The region; at least one voxel.
    spacing : three floats
        Voxel spacing in mm, (z, y, x).
    """

    def __init__(self, mask: np.ndarray, spacing: tuple[float, float, float] | np.ndarray) -> None:
        self.box = bounding_box(mask)
        self.whole = mask.shape
        self.mask = np.ascontiguousarray(mask[self.box])
        self.spacing = tuple(float(step) for step in spacing)
        self._positions: dict[int, np.ndarray] = {}
        self._around: dict[int | None, np.ndarray] = {}

    def values(self, image: np.ndarray) -> np.ndarray:
        """Return the intensities of ``image``, given whole or cropped to the box, in the order of the voxels."""
        return (image[self.box] if image.shape == self.whole else image)[self.mask]

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in mm³."""
        z, y, x = self.spacing
        return x * y * z

    def padded_shape(self, margin: int) -> tuple[int, ...]:
        """Return the box's shape with ``margin`` voxels around it."""
        return tuple(size + 2 * margin for size in self.mask.shape)

    def positions(self, margin: int) -> np.ndarray:
        """Return the voxels' indices in the flat array of the box with ``margin`` voxels around it, (N,) int64."""
        if margin not in self._positions:
            self._positions[margin] = np.flatnonzero(np.pad(self.mask, margin))
        return self._positions[margin]

    def around(self, flat_axis: int | None) -> np.ndarray:
        """Return how many of its nearest neighbours (across ``flat_axis`` none) each voxel has inside, (N,) uint8."""
        if flat_axis not in self._around:
            counts = np.pad(self.mask, 1).astype(np.uint8)
            for axis in range(3):
                if axis != flat_axis:
                    counts[:] = counts + np.roll(counts, 1, axis) + np.roll(counts, -1, axis)
            self._around[flat_axis] = counts[1:-1, 1:-1, 1:-1][self.mask] - np.uint8(1)
        return self._around[flat_axis]


class Region:
    """The intensities of one image inside one region.

    Everything is computed when it is first asked for and kept. Matrices are None where the region has no room for a
    pair of neighbours (a single voxel); their features are then undefined.

    Parameters
    ----------
    image : (z, y, x) real
        In its own number type, on which pyradiomics' bins depend; finite inside the region.
    mask : (z, y, x) bool or Footprint
        The region; at least one voxel.
    spacing : three floats, optional
        Voxel spacing in mm, (z, y, x); not needed with a footprint.
    settings : Settings
        Bins, distances, directions and their weights.
    device : {"auto", "cpu", "cuda"}
        Where matrices are counted, see ``kernels.kernels``.
    """

    def __init__(
        self,
        image: np.ndarray,
        mask: np.ndarray | Footprint,
        spacing: tuple[float, float, float] | np.ndarray | None = None,
        settings: Settings = _DEFAULT,
        device: str = "auto",
    ) -> None:
        if not isinstance(mask, Footprint):
            if spacing is None:
                raise TypeError("spacing is needed with a mask")
            mask = Footprint(mask, spacing)
        self.footprint = mask
        self.values = mask.values(image)
        self.settings = settings
        self._kernels = kernels(device)
        self._flat_axis = settings.force_2d_dimension if settings.force_2d else None

    @cached_property
    def intensities(self) -> Intensities:
        """What first-order features need."""
        return Intensities(self.values, self.footprint.voxel_volume, self.settings, self.discretised)

    @cached_property
    def discretised(self) -> Discretised:
        """The voxels' grey levels."""
        return discretise(self.values, self.settings)

    @cached_property
    def grey(self) -> np.ndarray:
        """The levels that occur, ascending, (K,) float: the i of all formulas."""
        return self.discretised.present.astype(float)

    @property
    def absent(self) -> int:
        """How many levels up to the highest do not occur."""
        return self.discretised.highest - len(self.discretised.present)

    def _volume(self, margin: int) -> np.ndarray:
        """Return the occurring levels' numbers 1 to K as a flat array with ``margin`` voxels around the box."""
        number = np.zeros(self.discretised.highest + 1, dtype=np.int16)
        number[self.discretised.present] = np.arange(1, len(self.discretised.present) + 1)
        volume = np.zeros(int(np.prod(self.footprint.padded_shape(margin))), dtype=np.int16)
        volume[self.footprint.positions(margin)] = number[self.discretised.levels]
        return volume

    @cached_property
    def _nearest(self) -> np.ndarray:
        return self._volume(1)

    def _steps(self, offsets: np.ndarray, margin: int) -> np.ndarray:
        _, rows, columns = self.footprint.padded_shape(margin)
        return offsets @ np.array([rows * columns, columns, 1])

    def offsets(self, distances: tuple[int, ...] = _NEAREST, both_ways: bool = False) -> np.ndarray:
        """Return the offsets to the neighbours that the box has room for, (A, 3)."""
        return neighbour_offsets(self.footprint.mask.shape, distances, self._flat_axis, both_ways)

    def _with_margin(self, margin: int) -> np.ndarray:
        return self._nearest if margin == 1 else self._volume(margin)

    @cached_property
    def _at_once(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
        """Pairs, dependences, differences and runs, where the settings are such that one pass can count them all."""
        offsets = self.offsets()
        usual = self.settings.distances == _NEAREST and self.settings.gldm_a == 0
        if not usual or len(offsets) == 0 or len(offsets) * len(self.grey) ** 2 > _MOST_PAIRS:
            return None
        positions, longest = self.footprint.positions(1), max(self.footprint.mask.shape)
        steps = self._steps(offsets, 1)
        around = self.footprint.around(self._flat_axis)
        return self._kernels.nearest(self._nearest, positions, steps, self.discretised.present, longest, around)

    @cached_property
    def pairs(self) -> np.ndarray | None:
        """How often levels are neighbours, by offset, (A, K, K) int; not symmetrical.

        Raises
        ------
        InputError
            If so many levels occur that their matrices would not fit into memory.
        """
        if self._at_once is not None:
            return self._at_once[0]
        offsets, margin, levels = self.offsets(self.settings.distances), max(self.settings.distances), len(self.grey)
        if len(offsets) * levels**2 > _MOST_PAIRS:
            raise InputError(
                f"{levels:,} different grey levels are too many for co-occurrence matrices in memory: choose a larger "
                "binWidth."
            )
        if len(offsets) == 0:
            return None
        steps = self._steps(offsets, margin)
        return self._kernels.pairs(self._with_margin(margin), self.footprint.positions(margin), steps, levels)

    @cached_property
    def _neighbours(self) -> tuple[np.ndarray, np.ndarray] | None:
        if self._at_once is not None:
            return self._at_once[1:3]
        offsets, margin = self.offsets(self.settings.distances, both_ways=True), max(self.settings.distances)
        if len(offsets) == 0:
            return None
        return self._kernels.neighbours(
            self._with_margin(margin),
            self.footprint.positions(margin),
            self._steps(offsets, margin),
            self.discretised.present,
            self.settings.gldm_a,
        )

    @property
    def dependences(self) -> np.ndarray | None:
        """How many voxels of a level have how many neighbours like them, (K, A + 1) int."""
        return None if self._neighbours is None else self._neighbours[0]

    @property
    def differences(self) -> np.ndarray | None:
        """Sum of the differences of a level's voxels from their neighbours' mean, (K,) float."""
        return None if self._neighbours is None else self._neighbours[1]

    @cached_property
    def runs(self) -> np.ndarray | None:
        """How many runs of a level have which length, by offset, (A, K, longest side of the box) int.

        Offsets along which no line holds two voxels count none.
        """
        offsets = self.offsets()
        if len(offsets) == 0:
            return None
        if self._at_once is not None:
            counts = self._at_once[3]
        else:
            positions, longest = self.footprint.positions(1), max(self.footprint.mask.shape)
            counts = self._kernels.runs(self._nearest, positions, self._steps(offsets, 1), len(self.grey), longest)
        for index in np.flatnonzero(counts[:, :, 1:].sum((1, 2)) == 0):
            if not _some_line_holds_two(self.footprint.mask, offsets[index]):
                counts[index] = 0
        return counts

    @cached_property
    def zones(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Level number (from 1) and size of every connected zone of equal level, two (Z,) int."""
        offsets = self.offsets(both_ways=True)
        if len(offsets) == 0:
            return None
        return self._kernels.zones(self._nearest, self.footprint.positions(1), self._steps(offsets, 1))


def _some_line_holds_two(mask: np.ndarray, offset: np.ndarray) -> bool:
    """Whether any two voxels of ``mask`` lie on one line along ``offset``, with or without voxels in between."""
    voxels = np.argwhere(mask)
    # How far each voxel is from where its line enters the box.
    entered = [
        voxels[:, axis] if step > 0 else mask.shape[axis] - 1 - voxels[:, axis]
        for axis, step in enumerate(offset)
        if step != 0
    ]
    starts = voxels - np.min(entered, axis=0)[:, None] * offset
    return len(np.unique(starts, axis=0)) < len(voxels)
