"""Largest distances between the vertices of a region's mesh, in space and within planes of the voxel grid.

pyradiomics compares all pairs, which takes seconds for a large tumour. The two ends of a largest distance are always
corners of the convex hull, so only those are compared here; the distances found are the same.
"""

from __future__ import annotations

import math

import numpy as np

from . import mesh
from .kernels import kernel_name


def _row_ends(points: np.ndarray) -> np.ndarray:
    """Keep of all points that differ only in their last coordinate the two outermost: no other is a hull corner."""
    order = np.lexsort(points.T[::-1])
    points = points[order]
    new_row = np.any(points[1:, :-1] != points[:-1, :-1], axis=1)
    return points[np.append(True, new_row) | np.append(new_row, True)]


def _largest_squared(points: np.ndarray) -> float:
    from scipy.spatial.distance import pdist

    return float(pdist(points, "sqeuclidean").max()) if len(points) > 1 else 0.0


def largest_distance(points: np.ndarray, spacing: np.ndarray) -> float:
    """Return the largest distance in mm between any two of ``points`` (n, dimensions), given in half voxels."""
    return math.sqrt(_largest_squared(_row_ends(points) / 2 * spacing))


def maximum_diameter(vertices: np.ndarray, spacing: np.ndarray) -> float:
    """Return the largest distance between any two vertices in mm.

    ``vertices`` are (n, 3) in half voxels and not all in one plane, ``spacing`` is (3,) in mm, both (z, y, x).
    """
    from scipy.spatial import ConvexHull

    points = _row_ends(vertices)
    if len(points) > 100:
        points = points[ConvexHull(points).vertices]
    return math.sqrt(_largest_squared(points / 2 * spacing))


def maximum_planar_diameter(vertices: np.ndarray, spacing: np.ndarray, axis: int) -> float:
    """Return the largest distance in mm between two vertices with the same coordinate along ``axis``.

    ``vertices`` and ``spacing`` are as in :func:`maximum_diameter`.
    """
    in_plane = [other for other in range(3) if other != axis]
    points = _row_ends(vertices[:, [axis, *in_plane]])
    planes = np.split(points, np.flatnonzero(np.diff(points[:, 0])) + 1)
    positions = [plane[:, 1:] / 2 * spacing[in_plane] for plane in planes]
    # No distance exceeds the diagonal of its plane's bounding box: with the largest diagonals first, most planes
    # need not be searched.
    bounds = [float(np.sum(np.ptp(position, axis=0) ** 2)) for position in positions]
    best = 0.0
    for plane in np.argsort(bounds)[::-1]:
        if bounds[plane] <= best:
            break
        best = max(best, _largest_squared(positions[plane]))
    return math.sqrt(best)


def all_diameters(padded: np.ndarray, spacing: np.ndarray) -> tuple[float, float, float, float]:
    """Return the largest distances in mm between vertices of equal z, of equal y, of equal x, and of any.

    Parameters
    ----------
    padded : (z, y, x) bool
        The region's mask with at least one voxel of background on every side.
    spacing : (3,) float
        Voxel spacing in mm, (z, y, x).
    """
    if kernel_name() == "numba":
        from .kernels import numba_mesh

        (z, y, x), corners = numba_mesh.outermost(np.ascontiguousarray(padded), spacing)
        return float(z), float(y), float(x), maximum_diameter(corners, spacing)
    vertices = mesh.vertices(padded)
    z, y, x = (maximum_planar_diameter(vertices, spacing, axis) for axis in range(3))
    return z, y, x, maximum_diameter(vertices, spacing)
