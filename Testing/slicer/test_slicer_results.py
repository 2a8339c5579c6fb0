"""What is added to the scene: segments with codes, mapping of other segments, tables, plots, saving and loading."""

from __future__ import annotations

import json
import types
from pathlib import Path

import numpy as np
import pytest
import slicer
from BraTSOSModule import dicomexport, mapping, plots, segmentations, terminology
from BraTSOSModule.paths import resourcePath
from slicerharness.gestures import click, select_volumes, unfold

from BraTSOSLib.labels import COLOURS


@pytest.fixture
def ui(host):
    return host.widget.ui


@pytest.fixture
def segmented(ui, make_volumes):
    """The panel with a segmentation of its own, *Features* open."""
    unfold(ui.featuresCollapsibleButton)
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    return ui.segmentationSelector.currentNode()


def byClass(name):
    return slicer.util.getNodesByClass(name)


def test_the_segments_say_in_dicoms_words_what_they_are(segmented):
    logic = slicer.modules.terminologies.logic()
    for region, (scheme, code, meaning) in terminology.TYPES.items():
        segment = segmented.GetSegmentation().GetSegment(region)
        assert terminology.regionOf(segment) == region
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.DeserializeTerminologyEntry(terminology.entry(region), entry)
        found = entry.GetTypeObject()
        assert (found.GetCodingSchemeDesignator(), found.GetCodeValue(), found.GetCodeMeaning()) == (
            scheme,
            code,
            meaning,
        )


def test_the_terminology_is_loaded_with_the_colours_of_the_segments(host):
    logic = slicer.modules.terminologies.logic()
    assert terminology.load()
    for region, (scheme, code, meaning) in terminology.TYPES.items():
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.FindTypeInTerminologyBy3dSlicerLabel(terminology.CONTEXT, region, entry)
        found = entry.GetTypeObject()
        assert (found.GetCodingSchemeDesignator(), found.GetCodeValue(), found.GetCodeMeaning()) == (
            scheme,
            code,
            meaning,
        )
        assert entry.GetCategoryObject().GetCodeValue() == terminology.CATEGORY[1]
        np.testing.assert_allclose(np.array(found.GetRecommendedDisplayRGBValue()) / 255, COLOURS[region], atol=0.003)


def test_the_terminology_file_holds_the_codes_that_are_used():
    path = resourcePath("Terminology", "SegmentationCategoryTypeModifier-BraTSOS.term.json")
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    assert content["SegmentationCategoryTypeContextName"] == terminology.CONTEXT
    (category,) = content["SegmentationCodes"]["Category"]
    assert (category["CodingSchemeDesignator"], category["CodeValue"]) == terminology.CATEGORY[:2]
    codes = {(one["CodingSchemeDesignator"], one["CodeValue"], one["CodeMeaning"]) for one in category["Type"]}
    assert set(terminology.TYPES.values()) <= codes


