"""Contributions, similar patients and their survival: against brute force and lifelines."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from explained_student import NAMES, ExplainedStudent, cohort, risk_of

from BraTSOSLib.survival.covariates import INPUT_GROUPS, INPUT_MEANINGS
from BraTSOSLib.survival.explanation.clinical_inputs import (
    VOLUMES,
    clinical_inputs,
    is_given,
    missing_names,
    shown_value,
    value_of,
)
from BraTSOSLib.survival.explanation.neighbours import NEIGHBOURS, cohort_place
from BraTSOSLib.survival.explanation.shapley import SMALLEST_BACKGROUND, contributions, shapley_values, thinned
from BraTSOSLib.survival.explanation.survival_curve import kaplan_meier

PATIENT = {"age": 71.0, "resection": "biopsy", "mgmt": "methylated", "idh": "unknown", "kps": None}
ROW = np.array([71.0, -1.0, 1.0, 1.0])


def by_permutations(risk, row, background, masks):
    """Shapley values by their definition: the mean over all orders in which the players become known."""

    def value(players):
        rows = background.copy()
        for player in players:
            rows[:, masks[player]] = row[masks[player]]
        return risk(rows).mean()

    effects = np.zeros(len(masks))
    for order in permutations(range(len(masks))):
        for place, player in enumerate(order):
            effects[player] += value(order[: place + 1]) - value(order[:place])
    return effects / math.factorial(len(masks)), value(())


def test_shapley_values_are_those_of_the_definition():
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(6, 6))

    def risk(rows):
        return np.einsum("ij,jk,ik->i", rows, weights, rows) + np.sin(rows).sum(axis=1)

    background, row = rng.normal(size=(20, 6)), rng.normal(size=6)
    masks = np.zeros((4, 6), dtype=bool)
    masks[[0, 1, 1, 2, 3], [0, 1, 2, 3, 5]] = True  # one player with two columns, one column of nobody
    expected, base = by_permutations(risk, row, background, masks)
    effects, found = shapley_values(risk, row, background, masks)
    assert effects == pytest.approx(expected, abs=1e-12)
    assert found == pytest.approx(base, abs=1e-12)


def test_shapley_values_of_a_linear_risk_are_weight_times_distance_from_the_mean():
    rng = np.random.default_rng(2)
    weights, background, row = rng.normal(size=5), rng.normal(size=(30, 5)), rng.normal(size=5)
    effects, base = shapley_values(lambda rows: rows @ weights, row, background, np.eye(5, dtype=bool))
    assert effects == pytest.approx(weights * (row - background.mean(axis=0)), abs=1e-12)
    assert base == pytest.approx(float(background.mean(axis=0) @ weights))


def explained(row, inputs, people=None):
    background = (people or cohort()).inputs
    return contributions(risk_of, row, background, clinical_inputs(NAMES), inputs)


def test_contributions_add_up_to_the_risk():
    for row, inputs in (
        (ROW, PATIENT),
        (np.array([40.0, np.nan, np.nan, np.nan]), {**PATIENT, "age": 40.0, "resection": "unknown", "mgmt": "unknown"}),
        (np.array([55.0, 1.0, 0.0, np.nan]), {**PATIENT, "age": 55.0, "resection": "GTR", "mgmt": "indeterminate"}),
    ):
        shown, base = explained(row, inputs)
        assert sum(item.effect for item in shown) + base == pytest.approx(float(risk_of(row[None])[0]), abs=1e-9)


def test_columns_of_one_clinical_input_are_one_player():
    shown, _ = explained(ROW, PATIENT)
    assert [item.name for item in shown] == ["resection", "age", "mgmt"]
    assert [item.direction for item in shown] == ["shortens", "shortens", "lengthens"]
    assert shown[0].shown == "biopsy only"
    assert shown[1].shown == "71 years"
    assert shown[1].value == 71.0
    assert {item.label for item in shown} == {"Age", "Extent of resection", "MGMT promoter"}


def test_what_was_not_given_is_neither_good_nor_bad_news():
    row = np.array([71.0, np.nan, np.nan, 1.0])
    shown, base = explained(row, {**PATIENT, "resection": "unknown"})
    last = shown[-1]
    assert (last.name, last.effect, last.direction, last.shown) == ("resection", 0.0, "none", "not given")
    background = cohort().inputs.copy()
    background[:, 1:3] = np.nan
    assert base == pytest.approx(risk_of(background).mean(), abs=1e-12)


def test_a_large_cohort_is_thinned_out_evenly():
    people = cohort(5000, seed=8)
    kept = thinned(people.inputs, risk_of, 200)
    assert len(kept) == 200
    assert risk_of(kept).mean() == pytest.approx(risk_of(people.inputs).mean(), abs=0.01)
    assert thinned(people.inputs[:100], risk_of, 200) is not None
    assert len(thinned(people.inputs[:100], risk_of, 200)) == 100
    assert SMALLEST_BACKGROUND >= 50


def test_every_input_of_any_student_belongs_to_one_clinical_input():
    names = tuple(name for name in INPUT_MEANINGS)
    groups = clinical_inputs(names)
    assert sorted(column for group in groups for column in group.columns) == list(range(len(names)))
    assert {group.name for group in groups} >= set(INPUT_GROUPS)
    assert clinical_inputs(("something_new",))[0].name == "something_new"


def test_volumes_are_one_input_and_each_missing_one_is_named():
    (volumes,) = clinical_inputs(("log_NCR", "log_ET"))
    assert volumes.name == VOLUMES
    inputs = {"NCR_original_shape_VoxelVolume": 9300.0}
    row = np.array([np.log1p(9300.0), np.nan])
    assert is_given(volumes, inputs, row)
    assert missing_names((volumes,), inputs, row) == ("ED_original_shape_VoxelVolume", "ET_original_shape_VoxelVolume")
    assert shown_value(volumes, inputs, row) == "NCR 9.3 mL"
    assert value_of(volumes, inputs, row) is None
    whole = {"WT_original_shape_VoxelVolume": 50000.0}
    assert value_of(volumes, whole, row) == 50000.0
    assert missing_names((volumes,), whole, np.array([1.0, 2.0])) == ()


@pytest.mark.parametrize("seed", range(6))
def test_kaplan_meier_equals_lifelines(seed):
    lifelines = pytest.importorskip("lifelines", reason="lifelines is the reference for the curve")
    rng = np.random.default_rng(seed)
    days = rng.integers(1, 400 if seed % 2 else 12, 80).astype(float)  # with and without many ties
    events = rng.random(80) < (1.0, 0.7, 0.4)[seed % 3]
    events[np.argmax(days)] = seed % 2 == 0  # the last patient dies or is censored
    fitter = lifelines.KaplanMeierFitter().fit(days, events)
    band = fitter.confidence_interval_survival_function_
    curve = kaplan_meier(days, events)
    assert curve.times[0] == 0.0
    assert curve.times[-1] == days.max()
    for day, survival, low, high in zip(curve.times, curve.survival, curve.low, curve.high, strict=True):
        assert survival == pytest.approx(float(fitter.survival_function_at_times(day).iloc[0]), abs=1e-12)
        assert low <= survival <= high
        if 0.0 < survival < 1.0:
            expected = band.loc[:day].iloc[-1]
            assert (low, high) == pytest.approx((expected.iloc[0], expected.iloc[1]), abs=1e-9)
        assert curve.at(day + 0.5)[0] == survival
    assert curve.times[1:] == tuple(fitter.timeline[1:])
    median = curve.median()[0]
    if min(abs(value - 0.5) for value in curve.survival) > 1e-9:  # lifelines rounds one half either way
        assert (math.inf if median is None else median) == fitter.median_survival_time_
    table = fitter.event_table
    for day, at_risk in zip(curve.times, curve.at_risk, strict=True):
        assert at_risk == table.loc[day, "at_risk"]


def test_kaplan_meier_by_hand():
    curve = kaplan_meier(np.array([1.0, 2.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False, True]))
    assert curve.times == (0.0, 1.0, 2.0, 3.0, 4.0)
    assert curve.survival == pytest.approx((1.0, 0.8, 0.6, 0.6, 0.0))
    assert curve.at_risk == (5, 5, 4, 2, 1)
    assert curve.median()[0] == 4.0
    assert curve.high[-1] == curve.high[-2]
    nobody_died = kaplan_meier(np.array([5.0, 9.0]), np.array([False, False]))
    assert nobody_died.times == (0.0, 5.0, 9.0)
    assert nobody_died.survival == nobody_died.high == nobody_died.low == (1.0, 1.0, 1.0)
    assert nobody_died.median() == (None, None, None)


def test_a_curve_read_off_regularly_says_the_same():
    people = cohort()
    curve = kaplan_meier(people.days, people.events)
    sampled = curve.sampled(30.0)
    assert sampled.times[:3] == (0.0, 30.0, 60.0)
    assert sampled.times[-1] >= curve.times[-1]
    for day, survival, at_risk in zip(sampled.times, sampled.survival, sampled.at_risk, strict=True):
        assert survival == curve.at(day)[0]
        assert at_risk == (people.days >= day).sum()
    assert sampled.survival[-1] == curve.survival[-1]


def test_the_most_similar_patients_are_those_of_the_nearest_risk():
    student = ExplainedStudent({})
    risk = float(student.risk(ROW[None])[0])
    place = cohort_place(student, risk)
    risks = student.risk(student.cohort.inputs)
    distances = np.sort(np.abs(risks - risk))
    members = np.abs(risks - risk) <= distances[NEIGHBOURS - 1]
    expected = kaplan_meier(student.cohort.days[members], student.cohort.events[members])
    assert place.neighbours == NEIGHBOURS == members.sum()
    assert place.similar == expected
    assert (place.median, place.median_low, place.median_high) == expected.median()
    assert place.percentile == pytest.approx(100 * np.mean(risks < risk))
    assert place.patients == 250
    assert cohort_place(student, -9.0).percentile == 0.0
    assert cohort_place(student, 9.0).percentile == 100.0


def test_a_small_cohort_is_used_whole():
    small = cohort(40)
    place = cohort_place(ExplainedStudent({}, cohort=small), 0.0)
    assert place.neighbours == 40
    assert place.similar == kaplan_meier(small.days, small.events)
