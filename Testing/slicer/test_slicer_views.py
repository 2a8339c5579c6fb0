"""The segmentation in Slicer's own slice and 3D views, drawn without a display."""

from __future__ import annotations

import numpy as np
import pytest
import vtk
from BraTSOSModule import segmentations
from slicerharness.views import save_3d, save_slice

from BraTSOSLib.case import MODALITIES
from BraTSOSLib.labels import COLOURS


@pytest.fixture
def segmentation(make_volumes):
    """A cube of ET within one of ED, on scans of 1 mm."""
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[8:32, 8:32, 8:32], labels[14:26, 14:26, 14:26] = 2, 4
    scans = np.random.default_rng(0).uniform(40, 60, (4, 40, 40, 40)).astype(np.float32)
    volumes = dict(zip(MODALITIES, make_volumes(np.eye(4), arrays=scans), strict=True))
    volumes["t1ce"].CreateDefaultDisplayNodes()
    return segmentations.segmentationFromLabels(labels, "Case", volumes)


def pixels(path):
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(path))
    reader.Update()
    image = reader.GetOutput()
    array = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    width, height, _depth = image.GetDimensions()
    return array.reshape(height, width, -1)[..., :3].astype(float) / 255


def test_a_slice_shows_the_segments_in_their_colours(segmentation, tmp_path):
    segmentation.GetDisplayNode().SetOpacity2DFill(1.0)
    volume = segmentations.volumesOf(segmentation)["t1ce"]
    save_slice(tmp_path / "slice.png", volume, "Axial", (20, 20, 20), size=(120, 120))
    picture = pixels(tmp_path / "slice.png")
    np.testing.assert_allclose(picture[60, 60], COLOURS["ET"], atol=0.05)
    found = np.abs(picture - COLOURS["ED"]).max(axis=-1) < 0.05
    assert 0.1 < found.mean() < 0.5
    grey = np.ptp(picture, axis=-1) < 0.02
    assert (grey & (picture[..., 0] > 0.05)).mean() > 0.2


def test_surfaces_are_drawn_and_the_oedema_is_translucent(segmentation, tmp_path):
    segmentations.show3D(segmentation, True)
    save_3d(tmp_path / "surfaces.png", (120, 120))
    assert segmentation.GetDisplayNode().GetSegmentOpacity3D("ED") == segmentations.OEDEMA_OPACITY
    picture = pixels(tmp_path / "surfaces.png")
    drawn = np.abs(picture - picture[:, :1]).max(axis=-1) > 0.05  # the background changes from row to row alone
    assert drawn.mean() > 0.1
