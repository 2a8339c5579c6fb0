"""Fixtures: a fresh scene, four scans, a fake runner, the panel; an exception in a slot fails its test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import slicerharness

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = Path(os.environ.get("BRATSOS_MODULE", REPOSITORY / "BraTSOS" / "BraTSOS.py"))
"""The module under test: that of the source tree, or of an installed extension."""

try:
    slicer = slicerharness.start()
except slicerharness.SlicerMissing as missing:
    slicer, _REASON = None, f"the Slicer module cannot be tested, {missing}"
else:
    if str(MODULE.parent) not in sys.path:
        sys.path.insert(0, str(MODULE.parent))


class _SkippedModule(pytest.Module):
    def collect(self):
        pytest.skip(_REASON, allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    """Skip a test file with the reason where its ``import slicer`` would only fail."""
    return _SkippedModule.from_parent(parent, path=module_path) if slicer is None else None


OBLIQUE = np.array([[0.8, -0.6, 0, 10], [0.6, 0.8, 0, -20], [0, 0, 1.5, 30], [0, 0, 0, 1.0]])
"""IJK to RAS: rotated about z, 1.5 mm slices."""


class FakeRunner:
    """Labels by the brightness of T1ce, predicts a fixed thing, and remembers what it was given."""

    def __init__(self):
        self.case = self.labels = self.clinical = self.error = self.model = None
        self.warnings = ()

    def segment(self, case, *, model=None, progress=None, cancel=None):
        if self.error:
            raise self.error
        self.case, self.model = case, model
        if progress:
            progress("Segmenting", 0.5)
        return np.select([case.volumes["t1ce"] > level for level in (90, 80, 70)], [4, 1, 2], 0).astype(np.uint8)

    def predict(self, case, labels, clinical, *, progress=None):
        if self.error:
            raise self.error
        self.case, self.labels, self.clinical = case, labels, clinical
        return FakePrediction()


class FakePrediction:
    """Has what the panel reads of a ``BraTSOSLib.survival.Prediction``."""

    category = "long"
    reason = None
    probabilities = {"short": 0.2, "medium": 0.3, "long": 0.5}  # noqa: RUF012  (never changed)
    days = 512.0
    flags = (type("Flag", (), {"message": "age 19 is below the training range <21, 88>"}),)


@pytest.fixture
def module_path():
    return MODULE


@pytest.fixture
def scene():
    slicer.mrmlScene.Clear()
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear()


@pytest.fixture(autouse=True)
def no_lost_exceptions():
    """Exceptions in slots and observers do not propagate: they are collected, and each one fails the test."""
    from slicerharness import slots

    slots.errors.clear()
    yield
    lost = [value for _kind, value, _trace in slots.errors]
    slots.errors.clear()
    assert not lost, lost


@pytest.fixture
def messages(monkeypatch):
    """What the user was shown as errors, instead of message boxes."""
    shown: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **options: shown.append(text))
    return shown


@pytest.fixture
def make_volumes(scene):
    """Return a function that adds the four scans of a case on one grid."""

    def make(matrix=OBLIQUE, shape=(6, 8, 10), name="Case_1", arrays=None):
        scans = np.random.default_rng(0).uniform(0, 100, (4, *shape)).astype(np.float32) if arrays is None else arrays
        return [
            slicer.util.addVolumeFromArray(scan, ijkToRAS=matrix, name=f"{name}_{modality}")
            for modality, scan in zip(("t1", "t1ce", "t2", "flair"), scans, strict=True)
        ]

    return make


@pytest.fixture
def runner():
    return FakeRunner()


@pytest.fixture
def logic(scene, runner):
    import BraTSOS

    return BraTSOS.BraTSOSLogic(runner=runner)


@pytest.fixture
def host(scene, runner):
    """The module as the application hosts it, computing with the fake runner."""
    host = slicerharness.ModuleHost(MODULE)
    host.widget.logic.runner = runner
    yield host
    host.close()
