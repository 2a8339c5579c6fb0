"""The whole way on the digital phantom, with the library's own segmentation, features and survival model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import slicer
from BraTSOSModule.runner import InProcessRunner
from slicerharness.gestures import click, select_volumes

from BraTSOSLib.case import MODALITIES
from BraTSOSLib.errors import BraTSOSError
from BraTSOSLib.resources import resource

pytest.importorskip("scipy", reason="the phantom needs scipy")
pytest.importorskip("pandas", reason="the feature table needs pandas")

WRITE_SCREENSHOTS = "BRATSOS_SCREENSHOTS"
"""Environment variable: set, the pictures in the repository are drawn anew."""


@pytest.fixture(scope="module")
def phantom():
    from BraTSOSLib.phantom import make_phantom

    return make_phantom(0)


@pytest.fixture
def volumes(phantom, scene):
    case, _labels = phantom
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(case.geometry.direction, (3, 3)) * case.geometry.spacing
    matrix[:3, 3] = case.geometry.origin
    matrix = np.diag([-1, -1, 1, 1]) @ matrix
    return [
        slicer.util.addVolumeFromArray(case.volumes[modality], ijkToRAS=matrix, name=f"{case.name}_{modality}")
        for modality in MODALITIES
    ]


class Spy(InProcessRunner):
    """The real runner; remembers what it gave, and can be told the labels instead of segmenting."""

    def __init__(self, labels=None):
        super().__init__(device="cpu")
        self.labels, self.case, self.prediction = labels, None, None

    def segment(self, case, **keywords):
        self.case = case
        if self.labels is None:
            self.labels = super().segment(case, **keywords)
        return self.labels

    def predict(self, case, labels, clinical, **keywords):
        np.testing.assert_array_equal(labels, self.labels)
        self.prediction = super().predict(case, labels, clinical, **keywords)
        return self.prediction


def test_features_and_survival_of_the_true_labels(host, volumes, phantom, messages, tmp_path):
    case, labels = phantom
    runner = host.widget.logic.runner = Spy(labels)
    ui = host.widget.ui
    select_volumes(ui, volumes)
    click(ui.segmentButton)
    assert runner.case.geometry == case.geometry
    assert runner.case.synthetic
    ui.ageSpinBox.value = 60.7
    ui.resectionComboBox.setCurrentIndex(ui.resectionComboBox.findText("GTR"))
    click(ui.predictButton)
    assert messages == []
    prediction = runner.prediction
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    shown = ui.resultTextBrowser.toPlainText()
    assert f"Overall survival: {prediction.category}" in shown
    assert f"{prediction.days:.0f} days" in shown
    assert f"{np.isin(labels, (1, 2, 4)).sum() / 1000:.1f} mL" in shown
    assert "Synthetic_0000" in shown
    folder = Path(__file__).parent / "screenshots" if WRITE_SCREENSHOTS in os.environ else tmp_path
    folder.mkdir(exist_ok=True)
    host.parent.resize(440, 700)
    slicer.app.processEvents()
    assert host.parent.grab().save(str(folder / "panel.png"))


def test_segmentation_with_the_bundled_model(host, volumes, messages):
    pytest.importorskip("torch", reason="segmentation needs torch")
    try:
        models = list(resource("Models").glob("segmenter*.safetensors"))
    except BraTSOSError:
        models = []
    if not models:
        pytest.skip("no segmentation weights are bundled")
    runner = host.widget.logic.runner = Spy()
    ui = host.widget.ui
    select_volumes(ui, volumes)
    click(ui.segmentButton)
    assert messages == []
    assert runner.labels.shape == (155, 240, 240)
    assert set(np.unique(runner.labels)) <= {0, 1, 2, 4}
    ui.ageSpinBox.value = 60.7
    click(ui.predictButton)
    assert messages == []
    assert runner.prediction is not None
