"""Turning arrays to the nearest LPS axis order and back, exactly: axes permute and flip, nothing is resampled."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from .geometry import Geometry


def lps_axes(geometry: Geometry) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Say which index axis lies nearest to each of the world axes L, P and S.

    Returns
    -------
    axes : for L, P, S the index axis (0 = x, 1 = y, 2 = z of the file) that runs along it
    flipped : for L, P, S whether that index axis runs the other way (to R, A or I)

    Notes
    -----
    The assignment maximises the sum of the cosines over all six permutations, so that an oblique grid gets three
    different axes even where one index axis is the nearest to two world axes.
    """
    direction = np.asarray(geometry.direction, dtype=float).reshape(3, 3)
    axes = max(permutations(range(3)), key=lambda order: sum(abs(direction[w, order[w]]) for w in range(3)))
    flipped = tuple(bool(direction[w, axes[w]] < 0) for w in range(3))
    return (axes[0], axes[1], axes[2]), (flipped[0], flipped[1], flipped[2])


def to_lps(array: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Turn an array of the grid ``geometry`` to (S, P, L) axis order, the (z, y, x) of an LPS image.

    Parameters
    ----------
    array : ndarray (..., z, y, x)
        In the order of the file; leading axes (channels) stay as they are.
    geometry : Geometry
        The file's grid.

    Returns
    -------
    turned : ndarray (..., z, y, x)
        A view where possible.
    spacing : (x, y, z) of the turned array in mm
    """
    axes, flipped = lps_axes(geometry)
    lead = array.ndim - 3
    order = [*range(lead), *(lead + 2 - axes[w] for w in (2, 1, 0))]
    turned = array.transpose(order)[(..., *(slice(None, None, -1) if flipped[w] else slice(None) for w in (2, 1, 0)))]
    spacing = geometry.spacing
    return turned, (spacing[axes[0]], spacing[axes[1]], spacing[axes[2]])


def from_lps(array: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Turn an (..., S, P, L) array back to the file order of the grid ``geometry``; the inverse of ``to_lps``."""
    axes, flipped = lps_axes(geometry)
    lead = array.ndim - 3
    unflipped = array[(..., *(slice(None, None, -1) if flipped[w] else slice(None) for w in (2, 1, 0)))]
    order = [*range(lead), *(lead + 2 - axes.index(file_axis) for file_axis in (2, 1, 0))]
    return unflipped.transpose(order)
