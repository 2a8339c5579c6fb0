"""Voxel grids between Slicer's RAS and the library's LPS, for any orientation."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from BraTSOSModule.geometry import ijkToRas, volumeGeometry

from BraTSOSLib.errors import InputError

CASES = {
    "identity": np.eye(4),
    "brats": np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    "oblique": np.array([[0.8, -0.6, 0, 10], [0.6, 0.8, 0, -20], [0, 0, 1.5, 30], [0, 0, 0, 1.0]]),
    "left-handed": np.array([[0, 0, 2, -5], [0.7, 0, 0, 6], [0, 1.1, 0, 7], [0, 0, 0, 1.0]]) * [1, -1, 1, 1],
}


@pytest.fixture(params=CASES)
def matrix(request):
    return CASES[request.param]


def test_geometry_places_voxels_where_slicer_does(scene, matrix):
    volume = slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.float32), ijkToRAS=matrix)
    geometry = volumeGeometry(volume)
    ijk = np.array([3, 2, 1.0])
    direction = np.reshape(geometry.direction, (3, 3))
    lps = np.array(geometry.origin) + direction @ (np.array(geometry.spacing) * ijk)
    ras = (ijkToRas(volume) @ [*ijk, 1])[:3]
    np.testing.assert_allclose(lps, ras * [-1, -1, 1], atol=1e-9)
    assert geometry.size == (6, 5, 4)
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("orientation", ["identity", "brats", "oblique"])
def test_geometry_agrees_with_the_same_image_read_from_a_file(scene, orientation, tmp_path):
    """ITK's reader, which the library uses, and Slicer's must give the library the same grid.

    Not so where the axes are left-handed: Slicer's reader turns such a file's slices round.
    """
    matrix = CASES[orientation]
    sitk = pytest.importorskip("SimpleITK")
    from BraTSOSLib.images import read_image

    array = np.random.default_rng(1).random((4, 5, 6)).astype(np.float32)
    volume = slicer.util.addVolumeFromArray(array, ijkToRAS=matrix)
    geometry = volumeGeometry(volume)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    loaded = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "loaded")
    loaded.AddDefaultStorageNode(str(tmp_path / "scan.nrrd"))
    assert loaded.GetStorageNode().ReadData(loaded)
    np.testing.assert_allclose(ijkToRas(loaded), matrix, atol=1e-6)
    read = read_image(tmp_path / "scan.nrrd").geometry
    assert read.size == geometry.size
    np.testing.assert_allclose(read.origin, geometry.origin, atol=1e-6)
    np.testing.assert_allclose(read.direction, geometry.direction, atol=1e-6)


def test_a_sheared_grid_is_refused(scene):
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Tilted")
    slicer.util.updateVolumeFromArray(volume, np.zeros((4, 5, 6), np.float32))
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(sheared))
    with pytest.raises(InputError, match="Tilted are not perpendicular"):
        volumeGeometry(volume)
