"""One patient's prediction from the bundled student: categories, reasons, flags, refusals, damaged files."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from explained_student import Cohort, ExplainedStudent

from BraTSOSLib.console import print_prediction
from BraTSOSLib.errors import InputError, ModelError
from BraTSOSLib.resources import resource
from BraTSOSLib.survival import Prediction, predict_survival
from BraTSOSLib.survival.categories import CATEGORIES
from BraTSOSLib.survival.predictor import SegmentationSpread

VOLUMES = {
    "NCR_original_shape_VoxelVolume": 9315.0,
    "ED_original_shape_VoxelVolume": 53448.0,
    "ET_original_shape_VoxelVolume": 6659.0,
    "TC_original_shape_VoxelVolume": 15974.0,
    "WT_original_shape_VoxelVolume": 69422.0,
}


def test_an_ordinary_patient() -> None:
    prediction = predict_survival({**VOLUMES, "t1ce_ET_original_firstorder_Mean": 3.0}, 60.7, "gtr")
    assert prediction.reason is None
    assert prediction.flags == ()
    assert prediction.probabilities is not None
    assert tuple(prediction.probabilities) == CATEGORIES
    assert math.isclose(sum(prediction.probabilities.values()), 1.0, abs_tol=1e-12)
    assert prediction.category == max(prediction.probabilities, key=lambda name: prediction.probabilities[name])
    assert prediction.days is not None
    assert 100 < prediction.days < 1000
    assert prediction.inputs["resection"] == "GTR"
    assert prediction.inputs["WT_original_shape_VoxelVolume"] == 69422.0
    assert len(prediction.model["sha256"]) == 64
    assert json.loads(json.dumps(prediction.to_dict(), allow_nan=False))["category"] == prediction.category


def test_table_and_dictionary_agree() -> None:
    table = pd.DataFrame({"feature": list(VOLUMES), "value": list(VOLUMES.values())})
    assert predict_survival(table, 55) == predict_survival(VOLUMES, 55)


def _days(prediction: Prediction) -> float:
    assert prediction.days is not None
    return prediction.days


def test_age_shortens_and_resection_lengthens_the_estimate() -> None:
    for resection in ("GTR", "STR", "biopsy", "unknown"):
        days = [_days(predict_survival(VOLUMES, age, resection)) for age in range(40, 89, 8)]
        assert days == sorted(days, reverse=True)
    for age in (35, 60, 80):
        gross, partial, unknown = (_days(predict_survival(VOLUMES, age, each)) for each in ("GTR", "STR", "unknown"))
        assert partial < unknown < gross


@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_without_age_there_is_a_reason_instead(missing: object) -> None:
    prediction = predict_survival(VOLUMES, missing, "GTR")  # type: ignore[arg-type]
    assert (prediction.category, prediction.probabilities, prediction.days) == (None, None, None)
    assert prediction.reason is not None
    assert "age is not known" in prediction.reason


@pytest.mark.parametrize("nothing", [0.0, float("nan"), None])
def test_empty_tumour_has_no_category(nothing: float | None) -> None:
    prediction = predict_survival(dict.fromkeys(VOLUMES, nothing), 60, "GTR")
    assert prediction.category is None
    assert prediction.reason is not None
    assert "No tumour" in prediction.reason
    json.dumps(prediction.to_dict(), allow_nan=False)


def test_children_and_idh_mutated_tumours_have_no_category() -> None:
    child = predict_survival(VOLUMES, 17.9)
    mutated = predict_survival(VOLUMES, 45, idh="mutant")
    assert child.category is None
    assert mutated.category is None
    assert "adults" in str(child.reason)
    assert "IDH-mutated" in str(mutated.reason)
    assert predict_survival(VOLUMES, 45, idh="wildtype").category is not None


def test_every_input_outside_the_training_range_is_flagged() -> None:
    huge = {**VOLUMES, "ED_original_shape_VoxelVolume": 400000.0, "WT_original_shape_VoxelVolume": 415974.0}
    flags = predict_survival(huge, 95).flags
    assert [flag.name for flag in flags] == ["age", "ED_original_shape_VoxelVolume", "WT_original_shape_VoxelVolume"]
    for flag in flags:
        assert "the estimate may not be reliable" in flag.message
        assert flag.value is not None
        assert flag.high is not None
        assert flag.value > flag.high


def test_millilitres_are_noticed() -> None:
    flags = predict_survival({name: value / 1000 for name, value in VOLUMES.items()}, 60).flags
    assert "WT_original_shape_VoxelVolume" in {flag.name for flag in flags}
    assert any("mL" in flag.message for flag in flags)
    mixed = {**VOLUMES, "ED_original_shape_VoxelVolume": 900.0}
    assert any("add up" in flag.message for flag in predict_survival(mixed, 60).flags)


def test_empty_region_that_training_patients_had_is_no_surprise() -> None:
    without_core = {**VOLUMES, "NCR_original_shape_VoxelVolume": float("nan"), "TC_original_shape_VoxelVolume": 6659.0}
    without_core["WT_original_shape_VoxelVolume"] = 60107.0
    assert predict_survival(without_core, 60).flags == ()


def test_no_volume_at_all_is_flagged() -> None:
    prediction = predict_survival({}, 60, "STR")
    assert prediction.category is not None
    assert "No tumour volume" in prediction.flags[0].message


@pytest.mark.parametrize("age", [-3, 0, 300, math.inf, "old"])
def test_impossible_ages(age: object) -> None:
    with pytest.raises(InputError, match="age is"):
        predict_survival(VOLUMES, age)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resection": "most of it"}, "resection.*GTR, STR, biopsy, unknown"),
        ({"idh": "perhaps"}, "IDH"),
        ({"mgmt": "perhaps"}, "MGMT"),
        ({"kps": 130}, "KPS"),
    ],
)
def test_unknown_clinical_values(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        predict_survival(VOLUMES, 60, **arguments)


@pytest.mark.parametrize("volume", [-1.0, math.inf, "large"])
def test_impossible_volumes(volume: object) -> None:
    with pytest.raises(InputError, match="WT_original_shape_VoxelVolume"):
        predict_survival({**VOLUMES, "WT_original_shape_VoxelVolume": volume}, 60)


def test_unusable_feature_tables() -> None:
    with pytest.raises(InputError, match="'value'"):
        predict_survival(pd.DataFrame({"feature": ["a"]}), 60)
    doubled = pd.DataFrame({"feature": [*VOLUMES, *VOLUMES], "value": [*VOLUMES.values()] * 2})
    with pytest.raises(InputError, match="more than once"):
        predict_survival(doubled, 60)
    with pytest.raises(InputError, match="table or a dictionary"):
        predict_survival([1, 2], 60)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the bundled model that a test may spoil."""
    for suffix in (".safetensors", ".json"):
        shutil.copy(resource("Models", f"survival-student{suffix}"), tmp_path)
    return tmp_path / "survival-student.safetensors"


