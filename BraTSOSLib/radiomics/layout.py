"""The memory order that numpy leaves an array in when entries of it are deleted.

numpy adds numbers in the order in which they lie in memory. pyradiomics deletes the grey levels that do not occur from
its matrices, which changes that order, and so the rounding of sums. To round alike, matrices that are built without
those levels in the first place are laid out as they would have been left.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=64)
def _axes_after(ndim: int, deletions: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    probe = np.zeros((5,) * ndim)
    for axis, deleted in deletions:
        probe = np.delete(probe, np.arange(deleted), axis)
    return tuple(int(axis) for axis in np.argsort([-stride for stride in probe.strides], kind="stable"))


def empty_as_after(shape: tuple[int, ...], *deletions: tuple[int, int]) -> np.ndarray:
    """Return an empty float array of ``shape`` as ``np.delete`` would have left it.

    ``deletions`` are (axis, number of entries deleted), in the order in which they are deleted from an array that lay
    in memory row by row.
    """
    # How many are deleted matters only as none, one, several.
    axes = _axes_after(len(shape), tuple((axis, min(deleted, 2)) for axis, deleted in deletions))
    array = np.empty([shape[axis] for axis in axes])
    return array.transpose(np.argsort(axes))
