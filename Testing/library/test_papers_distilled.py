"""The published teacher and student: how they learn, what they may see, and that nothing leaks from test patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from survival_synthetic import synthetic_table

from BraTSOSLib.errors import InputError
from BraTSOSLib.survival.metrics import concordance_index
from BraTSOSLib.survival.papers import mlp
from BraTSOSLib.survival.papers.comparison import LOGISTIC, STUDENTS, TEACHER, cross_validate_method
from BraTSOSLib.survival.papers.distilled import (
    WORDINGS,
    DistilledSettings,
    days_of,
    fit_distilled,
    in_words,
    make_inputs,
)
from BraTSOSLib.survival.papers.mlp import Budget, Lessons, LossWeights
from BraTSOSLib.survival.papers.splits import repeated_splits
from BraTSOSLib.survival.papers.table import FeatureTable, read_patient_features

pytest.importorskip("torch", reason="torch is not installed")
QUICK = DistilledSettings(teacher_hidden=(8, 8, 8), student_hidden=(8, 8), budget=Budget(epochs=4, batch_size=16))


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    return read_patient_features(synthetic_table(seed=2))


def _lesson(members: int, patients: int = 20) -> Lessons:
    random = np.random.default_rng(5)
    return Lessons(
        inputs=random.normal(size=(members, patients, 3)),
        classes=random.integers(0, 3, (members, patients)),
        log_days=random.normal(size=(members, patients)),
        patient_weights=random.uniform(0.5, 1.5, (members, patients)),
        teacher=random.normal(size=(members, patients, 4)),
    )


def test_the_loss_is_the_one_that_is_written_down() -> None:
    import torch
    from torch.nn import functional

    lesson, weights = _lesson(2, 5), LossWeights(0.3, 0.7, 0.9, 0.2, 3.0)
    assert lesson.teacher is not None
    outputs = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 5, 4)))
    terms = torch.tensor([[weights.hard, weights.days, weights.soft * 9.0, weights.imitation]] * 2)[:, None]
    wanted = torch.from_numpy(mlp._targets(lesson, [weights] * 2))
    found = mlp._loss(outputs, wanted, terms, torch.full((2, 1, 1), 3.0), True)
    teacher, own = torch.from_numpy(lesson.teacher), torch.from_numpy(lesson.patient_weights)
    classes, days = torch.from_numpy(lesson.classes), torch.from_numpy(lesson.log_days)
    soft = functional.softmax(teacher[..., :3] / 3.0, dim=-1)
    each = (
        0.3 * functional.cross_entropy(outputs[..., :3].flatten(0, 1), classes.flatten(), reduction="none").view(2, 5)
        + 0.7 * (outputs[..., 3] - days) ** 2
        - 0.9 * 9.0 * (soft * functional.log_softmax(outputs[..., :3] / 3.0, dim=-1)).sum(dim=-1)
        + 0.2 * (outputs[..., 3] - teacher[..., 3]) ** 2
    )
    assert float(found) == pytest.approx(float((own * each).sum(dim=1).sum() / 5), rel=1e-6)


def test_a_network_does_not_depend_on_who_is_fitted_beside_it() -> None:
    lesson, budget = _lesson(3), Budget(epochs=3)
    losses = [LossWeights(), LossWeights(soft=0.5), LossWeights(hard=0.0, imitation=1.0)]
    together = mlp.fit_networks(mlp.fresh_networks([1, 2, 3], 3, (6,)), lesson, losses, budget, [1, 2, 3])
    one = Lessons(*(getattr(lesson, name)[1:2] for name in Lessons.__dataclass_fields__))
    alone = mlp.fit_networks(mlp.fresh_networks([2], 3, (6,)), one, losses[1:2], budget, [2])
    for first, second in zip(together.members(np.array([1])).weights, alone.weights, strict=True):
        assert first == pytest.approx(second, abs=1e-5)


def test_the_outputs_are_those_of_torch() -> None:
    import torch

    networks = mlp.fresh_networks([4], 3, (6, 5))
    data = np.random.default_rng(2).normal(size=(1, 7, 3))
    activity = torch.from_numpy(data[0])
    for layer, (weight, bias) in enumerate(zip(networks.weights, networks.biases, strict=True)):
        activity = activity @ torch.from_numpy(weight[0]) + torch.from_numpy(bias[0])
        activity = torch.relu(activity) if layer < 2 else activity
    assert networks.outputs(data)[0] == pytest.approx(activity.numpy(), abs=1e-12)


def test_the_student_starts_from_the_teachers_weights(table: FeatureTable) -> None:
    """With no step taken, what the student holds is what the teacher learned: first layers, and the output layer."""
    train = repeated_splits(table, 2)
    still = replace(QUICK, best_features=2, transferable=("feature_0",), budget=Budget(epochs=0))
    fits = fit_distilled(table, train, [in_words(still, "paper"), in_words(still, "hinton")])
    teacher, (paper, hinton) = fits.teacher.networks, fits.students
    assert paper.networks.weights[0] == pytest.approx(teacher.weights[0][:, : fits.inputs.shared], abs=1e-6)
    assert paper.networks.weights[1] == pytest.approx(teacher.weights[1], abs=1e-6)
    assert paper.networks.weights[2] == pytest.approx(teacher.weights[3], abs=1e-6)
    assert abs(hinton.networks.weights[1] - teacher.weights[1]).max() > 0.1


def test_an_imitating_student_comes_closer_to_the_teacher(table: FeatureTable) -> None:
    train = repeated_splits(table, 3)
    loss = LossWeights(hard=0.0, days=0.0, soft=1.0, imitation=1.0)
    settings = replace(QUICK, initialise="random", budget=Budget(epochs=20, batch_size=16, learning_rate=0.01))
    fits = fit_distilled(table, train, [replace(settings, student=loss), in_words(settings, "alone")])
    gaps = [abs(each.probabilities - fits.teacher.probabilities).mean() for each in fits.students]
    assert gaps[0] < 0.7 * gaps[1]


def test_every_wording_learns_something(table: FeatureTable) -> None:
    quick = replace(QUICK, budget=Budget(epochs=20, batch_size=16, learning_rate=0.01))
    everybody = np.ones((1, len(table)), dtype=bool)
    fits = fit_distilled(table, everybody, [in_words(quick, wording) for wording in WORDINGS])
    for fitted in (fits.teacher, *fits.students):
        assert concordance_index(table.days, fitted.days[0]) > 0.7
        assert fitted.probabilities.sum(axis=-1) == pytest.approx(1.0)


def test_the_student_sees_transferable_features_alone(table: FeatureTable) -> None:
    train = repeated_splits(table, 2)
    mine = make_inputs(table, train, replace(QUICK, best_features=2, transferable=("*_VoxelVolume",)))
    names = np.array(table.feature_names)[mine.columns]
    assert mine.shared == 4 and mine.columns.shape == (2, 4)
    assert all("VoxelVolume" in name for name in names[:, :2].ravel())
    assert not any("VoxelVolume" in name for name in names[:, 2:].ravel()) and (names[:, 2] == "feature_0").all()
    none = make_inputs(table, train, replace(QUICK, transferable=()))
    assert none.shared == 2 and none.columns.shape == (2, 1)
    with pytest.raises(InputError, match="'glcm"):
        make_inputs(table, train, replace(QUICK, transferable=("glcm*",)))


def test_nothing_of_the_test_patients_is_used() -> None:
    frame = synthetic_table()
    first = read_patient_features(frame)
    train = repeated_splits(first, 1)
    test = np.flatnonzero(~train[0])
    frame.loc[test, "feature_0"] *= -50.0
    frame.loc[test, "feature_5"] = frame.loc[test, "days"] * 1e6
    frame.loc[test, "days"] = 17.0
    second = read_patient_features(frame)
    fits = [fit_distilled(each, train, [QUICK]) for each in (first, second)]
    assert (fits[0].inputs.columns == fits[1].inputs.columns).all()
    assert (fits[0].students[0].days[train] == fits[1].students[0].days[train]).all()
    assert (fits[0].teacher.probabilities[train] == fits[1].teacher.probabilities[train]).all()


def test_days_stay_within_what_was_seen() -> None:
    log_days = np.array([[5.0, 0.5, 3.0, 6.5], [6.0, 1.0, 4.0, 7.0]])
    found = days_of(np.array([[0.0, 1.0, 90.0], [0.5, -90.0, 2.0]]), log_days[:, None])
    assert np.log(found) == pytest.approx(np.array([[5.0, 5.5, 6.5], [6.5, 4.0, 7.0]]))


def test_censored_patients_are_weighed_not_learned() -> None:
    frame = synthetic_table(150).assign(event=[0, 1, 1, 1, 1] * 30)
    table = read_patient_features(frame)
    later = frame.assign(days=np.where(frame["event"] == 0, frame["days"] + 0.001, frame["days"]))
    everybody = np.ones((1, 150), dtype=bool)
    first, second = (
        fit_distilled(each, everybody, [QUICK]).students[0].days for each in (table, read_patient_features(later))
    )
    assert first == pytest.approx(second, rel=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (replace(QUICK, student_hidden=(4, 8)), "cannot start from the weights"),
        (replace(QUICK, student_hidden=()), "at least one hidden layer"),
        (replace(QUICK, initialise="thin air"), "'thin air'"),
        (replace(QUICK, best_features=400), None),
    ],
)
def test_settings_that_do_not_fit(table: FeatureTable, settings: DistilledSettings, message: str | None) -> None:
    if message is None:  # more features than there are: every one is taken
        width = fit_distilled(table, repeated_splits(table, 1), [settings]).inputs.columns.shape[1]
        assert width == len(table.feature_names)
        return
    with pytest.raises(InputError, match=message):
        fit_distilled(table, repeated_splits(table, 1), [settings])
    with pytest.raises(InputError, match="fit them one by one"):
        fit_distilled(table, repeated_splits(table, 1), [QUICK, replace(QUICK, best_features=2)])
    with pytest.raises(InputError, match="'socratic'"):
        in_words(QUICK, "socratic")


def _tested(table: FeatureTable) -> int:
    return int((~repeated_splits(table, 1)[0]).sum())


def test_comparison_stands_beside_age_and_resection(table: FeatureTable) -> None:
    comparison = cross_validate_method(table, "distilled-mlp", in_words(QUICK, "hinton"), splits=3)
    assert {LOGISTIC, TEACHER, "student", STUDENTS["alone"]} <= set(comparison.metrics)
    frame = comparison.frame()
    assert frame.index.name == f"{120 - _tested(table)} to train, {_tested(table)} to test, 3 splits"
    results = {(each["model"], each["name"]): each for each in comparison.results()}
    assert results["student", "mse"]["value"] == pytest.approx(np.mean(results["student", "mse"]["splits"]), rel=1e-6)
    mean, low, high = comparison.difference("student", LOGISTIC, "c_index")
    assert low <= mean <= high
    with pytest.raises(InputError, match="'knn'"):
        cross_validate_method(table, "knn", QUICK, splits=2)
