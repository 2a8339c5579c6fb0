"""Voxel grids: Slicer's IJK-to-RAS matrices and the library's LPS geometry."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from BraTSOSLib.errors import InputError
from BraTSOSLib.geometry import GRID_TOLERANCE, Geometry

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def ijkToRas(volume) -> np.ndarray:
    """Return the 4 x 4 matrix from voxel indices (i, j, k) to RAS in mm; parent transforms are left out."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def volumeGeometry(volume) -> Geometry:
    """Return the grid of a volume node in the library's convention (LPS, direction cosines by rows).

    Raises
    ------
    InputError
        If the axes are not perpendicular, as in a tilted-gantry scan: the library has no word for such a grid.
    """
    matrix = _RAS_TO_LPS @ ijkToRas(volume)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not (np.isfinite(matrix).all() and (spacing > 0).all()):
        raise InputError(
            _("The volume {name} has no valid voxel spacing: check its Volumes information.").format(
                name=volume.GetName()
            )
        )
    direction = matrix[:3, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=GRID_TOLERANCE):
        raise InputError(
            _("The axes of {name} are not perpendicular: resample it to a regular grid first.").format(
                name=volume.GetName()
            )
        )
    return Geometry(
        size=tuple(int(n) for n in volume.GetImageData().GetDimensions()),
        spacing=tuple(float(s) for s in spacing),
        origin=tuple(float(o) for o in matrix[:3, 3]),
        direction=tuple(float(d) for d in direction.ravel()),
    )
