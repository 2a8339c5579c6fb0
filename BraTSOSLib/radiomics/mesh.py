"""The triangle mesh around a region, by marching cubes over its binary mask.

Vertices lie half-way between a voxel of the region and one outside. Values are made equal to pyradiomics' to the last
bit where the compiler of its C code kept the order of operations: same table, same arithmetic, same order of sums.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .kernels import kernel_name
from .mesh_table import CORNERS, edge_midpoints, triangle_table

_tables = lru_cache(maxsize=1)(triangle_table)


def _running_sum(terms: np.ndarray) -> float:
    """Sum in the order given; ``np.sum`` adds pairwise, which rounds differently from a plain loop."""
    return float(np.cumsum(terms)[-1])


def _cube_numbers(padded: np.ndarray) -> np.ndarray:
    """Return for every cube of 2 x 2 x 2 voxels the number whose bit ``k`` says that corner ``k`` is in the region."""
    size = tuple(n - 1 for n in padded.shape)
    numbers = np.zeros(size, dtype=np.uint8)
    for bit, (z, y, x) in enumerate(CORNERS):
        corner = padded[z : z + size[0], y : y + size[1], x : x + size[2]]
        numbers |= corner.astype(np.uint8) << np.uint8(bit)
    return numbers


def _cross(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        a[:, 1] * b[:, 2] - b[:, 1] * a[:, 2],
        a[:, 2] * b[:, 0] - b[:, 2] * a[:, 0],
        a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1],
    )


def surface_and_volume(padded: np.ndarray, spacing: np.ndarray) -> tuple[float, float]:
    """Return the surface area and the volume of the mesh around a region.

    Parameters
    ----------
    padded : (z, y, x) bool
        The region's mask with at least one voxel of background on every side.
    spacing : (3,) float
        Voxel spacing in mm, (z, y, x).

    Returns
    -------
    area : float
        A = Σ ½ |(a - c) x (b - c)| over the triangles abc, in mm².
    volume : float
        V = Σ (a x b) · c / 6, signed by which side of a triangle is inside, in mm³.
    """
    if kernel_name() == "numba":
        from .kernels import numba_mesh

        table, counts = _tables()
        return numba_mesh.surface_and_volume(
            np.ascontiguousarray(padded), spacing, np.array(CORNERS), edge_midpoints(), table, counts
        )
    return _surface_and_volume(padded, spacing)


def _surface_and_volume(padded: np.ndarray, spacing: np.ndarray) -> tuple[float, float]:
    numbers = _cube_numbers(padded)
    cubes = np.argwhere((numbers != 0) & (numbers != 255))
    active = numbers[tuple(cubes.T)]
    # Cubes with corner 7 inside are looked up as their complement, whose triangles face the other way.
    mirrored = active >= 128
    active = np.where(mirrored, ~active, active)

    table, counts = _tables()
    per_cube = counts[active]
    of_cube = np.repeat(np.arange(len(cubes)), per_cube)
    first = np.cumsum(per_cube) - per_cube
    row = np.arange(len(of_cube)) - first[of_cube]
    edges = table[active[of_cube], row]

    origins = cubes[of_cube].astype(float)
    midpoints = edge_midpoints()
    a, b, c = ((origins + midpoints[edges[:, corner]]) * spacing for corner in range(3))
    n0, n1, n2 = _cross(a, b)
    signs = np.where(mirrored[of_cube], -1.0, 1.0)
    volume = _running_sum(signs * (n0 * c[:, 0] + n1 * c[:, 1] + n2 * c[:, 2])) / 6
    n0, n1, n2 = _cross(a - c, b - c)
    area = _running_sum(0.5 * np.sqrt(n0 * n0 + n1 * n1 + n2 * n2))
    return area, volume


def vertices(padded: np.ndarray) -> np.ndarray:
    """Return the mesh's vertices in half voxels, (n, 3) int, (z, y, x): one for each voxel face of the surface.

    ``padded`` is as in :func:`surface_and_volume`.
    """
    found = []
    for axis in range(3):
        points = 2 * np.argwhere(np.diff(padded, axis=axis))
        points[:, axis] += 1
        found.append(points)
    return np.concatenate(found)
