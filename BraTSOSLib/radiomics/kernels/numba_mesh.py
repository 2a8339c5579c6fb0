"""Sums over a region's mesh and the outermost of its vertices, in loops compiled by numba.

``mesh.py`` and ``diameters.py`` say what they compute and do the same in numpy; the values are equal to the last bit.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _column(padded: np.ndarray, z: int, y: int, x: int) -> int:
    """Return how many of the four voxels of a cube that have one x are in the region."""
    return int(padded[z, y, x]) + int(padded[z, y + 1, x]) + int(padded[z + 1, y, x]) + int(padded[z + 1, y + 1, x])


@njit(cache=True, nogil=True)
def surface_and_volume(
    padded: np.ndarray,
    spacing: np.ndarray,
    corners: np.ndarray,
    midpoints: np.ndarray,
    table: np.ndarray,
    counts: np.ndarray,
) -> tuple[float, float]:
    """Return the area and the volume of the mesh; see ``mesh.surface_and_volume``.

    ``corners`` (8, 3), ``midpoints`` (12, 3), ``table`` (128, 5, 3) and ``counts`` (128,) are those of ``mesh_table``.
    """
    area = volume = 0.0
    a, b, c = np.empty(3), np.empty(3), np.empty(3)
    for z in range(padded.shape[0] - 1):
        for y in range(padded.shape[1] - 1):
            left = _column(padded, z, y, 0)
            for x in range(padded.shape[2] - 1):
                right = _column(padded, z, y, x + 1)
                within = left == right and (left == 0 or left == 4)
                left = right
                if within:
                    continue
                cube = 0
                for corner in range(8):
                    if padded[z + corners[corner, 0], y + corners[corner, 1], x + corners[corner, 2]]:
                        cube |= 1 << corner
                sign = 1.0
                if cube >= 128:
                    cube = 255 - cube
                    sign = -1.0
                for row in range(counts[cube]):
                    for axis in range(3):
                        origin = z if axis == 0 else (y if axis == 1 else x)
                        a[axis] = (origin + midpoints[table[cube, row, 0], axis]) * spacing[axis]
                        b[axis] = (origin + midpoints[table[cube, row, 1], axis]) * spacing[axis]
                        c[axis] = (origin + midpoints[table[cube, row, 2], axis]) * spacing[axis]
                    n0 = a[1] * b[2] - b[1] * a[2]
                    n1 = a[2] * b[0] - b[2] * a[0]
                    n2 = a[0] * b[1] - b[0] * a[1]
                    volume += sign * (n0 * c[0] + n1 * c[1] + n2 * c[2])
                    for axis in range(3):
                        a[axis] -= c[axis]
                        b[axis] -= c[axis]
                    n0 = a[1] * b[2] - b[1] * a[2]
                    n1 = a[2] * b[0] - b[2] * a[0]
                    n2 = a[0] * b[1] - b[0] * a[1]
                    area += 0.5 * np.sqrt(n0 * n0 + n1 * n1 + n2 * n2)
    return area, volume / 6


@njit(cache=True, nogil=True)
def _stretch(low: np.ndarray, high: np.ndarray, plane: int, row: int, column: int) -> None:
    if column < low[plane, row]:
        low[plane, row] = column
    if column > high[plane, row]:
        high[plane, row] = column


@njit(cache=True, nogil=True)
def _note(lows: tuple, highs: tuple, p: int, q: int, r: int) -> None:  # type: ignore[type-arg]
    _stretch(lows[0], highs[0], p, q, r)
    _stretch(lows[1], highs[1], q, p, r)
    _stretch(lows[2], highs[2], r, p, q)


@njit(cache=True, nogil=True)
def _row_ends(padded: np.ndarray, lows: tuple, highs: tuple) -> None:  # type: ignore[type-arg]
    """Note, for planes across each axis, where each row of vertices begins and ends, in half voxels."""
    depth, height, width = padded.shape
    for z in range(depth - 1):
        for y in range(height - 1):
            for x in range(width - 1):
                here = padded[z, y, x]
                p, q, r = 2 * z, 2 * y, 2 * x
                if here != padded[z + 1, y, x]:
                    _note(lows, highs, p + 1, q, r)
                if here != padded[z, y + 1, x]:
                    _note(lows, highs, p, q + 1, r)
                if here != padded[z, y, x + 1]:
                    _note(lows, highs, p, q, r + 1)


@njit(cache=True, nogil=True)
def _hull(points: np.ndarray, count: int, hull: np.ndarray) -> int:
    """Put the corners of the convex hull of ``points`` (count, 2), ordered, into ``hull``; return how many they are.

    Andrew 1979, Information Processing Letters 9:216-219 (monotone chain).
    """
    top = 0
    for turn in range(2):
        bottom = top
        for index in range(count):
            at = index if turn == 0 else count - 1 - index
            while top - bottom >= 2:
                u0 = hull[top - 1, 0] - hull[top - 2, 0]
                u1 = hull[top - 1, 1] - hull[top - 2, 1]
                v0 = points[at, 0] - hull[top - 2, 0]
                v1 = points[at, 1] - hull[top - 2, 1]
                if u0 * v1 - u1 * v0 > 0:
                    break
                top -= 1
            hull[top, 0] = points[at, 0]
            hull[top, 1] = points[at, 1]
            top += 1
        top -= 1  # the last corner of one chain is the first of the other
    return max(top, 1)


@njit(cache=True, nogil=True)
def _planes(low: np.ndarray, high: np.ndarray, row_step: float, column_step: float, corners: np.ndarray) -> tuple:  # type: ignore[type-arg]
    """Return the largest squared distance within a plane, and how many ``corners`` of planes' hulls were filled in."""
    rows = low.shape[1]
    points, hull = np.empty((2 * rows, 2), np.int64), np.empty((4 * rows + 2, 2), np.int64)
    best = 0.0
    found = 0
    for plane in range(low.shape[0]):
        count = 0
        for row in range(rows):
            if high[plane, row] >= 0:
                points[count, 0], points[count, 1] = row, low[plane, row]
                count += 1
                if high[plane, row] > low[plane, row]:
                    points[count, 0], points[count, 1] = row, high[plane, row]
                    count += 1
        if count == 0:
            continue
        size = _hull(points, count, hull)
        for first in range(size):
            corners[found, 0], corners[found, 1], corners[found, 2] = plane, hull[first, 0], hull[first, 1]
            found += 1
            for second in range(first):
                u = hull[first, 0] / 2 * row_step - hull[second, 0] / 2 * row_step
                v = hull[first, 1] / 2 * column_step - hull[second, 1] / 2 * column_step
                best = max(best, u * u + v * v)
    return best, found


