"""The verbs on real MRML nodes: labels there and back, refusals, and an unharmed scene."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from BraTSOSModule import segmentations
from BraTSOSModule.geometry import ijkToRas
from BraTSOSModule.volumes import caseName

from BraTSOSLib.errors import InputError
from BraTSOSLib.labels import COLOURS

FLIPPED = np.array([[0, 0, 2, -5], [-0.7, 0, 0, 6], [0, 1.1, 0, 7], [0, 0, 0, 1.0]])
ORIENTATIONS = {
    "identity": np.eye(4),
    "brats": np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    "oblique": np.array([[0.8, -0.6, 0, 10], [0.6, 0.8, 0, -20], [0, 0, 1.5, 30], [0, 0, 0, 1.0]]),
    "flipped": FLIPPED,
}


def nodeCount():
    return slicer.mrmlScene.GetNumberOfNodes()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_labels_survive_the_round_trip(make_volumes, logic, runner, orientation):
    volumes = make_volumes(ORIENTATIONS[orientation])
    segmentation = logic.segment(*volumes)
    expected = runner.segment(runner.case)
    logic.predict(segmentation, age=60)
    assert set(np.unique(expected)) == {0, 1, 2, 4}
    np.testing.assert_array_equal(runner.labels, expected)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_segments_lie_where_the_voxels_lie_in_space(make_volumes, logic, runner, orientation):
    """The round trip alone would not notice a grid that is wrong twice: compare positions in RAS."""
    scan = np.zeros((4, 6, 8, 10), np.float32)
    for index in range(4):
        scan[index, 0, 0, index] = 1  # four different scans
    scan[1, 4, 2, 7] = 95  # ET in one voxel (z, y, x)
    volumes = make_volumes(ORIENTATIONS[orientation], arrays=scan)
    segmentation = logic.segment(*volumes)
    centre = np.array(segmentation.GetSegmentCenterRAS("ET"))
    np.testing.assert_allclose(centre, (ijkToRas(volumes[1]) @ [7, 2, 4, 1])[:3], atol=1e-6)


def test_segments_are_named_coloured_and_reference_the_volumes(make_volumes, logic):
    volumes = make_volumes()
    segmentation = logic.segment(*volumes)
    assert segmentation.GetName() == "Case_1 segmentation"
    inside = segmentation.GetSegmentation()
    assert [inside.GetNthSegment(i).GetName() for i in range(inside.GetNumberOfSegments())] == ["NCR", "ED", "ET"]
    for region, colour in COLOURS.items():
        np.testing.assert_allclose(inside.GetSegment(region).GetColor(), colour, atol=1e-6)
    assert segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole()) is volumes[1]
    assert list(segmentations.volumesOf(segmentation).values()) == volumes
    assert segmentation.GetDisplayNode() is not None


def test_an_empty_tumour_gives_three_empty_segments(make_volumes, logic, runner):
    runner.segment = lambda case, **_: np.zeros(case.volumes["t1"].shape, np.uint8)
    segmentation = logic.segment(*make_volumes())
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 3
    logic.predict(segmentation, age=60)
    assert not runner.labels.any()
    assert logic.regionVolumes(segmentation)["WT"]["ml"] == 0


def test_predict_uses_the_segmentation_as_it_is_now(make_volumes, logic, runner):
    volumes = make_volumes()
    segmentation = logic.segment(*volumes)
    corrected = np.zeros((6, 8, 10), np.uint8)
    corrected[2:4, 3:5, 4:8] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(corrected, segmentation, "ET", volumes[1])
    logic.predict(segmentation, age=60, resection="gtr")
    np.testing.assert_array_equal(runner.labels == 4, corrected == 1)
    assert runner.clinical.resection == "GTR"
    segmentation.GetSegmentation().RemoveSegment("ED")
    logic.predict(segmentation, age=60)
    assert set(np.unique(runner.labels)) <= {0, 1, 4}


def test_where_segments_overlap_the_inner_region_wins(make_volumes, logic, runner):
    volumes = make_volumes()
    segmentation = logic.segment(*volumes)
    inside = segmentation.GetSegmentation()
    inside.SeparateSegmentLabelmap("ED")
    inside.SeparateSegmentLabelmap("ET")
    for region, extent in (("ED", 8), ("ET", 3), ("NCR", 0)):
        mask = np.zeros((6, 8, 10), np.uint8)
        mask[:, :, :extent] = 1
        image = segmentations.orientedImage(mask, volumes[1])
        slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, segmentation, region)
        inside.SeparateSegmentLabelmap(region)
    both = [slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, r, volumes[1]).sum() for r in ("ED", "ET")]
    assert both == [6 * 8 * 8, 6 * 8 * 3]
    logic.predict(segmentation, age=60)
    assert (runner.labels[:, :, :3] == 4).all() and (runner.labels[:, :, 3:8] == 2).all()


def test_renamed_segments_are_found_and_unknown_ones_named(make_volumes, logic, runner):
    volumes = make_volumes()
    segmentation = logic.segment(*volumes)
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
    other.GetSegmentation().AddEmptySegment("s1", "Segment_1")
    with pytest.raises(InputError, match=r"No segment of Drawn is known to be NCR, ED or ET .it has Segment_1."):
        logic.predict(other, age=60, volumes=segmentations.volumesOf(segmentation))
    other.GetSegmentation().GetSegment("s1").SetName("et")
    logic.predict(other, age=60, volumes=segmentations.volumesOf(segmentation))
    assert not runner.labels.any()


def test_a_transform_on_all_volumes_is_kept(make_volumes, logic, runner):
    volumes = make_volumes()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25)
    transform.SetMatrixTransformToParent(matrix)
    for volume in volumes:
        volume.SetAndObserveTransformNodeID(transform.GetID())
    segmentation = logic.segment(*volumes)
    expected = runner.segment(runner.case)
    assert segmentation.GetParentTransformNode() is transform
    logic.predict(segmentation, age=60)
    np.testing.assert_array_equal(runner.labels, expected)
    volumes[2].SetAndObserveTransformNodeID(None)
    with pytest.raises(InputError, match="Case_1_t2 is under another transform"):
        logic.segment(*volumes)


def test_the_case_is_named_after_what_the_names_share():
    assert caseName(["A_1_t1", "A_1_t1ce", "A_1_t2", "A_1_flair"], "x") == "A_1"
    assert caseName(["B-00-t1n", "B-00-t1c", "B-00-t2w", "B-00-t2f"], "x") == "B-00"
    assert caseName(["T1", "T1ce", "T2", "FLAIR"], "T1ce") == "T1ce"
    assert caseName(["T1", "T1ce", "T2", "T2FLAIR"], "T1ce") == "T1ce"


def test_the_case_owns_its_voxels(make_volumes, logic, runner):
    volumes = make_volumes()
    logic.segment(*volumes)
    runner.case.volumes["t1"][:] = -1
    assert slicer.util.arrayFromVolume(volumes[0]).min() >= 0


def spoil_nan(volumes):
    slicer.util.arrayFromVolume(volumes[2])[0, 0, 0] = np.nan


def spoil_constant(volumes):
    slicer.util.arrayFromVolume(volumes[3])[:] = 0


def spoil_copy(volumes):
    slicer.util.arrayFromVolume(volumes[3])[:] = slicer.util.arrayFromVolume(volumes[0])


def spoil_grid(volumes):
    volumes[3].SetOrigin(0, 0, 31)


def spoil_size(volumes):
    slicer.util.updateVolumeFromArray(volumes[0], np.random.default_rng(0).random((6, 8, 9)))


def spoil_flat(volumes):
    slicer.util.updateVolumeFromArray(volumes[0], np.random.default_rng(0).random((1, 8, 10)))


def spoil_no_voxels(volumes):
    volumes[1].SetAndObserveImageData(None)


def spoil_twice(volumes):
    volumes[3] = volumes[2]


def spoil_missing(volumes):
    volumes[0] = None


def spoil_label_map(volumes):
    volumes[0] = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_nan, "Case_1_t2 .T2. holds NaN"),
        (spoil_constant, "Case_1_flair .FLAIR. is empty"),
        (spoil_copy, "Case_1_t1 and Case_1_flair hold exactly the same"),
        (spoil_grid, "Case_1_flair is not on the grid of Case_1_t1ce: origin"),
        (spoil_size, "Case_1_t1 is not on the grid of Case_1_t1ce: size"),
        (spoil_flat, "Case_1_t1 .T1. is not 3-D"),
        (spoil_no_voxels, "Case_1_t1ce .T1CE. has no voxels"),
        (spoil_twice, "Case_1_t2 is selected both as T2 and as FLAIR"),
        (spoil_missing, "No T1 volume is selected"),
        (spoil_label_map, "Labels .T1. is no scalar volume"),
    ],
)
def test_unusable_volumes_are_named_and_the_scene_is_unharmed(make_volumes, logic, runner, spoil, message):
    volumes = make_volumes()
    spoil(volumes)
    before = nodeCount()
    with pytest.raises(InputError, match=message):
        logic.segment(*volumes)
    assert runner.case is None
    assert nodeCount() == before


def test_a_failure_while_the_segmentation_is_built_leaves_nothing_behind(make_volumes, logic, monkeypatch):
    volumes = make_volumes()
    before = nodeCount()

    def fail(node, reference):
        raise RuntimeError("half-way")

    monkeypatch.setattr(segmentations, "putBeside", fail)
    with pytest.raises(RuntimeError, match="half-way"):
        logic.segment(*volumes)
    assert nodeCount() == before


def test_predict_reads_without_changing_the_scene(make_volumes, logic):
    segmentation = logic.segment(*make_volumes())
    before = nodeCount()
    logic.predict(segmentation, age=60)
    logic.regionVolumes(segmentation)
    assert nodeCount() == before


@pytest.mark.parametrize(("age", "resection"), [(-3, "GTR"), (300, "GTR"), (60, "partial")])
def test_clinical_values_out_of_range_are_refused(make_volumes, logic, runner, age, resection):
    segmentation = logic.segment(*make_volumes())
    with pytest.raises(InputError):
        logic.predict(segmentation, age=age, resection=resection)
    assert runner.clinical is None


def test_predict_says_what_it_lacks(make_volumes, logic):
    with pytest.raises(InputError, match="No segmentation is selected"):
        logic.predict(None, age=60)
    volumes = make_volumes()
    segmentation = logic.segment(*volumes)
    slicer.mrmlScene.RemoveNode(volumes[2])
    with pytest.raises(InputError, match="no longer in the scene"):
        logic.predict(segmentation, age=60)


def test_the_segmentation_survives_saving_and_loading_the_scene(make_volumes, logic, runner, tmp_path):
    logic.segment(*make_volumes())
    expected = runner.segment(runner.case)
    path = str(tmp_path / "scène 1.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    slicer.mrmlScene.Clear()
    assert slicer.mrmlScene.ReadFromMRB(path)
    segmentation = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    logic.predict(segmentation, age=60)
    np.testing.assert_array_equal(runner.labels, expected)