def other(*segments):
    """A segmentation from elsewhere: (ID, name) or (ID, name, scheme, code) of each segment."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Imported")
    for identifier, name, *code in segments:
        node.GetSegmentation().AddEmptySegment(identifier, name)
        if code:
            text = f"x~SCT^49755003^M~{code[0]}^{code[1]}^T~^^~x~SCT^12738006^Brain~^^"
            tag = slicer.vtkSegment.GetTerminologyEntryTagName()
            node.GetSegmentation().GetSegment(identifier).SetTag(tag, text)
    return node


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([("a", "Necrotic core"), ("b", "edema"), ("c", "ET")], ("a", "b", "c")),
        ([("a", "x", "SCT", "79654002"), ("b", "y", "SCT", "86049000"), ("c", "z", "SCT", "6574001")], ("c", "a", "b")),
        ([("a", "Segment_1"), ("b", "Segment_2"), ("c", "Segment_4")], ("a", "b", "c")),
        ([("a", "1"), ("b", "2"), ("c", "3")], ("a", "b", "c")),
        ([("a", "Segment_1"), ("b", "Segment_2")], (None, None, None)),
        ([("a", "tumour"), ("b", "Segment_2")], (None, None, None)),
        ([("a", "ED", "NCIt", "C113842"), ("b", "edema")], (None, "b", "a")),  # codes win over names
        ([], (None, None, None)),
    ],
)
def test_segments_of_other_origin_are_recognised(scene, segments, expected):
    assert tuple(mapping.mappingOf(other(*segments)).values()) == expected


def test_the_user_can_say_which_segment_is_which(ui, make_volumes, runner, messages):
    volumes = make_volumes()
    select_volumes(ui, volumes)
    node = other(("a", "tumour"), ("b", "ED"))
    ui.segmentationSelector.setCurrentNode(node)
    assert (ui.ncrSegmentComboBox.currentText, ui.edSegmentComboBox.currentText) == ("none", "ED")
    mask = np.zeros((6, 8, 10), np.uint8)
    mask[2:4, 2:5, 2:6] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, "a", volumes[1])
    choose(ui.etSegmentComboBox, "tumour")
    choose(ui.edSegmentComboBox, "none")
    assert mapping.mappingOf(node) == {"NCR": None, "ED": None, "ET": "a"}
    ui.ageSpinBox.value = 60
    click(ui.predictButton)
    assert messages == []
    np.testing.assert_array_equal(runner.labels == 4, mask == 1)


def choose(box, text):
    """Choose an entry as a user does, which is told from one that the panel sets."""
    box.setCurrentIndex(box.findText(text))
    box.activated.emit(box.currentIndex)


def test_unknown_segments_are_one_sentence(ui, make_volumes, messages):
    select_volumes(ui, make_volumes())
    ui.segmentationSelector.setCurrentNode(other(("a", "lesion")))
    ui.ageSpinBox.value = 60
    click(ui.predictButton)
    assert len(messages) == 1 and "No segment of Imported is known to be NCR, ED or ET (it has lesion)" in messages[0]


def test_a_selected_output_is_filled_again(ui, segmented, runner):
    ui.outputSelector.setCurrentNode(segmented)
    segmented.GetSegmentation().AddEmptySegment("mine", "mine")
    click(ui.segmentButton)
    assert byClass("vtkMRMLSegmentationNode") == [segmented]
    assert list(mapping.segmentsOf(segmented)) == ["NCR", "ED", "ET"]


def test_show_3d_makes_surfaces(ui, segmented):
    click(ui.show3dButton)
    assert segmented.GetSegmentation().ContainsRepresentation("Closed surface")
    assert segmented.GetDisplayNode().GetVisibility3D() and ui.show3dButton.checked
    click(ui.show3dButton)
    assert not segmented.GetDisplayNode().GetVisibility3D() and not ui.show3dButton.checked


def curve(*pairs):
    times, survival = zip(*pairs, strict=True)
    return types.SimpleNamespace(times=times, survival=survival)


def whole_prediction(runner):
    """Everything that a prediction may hold."""
    contribution = types.SimpleNamespace(name="age", label="Age", value=60.0, shown="60 years", effect=0.4)
    other = types.SimpleNamespace(name="kps", label="KPS", value=None, shown="not given", effect=-0.2)
    place = types.SimpleNamespace(
        patients=200, percentile=71.4, neighbours=100, median=410.0,
        similar=curve((0, 1.0), (100, 0.8), (410, 0.5)), population=curve((0, 1.0), (30, 0.9)),
    )  # fmt: skip
    for name, value in {
        "warnings": ("Not for <children>.",), "missing": ("MGMT status",), "days_low": 120.0, "days_high": 900.0,
        "contributions": (contribution, other), "cohort": place,
    }.items():  # fmt: skip
        setattr(runner.prediction, name, value)


def test_everything_that_a_prediction_says_is_shown(ui, segmented, runner):
    whole_prediction(runner)
    ui.ageSpinBox.value = 60
    click(ui.predictButton)
    shown = ui.resultTextBrowser.toPlainText()
    for text in (
        "Not for <children>.", "long (more than 450 days)", "512 days from surgery", "120 to 900 days", "MGMT status",
        "Age: 60 years", "shortens", "KPS: not given", "lengthens", "71 % of the 200", "100 most similar: 410 days",
    ):  # fmt: skip
        assert text in shown, text
    assert shown.index("children") < shown.index("long (more")


def test_the_prediction_is_plotted_and_a_second_one_replaces_it(ui, segmented, runner):
    whole_prediction(runner)
    ui.ageSpinBox.value = 60
    for _repetition in range(2):
        click(ui.predictButton)
        charts = byClass("vtkMRMLPlotChartNode")
        assert [chart.GetTitle() for chart in charts] == [
            "Case_1 segmentation survival category", "Case_1 segmentation survival of similar patients",
        ]  # fmt: skip
        assert len(byClass("vtkMRMLPlotSeriesNode")) == 3
        assert len(byClass("vtkMRMLTableNode")) == 4  # three series, and the volumes
    bars = charts[0].GetNthPlotSeriesNode(0)
    table = bars.GetTableNode().GetTable()
    assert [table.GetValueByName(i, "category").ToString() for i in range(3)] == ["short", "medium", "long"]
    assert [table.GetValueByName(i, "probability").ToDouble() for i in range(3)] == [20, 30, 50]
    steps = charts[1].GetNthPlotSeriesNode(0).GetTableNode().GetTable()
    days = [steps.GetValueByName(i, "days").ToDouble() for i in range(steps.GetNumberOfRows())]
    assert days == [0, 0, 0, 100, 100, 410, 410]
    plots.removePlots(segmented)
    assert byClass("vtkMRMLPlotChartNode") == [] and byClass("vtkMRMLPlotSeriesNode") == []


def test_the_volumes_are_a_table(ui, segmented):
    ui.ageSpinBox.value = 60
    click(ui.predictButton)
    (table,) = [node for node in byClass("vtkMRMLTableNode") if node.GetName().endswith("volumes")]
    assert table.GetTable().GetNumberOfRows() == 5
    assert table.GetTable().GetColumnName(1) == "Volume [mL]"
    assert table.GetTable().GetValue(4, 1).ToDouble() > 0


def test_features_are_tables_as_slicerradiomics_makes_them(ui, segmented, messages):
    click(ui.featuresButton)
    assert messages == []
    tables = [node for node in byClass("vtkMRMLTableNode") if node.GetName().endswith("features")]
    assert [node.GetName() for node in tables] == [f"Case_1_{m} features" for m in ("t1", "t1ce", "t2", "flair")]
    table = tables[1].GetTable()
    assert [table.GetColumnName(i) for i in range(table.GetNumberOfColumns())] == [
        "Image type", "Feature Class", "Feature Name",
        *(f"Case_1 segmentation_segment_{region}" for region in ("NCR", "ED", "ET")),
    ]  # fmt: skip
    assert all(table.GetColumn(i).IsA("vtkStringArray") for i in range(table.GetNumberOfColumns()))


def test_the_parameter_file_is_passed_on(ui, segmented, runner):
    ui.parametersPathLineEdit.currentPath = "/data/Parameter Ü.yaml"
    click(ui.featuresButton)
    assert runner.job.options["parameters"] == "/data/Parameter Ü.yaml"
    assert runner.job.options["segments"] == {"NCR": "NCR", "ED": "ED", "ET": "ET"}


def test_everything_survives_saving_and_loading_the_scene(host, ui, segmented, runner, tmp_path, messages):
    whole_prediction(runner)
    ui.ageSpinBox.value = 61
    ui.mgmtComboBox.setCurrentIndex(ui.mgmtComboBox.findText("methylated"))
    click(ui.predictButton)
    click(ui.featuresButton)
    labels = segmentations.labelsFromSegmentation(segmented, ui.t1ceSelector.currentNode())
    before = {kind: sorted(node.GetName() for node in byClass(kind)) for kind in (
        "vtkMRMLSegmentationNode", "vtkMRMLTableNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode",
    )}  # fmt: skip
    path = str(tmp_path / "Szene Ü 1.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    slicer.mrmlScene.Clear()
    assert slicer.mrmlScene.ReadFromMRB(path)
    assert {kind: sorted(node.GetName() for node in byClass(kind)) for kind in before} == before
    (node,) = byClass("vtkMRMLSegmentationNode")
    host.exit()
    host.enter()
    assert ui.segmentationSelector.currentNode() is node
    assert (ui.ageSpinBox.value, ui.mgmtComboBox.currentText) == (61, "methylated")
    reference = segmentations.volumesOf(node)["t1ce"]
    np.testing.assert_array_equal(segmentations.labelsFromSegmentation(node, reference), labels)
    assert terminology.regionOf(node.GetSegmentation().GetSegment("ET")) == "ET"
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is reference
    click(ui.predictButton)
    assert messages == []
    assert len(byClass("vtkMRMLPlotChartNode")) == 2  # the loaded ones were replaced


def test_results_lie_beside_t1ce_in_the_subject_hierarchy(ui, make_volumes, logic):
    """The application gives every node an item; here the test does."""
    volumes = make_volumes()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(study, volumes[1])
    tag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.NodeAddedEvent, _give_item)
    try:
        node = logic.segment(*volumes)
    finally:
        slicer.mrmlScene.RemoveObserver(tag)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def _give_item(scene, event):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for node in byClass("vtkMRMLSegmentationNode"):
        if not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)


class FakeDicomPlugin:
    """Slicer's plugin as far as it is asked."""

    exported: list = []  # noqa: RUF012  (emptied by the test)
    problem = ""

    def examineForExport(self, item):
        return [types.SimpleNamespace(directory=None)]

    def export(self, exportables):
        self.exported.extend(exportables)
        return self.problem


def test_dicom_seg_is_one_button_away(ui, segmented, messages, monkeypatch, tmp_path):
    monkeypatch.setattr("qt.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path))
    click(ui.dicomButton)
    assert len(messages) == 1 and "QuantitativeReporting" in messages[0]
    monkeypatch.setattr(slicer.modules, "dicomPlugins", {dicomexport.PLUGIN: FakeDicomPlugin}, raising=False)
    click(ui.dicomButton)
    assert "from the DICOM database" in messages[-1]  # it has no item in the subject hierarchy
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.CreateItem(hierarchy.GetSceneItemID(), segmented)
    click(ui.dicomButton)
    assert [one.directory for one in FakeDicomPlugin.exported] == [str(tmp_path)]
    assert len(messages) == 2 and ui.statusLabel.text == "DICOM SEG was written."
    monkeypatch.setattr(FakeDicomPlugin, "problem", "no instance UIDs")
    click(ui.dicomButton)
    assert "no instance UIDs" in messages[-1]
