"""What four scans look like in numbers that no intensity scale changes: ranks within the brain, and the brain's shape.

Intensities of MRI have no unit, and a scanner's gain, a rescaling or a gamma curve must not matter. Within the brain
each scan is therefore replaced by its ranks; what is left is which tissue is brighter than which, and where.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ..case import MODALITIES, Case
from ..orientation import to_lps
from .preprocessing import bounding_box

CELL = 2.0
"""mm; the scans are looked at in means over cells of about this size."""
_SHELL = 2
"""Cells (4 mm) under the brain's surface, where cerebrospinal fluid is."""
_DEEP = 10
"""Cells (20 mm) from which on a cell is deep: white matter, nuclei, ventricles."""
_EXTREME = 0.03
"""Share of the brightest and of the darkest cells of a scan whose look in the other scans is measured."""
_TAIL = 0.005
"""Share of the cells that are called outliers in the difference of two scans: vessels and enhancing tumour."""
CUBE = 20
"""Cells of the cube of 200 mm that the brain's shape is sampled on, along each axis."""
_CUBE_CELL = 10.0

ORDERS = tuple(permutations(range(len(MODALITIES))))
"""Every order in which four scans can be given; the first is the right one."""


@dataclass(frozen=True)
class Cells:
    """The brain in cells of about 2 mm, in nearest-LPS axis order.

    Attributes
    ----------
    inside : bool (z, y, x), cells that lie in the brain with all their voxels
    values : float32 (4, n), mean intensity of those n cells, in the order of ``MODALITIES``
    depth : int (n,), distance from the surface in cells, 1 at the surface
    spacing : (z, y, x) mm of a cell
    """

    inside: np.ndarray
    values: np.ndarray
    depth: np.ndarray
    spacing: tuple[float, float, float]

    @classmethod
    def of(cls, case: Case) -> Cells:
        """Cut a case to the brain's box and average it over cells."""
        brain, spacing = to_lps(case.brain, case.geometry)
        slices = bounding_box(brain).slices
        brain = brain[slices]
        factors = tuple(max(round(CELL / size), 1) for size in spacing[::-1])
        shape = tuple(n // f for n, f in zip(brain.shape, factors, strict=True))
        inside = np.ones(shape, dtype=bool)
        for part in _parts(brain, shape, factors):
            inside &= part
        values = np.empty((len(MODALITIES), np.count_nonzero(inside)), dtype=np.float32)
        for row, name in zip(values, MODALITIES, strict=True):
            total = np.zeros(shape, dtype=np.float32)
            for part in _parts(to_lps(case.volumes[name], case.geometry)[0][slices], shape, factors):
                total += part
            row[:] = total[inside]
        z, y, x = (s * f for s, f in zip(spacing[::-1], factors, strict=True))
        return cls(inside, values, _depth(inside)[inside], (z, y, x))


def _parts(array: np.ndarray, shape: tuple[int, ...], factors: tuple[int, ...]) -> list[np.ndarray]:
    """The voxels of every cell: one array of cells for each place inside a cell."""
    cut = array[tuple(slice(n * f) for n, f in zip(shape, factors, strict=True))]
    return [
        cut[tuple(slice(o, None, f) for o, f in zip(offset, factors, strict=True))] for offset in np.ndindex(factors)
    ]


def _depth(inside: np.ndarray) -> np.ndarray:
    from scipy.ndimage import distance_transform_cdt

    depth: np.ndarray = distance_transform_cdt(np.pad(inside, 1), metric="chessboard")[1:-1, 1:-1, 1:-1]
    return depth


@dataclass(frozen=True)
class Appearance:
    """Ranks of a brain's cells in each scan, and the numbers that follow from them.

    Attributes
    ----------
    ranks : float32 (4, n) in 0..1, rank of a cell among the brain's cells
    single : float (4, 3), of each scan the mean rank in the shell, and mean and spread deep in the brain
    pair : float (4, 4, 4), of each ordered pair of scans the rank correlation, the second's mean rank where the first
        is brightest and where it is darkest, and how far the first outshines the second at the outliers
    """

    ranks: np.ndarray
    single: np.ndarray
    pair: np.ndarray

    @classmethod
    def of(cls, cells: Cells) -> Appearance:
        """Measure the cells of a brain; there must be a hundred of them or more."""
        return cls.of_ranks(ranked(cells.values), cells.depth)

    @classmethod
    def of_ranks(cls, ranks: np.ndarray, depth: np.ndarray) -> Appearance:
        """The same of ranks (4, n), e.g. with one scan turned into its negative."""
        from scipy.special import ndtri

        scans, count = ranks.shape
        shell, deep = depth <= max(_SHELL, int(depth.min())), depth >= min(_DEEP, int(depth.max()))
        extreme, tail = max(round(_EXTREME * count), 1), max(round(_TAIL * count), 1)
        scores = ndtri(ranks)
        single = np.stack([ranks[:, shell].mean(1), ranks[:, deep].mean(1), ranks[:, deep].std(1)], axis=1)
        pair = np.zeros((scans, scans, 4))
        pair[..., 0] = np.corrcoef(ranks)
        for first in range(scans):
            bright, dark = ranks[first] > 1 - extreme / count, ranks[first] < extreme / count
            pair[first, :, 1] = ranks[:, bright].mean(1)
            pair[first, :, 2] = ranks[:, dark].mean(1)
            for second in range(first + 1, scans):
                difference = np.partition(scores[first] - scores[second], (tail, count - tail - 1))
                pair[first, second, 3] = difference[count - tail :].mean()
                pair[second, first, 3] = -difference[:tail].mean()
        return cls(ranks, single, pair)

    def features(self, order: tuple[int, ...] = ORDERS[0]) -> np.ndarray:
        """All the numbers as one vector, read as if scan ``order[i]`` were modality i."""
        index = list(order)
        pair = self.pair[np.ix_(index, index)]
        upper = np.triu_indices(len(index), 1)
        off = ~np.eye(len(index), dtype=bool)
        return np.concatenate([self.single[index].ravel(), pair[..., 0][upper], pair[off][:, 1:].ravel()])


def ranked(values: np.ndarray) -> np.ndarray:
    """Ranks float32 in 0..1 along the last axis; ties are broken by position."""
    count = values.shape[-1]
    result = np.empty(values.shape, dtype=np.float32)
    steps = (np.arange(count, dtype=np.float32) + 0.5) / count
    for row, target in zip(values, result, strict=True):
        target[np.argsort(row, kind="stable")] = steps
    return result


def roughness(cells: Cells, ranks: np.ndarray) -> np.ndarray:
    """How unlike neighbours are: mean squared difference of ranks over twice their variance, (4 scans, 3 axes z, y, x).

    0 where neighbours are equal, about 1 where they have nothing to do with each other.
    """
    result = np.zeros((len(ranks), 3))
    volume = np.zeros(cells.inside.shape, dtype=np.float32)
    for scan, row in enumerate(ranks):
        volume[cells.inside] = row
        for axis in range(3):
            ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            behind = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
            both = cells.inside[ahead] & cells.inside[behind]
            step = volume[ahead][both] - volume[behind][both]
            result[scan, axis] = float(np.mean(step * step)) * 6.0 if step.size else 1.0  # ranks have variance 1 / 12
    return result


def shape_cube(cells: Cells) -> np.ndarray:
    """Share of brain, float32 (20, 20, 20) in (z, y, x), in a cube of 200 mm about the brain's middle."""
    from scipy.ndimage import map_coordinates, uniform_filter

    widths = [max(round(_CUBE_CELL / size), 1) for size in cells.spacing]
    # The brain's surroundings count as empty, as far as the filter and the cube reach.
    smooth = uniform_filter(np.pad(cells.inside.astype(np.float32), max(widths)), widths)
    middle = [line.mean() + max(widths) for line in np.nonzero(cells.inside)]
    steps = (np.arange(CUBE) - (CUBE - 1) / 2) * _CUBE_CELL
    axes = [m + steps / size for m, size in zip(middle, cells.spacing, strict=True)]
    cube: np.ndarray = map_coordinates(smooth, np.meshgrid(*axes, indexing="ij"), order=1, cval=0.0)
    return cube


def strangeness(features: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """How far features lie outside the range of training cases, in widths of that range, as root mean square."""
    outside = np.maximum(low - features, 0) + np.maximum(features - high, 0)
    return float(np.sqrt(np.mean((outside / (high - low)) ** 2)))
