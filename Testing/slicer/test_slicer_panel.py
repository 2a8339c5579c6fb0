"""The panel: the real .ui file, real clicks, the real parameter node."""

from __future__ import annotations

import json

import pytest
import qt
import slicer
from slicerharness.gestures import click, select_volumes

from BraTSOSLib.case import RESECTIONS
from BraTSOSLib.errors import InputError


@pytest.fixture
def ui(host):
    return host.widget.ui


def test_the_module_describes_itself(host):
    assert host.description.title == "BraTSOS"
    assert host.description.categories == ["Segmentation"]
    assert "research only" in host.description.helpText
    assert not host.description.icon.isNull()


def test_buttons_wait_for_their_inputs_and_say_which(ui, make_volumes):
    assert not ui.segmentButton.enabled
    assert "FLAIR" in ui.segmentButton.toolTip
    assert not ui.predictButton.enabled
    volumes = make_volumes()
    select_volumes(ui, [*volumes[:3], None])
    assert not ui.segmentButton.enabled
    ui.flairSelector.setCurrentNode(volumes[3])
    assert ui.segmentButton.enabled
    ui.ageSpinBox.value = 60
    assert ui.predictButton.toolTip.startswith("Segment first")


def test_the_age_is_not_set_until_typed_and_predict_waits_for_it(ui, make_volumes):
    assert ui.ageSpinBox.text == "not set"
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    assert not ui.predictButton.enabled
    ui.ageSpinBox.setFocus()
    ui.ageSpinBox.selectAll()
    qt.QTest.keyClicks(ui.ageSpinBox, "60.7")
    assert ui.ageSpinBox.value == 60.7
    assert ui.predictButton.enabled


def test_segment_then_predict(ui, make_volumes, runner, messages):
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    segmentation = ui.segmentationSelector.currentNode()
    assert segmentation.GetName() == "Case_1 segmentation"
    assert "Case_1 segmentation" in ui.resultTextBrowser.toPlainText()
    assert "mL" in ui.resultTextBrowser.toPlainText()
    ui.ageSpinBox.value = 60.7
    ui.resectionComboBox.setCurrentIndex(ui.resectionComboBox.findText("GTR"))
    click(ui.predictButton)
    assert (runner.clinical.age, runner.clinical.resection) == (60.7, "GTR")
    shown = ui.resultTextBrowser.toPlainText()
    assert "long (more than 450 days)" in shown
    assert "50 %" in shown and "512 days" in shown
    assert "training range <21, 88>" in shown  # escaped, not swallowed as a tag
    assert messages == []
    assert ui.statusLabel.text == ""


def test_warnings_about_the_scans_stand_above_the_volumes(ui, make_volumes, runner):
    runner.warnings = ("T1 and T2 look exchanged <check>.",)
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    shown = ui.resultTextBrowser.toPlainText()
    assert "Check before use" in shown and "exchanged <check>" in shown
    assert shown.index("exchanged") < shown.index("mL")


def test_the_resections_are_those_of_the_library(ui):
    texts = [ui.resectionComboBox.itemText(i) for i in range(ui.resectionComboBox.count)]
    assert tuple(texts) == RESECTIONS
    assert ui.resectionComboBox.currentText == "unknown"


def test_no_category_is_shown_with_its_reason(ui, make_volumes, runner):
    prediction = type(
        "P", (), {"category": None, "reason": "no tumour", "probabilities": None, "days": None, "flags": ()}
    )
    runner.prediction = prediction
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    ui.ageSpinBox.value = 50
    click(ui.predictButton)
    assert "No survival category: no tumour" in ui.resultTextBrowser.toPlainText()


def test_an_error_is_one_sentence_and_changes_nothing(ui, make_volumes, runner, messages):
    select_volumes(ui, make_volumes())
    before = slicer.mrmlScene.GetNumberOfNodes()
    runner.error = InputError("The scan is upside down: turn it.")
    click(ui.segmentButton)
    assert messages == ["The scan is upside down: turn it."]
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert ui.segmentationSelector.currentNode() is None
    assert ui.segmentButton.enabled


def test_a_surprise_is_one_sentence_too(ui, make_volumes, runner, messages):
    select_volumes(ui, make_volumes())
    runner.error = ZeroDivisionError("division by zero")
    click(ui.segmentButton)
    assert messages == ["Segmentation failed unexpectedly: division by zero"]


