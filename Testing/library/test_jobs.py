"""Work in a process of its own: results, progress, cancelling, and everything that can go wrong with a child."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from BraTSOSLib.case import Case, Geometry
from BraTSOSLib.errors import Cancelled, DependencyError, InputError
from BraTSOSLib.jobs import ChildProcess, Job, WorkerError, process, worker
from BraTSOSLib.jobs.job import CANCEL, read_result
from BraTSOSLib.jobs.log import anonymised
from BraTSOSLib.jobs.process_tree import end_tree, is_alive, start_options

SHAPE = (12, 14, 16)


@pytest.fixture
def case():
    scans = np.random.default_rng(0).uniform(1, 100, (4, *SHAPE)).astype(np.float32)
    geometry = Geometry(SHAPE[::-1], (1.0, 1.0, 2.0), (10.0, -20.0, 30.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Case("Doe_Jane", dict(zip(("t1", "t1ce", "t2", "flair"), scans, strict=True)), geometry)


@pytest.fixture
def labels():
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:9, 3:10, 3:12], labels[4:8, 4:9, 4:10], labels[5:7, 5:8, 5:8] = 2, 4, 1
    return labels


def finished(child):
    """Wait for a child, but not for ever; its outcome."""
    until = time.monotonic() + 120
    while child.poll() is None:
        assert time.monotonic() < until, "the child never ended"
        time.sleep(0.02)
    return child.outcome


def run(job, **settings):
    child = ChildProcess(job, **settings)
    child.start()
    return child, finished(child)


def fake(code, tmp_path, job=None):
    """A child that runs ``code`` instead of the library; ``say`` writes a line of the protocol."""
    script = tmp_path / "child.py"
    script.write_text(
        "import json, os, pathlib, subprocess, sys, time\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "def say(**fields): print(json.dumps(fields), flush=True)\n" + code,
        encoding="utf-8",
    )
    child = ChildProcess(job or Job("segment"), temporary=tmp_path, command=[sys.executable, str(script)])
    child.start()
    return child


def started(child):
    """Wait until the fake child has said that it is at work."""
    until = time.monotonic() + 60
    while not child.stage:
        assert child.poll() is None and time.monotonic() < until, child.outcome
        time.sleep(0.02)
    return child


def test_a_job_travels_unchanged(case, labels, tmp_path):
    Job("predict", case, labels, {"clinical": {"age": 60.7}}).write(tmp_path)
    back = Job.read(tmp_path)
    assert (back.task, back.options) == ("predict", {"clinical": {"age": 60.7}})
    assert back.case.geometry == case.geometry and back.case.name == case.name
    np.testing.assert_array_equal(back.labels, labels)
    for name, volume in case.volumes.items():
        np.testing.assert_array_equal(back.case.volumes[name], volume)
    assert all(path.suffix in (".npy", ".json") for path in tmp_path.iterdir())


@pytest.mark.parametrize("name", ["plain", "with blanks and 'quotes'", "Übung 脳"])
def test_features_are_measured_in_a_folder_of_any_name(case, labels, tmp_path, name):
    pytest.importorskip("pandas", reason="the feature table needs pandas")
    temporary = tmp_path / name
    temporary.mkdir()
    child, outcome = run(Job("features", case, labels), temporary=temporary)
    assert outcome.error is None, outcome
    values = dict(outcome.result["features"])
    assert values["ED_original_shape_VoxelVolume"] == 2.0 * np.count_nonzero(labels == 2)
    assert child.fraction == 1.0
    assert list(temporary.iterdir()) == []


def test_the_prediction_is_that_of_the_extracted_features(case, labels, tmp_path):
    pytest.importorskip("pandas", reason="the feature table needs pandas")
    import BraTSOSLib

    clinical = {"age": 60.7, "resection": "GTR"}
    _child, outcome = run(Job("predict", case, labels, {"clinical": clinical}), temporary=tmp_path)
    assert outcome.error is None, outcome
    expected = BraTSOSLib.predict_survival(BraTSOSLib.extract_features(case, labels), **clinical)
    assert outcome.result["prediction"] == expected
    assert outcome.result["volumes"]["WT"]["ml"] == pytest.approx(2e-3 * np.count_nonzero(labels))


def test_an_error_of_the_library_arrives_as_it_is(case, tmp_path):
    _child, outcome = run(Job("features", case, np.zeros((2, 2, 2), np.uint8)), temporary=tmp_path)
    assert isinstance(outcome.error, InputError)
    assert "scans' own grid" in str(outcome.error)
    assert "Jane" not in outcome.log


def test_libraries_may_print_whatever_they_like(tmp_path):
    code = (
        "print('not json', flush=True)\n"
        "print('{\"bratsos\": broken', flush=True)\n"
        "print('{\"bratsos\": 7}', flush=True)\n"
        "os.write(1, b'\\xff\\xfe\\n')\n"
        "say(bratsos='progress', stage='Working', fraction=0.5)\n"
        "import pickle; (folder / 'result.pickle').write_bytes(pickle.dumps({'labels': 3}))\n"
        "say(bratsos='done')\n"
    )
    child = fake(code, tmp_path)
    outcome = finished(child)
    assert outcome.result == {"labels": 3}
    assert (child.stage, child.fraction) == ("Working", 0.5)
    assert "not json" in outcome.log


def test_what_the_worker_prints_cannot_be_taken_for_its_protocol(tmp_path):
    """The library's own child: a C library's print on file descriptor 1 ends on standard error."""
    code = (
        f"sys.path.insert(0, {str(Path(process.__file__).parents[2])!r})\n"
        "from BraTSOSLib.jobs import tasks, worker\n"
        "def loud(job, folder, *, progress, cancel, news):\n"
        '    os.write(1, b\'{"bratsos": "error", "message": "never said"}\\n\')\n'
        '    print(\'{"bratsos": "error", "message": "never said"}\')\n'
        "    progress('Working', 0.25)\n"
        "    news({'case': 'a', 'state': 'running'})\n"
        "    return {'answer': 42}\n"
        "tasks.TASKS['segment'] = loud\n"
        "sys.exit(worker.main(folder))\n"
    )
    child = fake(code, tmp_path)
    assert finished(child).result == {"answer": 42}
    assert child.news == [{"case": "a", "state": "running"}]


def test_cancelling_ends_the_child_and_what_it_started(tmp_path):
    code = (
        "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "(folder.parent / 'pid').write_text(str(grandchild.pid))\n"
        "say(bratsos='progress', stage='Deaf', fraction=0.1)\n"
        "time.sleep(600)\n"
    )
    child = started(fake(code, tmp_path))
    grandchild = int((tmp_path / "pid").read_text())
    assert is_alive(grandchild)
    child.cancel()
    outcome = finished(child)
    assert isinstance(outcome.error, Cancelled)
    until = time.monotonic() + 30
    while is_alive(grandchild) and not _zombie(grandchild):
        assert time.monotonic() < until, "the grandchild lives on"
        time.sleep(0.02)
    assert not child.folder.exists()


def _zombie(number):
    """Nobody collects an orphan's exit code in a container without an init process."""
    status = Path(f"/proc/{number}/stat")
    return status.is_file() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_a_child_that_listens_stops_by_itself(tmp_path):
    code = (
        "say(bratsos='progress', stage='Working', fraction=0.1)\n"
        f"while not (folder / {CANCEL!r}).exists(): time.sleep(0.01)\n"
        "(folder.parent / 'tidied').touch()\n"
        "say(bratsos='error', kind='Cancelled', message='stopped')\n"
        "sys.exit(2)\n"
    )
    child = started(fake(code, tmp_path))
    child.cancel()
    assert isinstance(finished(child).error, Cancelled)
    assert (tmp_path / "tidied").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize(("number", "words"), [(signal.SIGKILL, "memory"), (signal.SIGSEGV, "crashed")])
