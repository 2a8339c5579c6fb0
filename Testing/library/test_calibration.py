"""Calibration error, its band under perfect calibration, reliability and coverage, against others and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from BraTSOSLib.errors import InputError
from BraTSOSLib.survival.calibration import (
    calibration_band,
    calibration_error,
    coverage,
    proportion_interval,
    reliability,
)
from BraTSOSLib.survival.categories import CATEGORIES, class_indices
from BraTSOSLib.survival.censoring import category_weights, censoring_curve, known_category, short_weights


def plain_error(days: np.ndarray, probabilities: np.ndarray, bins: int = 5) -> float:
    """The calibration error of patients who all died, bin by bin, without weights."""
    confidence = probabilities.max(axis=1)
    correct = (probabilities.argmax(axis=1) == class_indices(days)).astype(np.float64)
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    gaps = [len(part) * abs(correct[part].mean() - confidence[part].mean()) for part in parts if len(part)]
    return float(sum(gaps) / len(confidence))


def survival_of(classes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Days that lie in the given categories."""
    bounds = np.array([[1, 299], [300, 450], [451, 2000]])[classes]
    return random.integers(bounds[:, 0], bounds[:, 1] + 1).astype(float)


def calibrated(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Days of patients whose categories are drawn from the probabilities that a model states."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([2.0, 1.5, 3.0], count)
    classes = np.array([random.choice(3, p=row) for row in probabilities])
    return survival_of(classes, random), probabilities


def censored(days: np.ndarray, seed: int, longest: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    leaving = np.random.default_rng(seed).integers(1, longest, len(days)).astype(float)
    return np.minimum(days, leaving), days <= leaving


@pytest.mark.parametrize("bins", [1, 3, 5])
def test_error_of_everybody_is_the_plain_mean_of_gaps(bins):
    days, probabilities = calibrated(61, 1)
    assert calibration_error(days, probabilities, bins=bins) == pytest.approx(
        plain_error(days, probabilities, bins), abs=1e-14
    )
    stated = probabilities[:, 2]
    gap = 0.0
    for part in np.array_split(np.argsort(stated, kind="stable"), bins):
        gap += len(part) / 61 * abs((days[part] > 450).mean() - stated[part].mean())
    assert calibration_error(days, probabilities, bins=bins, category="long") == pytest.approx(gap, abs=1e-14)


def test_reliability_of_a_hand_made_table():
    days = np.array([100.0, 400.0, 500.0, 600.0, 200.0, 310.0])
    probabilities = np.array(
        [[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2], *[[0.5, 0.4, 0.1]] * 2]
    )
    first, second = reliability(days, probabilities, bins=2)
    assert (first["n"], second["n"]) == (3, 3)
    assert first["predicted"] == pytest.approx(0.5)
    assert first["observed"] == pytest.approx(1 / 3)
    assert second["predicted"] == pytest.approx((0.8 + 0.8 + 0.6) / 3)
    assert second["observed"] == pytest.approx(2 / 3)
    exact = binomtest(1, 3).proportion_ci(method="exact")
    assert (first["low"], first["high"]) == pytest.approx((exact.low, exact.high))


def test_band_of_a_simulation_one_draw_at_a_time():
    _, probabilities = calibrated(83, 2)
    random = np.random.default_rng(5)
    errors = []
    for _ in range(1500):
        classes = np.array([np.searchsorted(np.cumsum(row)[:2], random.random()) for row in probabilities])
        errors.append(plain_error(np.array([100.0, 400.0, 900.0])[classes], probabilities))
    low, high = np.percentile(errors, [2.5, 97.5])
    assert calibration_band(probabilities) == pytest.approx((low, high), rel=0.12)
    assert calibration_band(probabilities) == calibration_band(probabilities, seed=0)
    assert calibration_band(probabilities) != calibration_band(probabilities, seed=1)


@pytest.mark.parametrize("censoring", [False, True])
@pytest.mark.parametrize("category", [None, "long"])
def test_band_holds_for_calibrated_models_and_not_for_boasters(censoring, category):
    inside, caught = 0, 0
    for seed in range(24):
        days, probabilities = calibrated(250, 100 + seed)
        observed, events = censored(days, seed) if censoring else (days, np.ones(len(days), dtype=bool))
        options = {"days": observed, "events": events, "draws": 150, "category": category}
        low, high = calibration_band(probabilities, **options)
        inside += low <= calibration_error(observed, probabilities, events, category=category) <= high
        boasted = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
        _, high = calibration_band(boasted, **options)
        caught += calibration_error(observed, boasted, events, category=category) > high
    assert inside >= 20  # 22.8 expected
    assert caught >= 23


def test_weights_give_kaplan_meiers_estimate():
    lifelines = pytest.importorskip("lifelines")
    days, _ = calibrated(157, 3)
    days, events = censored(np.ceil(days / 30) * 30, 4)  # many ties
    curve = lifelines.KaplanMeierFitter().fit(days, events)
    assert category_weights(days, events)[0] @ (days > 450) / 157 == pytest.approx(float(curve.predict(450)), abs=1e-12)
    assert short_weights(days, events)[0] @ (days < 300) / 157 == pytest.approx(
        1 - float(curve.predict(299.9)), abs=1e-12
    )
    assert category_weights(days, events).sum() == pytest.approx(157)
    assert (category_weights(days, events)[0] > 0).tolist() == known_category(days, events).tolist()


def test_weights_of_a_sample_are_those_of_its_patients():
    days, _ = calibrated(60, 5)
    days, events = censored(days, 6)
    drawn = np.random.default_rng(7).integers(0, 60, (3, 60))
    counts = np.stack([np.bincount(row, minlength=60) for row in drawn])
    for row, weights in zip(drawn, category_weights(days, events, counts), strict=True):
        assert weights[row] == pytest.approx(category_weights(days[row], events[row])[0])
    curve = censoring_curve(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True]))
    assert curve.at(1.0)[0] == pytest.approx(0.75)
    assert curve.before(1.0)[0] == 1.0
    assert curve.at(2.0)[0] == pytest.approx(0.75 * 0.5)  # the death of day 2 is not at risk of being censored on it


