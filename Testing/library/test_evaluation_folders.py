"""Evaluation of files and folders: matching by name, summary, table, page, and bad input."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from small_cases import GRID, small_labels, small_volumes

from BraTSOSLib.case import MODALITIES, write_label_map
from BraTSOSLib.cli import main
from BraTSOSLib.errors import Cancelled, InputError
from BraTSOSLib.images import write_image
from BraTSOSLib.segmentation.evaluation import evaluate_folders, summarise
from BraTSOSLib.segmentation.evaluation.cases import RegionScores, evaluate_pairs
from BraTSOSLib.segmentation.evaluation.folders import label_maps, match_cases
from BraTSOSLib.segmentation.evaluation.pictures import Background, draw_disagreement


def put(path: Path, labels: np.ndarray | None = None, grid=GRID) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_label_map(small_labels() if labels is None else labels, grid, path)
    return path


@pytest.fixture
def folders(tmp_path):
    """Three common cases (perfect, no enhancing tumour, shifted), one only here and one only there."""
    truth = small_labels()
    for name, labels in {
        "a": truth,
        "b": np.where(truth == 4, 1, truth),
        "c": np.roll(truth, 2, axis=2),
        "extra": truth,
    }.items():
        put(tmp_path / "pred" / name / "segmentation.nii.gz", labels)
    for name in ("a", "b", "c", "left"):
        put(tmp_path / "truth" / name / f"{name}_seg.nii.gz")
    return tmp_path / "pred", tmp_path / "truth"


@pytest.mark.parametrize(
    "file",
    ["x.nii.gz", "x_seg.nii.gz", "x-seg.nii", "x_segm.nrrd", "x_pred.mha", "x/x.nii.gz", "x/x_seg.nii.gz",
     "x/segmentation.nii.gz", "x/other_seg.nii.gz", "x/seg.nii.gz"],
)  # fmt: skip
def test_names_of_label_maps(tmp_path, file):
    for other in ("x_t1.nii.gz", "x-t2f.nii.gz", ".x_seg.nii.gz", "x.csv", "x/x_flair.nii.gz", "y/notes.txt"):
        path = tmp_path / other
        path.parent.mkdir(exist_ok=True)
        path.touch()
    path = tmp_path / file
    path.touch()
    assert label_maps(tmp_path) == {"x": path}


def test_two_label_maps_of_a_case_are_a_question(tmp_path):
    (tmp_path / "x.nii.gz").touch()
    (tmp_path / "x_seg.nii.gz").touch()
    with pytest.raises(InputError, match="both label maps of x"):
        label_maps(tmp_path)


def test_cases_are_matched_by_name(folders):
    matched = match_cases(*folders)
    assert list(matched.pairs) == ["a", "b", "c"]
    assert (matched.only_prediction, matched.only_truth) == (("extra",), ("left",))
    table = evaluate_folders(*folders)
    assert table.attrs == {"only_prediction": ["extra"], "only_truth": ["left"]}
    assert list(table.columns) == ["case", *RegionScores.__dataclass_fields__]
    scores = table.set_index(["case", "region"])
    assert (scores.loc["a", "dice"] == 1).all()
    assert scores.loc[("b", "ET"), "hd95_mm"] == 373.13
    assert scores.loc[("c", "WT"), "dice"] == pytest.approx(0.75)
    assert scores.loc[("c", "WT"), "hd95_mm"] == 2.0


def test_a_file_and_a_folder_with_one_map_are_a_pair(tmp_path, folders):
    file = put(tmp_path / "mine.nii.gz")
    assert list(match_cases(file, folders[1] / "a").pairs) == ["a"]
    with pytest.raises(InputError, match="two files, or two folders"):
        match_cases(file, folders[1])


def test_work_can_be_stopped(folders):
    with pytest.raises(Cancelled):
        evaluate_pairs(match_cases(*folders).pairs, cancel=lambda: True)


def scores_table(dices) -> pd.DataFrame:
    row = dict.fromkeys(RegionScores.__dataclass_fields__, 1.0)
    return pd.DataFrame([{"case": f"p{i}", **row, "region": "WT", "dice": dice} for i, dice in enumerate(dices)])


def test_summary_of_known_scores():
    summary = summarise(scores_table([0.5, 0.9, 0.8, 1.0]))
    row = summary[summary["metric"] == "dice"].iloc[0]
    assert (row["n"], row["mean"], row["median"]) == (4, pytest.approx(0.8), pytest.approx(0.85))
    assert row["sd"] == pytest.approx(np.std([0.5, 0.9, 0.8, 1.0], ddof=1))
    assert (row["worst"], row["worst_case"]) == (0.5, "p0")


def test_the_interval_is_seeded_and_of_the_right_width():
    dices = np.random.default_rng(0).normal(0.8, 0.05, 400)
    table = scores_table(dices)
    row = summarise(table, seed=1).iloc[0]
    assert row.equals(summarise(table, seed=1).iloc[0])
    assert not row.equals(summarise(table, seed=2).iloc[0])
    half = 1.96 * dices.std() / np.sqrt(len(dices))  # the mean of 400 cases is as good as normal
    assert row["low"] == pytest.approx(dices.mean() - half, abs=0.1 * half)
    assert row["high"] == pytest.approx(dices.mean() + half, abs=0.1 * half)


def test_one_case_has_no_interval():
    row = summarise(scores_table([0.7])).iloc[0]
    assert row["mean"] == 0.7
    assert np.isnan([row["low"], row["high"], row["sd"]]).all()
    with pytest.raises(InputError, match="no cases"):
        summarise(scores_table([0.7]).iloc[:0])


def test_the_command_prints_and_writes_everything(folders, tmp_path, capfd):
    for kind, volume in small_volumes().items():
        (tmp_path / "scans" / "c").mkdir(parents=True, exist_ok=True)
        write_image(volume, GRID, tmp_path / "scans" / "c" / f"c_{kind}.nii.gz")
    paths = [str(folder) for folder in folders]
    files = ["--csv", str(tmp_path / "out" / "e.csv"), "--html", str(tmp_path / "out" / "e.html")]
    assert main(["evaluate", "segmentation", *paths, *files, "--scans", str(tmp_path / "scans")]) == 0
    out = capfd.readouterr().out
    for words in (
        "n = 3 cases",
        "without a prediction: left",
        "without a reference: extra",
        "b, ET: nothing predicted",
    ):
        assert words in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["e.csv", "e.html"]
    table = pd.read_csv(tmp_path / "out" / "e.csv")
    pd.testing.assert_frame_equal(table, evaluate_folders(*folders), rtol=1e-5, check_dtype=False)

    page = (tmp_path / "out" / "e.html").read_text(encoding="utf-8")
    worst = table.groupby("case")["dice"].mean().idxmin()
    for words in ("3 cases judged", f"Worst case: {worst}", "left", "extra", "nothing predicted", "373.13 mm",
                  "FLAIR, axial slice", "no scans of this case were found"):  # fmt: skip
        assert words in page, words
    assert all(target.startswith("data:") for target in re.findall(r"""(?:src|href)\s*=\s*["']?([^"'>]*)""", page))
    assert "url(" not in page
    assert len(re.findall(r"data:image/png", page)) == 6
    WellFormed().feed(page)


class WellFormed(HTMLParser):
    """Every element that is opened is closed again in turn."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "path":
            assert self.open.pop() == tag


def test_names_cannot_put_markup_into_the_page(tmp_path):
    for side in ("pred", "truth"):
        put(tmp_path / side / "<b>bold.nii.gz")
    files = ["--html", str(tmp_path / "e.html")]
    assert main(["evaluate", "segmentation", str(tmp_path / "pred"), str(tmp_path / "truth"), *files]) == 0
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page


def test_two_files_as_json(tmp_path, capfd):
    truth = small_labels()
    files = [put(tmp_path / "pred.nii.gz", np.where(truth == 4, 2, truth)), put(tmp_path / "p_seg.nii.gz")]
    assert main(["evaluate", "segmentation", *map(str, files), "--json"]) == 0
    content = json.loads(capfd.readouterr().out)
    dices = {region: scores["dice"] for region, scores in content["cases"]["p"].items()}
    assert dices == pytest.approx({"WT": 1.0, "TC": 2 * 27 / (27 + 125), "ET": 0.0})
    assert content["summary"]["WT"]["dice"]["n"] == 1
    assert content["summary"]["WT"]["dice"]["low"] is None


def refused(capfd, arguments, *words):
    assert main(["evaluate", "segmentation", *map(str, arguments)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err, err


def test_bad_input_is_one_sentence_and_nothing_is_written(folders, tmp_path, capfd):
    pred, truth = folders
    files = ["--csv", tmp_path / "out" / "e.csv", "--html", tmp_path / "out" / "e.html"]
    refused(capfd, [tmp_path / "none", truth, *files], "none", "does not exist")
    refused(capfd, [pred / "extra", truth, *files], "no case in common", "extra", "1 more")
    (tmp_path / "empty").mkdir()
    refused(capfd, [tmp_path / "empty", truth, *files], "no label map")
    refused(capfd, [pred, truth, "--scans", tmp_path], "--html")
    refused(capfd, [pred, truth, *files, "--scans", tmp_path / "none"], "--scans")
    refused(capfd, [pred, truth, *files, "--seed", "-1"], "-1")
    refused(capfd, [pred, truth, "--csv", tmp_path / "o", "--html", tmp_path / "o"], "two files")
    put(pred / "c" / "segmentation.nii.gz", grid=replace(GRID, spacing=(1.0, 1.0, 2.0)))
    refused(capfd, [pred, truth, *files], "segmentation.nii.gz", "c_seg.nii.gz", "spacing", "nearest neighbour")
    write_image(small_labels() * 2, GRID, pred / "c" / "segmentation.nii.gz")
    refused(capfd, [pred, truth, *files], "segmentation.nii.gz", "8")
    (pred / "c" / "segmentation.nii.gz").write_bytes(b"no image")
    refused(capfd, [pred, truth, *files], "segmentation.nii.gz")
    assert not (tmp_path / "out").exists()


def test_the_slice_of_largest_disagreement_is_drawn():
    truth = np.zeros(GRID.size[::-1], np.uint8)
    truth[5:12, 8:14, 8:14] = 2
    prediction = truth.copy()
    prediction[9, 8:14, 8:11] = 0
    picture = draw_disagreement(prediction, truth, GRID, "WT")
    assert "axial slice 10 of 20" in picture.caption
    assert "reference 0.4 cm², prediction 0.2 cm², in common 0.2 cm²" in picture.caption
    assert picture.png.startswith(b"\x89PNG")
    scan = Background("FLAIR", small_volumes()[MODALITIES[3]])
    assert draw_disagreement(prediction, truth, GRID, "WT", scan).caption.startswith("FLAIR, axial slice 10")


@pytest.mark.parametrize("along_x", [1.0, -1.0])
def test_the_picture_has_the_patients_right_on_its_left(along_x):
    grid = replace(GRID, direction=(along_x, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    truth, prediction = np.zeros((2, *GRID.size[::-1]), np.uint8)
    truth[10, 8:14, 2:6] = 2
    prediction[10, 8:14, 18:22] = 2
    picture = draw_disagreement(prediction, truth, grid, "WT")
    pixels = matplotlib.image.imread(BytesIO(picture.png))
    blue = np.argwhere(pixels[..., 2] > pixels[..., 0] + 0.3)[:, 1]
    orange = np.argwhere(pixels[..., 0] > pixels[..., 2] + 0.3)[:, 1]
    # Where x runs to the patient's left, what lies at low x is on the patient's right.
    assert (orange.min() - blue.max() if along_x > 0 else blue.min() - orange.max()) > 20
