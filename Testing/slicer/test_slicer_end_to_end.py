"""The whole way on the digital phantom: the panel, the library's own child process, and back into the scene."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from BraTSOSModule import segmentations
from BraTSOSModule.runner import ChildRunner
from slicerharness.gestures import click, finish_work, select_volumes

from BraTSOSLib.case import MODALITIES

pytest.importorskip("scipy", reason="the phantom needs scipy")
pytest.importorskip("pandas", reason="the feature table needs pandas")


class RememberingRunner(ChildRunner):
    """The library in a process of its own; keeps what was started."""

    def start(self, job):
        self.work = super().start(job)
        return self.work


_made: dict = {}
"""The phantom, made once by the first test: it takes seconds."""


@pytest.fixture
def panel(host):
    """The panel, computing with the library in a process of its own."""
    host.widget.logic.runner = RememberingRunner()
    return host.widget


@pytest.fixture
def phantom(panel):
    if not _made:
        click(panel.ui.sampleButton)
        finish_work(panel)
        _made.update(panel.logic.runner.work.outcome.result)
    return _made["case"], _made["labels"]


def test_from_the_sample_button_to_the_report(panel, phantom, messages, monkeypatch, tmp_path):
    """Real clicks and the library's real work; of the segmentation only its labels are given, to save time."""
    ui = panel.ui
    assert messages == []
    assert [getattr(panel.parameters, m).GetName() for m in MODALITIES] == [f"Synthetic_0000_{m}" for m in MODALITIES]
    assert ui.checkLabel.text == "4 volumes, one grid, 1 mm, skull-stripped: ready."
    case, labels = phantom
    node = segmentations.segmentationFromLabels(labels, case.name, panel.sections[2].selectedVolumes())
    ui.segmentationSelector.setCurrentNode(node)
    ui.ageSpinBox.value = 60.7
    ui.resectionComboBox.setCurrentIndex(ui.resectionComboBox.findText("GTR"))
    click(ui.predictButton)
    finish_work(panel)
    assert messages == []
    shown = ui.resultTextBrowser.toPlainText()
    assert "Overall survival" in shown
    assert f"{np.isin(labels, (1, 2, 4)).sum() / 1000:.1f} mL" in shown
    opened = []
    monkeypatch.setattr("BraTSOSModule.sections.survival.openFile", opened.append)
    target = tmp_path / "Bericht für Ü.html"
    monkeypatch.setattr("qt.QFileDialog.getSaveFileName", lambda *_: str(target))
    click(ui.reportButton)
    finish_work(panel)
    assert messages == []
    assert opened == [target]
    assert "Synthetic_0000" in target.read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_segmentation_with_the_bundled_model_can_be_cancelled_and_started_again(panel, phantom, messages):
    pytest.importorskip("torch", reason="segmentation needs torch")
    from BraTSOSModule.volumes import addPhantom

    case, _labels = phantom
    ui = panel.ui
    select_volumes(ui, list(addPhantom(case).values()))
    before = slicer.mrmlScene.GetNumberOfNodes()
    click(ui.segmentButton)
    click(ui.cancelButton)
    finish_work(panel)
    assert "nothing was changed" in ui.statusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    ui.augmentationCheckBox.checked = False
    click(ui.segmentButton)
    finish_work(panel)
    assert messages == []
    node = ui.segmentationSelector.currentNode()
    found = segmentations.labelsFromSegmentation(node, panel.parameters.t1ce)
    assert found.shape == (155, 240, 240)
    assert set(np.unique(found)) <= {0, 1, 2, 4}
    assert "mL" in ui.resultTextBrowser.toPlainText()
