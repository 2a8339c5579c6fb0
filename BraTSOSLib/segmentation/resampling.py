"""Changing the grid of an array by linear interpolation, without PyTorch."""

from __future__ import annotations

import numpy as np


def resize_linear(array: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Resize the last three axes of a float32 array (..., z, y, x) to ``shape``, interpolating axis by axis.

    Voxels are boxes that fill the same volume before and after (voxel centres at i + 1/2); beyond the outermost
    centres the value stays.
    """
    result = np.asarray(array, dtype=np.float32)
    for axis in (-1, -2, -3):
        old, new = result.shape[axis], shape[axis]
        if old == new:
            continue
        position = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.minimum(position.astype(np.intp), max(old - 2, 0))
        share = (position - low).astype(np.float32).reshape(-1, *[1] * (-1 - axis))
        first = np.take(result, low, axis=axis)
        first += share * (np.take(result, np.minimum(low + 1, old - 1), axis=axis) - first)
        result = first
    return result