def test_a_model_by_path(model: Path) -> None:
    expected = predict_survival(VOLUMES, 60)
    for path in (model, model.with_suffix(".json"), model.parent):
        assert predict_survival(VOLUMES, 60, model=path) == expected


def test_damaged_weights(model: Path) -> None:
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="damaged or not the one"):
        predict_survival(VOLUMES, 60, model=model)


def test_weights_damaged_after_they_were_used(model: Path) -> None:
    predict_survival(VOLUMES, 60, model=model)
    model.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="damaged"):
        predict_survival(VOLUMES, 60, model=model)


def test_pickle_is_never_loaded(model: Path) -> None:
    import hashlib
    import pickle

    content = pickle.dumps({"weight_0": [1.0]})
    model.write_bytes(content)
    card = json.loads(model.with_suffix(".json").read_text())
    card["sha256"] = hashlib.sha256(content).hexdigest()
    model.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="not a safetensors file"):
        predict_survival(VOLUMES, 60, model=model)


def test_card_of_another_network(model: Path) -> None:
    card = json.loads(model.with_suffix(".json").read_text())
    card["arguments"]["hidden"] = [8]
    model.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="shapes"):
        predict_survival(VOLUMES, 60, model=model)


@pytest.mark.parametrize(("text", "message"), [("{", "not valid JSON"), ("{}", "lacks"), ("[]", "lacks")])
def test_damaged_card(model: Path, text: str, message: str) -> None:
    model.with_suffix(".json").write_text(text)
    with pytest.raises(ModelError, match=message):
        predict_survival(VOLUMES, 60, model=model)