def test_a_killed_child_is_one_sentence(tmp_path, number, words):
    child = started(fake("say(bratsos='progress', stage='Working', fraction=0.1)\ntime.sleep(600)\n", tmp_path))
    os.kill(child._process.pid, number)
    outcome = finished(child)
    assert isinstance(outcome.error, WorkerError)
    assert words in str(outcome.error)


def test_a_crash_keeps_its_traceback_for_the_details(tmp_path):
    outcome = finished(fake("raise ZeroDivisionError('by nothing')\n", tmp_path))
    assert isinstance(outcome.error, WorkerError)
    assert "ended without a result" in str(outcome.error)
    assert "ZeroDivisionError" in outcome.log
    assert str(tmp_path) not in outcome.log


def test_a_result_that_cannot_be_read_is_said(tmp_path):
    outcome = finished(fake("(folder / 'result.pickle').write_bytes(b'xx')\nsay(bratsos='done')\n", tmp_path))
    assert "could not be read" in str(outcome.error)


def test_kill_ends_at_once(tmp_path):
    child = started(fake("say(bratsos='progress', stage='Working', fraction=0.1)\ntime.sleep(600)\n", tmp_path))
    child.kill()
    assert isinstance(child.outcome.error, Cancelled)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(case, tmp_path, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(InputError, match="make room"):
        ChildProcess(Job("segment", case), temporary=tmp_path).start()
    assert list(tmp_path.iterdir()) == []


def test_a_python_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="could not be started"):
        ChildProcess(Job("segment"), python=str(tmp_path / "none"), temporary=tmp_path).start()
    assert list(tmp_path.iterdir()) == []


