"""pyradiomics' fourteen shape features of a region in three dimensions.

Symbols: N voxels of volume v = spacing_x · spacing_y · spacing_z; mesh of area A and volume V (``mesh.py``);
λ1 ≥ λ2 ≥ λ3 the eigenvalues of the covariance of the voxel centres' positions (population covariance, mm²).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from . import mesh
from .box import bounding_box
from .diameters import all_diameters
from .registry import Registry

SHAPE: Registry[Shape] = Registry()
"""The shape features by name."""

# Rounding can make the smallest eigenvalue of a flat region negative; pyradiomics takes up to this for zero.
_EIGENVALUE_TOLERANCE = 1e-10


class Shape:
    """A region's mask and what several features need of it, computed once.

    Parameters
    ----------
    mask : (z, y, x) bool
        The region; at least one voxel.
    spacing : three floats
        Voxel spacing in mm, (z, y, x).
    """

    def __init__(self, mask: np.ndarray, spacing: tuple[float, float, float] | np.ndarray) -> None:
        # Positions count from the corner of the bounding box, as in pyradiomics, so that they round alike.
        self.padded = np.pad(mask[bounding_box(mask)], 1)
        self.spacing = np.asarray(spacing, dtype=float)

    @cached_property
    def voxels(self) -> np.ndarray:
        """Indices of the region's voxels, (N, 3), (z, y, x)."""
        return np.argwhere(self.padded)

    @cached_property
    def area_and_volume(self) -> tuple[float, float]:
        """The mesh's surface area in mm² and volume in mm³."""
        return mesh.surface_and_volume(self.padded, self.spacing)

    @cached_property
    def diameters(self) -> tuple[float, float, float, float]:
        """The largest distances in mm between vertices of equal z, of equal y, of equal x, and of any."""
        return all_diameters(self.padded, self.spacing)

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        """Eigenvalues of the covariance of the voxel centres, ascending, in mm²."""
        return covariance_eigenvalues(self.voxels * self.spacing)


def covariance_eigenvalues(positions: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of the covariance of ``positions`` (N, dimensions) in mm, ascending, in mm².

    Where two are zero, as in a region on a line, rounding can make them a pair of complex numbers around 1e-16.
    """
    positions = positions - positions.mean(axis=0)
    positions /= np.sqrt(len(positions))
    # The general solver on a product with a copy: what pyradiomics does, hence the same rounding.
    values = np.linalg.eigvals(np.dot(positions.T.copy(), positions))
    values[(values < 0) & (values > -_EIGENVALUE_TOLERANCE)] = 0
    return np.sort(values)


def axis_length(eigenvalue: complex) -> float:
    """Return the length 4 √λ of a principal axis in mm; NaN for a negative eigenvalue."""
    return float(np.real(4 * np.sqrt(eigenvalue))) if eigenvalue >= 0 else np.nan  # type: ignore[operator]


def axis_ratio(smaller: complex, larger: complex) -> float:
    """Return the square root of the ratio; NaN for a single voxel, whose eigenvalues are all zero."""
    defined = smaller >= 0 and larger > 0  # type: ignore[operator]
    return float(np.real(np.sqrt(smaller / larger))) if defined else np.nan


@SHAPE.feature("VoxelVolume", ibsi="YEKZ", formula="N · v")
def _voxel_volume(region: Shape) -> float:
    z, y, x = region.spacing
    return len(region.voxels) * (z * x * y)


@SHAPE.feature("MeshVolume", ibsi="RNU0", formula="V")
def _mesh_volume(region: Shape) -> float:
    return region.area_and_volume[1]


@SHAPE.feature("SurfaceArea", ibsi="C0JK", formula="A")
def _surface_area(region: Shape) -> float:
    return region.area_and_volume[0]


@SHAPE.feature("SurfaceVolumeRatio", ibsi="2PR5", formula="A / V")
def _surface_volume_ratio(region: Shape) -> float:
    area, volume = region.area_and_volume
    # The table leaves holes in the mesh where voxels touch at edges only, so a few loose voxels can add up to 0.
    return area / volume if volume else np.nan


@SHAPE.feature("Sphericity", ibsi="QCFX", formula="(36 π V²)^(1/3) / A")
def _sphericity(region: Shape) -> float:
    area, volume = region.area_and_volume
    return (36 * np.pi * volume**2) ** (1 / 3) / area


@SHAPE.feature("Maximum3DDiameter", ibsi="L0JK", formula="largest distance between two vertices of the mesh")
def _maximum_3d_diameter(region: Shape) -> float:
    return region.diameters[3]


@SHAPE.feature("Maximum2DDiameterSlice", ibsi=None, formula="largest distance between two vertices of equal z")
def _maximum_2d_diameter_slice(region: Shape) -> float:
    return region.diameters[0]


@SHAPE.feature("Maximum2DDiameterColumn", ibsi=None, formula="largest distance between two vertices of equal y")
def _maximum_2d_diameter_column(region: Shape) -> float:
    return region.diameters[1]


@SHAPE.feature("Maximum2DDiameterRow", ibsi=None, formula="largest distance between two vertices of equal x")
def _maximum_2d_diameter_row(region: Shape) -> float:
    return region.diameters[2]


@SHAPE.feature("MajorAxisLength", ibsi="TDIC", formula="4 √λ1")
def _majoraxis_length(region: Shape) -> float:
    return axis_length(region.eigenvalues[2])


@SHAPE.feature("MinorAxisLength", ibsi="P9VJ", formula="4 √λ2")
def _minoraxis_length(region: Shape) -> float:
    return axis_length(region.eigenvalues[1])


@SHAPE.feature("LeastAxisLength", ibsi="7J51", formula="4 √λ3")
def _leastaxis_length(region: Shape) -> float:
    return axis_length(region.eigenvalues[0])


@SHAPE.feature("Elongation", ibsi="Q3CK", formula="√(λ2 / λ1)")
def _elongation(region: Shape) -> float:
    return axis_ratio(region.eigenvalues[1], region.eigenvalues[2])


@SHAPE.feature("Flatness", ibsi="N17B", formula="√(λ3 / λ1)")
def _flatness(region: Shape) -> float:
    return axis_ratio(region.eigenvalues[0], region.eigenvalues[2])
