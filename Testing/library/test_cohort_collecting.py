"""What a cohort gives together: tables, a page, and predictions judged where survival is known."""

from __future__ import annotations

import csv
import json

import pytest
from cohort_cases import Bench
from small_cases import small_labels, write_case

from BraTSOSLib.cohort import run_cohort
from BraTSOSLib.cohort.collecting import collect
from BraTSOSLib.cohort.feature_rows import names_hash
from BraTSOSLib.cohort.manifest import Manifest
from BraTSOSLib.cohort.tables import SURVIVAL_COLUMNS
from BraTSOSLib.errors import BraTSOSError
from BraTSOSLib.phantom import write_phantoms

FEATURES = {"a": ["x", "y"], "b": ["x", "y"], "c": ["x", "z"], "d": None}


def summary(number):
    chances = {"short": 0.2, "medium": 0.3, "long": 0.5} if number % 2 else {"short": 0.6, "medium": 0.3, "long": 0.1}
    return {
        "volumes": {"NCR": 1.0, "ED": 2.0, "ET": 3.0, "TC": 4.0, "WT": 6.5 + number},
        "prediction": {
            "category": max(chances, key=chances.get), "reason": None, "probabilities": chances, "days": 200.0 + number,
            "days_low": 100.0, "days_high": 900.0, "risk": -number / 10, "missing": ["mgmt", "kps"], "warnings": [],
            "flags": ["age is <b>out of range</b>"],
        },
    }  # fmt: skip


@pytest.fixture
def filled(tmp_path):
    """A manifest of finished cases, and of one that failed, as a run leaves it."""

    def fill(features=FEATURES, known=None):
        with Manifest(tmp_path) as manifest, manifest.transaction() as database:
            for position, (name, names) in enumerate(features.items()):
                folder = tmp_path / "cases" / name
                folder.mkdir(parents=True)
                if names is not None:
                    lines = [f"{each},{'' if each == 'y' and name == 'b' else position + 0.1}" for each in names]
                    (folder / "features.csv").write_text("\n".join(["feature,value", *lines]) + "\n")
                    entry = (names_hash(names), json.dumps(names))
                    database.execute("INSERT OR IGNORE INTO feature_names VALUES (?, ?)", entry)
                database.execute(
                    "INSERT INTO cases (name, listed, position, state, found_at, source, fingerprint, outputs, "
                    "summary, features, days, event) VALUES (?, 1, ?, 'done', 'row 1', ?, '', '{}', ?, ?, ?, ?)",
                    (
                        name, -position, json.dumps({"clinical": {"age": 50 + position}}),
                        json.dumps(summary(position)),
                        names and names_hash(names), *((known or {}).get(name) or (None, None)),
                    ),
                )  # fmt: skip
            database.execute(
                "INSERT INTO cases (name, listed, position, state, found_at, source, fingerprint, error) VALUES "
                "('f</script>', 1, 9, 'failed', 'row 9', '{\"clinical\": {}}', '', 'It broke: <img src=x>.')"
            )
        return tmp_path

    return fill


def collected(folder, check=lambda: None):
    notes = []
    with Manifest(folder) as manifest:
        files = collect(manifest, folder, folder / ".bratsos-work" / "x", tell=notes.append, check=check)
    assert not (folder / ".bratsos-work" / "x").exists()
    assert all((folder / name).exists() for name in files)
    return files, [note["text"] for note in notes]


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_features_of_all_cases_in_one_table(filled):
    folder = filled()
    collected(folder)
    assert (folder / "features.csv").read_text() == "case,x,y,z\na,0.1,0.1,\nb,1.1,,\nc,2.1,,2.1\n"


def test_the_parquet_file_says_the_same(filled, monkeypatch):
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("BraTSOSLib.cohort.tables._CELLS_AT_ONCE", 8)  # two cases in a row group
    folder = filled()
    collected(folder)
    file = pq.ParquetFile(folder / "features.parquet")
    assert file.num_row_groups == 2
    assert file.read().to_pydict() == {
        "case": ["a", "b", "c"], "x": [0.1, 1.1, 2.1], "y": [0.1, None, None], "z": [None, None, 2.1],
    }  # fmt: skip


def test_volumes_and_predictions(filled):
    folder = filled()
    files, _ = collected(folder)
    assert rows(folder / "volumes.csv")[1] == {
        "case": "b", "NCR_ml": "1.0", "ED_ml": "2.0", "ET_ml": "3.0", "TC_ml": "4.0", "WT_ml": "7.5",
    }  # fmt: skip
    survival = rows(folder / "survival.csv")
    assert tuple(survival[0]) == SURVIVAL_COLUMNS
    assert [row["category"] for row in survival] == ["short", "long", "short", "long"]
    assert survival[0]["p_short"] == "0.6"
    assert survival[0]["missing"] == "mgmt; kps"
    assert not {"observed.csv", "evaluation.html"} & set(files)


