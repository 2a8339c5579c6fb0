"""Fixtures: a fresh scene, four scans, a fake runner, the panel; an exception in a slot fails its test."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import slicerharness

from BraTSOSLib.case import MODALITIES, Case, Clinical, Geometry
from BraTSOSLib.errors import Cancelled
from BraTSOSLib.jobs import Job, Outcome
from BraTSOSLib.pipeline import OUTPUTS
from BraTSOSLib.volumes import volumes

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
    """Labels by the brightness of T1ce, predicts a fixed thing, and remembers what it was given.

    Work is done at once, or, while ``patient`` is set, when ``release`` is called.
    """

    def __init__(self):
        self.job = self.error = None
        self.warnings = ()
        self.prediction = FakePrediction()
        self.patient = False
        self.works = []

    @property
    def case(self):
        return self.job and self.job.case

    @property
    def labels(self):
        return self.job.labels

    @property
    def clinical(self):
        given = self.job.options.get("clinical")
        return given and Clinical(**given)

    def start(self, job):
        self.job = job
        self.works.append(FakeWork(self, job))
        if not self.patient:
            self.release()
        return self.works[-1]

    def release(self):
        """Let the work that was started last end."""
        work = self.works[-1]
        result = None if self.error else getattr(self, f"_{work.job.task}")(work.job)
        work.outcome = Outcome(result, self.error, "the log")

    def segment(self, case):
        """What is segmented of a case."""
        return np.select([case.volumes["t1ce"] > level for level in (90, 80, 70)], [4, 1, 2], 0).astype(np.uint8)

    def _segment(self, job):
        labels = self.segment(job.case)
        return {"labels": labels, "warnings": self.warnings, "quality": None, "volumes": volumes(job.case, labels)}

    def _features(self, job):
        names = [f"{region}_original_shape_VoxelVolume" for region in ("NCR", "ED", "ET", "TC", "WT")]
        names += [f"{m}_{region}_original_firstorder_Mean" for m in MODALITIES for region in ("NCR", "ED", "ET")]
        keys = {"Image type": ["original"], "Feature Class": ["firstorder"], "Feature Name": ["Mean"]}
        rois = {
            f"{job.options.get('segmentation')}_segment_{name}": ["1.5"] for name in job.options.get("segments", {})
        }
        return {
            "features": [(name, float(value)) for value, name in enumerate(names)],
            "tables": {modality: {**keys, **rois} for modality in MODALITIES},
        }

    def _predict(self, job):
        return {**self._features(job), "prediction": self.prediction, "volumes": volumes(job.case, job.labels)}

    def _run(self, job):
        folder = Path(tempfile.mkdtemp(dir=slicer.app.temporaryPath))
        for name in OUTPUTS:
            (folder / name).write_text(name, encoding="utf-8")
        labels = self.segment(job.case) if job.labels is None else job.labels
        job = Job(job.task, job.case, labels, job.options)
        files = {name: str(folder / name) for name in OUTPUTS}
        return {**self._predict(job), "labels": labels, "warnings": self.warnings, "files": files}

    def _cohort(self, job):
        return {"total": 1, "done": 1, "failed": 0, "seconds": 1.0, "collected": []}

    def _phantom(self, job):
        scans = np.random.default_rng(0).uniform(0, 100, (4, 6, 8, 10)).astype(np.float32)
        geometry = Geometry((10, 8, 6), (1.0, 1.0, 2.0), (5.0, 6.0, 7.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
        case = Case("Synthetic_0000", dict(zip(MODALITIES, scans, strict=True)), geometry, synthetic=True)
        return {"case": case, "labels": self.segment(case)}


class FakeWork:
    """What ``FakeRunner`` has under way; stopped as soon as it is asked to."""

    def __init__(self, runner, job):
        self.runner, self.job = runner, job
        self.stage, self.fraction, self.news, self.outcome = "Segmenting", 0.5, [], None
        self.killed = False

    def poll(self):
        return self.outcome

    def cancel(self):
        self.outcome = self.outcome or Outcome(error=Cancelled("Stopped as asked; nothing was changed."))

    def kill(self):
        self.killed = True
        self.cancel()

    def discard(self):
        pass


class FakePrediction:
    """Has what the panel reads of a ``BraTSOSLib.survival.Prediction`` and no more: the rest may be missing."""

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
    monkeypatch.setattr("BraTSOSModule.messages.show", lambda text, *more: shown.append(text))
    return shown


@pytest.fixture(autouse=True)
def model_folder(tmp_path, monkeypatch):
    """The folder of imported models: not that of whoever runs the tests."""
    monkeypatch.setenv("BRATSOS_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


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