def test_censoring_does_not_bias_the_weighted_share():
    days, probabilities = calibrated(6000, 8)
    observed, events = censored(days, 9, longest=900)
    whole = [row["observed"] for row in reliability(days, probabilities, category="long")]
    weighted = [row["observed"] for row in reliability(observed, probabilities, events, category="long")]
    assert weighted == pytest.approx(whole, abs=0.06)
    known = known_category(observed, events)
    left_out = (observed[known] > 450).mean()
    assert abs(left_out - (days > 450).mean()) > 0.08  # leaving them out does


def test_coverage():
    days = np.array([100.0, 200.0, 300.0, 400.0])
    found = coverage(days, np.full(4, 150.0), np.full(4, 300.0))
    assert found["value"] == found["least"] == found["most"] == 0.5
    exact = binomtest(2, 4).proportion_ci(method="exact")
    assert (found["low"], found["high"]) == pytest.approx((exact.low, exact.high))
    events = np.array([True, False, True, False])
    found = coverage(days, np.full(4, 150.0), np.full(4, 300.0), events)
    assert (found["cases"], found["known"], found["least"], found["most"]) == (4, 3, 0.25, 0.5)
    # Followed beyond day 200: 2 of 3, so that the death of day 300 and the survivor of day 300 stand for 1.5 each.
    assert found["value"] == pytest.approx(1.5 / 4)


def test_coverage_under_censoring_is_that_without():
    random = np.random.default_rng(10)
    days = random.exponential(400, 5000)
    low, high = random.uniform(10, 150, 5000), random.uniform(300, 900, 5000)
    whole = coverage(days, low, high)["value"]
    observed, events = censored(days, 11, longest=1200)
    found = coverage(observed, low, high, events)
    assert found["value"] == pytest.approx(whole, abs=0.03)
    assert found["least"] <= whole <= found["most"]


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (7, 7), (3, 7), (300, 369)])
def test_proportion_interval_is_clopper_and_pearsons(successes, trials):
    exact = binomtest(successes, trials).proportion_ci(method="exact")
    assert proportion_interval(successes, trials) == pytest.approx((exact.low, exact.high))


def test_bad_input():
    days, probabilities = calibrated(20, 12)
    with pytest.raises(InputError, match="20 rows of probabilities for 19"):
        calibration_error(days[1:], probabilities)
    with pytest.raises(InputError, match="columns"):
        calibration_error(days, probabilities[:, :2])
    with pytest.raises(InputError, match="missing or infinite"):
        calibration_band(np.full((3, 3), np.nan))
    with pytest.raises(InputError, match="'medium term'"):
        reliability(days, probabilities, category="medium term")
    with pytest.raises(InputError, match="0 bins"):
        reliability(days, probabilities, bins=0)
    with pytest.raises(InputError, match="no patient is known"):
        calibration_error(np.full(20, 100.0), probabilities, np.zeros(20, dtype=bool))
    with pytest.raises(InputError, match="no patients"):
        coverage(np.array([]), np.array([]), np.array([]))
    assert class_indices(days).max() == len(CATEGORIES) - 1