def worker_says(monkeypatch, capfd, tmp_path, failure):
    """What the library's worker says where its task fails with ``failure``."""
    from BraTSOSLib.jobs import tasks

    def fail(job, folder, **keywords):
        raise failure

    monkeypatch.setitem(tasks.TASKS, "segment", fail)
    monkeypatch.setattr(worker, "_claim_stdout", lambda: sys.stdout)
    Job("segment").write(tmp_path)
    assert worker.main(tmp_path) != 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    return lines[-1]


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (ModuleNotFoundError("No module named 'pandas'", name="pandas"), "DependencyError", "pandas is not installed"),
        (ImportError("DLL load failed", name="torch._C"), "DependencyError", "torch is there but cannot be loaded"),
        (OSError(28, "No space left on device"), "WorkerError", "no room left"),
        (MemoryError(), "WorkerError", "memory was too small"),
        (ValueError("odd"), "WorkerError", "ValueError: odd"),
        (InputError("Give four scans."), "InputError", "Give four scans."),
        (DependencyError("Install torch."), "DependencyError", "Install torch."),
    ],
)
def test_every_failure_is_a_sentence(monkeypatch, capfd, tmp_path, failure, kind, words):
    said = worker_says(monkeypatch, capfd, tmp_path, failure)
    assert said["bratsos"] == "error" and said["kind"] == kind
    assert words in said["message"]


def test_a_package_that_is_half_there_is_named(tmp_path):
    """As torch is after an installation that was broken off: its folder is there, its compiled part is not."""
    package = tmp_path / "site-packages" / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise OSError('libtorch_cpu.so: cannot open')\n", encoding="utf-8")
    sys.path.insert(0, str(package.parent))
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "torch"}
    try:
        import torch  # noqa: F401
    except OSError as error:
        said = worker._sentence(error)
    finally:
        sys.path.remove(str(package.parent))
        sys.modules.pop("torch", None)
        sys.modules.update(kept)
    assert "torch is there but cannot be loaded" in said
    assert worker._kind(OSError(2, "x")) == "WorkerError"


def test_a_device_that_cannot_hold_the_model_is_replaced_by_the_cpu(case, monkeypatch):
    from BraTSOSLib import segmentation
    from BraTSOSLib.jobs import tasks

    asked = []

    def segment_case(case, *, device, progress, cancel, **settings):
        asked.append(device)
        if device != "cpu":
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return segmentation.SegmentationResult(np.zeros(SHAPE, np.uint8), None, None, None, ("a note",), {})

    monkeypatch.setattr(segmentation, "segment_case", segment_case)
    job = Job("segment", case, options={"device": "cuda"})
    result = tasks.segment(job, Path(), progress=lambda *_: None, cancel=lambda: False, news=lambda _: None)
    assert asked == ["cuda", "cpu"]
    assert "CPU was used instead" in result["warnings"][0]
    assert result["warnings"][1] == "a note"
    monkeypatch.setattr(segmentation, "segment_case", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tasks.segment(job, Path(), progress=lambda *_: None, cancel=lambda: False, news=lambda _: None)


@pytest.mark.skipif(os.name == "nt", reason="the child is orphaned with a POSIX signal")
def test_a_child_ends_with_the_application_that_asked(tmp_path):
    """The application crashes: its child must not compute on for nobody."""
    Job("segment").write(tmp_path)
    content = json.loads((tmp_path / "job.json").read_text())
    gone = process.subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "job.json").write_text(json.dumps(content | {"parent": gone.pid}), encoding="utf-8")
    library = str(Path(process.__file__).parents[2])
    code = (
        f"import sys, time; sys.path.insert(0, {library!r})\n"
        "from BraTSOSLib.jobs import tasks, worker\n"
        "tasks.TASKS['segment'] = lambda *a, **k: time.sleep(600)\n"
        f"worker.main({str(tmp_path)!r})\n"
    )
    child = process.subprocess.Popen([sys.executable, "-c", code], **start_options())
    try:
        assert child.wait(timeout=60) != 0
    finally:
        end_tree(child)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('File "/home/jane/x y/BraTSOSLib/case.py", line 3', 'File "BraTSOSLib/case.py", line 3'),
        (r'File "C:\Users\jane\Slicer\lib\Python\Lib\site-packages\torch\a.py", line 3', "site-packages/torch/a.py"),
        ("cannot read /data/Doe Jane/t1.nii: denied", "cannot read <path>: denied"),
        (r"cannot read C:\data\Doe_Jane\t1.nii", "cannot read <path>"),
        ("Doe_Jane has 3 voxels, 1/2 of 4", "<name> has 3 voxels, 1/2 of 4"),
        ("folder / CANCEL and/or done", "folder / CANCEL and/or done"),
    ],
)
def test_a_log_names_neither_patients_nor_folders(text, expected):
    cleaned = anonymised(text, ["Doe_Jane", "", "x"])
    assert expected in cleaned
    assert "jane" not in cleaned.lower() and "data" not in cleaned


def test_a_result_is_whole_or_not_there(tmp_path):
    from BraTSOSLib.jobs.job import write_result

    write_result(tmp_path, {"a": 1})
    assert read_result(tmp_path) == {"a": 1}
    with pytest.raises((pickle.PicklingError, AttributeError)):
        write_result(tmp_path, {"a": lambda: 0})
    assert read_result(tmp_path) == {"a": 1}
