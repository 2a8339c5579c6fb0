"""SlicerRadiomics as the engine, cohorts in the background, and *Setup*."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
import slicer
from BraTSOSModule import packages, slicerradiomics
from BraTSOSModule.sections.setup import modelFolder
from slicerharness.gestures import click, finish_work, select_volumes, unfold

from BraTSOSLib.errors import InputError
from BraTSOSLib.jobs import Outcome


@pytest.fixture
def ui(host):
    return host.widget.ui


# SlicerRadiomics


class FakeCli:
    """The application's slicer.cli with SlicerRadiomics' command-line module: counts voxels."""

    def __init__(self):
        self.runs, self.fail = [], False

    def run(self, module, node, parameters):
        self.runs.append(parameters)
        voxels = int(slicer.util.arrayFromVolume(parameters["Mask"]).sum())
        keys = ["Image", "diagnostics_Versions_PyRadiomics", "original_firstorder_Mean"]
        table = parameters["out"]
        for _column in range(2):
            table.AddColumn()
        for row, key in enumerate([] if self.fail else keys):
            table.AddEmptyRow()
            table.SetCellText(row, 0, key)
            table.SetCellText(row, 1, str(voxels))
        node = CliNode()
        node.failed = self.fail
        slicer.mrmlScene.AddNode(node)
        return node


class CliNode(slicer.vtkMRMLTextNode):
    """A real node of the scene with what is asked of a vtkMRMLCommandLineModuleNode."""

    ErrorsMask = 0x20
    failed = False

    def IsBusy(self):
        return False

    def GetStatus(self):
        return self.ErrorsMask if self.failed else 0

    def Cancel(self):
        pass


@pytest.fixture
def cli(monkeypatch):
    fake = FakeCli()
    monkeypatch.setattr(slicer.modules, slicerradiomics.MODULE, object(), raising=False)
    monkeypatch.setattr(slicer, "cli", fake, raising=False)
    return fake


def test_slicerradiomics_is_offered_where_it_is_installed(host, ui, cli):
    assert ui.featureEngineComboBox.count == 1
    host.exit()
    host.enter()
    assert ui.featureEngineComboBox.itemText(1) == "SlicerRadiomics"


def test_slicerradiomics_gives_the_same_kind_of_table(host, ui, cli, make_volumes, messages):
    host.enter()
    unfold(ui.featuresCollapsibleButton)
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    ui.featureEngineComboBox.setCurrentIndex(1)
    ui.parametersPathLineEdit.currentPath = "/tmp/p.yaml"
    click(ui.featuresButton)
    finish_work(host.widget)
    assert messages == []
    assert len(cli.runs) == 12 and cli.runs[0]["param"] == "/tmp/p.yaml"
    tables = [n for n in slicer.util.getNodesByClass("vtkMRMLTableNode") if n.GetName().endswith("features")]
    assert len(tables) == 4
    table = tables[0].GetTable()
    assert [table.GetColumnName(i) for i in range(3)] == ["Image type", "Feature Class", "Feature Name"]
    assert table.GetColumnName(3) == "Case_1 segmentation_segment_NCR"
    cells = [[table.GetValue(row, i).ToString() for i in range(3)] for row in range(table.GetNumberOfRows())]
    assert cells == [["diagnostics", "Versions", "PyRadiomics"], ["original", "firstorder", "Mean"]]
    assert not slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")


def test_a_failure_of_slicerradiomics_is_one_sentence(host, ui, cli, make_volumes, messages):
    cli.fail = True
    host.enter()
    unfold(ui.featuresCollapsibleButton)
    select_volumes(ui, make_volumes())
    click(ui.segmentButton)
    before = slicer.util.getNodesByClass("vtkMRMLTableNode")
    ui.featureEngineComboBox.setCurrentIndex(1)
    click(ui.featuresButton)
    finish_work(host.widget)
    assert len(messages) == 1 and "SlicerRadiomics failed" in messages[0]
    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == before


# Cohort


class CohortWork:
    """A cohort that says what the test makes it say."""

    def __init__(self):
        self.stage, self.fraction, self.news, self.outcome, self.killed = "", 0.0, [], None, False

    def poll(self):
        return self.outcome

    def cancel(self):
        from BraTSOSLib.errors import Cancelled

        self.outcome = Outcome(error=Cancelled("stopped"))

    def kill(self):
        self.killed = True
        self.cancel()


@pytest.fixture
def cohort(host, ui, runner, tmp_path):
    """A cohort that has been started with a click."""
    work = CohortWork()

    def start(job):
        runner.job = job
        return work

    runner.start = start
    assert not ui.cohortStartButton.enabled
    unfold(ui.cohortCollapsibleButton)
    ui.cohortSourcePathLineEdit.currentPath = str(tmp_path / "Fälle 1")
    ui.cohortOutputPathLineEdit.currentPath = str(tmp_path / "out")
    ui.workersSpinBox.value = 3
    slicer.app.processEvents()
    click(ui.cohortStartButton)
    return work


def rows(ui):
    table = ui.cohortTable
    return [[table.item(r, c).text() for c in range(3)] for r in range(table.rowCount)]


def test_a_cohort_runs_beside_everything_else(host, ui, cohort, runner, make_volumes):
    assert runner.job.task == "cohort" and runner.job.options["workers"] == 3
    assert runner.job.options["source"].endswith("Fälle 1")
    assert ui.cohortStopButton.enabled and not ui.cohortStartButton.enabled
    assert not host.widget.busy
    select_volumes(ui, make_volumes())
    assert ui.segmentButton.enabled


def test_the_states_of_the_cases_are_listed(host, ui, cohort):
    cohort.news += [
        {"event": "started", "case": "A"},
        {"event": "progress", "case": "A", "fraction": 0.5},
        {"event": "started", "case": "B"},
        {"event": "failed", "case": "B", "error": "t1 is missing"},
        {"event": "counts", "done": 1, "failed": 1, "waiting": 2},
    ]
    host.widget.cohort.task.check()
    assert rows(ui) == [["A", "running", "50 %"], ["B", "failed", "t1 is missing"]]
    assert ui.cohortLabel.text == "1 of 4 cases done, 1 failed"
    cohort.news.append({"event": "done", "case": "A", "seconds": 12.3})
    cohort.outcome = Outcome({"done": 3, "total": 4, "failed": 1, "seconds": 60.0, "collected": []})
    host.widget.cohort.task.check()
    assert rows(ui)[0] == ["A", "done", "12 s"]
    assert ui.cohortLabel.text == "3 of 4 cases done, 1 failed"
    assert ui.cohortStartButton.enabled and not ui.cohortStopButton.enabled


def test_a_cohort_is_stopped_and_can_be_resumed(host, ui, cohort, messages):
    click(ui.cohortStopButton)
    host.widget.cohort.task.check()
    assert "Start goes on from there" in ui.cohortLabel.text
    assert ui.cohortStartButton.enabled and messages == []


def test_closing_the_scene_lets_a_cohort_go_on_but_unloading_ends_it(host, ui, cohort):
    slicer.mrmlScene.Clear()
    assert host.widget.cohort.task is not None and not cohort.killed
    host.widget.cleanup()
    assert cohort.killed


# Setup


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(packages, "installedVersion", lambda package: None)


@pytest.fixture
def setup(host, ui, monkeypatch):
    """The section, unfolded; questions are answered with OK and collected."""
    asked = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, **_: asked.append(text) or True)
    unfold(ui.setupCollapsibleButton)
    host.exit()
    host.enter()
    slicer.app.processEvents()
    return asked


def test_what_is_missing_is_listed_and_unfolds_the_section(host, ui, nothing_installed):
    host.exit()
    host.enter()
    texts = [ui.setupTable.item(row, 1).text() for row in range(ui.setupTable.rowCount)]
    assert set(texts) == {"missing", "missing (optional)"}
    assert not ui.setupCollapsibleButton.collapsed
    assert ui.installButton.enabled


def test_a_half_deleted_package_counts_as_missing(monkeypatch):
    def broken(name):
        raise TypeError("expected string or bytes-like object, got 'NoneType'")

    monkeypatch.setattr(packages, "version", broken)
    assert packages.installedVersion(packages.PACKAGES[0]) is None


class FakeTorchLogic:
    calls: list = []  # noqa: RUF012  (emptied by the fixture)

    def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None,
                     torchvisionVersionRequirement=None):  # fmt: skip
        self.calls.append(torchVersionRequirement)
        return object()


@pytest.fixture
def torch_utils(monkeypatch):
    FakeTorchLogic.calls = []
    module = types.SimpleNamespace(PyTorchUtilsLogic=FakeTorchLogic)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)


def test_install_asks_and_never_touches_slicers_own_packages(
    ui, nothing_installed, setup, torch_utils, monkeypatch, messages
):
    """As in Slicer 5.12."""
    calls = []
    ensure = types.SimpleNamespace(pip_ensure=lambda names, **options: calls.append((names, options)))
    monkeypatch.setattr(slicer, "packaging", ensure, raising=False)
    click(ui.installButton)
    assert messages == [] and len(setup) == 1 and "PyTorch with CUDA" in setup[0]
    assert FakeTorchLogic.calls == [">=2.2"]
    names, options = calls[0]
    assert [optional for optional, _options in calls[1:]] == [[p.requirement] for p in packages.PACKAGES if p.optional]
    assert "pandas>=2.0" in names and not any(name.startswith(("torch", "numpy", "SimpleITK")) for name in names)
    held = Path(options["constraints"]).read_text(encoding="utf-8")
    assert "numpy==" in held
    assert options["prompt_install"] is False  # it has been asked


def test_install_in_slicer_5_10(ui, nothing_installed, setup, torch_utils, monkeypatch, messages):
    calls = []
    monkeypatch.delattr(slicer, "packaging", raising=False)
    monkeypatch.setattr(slicer.util, "pip_install", lambda requirements: calls.append(requirements))
    click(ui.installButton)
    assert messages == []
    assert calls[0][-2] == "-c" and Path(calls[0][-1]).is_file()


def test_nothing_is_installed_without_a_yes(ui, nothing_installed, setup, torch_utils, monkeypatch):
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_, **__: False)
    click(ui.installButton)
    assert FakeTorchLogic.calls == []


def test_without_the_pytorch_extension_one_sentence_says_so(ui, nothing_installed, setup, monkeypatch, messages):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    click(ui.installButton)
    assert len(messages) == 1 and "install that in the Extensions Manager" in messages[0]


def test_an_optional_package_that_cannot_be_installed_does_no_harm(
    ui, nothing_installed, setup, torch_utils, monkeypatch, messages
):
    def ensure(names, **options):
        if names[0].startswith("numba"):
            raise RuntimeError("no matching distribution for this numpy")

    monkeypatch.setattr(slicer, "packaging", types.SimpleNamespace(pip_ensure=ensure), raising=False)
    click(ui.installButton)
    assert messages == []
    assert ui.statusLabel.text == "Could not be installed, but all works without: numba."


def test_without_a_network_one_sentence_says_so(ui, nothing_installed, setup, torch_utils, monkeypatch, messages):
    def offline(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(slicer, "packaging", types.SimpleNamespace(pip_ensure=offline), raising=False)
    click(ui.installButton)
    assert len(messages) == 1 and "check the connection to the internet" in messages[0]


def test_a_model_is_imported_from_a_file_and_removed(
    host, ui, setup, runner, model_folder, monkeypatch, tmp_path, messages
):
    bundle = tmp_path / "bundle" / "configs"
    bundle.mkdir(parents=True)
    (bundle / "inference.json").touch()
    monkeypatch.setattr("qt.QFileDialog.getOpenFileName", lambda *_: str(bundle / "inference.json"))
    monkeypatch.setattr("qt.QInputDialog.getText", lambda *_: "zoo")

    def imported(job):
        model_folder.mkdir()
        (model_folder / "zoo.json").write_text('{"name": "zoo", "task": "segmentation"}', encoding="utf-8")
        (model_folder / "zoo.safetensors").touch()
        return {"card": str(model_folder / "zoo.json")}

    runner._import_model = imported
    click(ui.importModelButton)
    assert messages == []
    assert runner.job.options == {"path": str(bundle.parent), "name": "zoo"}
    assert ui.importedModelsComboBox.currentText == "zoo"
    assert ui.modelSelector.findText("zoo (imported)") > 0
    click(ui.removeModelButton)
    assert "Delete the imported model zoo" in setup[-1]
    assert list(model_folder.iterdir()) == [] and ui.importedModelsComboBox.count == 0
    assert not ui.removeModelButton.enabled


def test_a_file_of_no_model_is_one_sentence(tmp_path):
    assert modelFolder(tmp_path / "model.ts") == tmp_path / "model.ts"
    with pytest.raises(InputError, match=r"weights.pth belongs to no model"):
        modelFolder(tmp_path / "weights.pth")
