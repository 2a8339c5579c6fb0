"""The published forest, and the files of models by published methods."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from survival_synthetic import synthetic_table
from test_papers_distilled import QUICK

from BraTSOSLib.errors import InputError, ModelError
from BraTSOSLib.survival.papers import cross_validate_method, load_paper_model, train_method
from BraTSOSLib.survival.papers.comparison import FOREST, RIDGE
from BraTSOSLib.survival.papers.distilled import DistilledSettings, fit_distilled
from BraTSOSLib.survival.papers.forest import ForestSettings, Trees, candidates, fit_forest
from BraTSOSLib.survival.papers.splits import repeated_splits
from BraTSOSLib.survival.papers.table import FeatureTable, read_patient_features
from BraTSOSLib.survival.student import load_student

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
SMALL = ForestSettings(best_features=5, importance_trees=30, trees=12)


def _frame(patients: int = 120) -> pd.DataFrame:
    """Synthetic patients whose features have names of radiomic families; ``t1ce_ET_original_glcm_Id`` has signal."""
    frame = synthetic_table(patients, seed=2)
    frame = frame.rename(columns={"feature_0": "t1ce_ET_original_glcm_Id"})
    return frame.rename(columns={f"feature_{k}": f"flair_WT_original_firstorder_Feature{k}" for k in range(1, 12)})


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    return read_patient_features(_frame())


def test_arrays_of_trees_predict_what_scikit_learn_predicts() -> None:
    from sklearn.ensemble import RandomForestRegressor

    random = np.random.default_rng(0)
    data, days = random.normal(size=(80, 6)), random.uniform(10, 900, 80)
    forest = RandomForestRegressor(15, random_state=0).fit(data, days)
    asked = np.concatenate([data, random.normal(size=(200, 6))])
    assert Trees.of(forest).predict(asked) == pytest.approx(forest.predict(asked), abs=1e-9)


def test_the_important_features_are_found(table: FeatureTable) -> None:
    fitted = fit_forest(table, np.ones(len(table), dtype=bool), SMALL)
    assert fitted.names[0] == "t1ce_ET_original_glcm_Id" and len(fitted.names) == 5
    assert (np.diff(fitted.importance) <= 0).all() and 0 < fitted.importance.sum() < 1
    clinical = fit_forest(table, np.ones(len(table), dtype=bool), replace(SMALL, clinical=True))
    assert "age" in clinical.names


def test_families_decide_what_competes(table: FeatureTable) -> None:
    assert candidates(table, replace(SMALL, families=("glcm",))) == ["t1ce_ET_original_glcm_Id"]
    with pytest.raises(InputError, match="'wavelets'"):
        candidates(table, replace(SMALL, families=("wavelets",)))
    with pytest.raises(InputError, match="no feature of the families ngtdm"):
        candidates(table, replace(SMALL, families=("ngtdm",)))


def test_nothing_of_the_test_patients_is_used() -> None:
    frame = _frame()
    first = read_patient_features(frame)
    train = repeated_splits(first, 1)[0]
    test = np.flatnonzero(~train)
    frame.loc[test, "flair_WT_original_firstorder_Feature4"] = frame.loc[test, "days"] * 1e6
    frame.loc[test, "days"] = 17.0
    second = read_patient_features(frame)
    fits = [fit_forest(each, train, SMALL) for each in (first, second)]
    assert fits[0].names == fits[1].names
    assert (fits[0].predict(first)[train] == fits[1].predict(second)[train]).all()


def test_comparison_stands_beside_age_and_resection(table: FeatureTable) -> None:
    metrics = cross_validate_method(table, "forest", SMALL, splits=2).metrics
    assert {RIDGE, FOREST} <= set(metrics)
    assert np.isfinite(metrics[FOREST][:, 2:]).all()


def test_a_saved_forest_predicts_as_the_fitted_one(table: FeatureTable, tmp_path: Path) -> None:
    weights = train_method(table, tmp_path, "forest", SMALL, seed=2)
    fitted = fit_forest(table, np.ones(len(table), dtype=bool), SMALL, seed=2)
    probabilities, days = load_paper_model(weights).predict(table)
    assert probabilities is None and (days == fitted.predict(table)).all()
    importance = pd.read_csv(tmp_path / "importance.csv")
    assert importance["feature"].tolist() == fitted.names
    assert len(pd.read_csv(tmp_path / "ranking.csv")) == len(table.feature_names)


@pytest.fixture(scope="module")
def student(table: FeatureTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    comparison = cross_validate_method(table, "distilled-mlp", QUICK, splits=2)
    return train_method(table, folder, "distilled-mlp", QUICK, seed=3, comparison=comparison)


def test_a_saved_student_predicts_as_the_fitted_one(table: FeatureTable, student: Path) -> None:
    fitted = fit_distilled(table, np.ones((1, len(table)), dtype=bool), [QUICK], seed=3).students[0]
    model = load_paper_model(student)
    probabilities, days = model.predict(table)
    assert probabilities == pytest.approx(fitted.probabilities[0], abs=1e-9)
    assert days == pytest.approx(fitted.days[0], rel=1e-9)
    assert model.names[:2] == ["age", "gross_total_resection"]
    metrics = json.loads((student.parent / "metrics.json").read_text())
    assert {each["model"] for each in metrics} >= {"student", RIDGE}
    assert all(len(each["splits"]) == 2 for each in metrics)


def test_a_table_without_survival_is_predicted(student: Path) -> None:
    frame = _frame().drop(columns="days").head(4)
    found = load_paper_model(student).predict_table(frame)
    assert found.columns.tolist() == ["case", "category", "p_short", "p_medium", "p_long", "days"]
    assert found["case"].tolist() == frame["case"].tolist() and np.isfinite(found["days"]).all()
    gap = frame.assign(**{load_paper_model(student).names[2]: np.nan})
    assert np.isfinite(load_paper_model(student).predict_table(gap)["days"]).all()
    renamed = frame.rename(columns={load_paper_model(student).names[2]: "something else"})
    with pytest.raises(InputError, match="no column 't1ce_ET_original_glcm_Id'"):
        load_paper_model(student).predict_table(renamed)


def test_files_that_do_not_belong_together_are_refused(student: Path, tmp_path: Path) -> None:
    weights, card = tmp_path / "m.safetensors", tmp_path / "m.json"
    content, text = student.read_bytes(), student.with_suffix(".json").read_text()

    def refused(new_content: bytes, new_text: str, message: str) -> None:
        weights.write_bytes(new_content)
        card.write_text(new_text)
        with pytest.raises(ModelError, match=message):
            load_paper_model(weights)

    refused(content[:-1] + b"\x00\x01", text, "not the one its card describes")
    refused(content, text[:-40], "not valid JSON")
    refused(content, "[]", "not that of a published survival method")
    longer = json.loads(text)
    longer["arguments"]["inputs"].append("feature_9")
    refused(content, json.dumps(longer), "shapes")
    card.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load_paper_model(weights)
    with pytest.raises(ModelError):  # the bundled student's reader does not take it for its own
        load_student(student)


def test_nothing_is_written_when_training_fails(table: FeatureTable, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        train_method(table, tmp_path / "out", "forest", replace(SMALL, families=("ngtdm",)))
    with pytest.raises(InputError, match="with its own settings"):
        train_method(table, tmp_path / "out", "forest", DistilledSettings())
    assert not (tmp_path / "out").exists()
