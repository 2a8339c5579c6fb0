"""Work in the background: the panel while it is under way, stopping it, and everything that can come between."""

from __future__ import annotations

import importlib
import signal
import sys
import time
import types

import pytest
import qt
import slicer
from BraTSOSModule.runner import pythonExecutable
from slicerharness.gestures import click, finish_work, select_volumes

from BraTSOSLib.errors import InputError
from BraTSOSLib.jobs import ChildProcess, WorkerError

CHILD = """
import json, pathlib, pickle, sys, time
import numpy as np
folder = pathlib.Path(sys.argv[1])
def say(**fields): print(json.dumps(fields), flush=True)
say(bratsos="progress", stage="Segmenting", fraction=0.25)
{rest}
"""


class ScriptRunner:
    """A real child process that runs a few lines instead of the library."""

    def __init__(self, tmp_path, rest):
        self.script, self.tmp_path = tmp_path / "child.py", tmp_path
        self.script.write_text(CHILD.format(rest=rest), encoding="utf-8")

    def start(self, job):
        command = [sys.executable, str(self.script)]
        self.child = ChildProcess(job, temporary=self.tmp_path, command=command)
        self.child.start()
        return self.child


FOREVER = "time.sleep(600)"
RESULT = (
    "labels = np.zeros((6, 8, 10), np.uint8)\n"
    "volumes = {r: {'ml': 0.0, 'brain_percent': 0.0} for r in ('NCR', 'ED', 'ET', 'TC', 'WT')}\n"
    "result = {'labels': labels, 'volumes': volumes, 'warnings': ('a note',)}\n"
    "(folder / 'result.pickle').write_bytes(pickle.dumps(result))\n"
    "say(bratsos='done')\n"
)


@pytest.fixture
def ui(host, make_volumes):
    """The panel with four volumes selected."""
    select_volumes(host.widget.ui, make_volumes())
    return host.widget.ui


@pytest.fixture
def details(monkeypatch):
    """What the user finds behind *Show Details…*."""
    shown = []
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.util, "mainWindow", object)
    monkeypatch.setattr(slicer.util, "messageBox", lambda text, **options: shown.append((text, options)))
    return shown


def start(host, tmp_path, rest):
    """Click Segment, which runs a script in a real child process, and wait until that is at work."""
    host.widget.logic.runner = ScriptRunner(tmp_path, rest)
    click(host.widget.ui.segmentButton)
    until = time.monotonic() + 60
    while host.widget.busy and host.widget.progress.task.work.stage == "":
        assert time.monotonic() < until, "the child never said anything"
        slicer.app.processEvents()
    return host.widget.logic.runner


def nodes():
    return slicer.mrmlScene.GetNumberOfNodes()


def test_the_window_lives_while_the_work_is_done(host, ui, tmp_path, messages):
    start(host, tmp_path, f"time.sleep(0.5)\n{RESULT}")
    ticks = []
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: ticks.append(1))
    timer.start(20)
    finish_work(host.widget)
    timer.stop()
    assert len(ticks) > 3
    assert messages == []
    assert ui.segmentationSelector.currentNode().GetName() == "Case_1 segmentation"
    assert "a note" in ui.resultTextBrowser.toPlainText()


def test_while_work_is_under_way_only_cancel_can_be_pressed(host, ui, runner):
    runner.patient = True
    click(ui.segmentButton)
    for button in (ui.segmentButton, ui.predictButton, ui.reportButton, ui.featuresButton, ui.sampleButton):
        assert not button.enabled
    assert ui.cancelButton.enabled
    host.widget.progress.task.check()
    assert ui.progressBar.value == 500
    assert "Segmenting, 50 %, 0:0" in ui.statusLabel.text
    runner.release()
    finish_work(host.widget)
    assert ui.segmentButton.enabled and not ui.cancelButton.enabled
    assert ui.progressBar.value == 0 and ui.statusLabel.text == ""


def test_cancel_stops_the_process_and_leaves_the_scene_as_it_was(host, ui, tmp_path, messages):
    before = nodes()
    runner = start(host, tmp_path, FOREVER)
    click(ui.cancelButton)
    assert not ui.cancelButton.enabled
    finish_work(host.widget)
    assert runner.child._process.poll() is not None
    assert messages == []
    assert nodes() == before
    assert "stopped, nothing was changed" in ui.statusLabel.text
    assert ui.segmentButton.enabled