def test_different_grids_are_reported(ui, make_volumes, messages):
    volumes = make_volumes()
    volumes[0].SetSpacing(1, 1, 5)
    select_volumes(ui, volumes)
    click(ui.segmentButton)
    assert len(messages) == 1 and "Case_1_t1 is not on the grid of Case_1_t1ce: spacing" in messages[0]


def test_an_existing_segmentation_with_the_selected_volumes(ui, make_volumes, runner, messages):
    volumes = make_volumes()
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Imported")
    other.GetSegmentation().AddEmptySegment("1", "ET")
    ui.segmentationSelector.setCurrentNode(other)
    ui.ageSpinBox.value = 60
    click(ui.predictButton)
    assert len(messages) == 1 and "Imported are unknown" in messages[0]
    select_volumes(ui, volumes)
    click(ui.predictButton)
    assert len(messages) == 1
    assert runner.labels.shape == (6, 8, 10)


def test_the_parameters_are_kept_in_the_scene(host, ui, make_volumes):
    volumes = make_volumes()
    select_volumes(ui, volumes)
    ui.ageSpinBox.value = 44
    ui.resectionComboBox.setCurrentIndex(1)
    parameters = host.widget.logic.getParameterNode()
    assert parameters.t1ce is volumes[1]
    assert parameters.age == 44
    assert parameters.resection.value == "STR"
    host.exit()
    parameters.age = 45.0
    assert ui.ageSpinBox.value == 44
    host.enter()
    assert ui.ageSpinBox.value == 45


def test_closing_the_scene_empties_the_panel_and_it_goes_on_working(ui, make_volumes, messages):
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    ui.ageSpinBox.value = 70
    slicer.mrmlScene.Clear()
    assert ui.resultTextBrowser.toPlainText() == ""
    assert ui.ageSpinBox.text == "not set"
    assert not ui.segmentButton.enabled and not ui.predictButton.enabled
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    assert messages == []


def test_removing_a_volume_disables_segmenting(ui, make_volumes):
    volumes = make_volumes()
    select_volumes(ui, volumes)
    slicer.mrmlScene.RemoveNode(volumes[3])
    assert not ui.segmentButton.enabled


def test_label_maps_are_not_offered(ui, scene):
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    assert ui.t1Selector.nodeCount() == 0


def test_the_research_notice_is_always_visible(ui):
    assert ui.noticeLabel.visible
    assert "research only" in ui.noticeLabel.text


def test_the_module_tests_itself(host):
    host.python.BraTSOSTest().runTest()


def write_model(folder, name="zoo", **fields):
    """An imported model as far as the panel looks at it: its card, and weights that are there."""
    folder.mkdir(exist_ok=True)
    card = {"name": name, "task": "segmentation", "intended_use": "tests <only>", "sha256": "0", **fields}
    (folder / f"{name}.json").write_text(json.dumps(card), encoding="utf-8")
    (folder / f"{name}.safetensors").write_bytes(b"")


def test_the_bundled_model_is_selected_and_its_card_shown(ui, make_volumes, runner):
    assert ui.modelSelector.currentText.endswith("(bundled)")
    assert "Not for clinical decisions" in ui.modelSelector.toolTip
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    assert "model" not in runner.job.options


def test_an_imported_model_can_be_selected_and_is_kept_in_the_scene(host, ui, make_volumes, runner, model_folder):
    write_model(model_folder)
    host.exit()
    host.enter()  # the list is made anew
    texts = [ui.modelSelector.itemText(i) for i in range(ui.modelSelector.count)]
    assert texts[-1] == "zoo (imported)"
    ui.modelSelector.setCurrentIndex(len(texts) - 1)
    assert "tests &lt;only&gt;" in ui.modelSelector.toolTip
    assert host.widget.logic.getParameterNode().model == "zoo"
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    assert runner.job.options["model"] == "zoo"
    host.exit()
    host.enter()
    assert ui.modelSelector.currentText == "zoo (imported)"
    slicer.mrmlScene.Clear()
    assert ui.modelSelector.currentText.endswith("(bundled)")


def test_a_model_of_the_scene_that_is_not_here_is_named(host, ui):
    host.widget.logic.getParameterNode().model = "elsewhere"
    assert ui.modelSelector.currentText == "elsewhere (not on this computer)"


def test_a_damaged_model_hides_no_other(host, ui, model_folder):
    write_model(model_folder, "a")
    (model_folder / "a.json").write_text("{", encoding="utf-8")
    write_model(model_folder, "b")
    host.exit()
    host.enter()
    texts = [ui.modelSelector.itemText(i) for i in range(ui.modelSelector.count)]
    assert texts[-2:] == ["a (unusable)", "b (imported)"]
