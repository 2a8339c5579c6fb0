"""The main job, whole or not at all."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from small_cases import GRID, small_case, small_labels

import BraTSOSLib.radiomics
import BraTSOSLib.report
import BraTSOSLib.segmentation
from BraTSOSLib.atomic import atomic_file, staged_folder
from BraTSOSLib.case import Clinical, Geometry, read_label_map
from BraTSOSLib.errors import Cancelled, InputError
from BraTSOSLib.pipeline import OUTPUTS, run_case, strict_json
from BraTSOSLib.segmentation import SegmentationResult

CLINICAL = Clinical(60.7, "GTR")
PLAUSIBLE = {"NCR": 100.0, "ED": 400.0, "WT": 600.0}


@pytest.fixture
def segmenter(monkeypatch):
    """Stands in for the network, which has tests of its own: returns the small case's labels at once."""
    calls = []

    def segment_case(case, *, device="auto", progress=None, fast=False, plausible=False, **others):
        calls.append((case.name, device, fast))
        if progress is not None:
            progress("Segmenting", 0.5)
        card = {"name": "stand-in", "stages": [{"sha256": "a"}, {"sha256": "b"}]}
        labels = small_labels(case.geometry)
        found = tuple({**PLAUSIBLE, "ET": et, "TC": et + 100.0} for et in (50.0, 90.0)) if plausible else ()
        return SegmentationResult(labels, None, None, None, ("Looks odd.",), card, "fake on cpu", found)

    monkeypatch.setattr(BraTSOSLib.segmentation, "segment_case", segment_case)
    return calls


def test_everything_is_written_and_agrees(tmp_path, segmenter):
    seen = []
    output = tmp_path / "new" / "out"
    result = run_case(
        small_case(), CLINICAL, output=output, device="cpu", fast=True, progress=lambda *call: seen.append(call)
    )
    assert segmenter == [("small", "cpu", True)]
    assert sorted(path.name for path in output.iterdir()) == sorted(OUTPUTS)
    np.testing.assert_array_equal(read_label_map(output / "segmentation.nii.gz", GRID), small_labels())
    with (output / "features.csv").open() as file:
        rows = {row["feature"]: row["value"] for row in csv.DictReader(file)}
    assert float(rows["WT_original_shape_VoxelVolume"]) == 8**3
    survival = json.loads((output / "survival.json").read_text())
    assert survival["case"] == "small"
    assert sum(survival["probabilities"].values()) == pytest.approx(1)
    assert survival["category"] in ("short", "medium", "long")
    assert survival["spread"]["segmentations"] == 2
    assert survival["spread"]["volumes"]["ET"] == {"low": 50.0, "high": 90.0}
    assert survival["spread"]["days"]["low"] == pytest.approx(survival["days"]), "the student uses no volume"
    run = json.loads((output / "run.json").read_text())
    assert run["settings"] == {"device": "cpu", "fast": True}
    assert run["segmentation"] == {
        "labels": "segmented here",
        "engine": "fake on cpu",
        "warnings": ["Looks odd."],
        "quality": None,
    }
    assert run["weights"]["stand-in"] == "a b"
    assert run["versions"]["numpy"] == np.__version__
    assert run["weights"]["survival-student"] == survival["model"]["sha256"]
    assert set(run["timings"]) == {"segment", "features", "predict", "report"}
    assert "small" in (output / "report.html").read_text()
    assert result.volumes["ET"]["ml"] == pytest.approx((5**3 - 3**3) / 1000)
    assert json.loads(json.dumps(result.to_dict()))["survival"]["category"] == survival["category"]
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_the_same_input_gives_the_same_bytes(tmp_path, segmenter):
    first, second = tmp_path / "a", tmp_path / "b"
    for output in (first, second):
        run_case(small_case(), CLINICAL, output=output)
    for name in OUTPUTS:
        if name != "run.json":
            assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_given_labels_are_used_on_an_anisotropic_turned_grid(tmp_path):
    grid = Geometry((24, 22, 20), (2.0, 1.0, 1.5), (3.0, 5.0, 7.0), (-1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0))
    labels = small_labels(grid)
    result = run_case(small_case(grid), CLINICAL, output=tmp_path, labels=np.where(labels == 4, 3, labels))
    assert result.run["segmentation"] == {"labels": "given"}
    assert "segmenter" not in " ".join(result.run["weights"])
    assert result.volumes["WT"]["ml"] == pytest.approx(8**3 * 3.0 / 1000)
    np.testing.assert_array_equal(read_label_map(tmp_path / "segmentation.nii.gz", grid), labels)


