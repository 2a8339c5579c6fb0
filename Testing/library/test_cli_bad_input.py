"""The command line as a user meets it: bad input is one line and exit code 2, with nothing left behind."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from small_cases import GRID, small_labels, small_volumes, write_case

import BraTSOSLib.segmentation
from BraTSOSLib.case import write_label_map
from BraTSOSLib.cli import main
from BraTSOSLib.errors import DependencyError
from BraTSOSLib.images import write_image
from BraTSOSLib.pipeline import OUTPUTS

ROOT = Path(__file__).resolve().parents[2]
CLINICAL = ["--age", "60.7", "--resection", "GTR"]


@pytest.fixture
def case(tmp_path):
    return write_case(tmp_path / "in" / "p")


@pytest.fixture
def no_segmentation(monkeypatch):
    """Bad input must be found before the network is asked."""

    def segment(*args, **kwargs):
        raise AssertionError("the segmentation was reached")

    monkeypatch.setattr(BraTSOSLib.segmentation, "segment_case", segment)


def refused(capfd, arguments: list[str], *words: str, code: int = 2) -> str:
    """Run the command; check exit code and that standard error is one line that holds ``words``."""
    assert main([str(argument) for argument in arguments]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    for word in words:
        assert word in err, err
    return err


def spoil(folder: Path, how: str) -> str:
    """Break a good case; return what the error must name."""
    path = folder / "p_flair.nii.gz"
    volume = small_volumes()["flair"]
    if how == "missing":
        path.unlink()
        return "flair"
    if how == "two grids":
        write_image(volume, replace(GRID, spacing=(1.0, 1.0, 1.2)), path)
    elif how == "4-D":
        sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(volume)] * 2), str(path))
    elif how == "2-D":
        sitk.WriteImage(sitk.GetImageFromArray(volume[9]), str(path))
    elif how == "NaN":
        volume[9, 9, 9] = np.nan
        write_image(volume, GRID, path)
    elif how == "NaN in NRRD":
        path.unlink()
        path = folder / "p_flair.nrrd"
        volume[9, 9, 9] = np.nan
        write_image(volume, GRID, path)
    elif how == "empty":
        write_image(volume * 0, GRID, path)
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "text":
        path.write_text("patient left early\n")
    elif how == "text in gzip":
        path.write_bytes(gzip.compress(b"patient left early\n" * 50))
    elif how == "twice":
        shutil.copy(folder / "p_t2.nii.gz", path)
    return path.name


SPOILED = (
    "missing", "two grids", "4-D", "2-D", "NaN", "NaN in NRRD", "empty", "truncated", "text", "text in gzip", "twice",
)  # fmt: skip


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("command", ["run", "segment", "demo"])
def test_bad_scans(tmp_path, case, capfd, no_segmentation, how, command):
    named = spoil(case, how)
    source = ["--case", case] if command == "demo" else [case]
    refused(capfd, [command, *source, "-o", tmp_path / "out"], named)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--age", "-3"], "-3"),
        (["--age", "300"], "300"),
        (["--age", "sixty"], "--age"),
        (["--age", "60", "--resection", "partial"], "'partial'"),
        (["--age", "60", "--kps", "700"], "700"),
        (["--age", "60", "--idh", "perhaps"], "'perhaps'"),
        (["--wrong"], "--wrong"),
    ],
)
@pytest.mark.parametrize("command", ["run", "demo"])
def test_bad_values(tmp_path, case, capfd, no_segmentation, options, word, command):
    if command == "demo" and {"--kps", "--idh"} & set(options):
        pytest.skip("the demo takes age and resection only")
    source = ["--case", case] if command == "demo" else [case]
    refused(capfd, [command, *source, "-o", tmp_path / "out", *options], word)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("below", ["", "below"])
@pytest.mark.parametrize("command", ["run", "segment"])
def test_an_output_that_cannot_be_written(tmp_path, case, capfd, no_segmentation, below, command):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    output = taken / below if below else taken
    refused(capfd, [command, case, "-o", output], "taken")
    assert taken.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "taken"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_without_permission(tmp_path, case, capfd, no_segmentation):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    refused(capfd, ["run", case, "-o", locked / "out"], "locked")


def test_bad_label_maps(tmp_path, case, capfd, no_segmentation):
    path = tmp_path / "in" / "labels.nii.gz"
    write_image(small_labels() * 3, GRID, path)
    refused(capfd, ["run", case, "-o", tmp_path / "out", "--labels", path], "labels.nii.gz", "6")
    write_label_map(small_labels(), replace(GRID, origin=(9.0, 0.0, 0.0)), path)
    refused(capfd, ["run", case, "-o", tmp_path / "out", "--labels", path], "labels.nii.gz", "origin")
    assert not (tmp_path / "out").exists()


def test_bad_feature_tables(tmp_path, capfd):
    table = tmp_path / "features.csv"
    refused(capfd, ["predict", table, *CLINICAL], "features.csv")
    for content in ("", "just words", "feature,value\n", "feature,value\nWT_original_shape_VoxelVolume,large\n"):
        table.write_text(content)
        refused(capfd, ["predict", table, *CLINICAL], "features.csv")
    table.write_bytes(b"\xff\xfe\x00binary")
    refused(capfd, ["predict", table, *CLINICAL], "features.csv")


def test_bad_wishes_of_the_other_commands(tmp_path, capfd):
    refused(capfd, ["phantom", tmp_path / "out", "--cases", "0"], "0")
    refused(capfd, ["phantom", tmp_path / "out", "--seed", "-1"], "-1")
    refused(capfd, ["evaluate", "segmentation", tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"], "b.nii.gz")
    refused(capfd, ["train", "survival", "--table", tmp_path / "t.csv"], "--cross-validate")
    refused(capfd, ["nonsense"], "nonsense")
    assert list(tmp_path.iterdir()) == []


def test_training_on_a_folder_that_is_not_there(tmp_path, capfd):
    pytest.importorskip("torch", reason="torch is not installed")
    refused(capfd, ["train", "segmentation", tmp_path / "none", "-o", tmp_path / "out"], "none")
    assert list(tmp_path.iterdir()) == []


def test_missing_torch_is_one_sentence(monkeypatch):
    from BraTSOSLib.segmentation import torch_needed

    monkeypatch.setattr(torch_needed, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match="pip install torch"):
        torch_needed.require_torch()


@pytest.mark.parametrize("model", ["segmenter", "survival"])
@pytest.mark.parametrize("damage", ["bit", "cut", "gone"])
def test_corrupt_weights(tmp_path, case, model, damage):
    """A copy of the whole program with one damaged file, run as a command."""
    if model == "segmenter":
        pytest.importorskip("torch", reason="torch is not installed")
    weights = next((ROOT / "Resources" / "Models").glob(f"{model}*.safetensors"), None)
    if weights is None:
        pytest.skip(f"no {model} weights are bundled in this tree")
    program = tmp_path / "program"
    shutil.copytree(ROOT / "BraTSOSLib", program / "BraTSOSLib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "Resources", program / "Resources")
    damaged = program / "Resources" / "Models" / weights.name
    content = bytearray(damaged.read_bytes())
    if damage == "bit":
        content[-9] ^= 4
        damaged.write_bytes(content)
    elif damage == "cut":
        damaged.write_bytes(content[:100])
    else:
        damaged.unlink()
    labels = tmp_path / "in" / "labels.nii.gz"
    write_label_map(small_labels(), GRID, labels)
    given = ["--labels", labels] if model == "survival" else []
    code = "import sys; from BraTSOSLib.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", case, "-o", tmp_path / "out", *CLINICAL, *given],
        cwd=program, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(program)},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert model in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "program"]


def test_an_unexpected_error_is_one_line_and_exit_code_1(tmp_path, case, capfd, monkeypatch):
    monkeypatch.delenv("BRATSOS_TRACEBACK", raising=False)
    monkeypatch.setattr(BraTSOSLib.segmentation, "segment_case", lambda *args, **kwargs: 1 / 0)
    refused(capfd, ["run", case, "-o", tmp_path / "out"], "ZeroDivisionError", code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(tmp_path, case, number):
    code = (
        "import sys, time, BraTSOSLib.segmentation as s\n"
        "def segment(*a, **k):\n    print('busy', flush=True)\n    time.sleep(60)\n"
        "s.segment_case = segment\nfrom BraTSOSLib.cli import main\nsys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run", str(case), "-o", str(tmp_path / "out")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        # a shell that runs the tests in the background lets them, and so the command, ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("error: stopped")
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_good_run_prints_what_matters(tmp_path, case, capfd):
    labels = tmp_path / "in" / "labels.nii.gz"
    write_label_map(small_labels(), GRID, labels)
    command = ["run", str(case), "-o", str(tmp_path / "out"), *CLINICAL, "--labels", str(labels)]
    assert main(command) == 0
    out, err = capfd.readouterr()
    assert err == ""
    for word in ("Whole tumour", "0.51 mL", "category:", "probabilities: short", str(tmp_path / "out" / "report.html")):
        assert word in out
    assert main([*command, "--json"]) == 0
    content = json.loads(capfd.readouterr().out)
    assert content["volumes"]["WT"]["ml"] == pytest.approx(0.512)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(OUTPUTS)

    assert main(["predict", str(tmp_path / "out" / "features.csv"), *CLINICAL, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["probabilities"] == content["survival"]["probabilities"]

    table = tmp_path / "again.csv"
    assert main(["features", str(case), "--labels", str(labels), "-o", str(table)]) == 0
    with table.open() as again, (tmp_path / "out" / "features.csv").open() as first:
        assert list(csv.reader(again)) == list(csv.reader(first))


def test_models_version_and_help(capfd):
    assert main(["models", "--json"]) == 0
    names = [card["name"] for card in json.loads(capfd.readouterr().out)]
    assert "survival-student" in names
    assert main(["--version"]) == 0
    assert capfd.readouterr().out.startswith("bratsos ")
    assert main([]) == 0
    assert "Usage: bratsos" in capfd.readouterr().out
