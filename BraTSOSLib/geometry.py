"""Where a voxel grid lies in space, and in what two grids differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRID_TOLERANCE = 1e-3
"""Spacing and origin (mm) and direction cosines that differ by no more are the same; headers hold rounded numbers."""


@dataclass(frozen=True)
class Geometry:
    """Where a voxel grid lies in space, in SimpleITK's conventions.

    Attributes
    ----------
    size : (x, y, z) number of voxels
    spacing : (x, y, z) voxel spacing in mm
    origin : (x, y, z) of the first voxel's centre in mm, LPS
    direction : nine numbers, the row-major 3 x 3 direction cosines
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel in mm³."""
        return float(np.prod(self.spacing))


def grid_differences(grid: Geometry, reference: Geometry, tolerance: float = GRID_TOLERANCE) -> list[str]:
    """Say in what ``grid`` differs from ``reference``, one phrase for each of size, spacing, origin and direction."""
    found: list[str] = []
    if grid.size != reference.size:
        found.append(f"size {_product(grid.size)} against {_product(reference.size)} voxels")
    pairs = (("spacing", " mm"), ("origin", " mm"), ("direction", ""))
    for name, unit in pairs:
        mine, theirs = getattr(grid, name), getattr(reference, name)
        largest = float(np.max(np.abs(np.subtract(mine, theirs))))
        if largest > tolerance:
            found.append(f"{name} {_numbers(mine)} against {_numbers(theirs)}{unit}, off by up to {largest:.4g}{unit}")
    return found


def _product(size: tuple[int, ...]) -> str:
    return " × ".join(str(extent) for extent in size)


def _numbers(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in values) + ")"
