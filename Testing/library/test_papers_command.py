"""`bratsos train survival` with the published methods."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from survival_synthetic import synthetic_table

from BraTSOSLib.cli import main
from BraTSOSLib.survival.papers import load_paper_model

pytest.importorskip("torch", reason="torch is not installed")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "patients.csv"
    synthetic_table(160).rename(columns={"feature_0": "t1ce_ET_original_glcm_Id"}).to_csv(path, index=False)
    return path


def _train(table: Path, *options: str) -> int:
    return main(["train", "survival", "--table", str(table), *options])


def test_student_of_a_teacher(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, ranking = tmp_path / "out", tmp_path / "ranking.csv"
    options = ("--method", "distilled-mlp", "--epochs", "2", "--batch-size", "16", "--splits", "2", "--features", "2")
    more = ("--transferable", "*glcm*", "--distillation", "both", "--loss-weights", "0.5,1,0.5,0.1")
    assert _train(table, *options, *more, "--cross-validate", "-o", str(out), "--ranking", str(ranking)) == 0
    assert "student alone" in capsys.readouterr().out
    model = load_paper_model(out / "survival-distilled-mlp.safetensors")
    assert model.names == ["age", "gross_total_resection", "t1ce_ET_original_glcm_Id"]
    training = model.card["arguments"]["training"]
    assert training["initialise"] == "teacher" and training["student"]["imitation"] == 0.1
    assert sorted(each.name for each in out.iterdir()) == [
        "metrics.json",
        "ranking.csv",
        "survival-distilled-mlp.json",
        "survival-distilled-mlp.safetensors",
    ]
    assert pd.read_csv(ranking)["rank"].tolist() == list(range(1, 16))


def test_forest_of_gross_total_resection(table: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert _train(table, "--method", "forest", "--resection", "GTR", "-o", str(tmp_path / "out")) == 0
    card = load_paper_model(tmp_path / "out" / "survival-forest.safetensors").card
    assert card["training_data"][0]["name"] == "patients.csv (GTR only)"


def test_ranking_alone(table: Path, tmp_path: Path) -> None:
    assert _train(table, "--ranking", str(tmp_path / "ranking.csv")) == 0
    assert pd.read_csv(tmp_path / "ranking.csv")["feature"][0] == "t1ce_ET_original_glcm_Id"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Nothing to do"),
        (("--method", "svm", "--cross-validate"), "The method is 'svm'"),
        (("--method", "forest", "--epochs", "3", "--cross-validate"), "--epochs does not belong to --method forest"),
        (("--resection", "GTR", "--cross-validate"), "--resection does not belong to --method student"),
        (("--method", "distilled-mlp", "--loss-weights", "1,2", "--cross-validate"), "not four numbers"),
        (("--method", "distilled-mlp", "--temperature", "0", "--cross-validate"), "--temperature is 0"),
        (("--method", "distilled-mlp", "--epochs", "0", "--cross-validate"), "--epochs is 0"),
        (("--method", "distilled-mlp", "--distillation", "none", "--cross-validate"), "The distillation is 'none'"),
        (("--method", "forest", "--resection", "some", "--cross-validate"), "The resection is 'some'"),
        (("--method", "forest", "--splits", "0", "--cross-validate"), "0 splits"),
    ],
)
def test_what_cannot_be_done_is_said(
    table: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(table, *options) == 2
    assert message in capsys.readouterr().err


def test_bad_values_stop_or_are_skipped(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_csv(table)
    frame.loc[4, "feature_2"] = np.inf
    frame.to_csv(table, index=False)
    ranking = ("--ranking", str(tmp_path / "ranking.csv"))
    assert _train(table, *ranking) == 2
    assert "patients.csv, column 'feature_2', row 5: the value is infinite" in capsys.readouterr().err
    assert _train(table, *ranking, "--on-bad-value", "skip") == 0
    assert pd.read_csv(tmp_path / "ranking.csv").set_index("feature").loc["feature_2", "missing"] == 1