def test_missing_files(model: Path) -> None:
    model.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"survival-student\.json is missing"):
        predict_survival(VOLUMES, 60, model=model)


def test_bundled_card_is_complete() -> None:
    card = json.loads(resource("Models", "survival-student.json").read_text(encoding="utf-8"))
    assert card["training_data"][0]["terms"] == "CC BY 4.0"
    assert "Bakas" in card["training_data"][0]["citation"]
    assert {"research only" in card["intended_use"].lower(), bool(card["limits"])} == {True}
    for entry in card["metrics"]:
        assert entry["cases"] >= 83
        assert "cross-validation" in entry["evaluation"] or "external" in entry["evaluation"]
    assert {entry["model"] for entry in card["metrics"]} >= {"student, distilled", "age + resection, logistic"}


def test_inference_needs_numpy_alone() -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'scipy', 'pandas', 'sklearn', 'lifelines'): sys.modules[name] = None\n"
        "from BraTSOSLib import predict_survival\n"
        "print(predict_survival({'WT_original_shape_VoxelVolume': 60000.0}, 60.7, 'GTR').category)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in CATEGORIES


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> ExplainedStudent:
    """A student with risk, interval and training cohort in place of the bundled one."""
    card = json.loads(resource("Models", "survival-student.json").read_text(encoding="utf-8"))
    student = ExplainedStudent(card)
    monkeypatch.setattr("BraTSOSLib.survival.predictor.load_student", lambda model: student)
    return student


def test_the_estimate_comes_with_its_interval_risk_and_explanation(explained: ExplainedStudent) -> None:
    prediction = predict_survival(VOLUMES, 71, "biopsy", mgmt="methylated")
    row = np.array([[71.0, -1.0, 1.0, 1.0]])
    assert prediction.risk == pytest.approx(float(explained.risk(row)[0]))
    assert prediction.base_risk is not None
    total = sum(item.effect for item in prediction.contributions) + prediction.base_risk
    assert total == pytest.approx(prediction.risk, abs=1e-9)
    low, high = explained.interval(row)
    assert (prediction.days_low, prediction.days_high) == (float(low[0]), float(high[0]))
    assert prediction.cohort is not None
    assert prediction.cohort.neighbours == 100
    assert 0 < prediction.cohort.percentile < 100
    assert prediction.missing == ()


def test_what_is_missing_is_named_and_widens_the_interval(explained: ExplainedStudent) -> None:
    known = predict_survival(VOLUMES, 60, "GTR", mgmt="methylated")
    lacking = predict_survival(VOLUMES, 60)
    assert lacking.missing == ("resection", "mgmt")
    assert predict_survival(VOLUMES, None, "GTR").missing == ("age", "mgmt")
    assert predict_survival(VOLUMES, 60, "STR", mgmt="indeterminate").missing == ("mgmt",)
    ratios = [_days_high(each) / _days(each) for each in (known, lacking)]
    assert ratios[1] > ratios[0]


def _days_high(prediction: Prediction) -> float:
    assert prediction.days_high is not None
    return prediction.days_high


def test_without_category_nothing_is_estimated(explained: ExplainedStudent) -> None:
    for prediction in (predict_survival(VOLUMES, 12), predict_survival(VOLUMES, 45, idh="mutated")):
        assert prediction.category is None
        assert prediction.warnings
        assert prediction.contributions == ()
        nothing = (prediction.risk, prediction.base_risk, prediction.days_low, prediction.cohort)
        assert nothing == (None, None, None, None)


def test_a_model_without_training_patients_explains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Cohort(np.empty((0, 4)), np.empty(0), np.empty(0, dtype=bool))
    card = json.loads(resource("Models", "survival-student.json").read_text(encoding="utf-8"))
    student = ExplainedStudent(card, cohort=nobody)
    monkeypatch.setattr("BraTSOSLib.survival.predictor.load_student", lambda model: student)
    prediction = predict_survival(VOLUMES, 60)
    assert (prediction.contributions, prediction.cohort, prediction.base_risk) == ((), None, None)
    assert prediction.risk is not None


