"""The three anatomical planes in the radiological convention, cut from arrays turned by ``orientation.to_lps``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry import Geometry
from ..orientation import lps_axes

OBLIQUE_DEGREES = 10.0
"""From this tilt on, a view along the grid is named oblique."""


@dataclass(frozen=True)
class Plane:
    """One anatomical plane.

    Attributes
    ----------
    name : str
    axis : int
        The axis of the (S, P, L) array that the plane is perpendicular to.
    marks : (left, right, top, bottom)
        The side of the patient at each edge of the picture.
    counted : str
        Where the counting of slices starts.
    """

    name: str
    axis: int
    marks: tuple[str, str, str, str]
    counted: str


AXIAL = Plane("axial", 0, ("R", "L", "A", "P"), "from the feet")
CORONAL = Plane("coronal", 1, ("R", "L", "S", "I"), "from the front")
SAGITTAL = Plane("sagittal", 2, ("A", "P", "S", "I"), "from the right")


def tilt_degrees(geometry: Geometry) -> float:
    """Return the largest angle in degrees between an index axis and the anatomical axis that it stands for."""
    cosines = np.asarray(geometry.direction, dtype=float).reshape(3, 3)
    along = [abs(float(cosines[world, index])) for world, index in enumerate(lps_axes(geometry)[0])]
    return float(np.degrees(np.arccos(min(1.0, min(along)))))


def take_plane(volume: np.ndarray, plane: Plane, index: int) -> np.ndarray:
    """Return slice ``index`` of an (S, P, L) array as a picture: row 0 is its top edge, column 0 its left one."""
    picture = np.take(volume, index, axis=plane.axis)
    # Axial rows already run front to back; the other two planes have the head on top.
    return picture if plane.axis == 0 else picture[::-1]


def plane_spacing(spacing: tuple[float, float, float], plane: Plane) -> tuple[float, float]:
    """Return the (row, column) spacing in mm of a picture by ``take_plane``, given the array's (x, y, z) spacing."""
    rest = [value for axis, value in enumerate(reversed(spacing)) if axis != plane.axis]
    return rest[0], rest[1]
