"""pyradiomics' nine shape features of a region that is one voxel thick, in its plane.

Symbols: N pixels of area a = spacing_y · spacing_x; outline of length P around the area A, by marching squares: its
corners lie half-way between a pixel of the region and one outside; λ1 ≥ λ2 the eigenvalues of the covariance of the
pixel centres' positions (population covariance, mm²).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..errors import InputError
from .box import bounding_box
from .diameters import largest_distance
from .registry import Registry
from .shape import axis_length, axis_ratio, covariance_eigenvalues

SHAPE2D: Registry[PlanarShape] = Registry()
"""The planar shape features by name."""

# The corners of a square of four pixels and, on the way from each to the next, the middle of its edge; (y, x).
_CORNERS = ((0, 0), (0, 1), (1, 1), (1, 0))
_EDGES = np.array([(0, 0.5), (0.5, 1), (1, 0.5), (0.5, 0)])


def _lines(square: int) -> list[tuple[int, int]]:
    """Return the lines of the outline through a square, whose bit k says that corner k is inside, as pairs of edges.

    A line cuts off corners inside that follow one another, in the order of the corners; two opposite corners are cut
    off one by one.
    """
    inside = [bool(square >> corner & 1) for corner in range(4)]
    lines = []
    for start in range(4):
        corner = (start + 1) % 4
        if inside[start] or not inside[corner]:
            continue
        while inside[(corner + 1) % 4]:
            corner = (corner + 1) % 4
        lines.append((start, corner))
    return lines


_LINES = [_lines(square) for square in range(16)]


def compute(mask: np.ndarray, spacing: tuple[float, float, float] | np.ndarray, axis: int = 0) -> dict[str, float]:
    """Return the features of a region, sorted by name.

    Parameters
    ----------
    mask : (z, y, x) bool
        The region; at least one voxel, all of one index along ``axis``.
    spacing : three floats
        Voxel spacing in mm, (z, y, x).
    axis : int
        The axis across the plane (pyradiomics: ``force2Ddimension``).

    Raises
    ------
    InputError
        If the region is more than one voxel thick along ``axis``.
    """
    cropped = mask[bounding_box(mask)]
    if cropped.shape[axis] != 1:
        raise InputError(
            f"The region is {cropped.shape[axis]} voxels thick along axis {axis}; shape2D needs a region in one slice."
        )
    in_plane = [other for other in range(3) if other != axis]
    with np.errstate(all="ignore"):
        return SHAPE2D.compute(PlanarShape(cropped.squeeze(axis), np.asarray(spacing, dtype=float)[in_plane]))


class PlanarShape:
    """A planar region's mask and what several features need of it, computed once.

    Parameters
    ----------
    mask : (y, x) bool
        The region in its bounding box.
    spacing : (2,) float
        Pixel spacing in mm, (y, x).
    """

    def __init__(self, mask: np.ndarray, spacing: np.ndarray) -> None:
        self.padded = np.pad(mask, 1)
        self.spacing = spacing

    @cached_property
    def pixels(self) -> np.ndarray:
        """Indices of the region's pixels, (N, 2), (y, x)."""
        return np.argwhere(self.padded)

    @cached_property
    def outline(self) -> tuple[np.ndarray, np.ndarray]:
        """The two ends of every line of the outline in mm, two (n, 2), in the order of the squares."""
        rows, columns = (size - 1 for size in self.padded.shape)
        squares = np.zeros((rows, columns), dtype=int)
        for bit, (y, x) in enumerate(_CORNERS):
            squares |= self.padded[y : y + rows, x : x + columns].astype(int) << bit
        origins, lines = [], []
        for y, x in np.argwhere((squares > 0) & (squares < 15)):
            for line in _LINES[squares[y, x]]:
                origins.append((y, x))
                lines.append(line)
        at, edges = np.array(origins, dtype=float), np.array(lines)
        return (at + _EDGES[edges[:, 0]]) * self.spacing, (at + _EDGES[edges[:, 1]]) * self.spacing

    @cached_property
    def area(self) -> float:
        """A in mm²."""
        a, b = self.outline
        return float(np.cumsum(a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1])[-1]) / 2

    @cached_property
    def perimeter(self) -> float:
        """P in mm."""
        a, b = self.outline
        steps = (a - b) ** 2
        return float(np.cumsum(np.sqrt(steps[:, 0] + steps[:, 1]))[-1])

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        """Eigenvalues of the covariance of the pixel centres, ascending, in mm²."""
        return covariance_eigenvalues(self.pixels * self.spacing)


@SHAPE2D.feature("MeshSurface", ibsi=None, formula="A")
def _mesh_surface(region: PlanarShape) -> float:
    return region.area


@SHAPE2D.feature("PixelSurface", ibsi=None, formula="N · a")
def _pixel_surface(region: PlanarShape) -> float:
    y, x = region.spacing
    return len(region.pixels) * (x * y)


@SHAPE2D.feature("Perimeter", ibsi=None, formula="P")
def _perimeter(region: PlanarShape) -> float:
    return region.perimeter


@SHAPE2D.feature("PerimeterSurfaceRatio", ibsi=None, formula="P / A")
def _perimeter_surface_ratio(region: PlanarShape) -> float:
    return region.perimeter / region.area if region.area else np.nan


@SHAPE2D.feature("Sphericity", ibsi=None, formula="2 √(π A) / P")
def _sphericity(region: PlanarShape) -> float:
    return (2 * np.sqrt(np.pi * region.area)) / region.perimeter


@SHAPE2D.feature("MaximumDiameter", ibsi=None, formula="largest distance between two corners of the outline")
def _maximum_diameter(region: PlanarShape) -> float:
    corners = []
    for axis in range(2):
        points = 2 * np.argwhere(np.diff(region.padded, axis=axis))
        points[:, axis] += 1
        corners.append(points)
    return largest_distance(np.concatenate(corners), region.spacing)


@SHAPE2D.feature("MajorAxisLength", ibsi=None, formula="4 √λ1")
def _major_axis_length(region: PlanarShape) -> float:
    return axis_length(region.eigenvalues[1])


@SHAPE2D.feature("MinorAxisLength", ibsi=None, formula="4 √λ2")
def _minor_axis_length(region: PlanarShape) -> float:
    return axis_length(region.eigenvalues[0])


@SHAPE2D.feature("Elongation", ibsi=None, formula="√(λ2 / λ1)")
def _elongation(region: PlanarShape) -> float:
    return axis_ratio(region.eigenvalues[0], region.eigenvalues[1])
