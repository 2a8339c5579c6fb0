"""Teacher, student and distillation on synthetic patients: they learn, do not peek, and are written whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from survival_synthetic import QUICK, synthetic_table

from BraTSOSLib.errors import InputError
from BraTSOSLib.survival import cross_validate, load_student, train_survival
from BraTSOSLib.survival.baseline import logistic_probabilities, ridge_log_days
from BraTSOSLib.survival.categories import class_indices
from BraTSOSLib.survival.evaluation import (
    ALONE,
    LOGISTIC,
    RIDGE,
    STUDENT,
    TEACHER,
    ModelOutput,
    compare,
    evaluate_external,
    read_brats_regions,
)
from BraTSOSLib.survival.folds import stratified_folds
from BraTSOSLib.survival.metrics import accuracy, concordance_index, mean_squared_error, spearman
from BraTSOSLib.survival.patient_table import SurvivalTable
from BraTSOSLib.survival.tables import read_survival_table
from BraTSOSLib.survival.validation import evaluate_transfer, read_tables

torch = pytest.importorskip("torch")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "survival"


def test_cross_validation_learns_and_stands_beside_the_baseline() -> None:
    frame = cross_validate(synthetic_table(), folds=3, repeats=1, settings=QUICK)
    results = {result["model"]: result for result in frame.attrs["results"]}
    assert {LOGISTIC, RIDGE, STUDENT, ALONE, TEACHER, f"{STUDENT} − {LOGISTIC}"} <= set(results)
    assert results[STUDENT]["c_index"] > 0.65
    assert results[TEACHER]["c_index"] > 0.65
    low, high = results[STUDENT]["c_index_interval"]
    assert low < results[STUDENT]["c_index"] < high
    difference = results[STUDENT]["accuracy"] - results[LOGISTIC]["accuracy"]
    assert results[f"{STUDENT} − {LOGISTIC}"]["accuracy"] == pytest.approx(difference)
    assert f"{results[STUDENT]['c_index']:.3f} [" in frame.loc[STUDENT, "C-index"]


def test_a_comparison_that_was_made_goes_into_the_card(tmp_path: Path) -> None:
    table = synthetic_table()
    comparison = cross_validate(table, folds=2, repeats=1, settings=QUICK)
    weights = train_survival(table, tmp_path, settings=QUICK, comparison=comparison)
    metrics = load_student(weights).card["metrics"]
    told = {(entry["model"], entry["name"]): entry["value"] for entry in metrics}
    for result in comparison.attrs["results"]:
        assert told[result["model"], "c_index"] == result["c_index"]
    assert {entry["evaluation"] for entry in metrics} == {"2-fold cross-validation, 1 repeats, on The table"}
    with pytest.raises(InputError, match="another table"):
        train_survival(synthetic_table(90), tmp_path, settings=QUICK, comparison=comparison)


def test_nothing_is_learnt_where_there_is_nothing_to_learn() -> None:
    frame = synthetic_table(150, seed=5)
    frame["days"] = np.random.default_rng(0).permutation(frame["days"])
    found = cross_validate(frame, folds=3, repeats=1, settings=QUICK).attrs["results"]
    for result in found:
        if result["model"] in (STUDENT, TEACHER, ALONE):
            assert 0.38 < result["c_index"] < 0.6, result["model"]


def test_held_out_patients_change_nothing_for_the_others() -> None:
    """Selection, scaling, soft targets and calibration may only come from the training patients."""
    from BraTSOSLib.survival.ensemble import fit_groups

    table = read_survival_table(synthetic_table())
    train = np.ones((1, len(table)), dtype=bool)
    train[0, :30] = False
    days, ages, privileged = table.days.copy(), table.ages.copy(), table.privileged.copy()
    days[:30], ages[:30], privileged[:30] = days[:30][::-1] * 3, 90.0, 1e6
    changed = replace(table, days=days, ages=ages, privileged=privileged)
    first, second = (fit_groups(each, train, QUICK, 0) for each in (table, changed))
    np.testing.assert_array_equal(first.selected, second.selected)
    for name in ("teacher", "student", "alone"):
        np.testing.assert_allclose(
            getattr(first, name).probabilities[0, 30:], getattr(second, name).probabilities[0, 30:], atol=1e-6
        )
    np.testing.assert_allclose(first.parameters.temperature, second.parameters.temperature, rtol=1e-5)


def test_distillation_loss_terms() -> None:
    from BraTSOSLib.survival.distillation import _Tensors, distillation_loss

    logits, scale = torch.tensor([[[1.0, 0.0, -1.0, 0.3]]]), torch.tensor([[0.5]])

    def loss(possible: list[float], log_days: float, died: bool, soft: torch.Tensor, **weights: float) -> float:
        settings = replace(QUICK.student, **{"hard_weight": 0.0, "days_weight": 0.0, "soft_weight": 0.0, **weights})
        target = _Tensors(
            torch.log(torch.tensor([[possible]])), torch.tensor([[log_days]]), torch.tensor([[died]]), soft
        )
        return float(distillation_loss(logits, scale, target, settings, 2.0))

    soft = torch.softmax(logits[..., :3] / 2.0, dim=-1)
    assert loss([0, 1, 0], 0.3, True, soft, soft_weight=1.0) == pytest.approx(0.0, abs=1e-6)
    other = torch.tensor([[[0.1, 0.2, 0.7]]])
    expected = 4.0 * float((other * (other.log() - soft.log())).sum())
    assert loss([0, 1, 0], 0.3, True, other, soft_weight=1.0) == pytest.approx(expected, rel=1e-5)
    chances = torch.softmax(logits[0, 0, :3], dim=-1)
    assert loss([0, 1, 0], 0.3, True, soft, hard_weight=1.0) == pytest.approx(-float(chances[1].log()))
    maybe = -float((0.4 * chances[1] + chances[2]).log())
    assert loss([0, 0.4, 1], 0.3, False, soft, hard_weight=1.0) == pytest.approx(maybe)
    from scipy.stats import logistic

    for log_days in (-1.0, 0.3, 2.0):
        died = -logistic.logpdf(log_days, 0.3, 0.5)
        censored = -logistic.logsf(log_days, 0.3, 0.5)
        assert loss([0, 1, 0], log_days, True, soft, days_weight=1.0) == pytest.approx(died, rel=1e-5)
        assert loss([0, 1, 0], log_days, False, soft, days_weight=1.0) == pytest.approx(censored, rel=1e-5)


def test_what_a_censored_patient_leaves_possible() -> None:
    from BraTSOSLib.survival.distillation import possible_classes

    days, events = np.array([100.0, 350.0, 100.0, 375.0, 800.0]), np.array([True, True, False, False, False])
    expected = [[1, 0, 0], [0, 1, 0], [2 / 3, 1, 1], [0, 0.5, 1], [0, 0, 1]]
    np.testing.assert_allclose(possible_classes(days, events), expected)


def test_censored_patients_are_neither_dropped_nor_taken_as_dead() -> None:
    """Half the patients leave early; only the censored fit finds the median that all of them have."""
    from BraTSOSLib.survival.ensemble import fit_groups

    random = np.random.default_rng(2)
    frame = synthetic_table(400, seed=2)
    survival = np.exp(6.0 + 0.6 * random.logistic(size=400))
    left = random.uniform(30, 1500, 400)
    frame["days"], frame["event"] = np.minimum(survival, left).clip(1), (survival <= left).astype(int)
    table = read_survival_table(frame)
    truth = np.log(np.median(survival))

    def error(chosen: SurvivalTable) -> float:
        everyone = np.ones((1, len(chosen)), dtype=bool)
        return abs(float(np.log(fit_groups(chosen, everyone, QUICK, 0).student.days[0]).mean()) - truth)

    censored = error(table)
    assert censored < 0.15
    assert error(table.select(table.events)) > 2 * censored
    assert error(replace(table, events=np.ones(len(table), dtype=bool))) > 2 * censored


def test_two_cohorts_are_judged_apart_and_across() -> None:
    first = read_survival_table(synthetic_table(120))
    second = read_survival_table(synthetic_table(100, seed=9).assign(case=[f"other{index}" for index in range(100)]))
    pooled = cross_validate([first, second], folds=2, repeats=1, settings=QUICK)
    cases = {(result["evaluation"], result["cases"]) for result in pooled.attrs["results"]}
    assert [count for _, count in sorted(cases, key=lambda pair: -pair[1])] == [120, 100]
    assert [entry["cases"] for entry in pooled.attrs["coverage"]] == [120, 100]
    across = evaluate_transfer(first, second, evaluation="across", settings=QUICK)
    results = {result["model"]: result for result in across.attrs["results"]}
    assert results[STUDENT]["cases"] == 100
    assert results[STUDENT]["c_index"] > 0.65
    changed = replace(second, days=second.days[::-1].copy())
    other = evaluate_transfer(first, changed, evaluation="across", settings=QUICK)
    assert other.attrs["reliability"][0]["bins"][0]["predicted"] == pytest.approx(
        across.attrs["reliability"][0]["bins"][0]["predicted"]
    ), "the prediction depends on the test patients' survival"
    with pytest.raises(InputError, match="twice"):
        evaluate_transfer(first, first, evaluation="leak", settings=QUICK)


def test_training_writes_weights_and_card_that_numpy_computes_as_torch_does(tmp_path: Path) -> None:
    from BraTSOSLib.survival.networks import MemberMLP

    weights = train_survival(synthetic_table(), tmp_path / "new", seed=3, settings=QUICK, evaluate=False)
    assert sorted(path.name for path in weights.parent.iterdir()) == [
        "survival-student.json",
        "survival-student.safetensors",
    ]
    student = load_student(weights)
    assert student.card["training_data"][0]["terms"] == "not stated"  # only the two bundled cohorts are known
    tensors = student.tensors
    network = MemberMLP(3, 4, (5,), 0.0, torch.Generator()).double().eval()
    with torch.no_grad():
        network.direct.copy_(torch.from_numpy(tensors["direct"]))
        for layer in range(2):
            network.weights[layer].copy_(torch.from_numpy(tensors[f"weight_{layer}"]))
            network.biases[layer].copy_(torch.from_numpy(tensors[f"bias_{layer}"]))
        raw = np.column_stack([np.linspace(20, 90, 40), *np.resize([-1.0, np.nan, 1.0], (40, 3)).T])
        raw[:, 2:] = np.nan
        scaled = torch.from_numpy(np.nan_to_num((raw - tensors["centre"]) / tensors["scale"]))
        expected = network(scaled.expand(3, -1, -1)).numpy()
    np.testing.assert_allclose(student.outputs(raw), expected, rtol=1e-6, atol=1e-6)
    chances, days = student.predict(raw)
    averaged = torch.softmax(torch.from_numpy(expected[..., :3]) / tensors["temperature"][0], dim=-1).mean(dim=0)
    np.testing.assert_allclose(chances, averaged.numpy(), atol=1e-6)
    assert days[2] > days[-1], "older patients live shorter in this table"
    log_days = (np.log(days) - tensors["log_days"][0]) / tensors["log_days"][1]
    np.testing.assert_allclose(student.risk(raw), tensors["risk"][1] * (tensors["risk"][0] - log_days), atol=1e-9)
    assert tensors["risk"][1] > 0
    low, high = student.interval(raw)
    assert (low < days).all() and (days < high).all()
    np.testing.assert_array_equal(student.cohort.days, synthetic_table()["days"])


def test_same_seed_same_weights(tmp_path: Path) -> None:
    cards = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        path = train_survival(synthetic_table(), tmp_path / name, seed=seed, settings=QUICK, evaluate=False)
        cards.append(json.loads(path.with_suffix(".json").read_text())["sha256"])
    assert cards[0] == cards[1] != cards[2]


def test_bad_input_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="20 patients"):
        train_survival(synthetic_table().head(20), tmp_path / "new", settings=QUICK, evaluate=False)
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(InputError, match="cannot be made"):
        train_survival(synthetic_table(), blocked / "models", settings=QUICK, evaluate=False)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(InputError, match="folds"):
        cross_validate(synthetic_table(), folds=1, settings=QUICK)


def test_folds_are_stratified() -> None:
    classes = class_indices(synthetic_table()["days"].to_numpy())
    folds = stratified_folds(classes, 5, seed=0)
    assert np.ptp(np.bincount(folds)) <= 1
    for value in range(3):
        assert np.ptp(np.bincount(folds[classes == value], minlength=5)) <= 1


def test_comparison_equals_the_plain_metrics() -> None:
    random = np.random.default_rng(0)
    days = random.integers(20, 1200, 60).astype(float)
    predicted = days + random.normal(0, 300, 60).clip(-days + 1)
    chances = random.dirichlet([1, 1, 1], 60)
    model = ModelOutput(predicted[None], chances[None])
    result = compare(days, {"one": model}, [], evaluation="test").attrs["results"][0]
    assert result["accuracy"] == pytest.approx(accuracy(days, chances.argmax(axis=1)))
    assert result["mse"] == pytest.approx(mean_squared_error(days, predicted))
    assert result["spearman"] == pytest.approx(spearman(days, predicted))
    assert result["c_index"] == pytest.approx(concordance_index(days, predicted))


def test_plain_models_equal_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    table = read_survival_table(synthetic_table())
    inputs = np.column_stack([(table.ages - 55) / 17, [value == "GTR" for value in table.resections]]).astype(float)
    fitted = linear.LogisticRegression(C=1.0, tol=1e-9, max_iter=2000).fit(inputs, class_indices(table.days))
    np.testing.assert_allclose(
        logistic_probabilities(inputs, table.days, inputs), fitted.predict_proba(inputs), atol=1e-4
    )
    ridge = linear.Ridge(alpha=1.0).fit(inputs, np.log(table.days))
    np.testing.assert_allclose(ridge_log_days(inputs, table.days, inputs), np.exp(ridge.predict(inputs)), rtol=1e-9)


@pytest.mark.skipif(not DATA.is_dir(), reason="the patient tables are not beside the repository")
def test_bundled_card_tells_what_the_model_does_on_patients_of_other_sites() -> None:
    external = read_brats_regions(DATA / "brats19_regions.csv.gz", DATA / "overlap.csv")
    assert len(external) == 83
    train = read_survival_table(DATA / "upenn_gbm_captk.csv.gz")
    assert len(train) == 369
    student = load_student()
    trained = [DATA / "upenn_gbm_captk.csv.gz", DATA / "ucsf_pdgm_pyradiomics_t1c_wt.csv.gz"]
    frame = evaluate_external(student, read_tables(trained), external, evaluation="external")
    results = frame.attrs["results"]
    assert frame.attrs["coverage"][0]["high"] > 0.8, "fewer patients than stated survive within their interval"
    told = {
        (entry["model"], entry["name"]): entry["value"]
        for entry in student.card["metrics"]
        if entry["evaluation"].startswith("external")
    }
    for result in results:
        for metric in ("accuracy", "mse", "spearman", "c_index"):
            assert result[metric] == pytest.approx(told[result["model"], metric], rel=1e-6)
    found = {result["model"]: result for result in results}
    assert found[STUDENT]["c_index"] > found[LOGISTIC]["c_index"] - 0.01
    with pytest.raises(InputError, match="training and the external"):
        evaluate_external(student, train, train, evaluation="leak")