def test_a_crash_is_one_sentence_with_a_log_that_can_be_shared(host, ui, tmp_path, details):
    before = nodes()
    start(host, tmp_path, "print('/home/jane/Case_1_t1.nii of Case_1', file=sys.stderr)\nsys.exit(3)")
    finish_work(host.widget)
    (text, options), *others = details
    assert not others and "exit code 3" in text
    assert "Case_1" not in options["detailedText"] and "jane" not in options["detailedText"]
    assert "<path>" in options["detailedText"]
    assert nodes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_killed_process_is_said_to_have_run_out_of_memory(host, ui, tmp_path, details):
    runner = start(host, tmp_path, FOREVER)
    runner.child._process.send_signal(signal.SIGKILL)
    finish_work(host.widget)
    assert len(details) == 1 and "memory was full" in details[0][0]


def test_garbage_on_standard_output_does_no_harm(host, ui, tmp_path, messages):
    start(host, tmp_path, f"print('{{\"bratsos\": 3}}', 'loading...')\nprint('null')\n{RESULT}")
    finish_work(host.widget)
    assert messages == []
    assert ui.segmentationSelector.currentNode() is not None


def test_closing_the_scene_ends_the_work(host, ui, tmp_path, messages):
    runner = start(host, tmp_path, FOREVER)
    slicer.mrmlScene.Clear()
    assert runner.child._process.poll() is not None
    assert not host.widget.busy and messages == []
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None
    assert not ui.cancelButton.enabled


def test_removing_a_volume_meanwhile_adds_nothing(host, ui, runner, messages):
    runner.patient = True
    click(ui.segmentButton)
    slicer.mrmlScene.RemoveNode(ui.t2Selector.currentNode())
    runner.release()
    finish_work(host.widget)
    assert len(messages) == 1 and "removed from the scene" in messages[0]
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None


def test_leaving_the_module_meanwhile_keeps_the_work_and_its_result(host, ui, runner, messages):
    runner.patient = True
    click(ui.segmentButton)
    host.exit()
    runner.release()
    finish_work(host.widget)
    host.enter()
    assert messages == []
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode").GetName() == "Case_1 segmentation"


def test_unloading_the_module_ends_the_work(host, ui, tmp_path):
    runner = start(host, tmp_path, FOREVER)
    host.widget.cleanup()
    assert runner.child._process.poll() is not None


def test_reloading_the_module_ends_the_work_and_gives_a_panel_that_works(host, ui, tmp_path, runner, messages):
    """As Slicer does it: packages forgotten, the old panel cleaned up, a new one built on the new code."""
    old = start(host, tmp_path, FOREVER)
    volumes = [selector.currentNode() for selector in (ui.t1Selector, ui.t1ceSelector, ui.t2Selector, ui.flairSelector)]
    kept = {n: m for n, m in sys.modules.items() if n.split(".")[0] in ("BraTSOS", "BraTSOSModule", "BraTSOSLib")}
    try:
        host.reload()
        assert old.child._process.poll() is not None
        assert type(host.widget) is not kept["BraTSOS"].BraTSOSWidget
        host.widget.logic.runner = runner
        select_volumes(host.widget.ui, volumes)
        click(host.widget.ui.segmentButton)
        assert messages == []
        assert host.widget.ui.segmentationSelector.currentNode() is not None
    finally:
        for name in [n for n in sys.modules if n.split(".")[0] in ("BraTSOS", "BraTSOSModule", "BraTSOSLib")]:
            del sys.modules[name]
        sys.modules.update(kept)
        importlib.invalidate_caches()


def test_work_that_cannot_be_started_is_one_sentence(host, ui, runner, messages):
    def refuse(job):
        raise InputError("No temporary folder could be made: make room on the disk.")

    runner.start = refuse
    click(ui.segmentButton)
    assert messages == ["No temporary folder could be made: make room on the disk."]
    assert not host.widget.busy and ui.segmentButton.enabled


def test_the_details_of_a_failure_are_behind_a_click(host, ui, runner, details):
    runner.error = WorkerError("The computation crashed.")
    click(ui.segmentButton)
    ((text, options),) = details
    assert text == "The computation crashed."
    assert (options["windowTitle"], options["detailedText"]) == ("Segmentation", "the log")


def test_the_application_s_log_names_no_patient(host, ui, runner, details, caplog):
    runner.error = InputError("Case_1_t1ce in /home/jane/Case_1 is upside down.")
    click(ui.segmentButton)
    assert details[0][0] == "Case_1_t1ce in /home/jane/Case_1 is upside down."
    assert "<name> in <path>" in caplog.text
    assert "Case_1" not in caplog.text and "jane" not in caplog.text


def test_slicers_own_python_is_what_is_started(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert pythonExecutable() == sys.executable
    application = tmp_path / "bin" / ("PythonSlicer.exe" if sys.platform == "win32" else "PythonSlicer")
    application.parent.mkdir()
    application.touch()
    monkeypatch.setattr(slicer, "app", types.SimpleNamespace(slicerHome=str(tmp_path)))
    assert pythonExecutable() == str(application)
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/{name}")
    assert pythonExecutable() == "/opt/PythonSlicer"