def test_warnings_use_the_thresholds_in_the_card(explained: ExplainedStudent) -> None:
    assert not any("low-grade" in warning for warning in predict_survival(VOLUMES, 60).warnings)
    explained.card["reference"] = {"enhancing_share_low": 0.2}
    assert any("low-grade" in warning for warning in predict_survival(VOLUMES, 60).warnings)


SPREAD = SegmentationSpread(
    segmentations=8,
    source="mirrored scans",
    volumes={"WT": {"low": 65000.0, "high": 72000.0}},
    days={"low": 360.0, "high": 395.0},
    probabilities={"short": {"low": 0.3, "high": 0.4}},
    categories={"short": 2, "long": 6},
)


def _documents() -> dict[str, dict]:
    """Predictions of every kind as ``survival.json`` holds them."""
    hardly_enhancing = {**VOLUMES, "ET_original_shape_VoxelVolume": 0.0}
    predictions = {
        "ordinary": predict_survival(VOLUMES, 60.7, "GTR", mgmt="methylated", idh="wildtype", kps=90),
        "lacking": predict_survival({}, 60.7),
        "old": predict_survival(VOLUMES, 95, "biopsy"),
        "hardly enhancing": predict_survival(hardly_enhancing, 60, "STR"),
        "no age": predict_survival(VOLUMES),
        "child": predict_survival(VOLUMES, 7),
        "mutated": predict_survival(VOLUMES, 40, idh="mutant"),
        "no tumour": predict_survival(dict.fromkeys(VOLUMES, 0.0), 60, "GTR"),
    }
    predictions["spread"] = replace(predictions["ordinary"], spread=SPREAD)
    return {name: {"case": name, "synthetic": False, **each.to_dict()} for name, each in predictions.items()}


def _validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema checks survival.json against its schema")
    schema = json.loads(resource("Schemas", "survival.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_survival_json_obeys_its_schema() -> None:
    validator = _validator()
    for name, document in _documents().items():
        written = json.loads(json.dumps(document, allow_nan=False))
        assert [error.message for error in validator.iter_errors(written)] == [], name
        assert (document["category"] is None) == (name in ("no age", "child", "mutated", "no tumour"))


def test_survival_json_with_explanations_obeys_its_schema(explained: ExplainedStudent) -> None:
    validator = _validator()
    for name, document in _documents().items():
        assert [error.message for error in validator.iter_errors(document)] == [], name
    broken: list[dict[str, Any]] = [
        {"category": "middling"},
        {"probabilities": None},
        {"reason": "none"},
        {"extra": 1},
        {"days": -3.0},
        {"contributions": [{"name": "age"}]},
        {"inputs": {**document["inputs"], "WT_volume": 3.0}},
    ]
    ordinary = _documents()["ordinary"]
    for change in broken:
        assert not validator.is_valid({**ordinary, **change}), change
    for key in set(ordinary) - {"case", "synthetic"}:
        assert not validator.is_valid({name: value for name, value in ordinary.items() if name != key}), key


def test_every_field_of_the_schema_is_described() -> None:
    schema = json.loads(resource("Schemas", "survival.schema.json").read_text(encoding="utf-8"))
    for name, field in schema["properties"].items():
        assert "description" in field, name


def test_the_same_input_gives_the_same_bytes(explained: ExplainedStudent) -> None:
    first, second = (json.dumps(predict_survival(VOLUMES, 60.7, "GTR").to_dict()) for _ in range(2))
    assert first == second


def test_what_the_command_line_shows(explained: ExplainedStudent, capsys: pytest.CaptureFixture[str]) -> None:
    print_prediction(predict_survival({**VOLUMES, "ET_original_shape_VoxelVolume": 0.0}, 60.7))
    shown = capsys.readouterr().out
    assert "8 of 10 such patients" in shown
    assert "WARNING: No part of the tumour enhances" in shown
    assert "not given: resection, mgmt" in shown
    print_prediction(replace(predict_survival(VOLUMES, 60), spread=SPREAD))
    expected = "over 8 plausible segmentations: whole tumour 65.0 to 72.0 mL, predicted 360 to 395 days"
    assert expected in capsys.readouterr().out
    print_prediction(predict_survival(VOLUMES, 7))
    assert "category: none. The patient is 7 years old" in capsys.readouterr().out