def test_the_table_of_predictions_is_the_one_that_the_command_predict_writes():
    prediction_table = pytest.importorskip("BraTSOSLib.survival.prediction_table")
    assert prediction_table.COLUMNS == SURVIVAL_COLUMNS


def page_rows(folder):
    page = (folder / "index.html").read_text(encoding="utf-8")
    return page, json.loads(page.split('id="cases">')[1].split("</script>")[0])


def test_the_page_lists_cases_and_failures_and_trusts_no_name(filled):
    folder = filled()
    collected(folder)
    page, cases = page_rows(folder)
    assert [case[0] for case in cases] == ["a", "b", "c", "d", "f</script>"]
    assert cases[1][3:10] == ["done", 7.5, 4.0, 3.0, 51, "long", 201]
    assert cases[4][3] == "failed"
    assert "It broke: &lt;img src=x&gt;." in page
    assert "<img src=x>" not in page
    assert page.count("</script>") == 2
    assert "Whole tumour: median 8" in page


def test_the_same_cases_give_the_same_bytes(filled):
    folder = filled(known={"a": (150.0, 1), "b": (500.0, 0), "c": (250.0, 1), "d": (700.0, 1)})
    first = {name: (folder / name).read_bytes() for name in collected(folder)[0]}
    assert first == {name: (folder / name).read_bytes() for name in collected(folder)[0]}
    tables = ("features.csv", "survival.csv", "volumes.csv", "observed.csv", "evaluation.html", "index.html")
    assert set(first) - {"features.parquet"} == set(tables)


def test_predictions_are_judged_where_survival_is_known(filled):
    pytest.importorskip("lifelines")
    features = {f"p{number:02}": None for number in range(20)}
    known = {f"p{number:02}": (150.0 + 10 * number if number % 2 == 0 else 500.0 + number, 1) for number in range(19)}
    folder = filled(features, known)
    files, _ = collected(folder)
    assert {"observed.csv", "evaluation.html"} < set(files)
    assert len(rows(folder / "observed.csv")) == 19
    page, cases = page_rows(folder)
    for words in (
        "Accuracy",
        "C-index",
        "Spearman",
        "Mean squared error",
        "95 % interval",
        "Log-rank test",
        "p &lt; 0.001",
    ):
        assert words in page, words
    assert next(case for case in cases if case[0] == "p01")[10] == 501.0


def test_too_few_known_survival_times_are_said(filled):
    folder = filled(known={"a": (150.0, 1)})
    files, notes = collected(folder)
    assert "evaluation.html" not in files
    assert any("too few" in note for note in notes)


def test_results_that_cannot_be_written_leave_the_older_ones(filled, monkeypatch):
    folder = filled()
    collected(folder)
    before = (folder / "features.csv").read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("BraTSOSLib.cohort.collecting.write_survival", full)
    with pytest.raises(BraTSOSError, match="No space left on device"):
        collected(folder)
    assert (folder / "features.csv").read_bytes() == before


def test_a_phantom_and_small_cases_from_end_to_end(tmp_path):
    pytest.importorskip("torch", reason="the phantom is segmented")
    write_phantoms(tmp_path / "in", cases=1, seed=3)
    (phantom,) = (tmp_path / "in").iterdir()
    write_case(tmp_path / "in" / "small")
    from BraTSOSLib.case import read_case, write_label_map

    write_label_map(small_labels(), read_case(tmp_path / "in" / "small").geometry, tmp_path / "in" / "mask.nii.gz")
    scans = [f"small/small_{kind}.nii.gz" for kind in ("t1", "t1ce", "t2", "flair")]
    (tmp_path / "in" / "broken.nii.gz").write_bytes(b"\x1f\x8b and no more")
    table = tmp_path / "in" / "cohort.csv"
    table.write_text(
        "case,t1,t1ce,t2,flair,age,resection,segmentation\n"
        f"{phantom.name},,,,,60,GTR,\n"
        f"given,{','.join(scans)},50,STR,mask.nii.gz\n"
        f"corrupt,broken.nii.gz,{','.join(scans[1:])},50,STR,\n"
    )
    output = tmp_path / "out"
    result = run_cohort(table, output, device="cpu", fast=True)
    assert (result.total, result.done, result.failed) == (3, 2, 1)
    assert {row["case"] for row in rows(output / "features.csv")} == {"given", phantom.name}
    assert float(rows(output / "volumes.csv")[0 if phantom.name > "given" else 1]["WT_ml"]) == pytest.approx(0.512)
    page, cases = page_rows(output)
    assert "1 SYNTHETIC phantom" in page
    done = next(case for case in cases if case[0] == phantom.name)
    assert (done[2], done[3], done[7]) == (1, "done", 60)
    assert (output / "cases" / phantom.name / "report.html").exists()
    assert (output / "cases" / phantom.name / "thumbnail.png").read_bytes()[:4] == b"\x89PNG"
    Bench(tmp_path).check()