def test_an_empty_tumour_is_no_error(tmp_path):
    result = run_case(small_case(), CLINICAL, output=tmp_path, labels=np.zeros_like(small_labels()))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(OUTPUTS)
    survival = json.loads((tmp_path / "survival.json").read_text())
    assert survival["category"] is None
    assert survival["probabilities"] is None
    assert "tumour" in survival["reason"]
    assert result.volumes["WT"]["ml"] == 0


def test_an_empty_region_is_no_error(tmp_path):
    labels = small_labels()
    labels[labels != 2] = 2
    result = run_case(small_case(), CLINICAL, output=tmp_path, labels=labels)
    assert result.volumes["ET"]["ml"] == 0
    assert json.loads((tmp_path / "survival.json").read_text())["case"] == "small"


@pytest.mark.parametrize("stage", ["segmentation.segment_case", "radiomics.extract_features", "report.write_report"])
@pytest.mark.parametrize("problem", [InputError("no"), RuntimeError("no"), KeyboardInterrupt()])
def test_nothing_is_left_after_a_failure_in_any_stage(tmp_path, monkeypatch, segmenter, stage, problem):
    package, function = stage.split(".")

    def fail(*args, **kwargs):
        raise problem

    monkeypatch.setattr(getattr(BraTSOSLib, package), function, fail)
    with pytest.raises(type(problem)):
        run_case(small_case(), CLINICAL, output=tmp_path / "deep" / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_older_result_survives_a_failure(tmp_path, monkeypatch, segmenter):
    run_case(small_case(), CLINICAL, output=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(BraTSOSLib.report, "write_report", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_case(small_case(name="other"), CLINICAL, output=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_cancelling_at_any_question_leaves_nothing(tmp_path, segmenter):
    asked = 0
    while True:
        left = [asked]

        def cancel(left=left):
            left[0] -= 1
            return left[0] < 0

        try:
            run_case(small_case(), CLINICAL, output=tmp_path / "out", cancel=cancel)
            break
        except Cancelled:
            assert list(tmp_path.iterdir()) == []
            asked += 1
    assert asked >= 8
    assert (tmp_path / "out" / "run.json").exists()


def test_what_cannot_work_is_said_before_the_work(tmp_path, segmenter):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken" / "report.html").mkdir(parents=True)
    wrong = {
        "in its place": {"output": tmp_path / "file"},
        "cannot be made": {"output": tmp_path / "file" / "below"},
        "report.html is a folder": {"output": tmp_path / "taken"},
        "The age is -3": {"output": tmp_path / "out", "clinical": Clinical(-3)},
        "own grid": {"output": tmp_path / "out", "labels": small_labels()[1:]},
    }
    for message, arguments in wrong.items():
        with pytest.raises(InputError, match=message):
            run_case(small_case(), **arguments)
    assert segmenter == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "report.html", "taken"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_synthetic_case_says_so_in_every_output(tmp_path):
    run_case(replace(small_case(), synthetic=True), CLINICAL, output=tmp_path, labels=small_labels())
    for name in ("survival.json", "run.json"):
        assert json.loads((tmp_path / name).read_text())["synthetic"] is True
    assert "SYNTHETIC" in (tmp_path / "report.html").read_text()


def test_staged_files_appear_together_and_keep_their_neighbours(tmp_path):
    (tmp_path / "notes.txt").write_text("keep")
    with staged_folder(tmp_path, ["a", "b"]) as staging:
        (staging / "a").write_text("1")
        assert not (tmp_path / "a").exists()
        (staging / "b").write_text("2")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"notes.txt": "keep", "a": "1", "b": "2"}
    with pytest.raises(ValueError, match="half"), atomic_file(tmp_path / "a") as unfinished:
        unfinished.write_text("half")
        raise ValueError("half")
    assert (tmp_path / "a").read_text() == "1"
    assert len(list(tmp_path.iterdir())) == 3


def test_json_holds_no_nan():
    assert strict_json({"a": (float("nan"), np.float32(1), np.int64(2), None)}) == {"a": [None, 1.0, 2, None]}