def outermost(padded: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what decides the diameters of a region.

    Parameters
    ----------
    padded : (z, y, x) bool
        The region's mask with at least one voxel of background on every side.
    spacing : (3,) float
        Voxel spacing in mm, (z, y, x).

    Returns
    -------
    planar : (3,) float
        The largest distance between two vertices of equal z, of equal y and of equal x, in mm.
    corners : (n, 3) int64
        Vertices in half voxels, (z, y, x), among which are all corners of the convex hull.
    """
    size = [2 * n for n in padded.shape]
    shapes = ((size[0], size[1]), (size[1], size[0]), (size[2], size[0]))
    lows = tuple(np.full(shape, max(size), dtype=np.int32) for shape in shapes)
    highs = tuple(np.full(shape, -1, dtype=np.int32) for shape in shapes)
    _row_ends(padded, lows, highs)
    planar = np.empty(3)
    corners = np.empty((0, 3), np.int64)
    for axis, (row_axis, column_axis) in enumerate(((1, 2), (0, 2), (0, 1))):
        filled = np.empty((2 * shapes[axis][0] * shapes[axis][1] + 1, 3), np.int64)
        best, count = _planes(lows[axis], highs[axis], spacing[row_axis], spacing[column_axis], filled)
        planar[axis] = np.sqrt(best)
        if axis == 0:
            corners = filled[:count].copy()
    return planar, corners
