"""Survival metrics against lifelines and scipy, and the boundaries of the categories."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from BraTSOSLib.errors import InputError
from BraTSOSLib.survival import metrics
from BraTSOSLib.survival.calibration import calibration_error
from BraTSOSLib.survival.categories import category_of, class_indices


@pytest.mark.parametrize(
    ("days", "category"),
    [(299.99, "short"), (300, "medium"), (450, "medium"), (450.01, "long"), (1, "short"), (2000, "long")],
)
def test_boundaries_belong_to_medium(days: float, category: str) -> None:
    assert category_of(days) == category


def test_category_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="finite"):
        class_indices(np.array([100.0, np.nan]))


@pytest.mark.parametrize("seed", range(6))
def test_concordance_equals_lifelines(seed: int) -> None:
    utils = pytest.importorskip("lifelines.utils")
    random = np.random.default_rng(seed)
    times = random.integers(1, 60, 150).astype(float)  # many deaths on the same day
    scores = random.integers(0, 25, 150).astype(float)  # many ties in the score
    events = None if seed % 2 else random.random(150) < 0.6
    expected = utils.concordance_index(times, scores, events)
    assert metrics.concordance_index(times, scores, events) == pytest.approx(expected, abs=1e-12)


def test_concordance_counts_by_hand() -> None:
    times = np.array([1.0, 2.0, 3.0])
    assert metrics.concordance_index(times, times) == 1.0
    assert metrics.concordance_index(times, -times) == 0.0
    assert metrics.concordance_index(times, np.array([1.0, 1.0, 2.0])) == pytest.approx(2.5 / 3)
    assert metrics.concordance_index(times, times, np.array([False, True, True])) == 1.0
    with pytest.raises(InputError, match="compared"):
        metrics.concordance_index(times, times, np.zeros(3, dtype=bool))


def test_concordance_over_subsets_equals_one_at_a_time() -> None:
    random = np.random.default_rng(1)
    times = random.integers(1, 80, 90).astype(float)
    features = random.normal(size=(90, 7)).round(1)
    subsets = random.random((5, 90)) < 0.7
    found = metrics.concordance_over_subsets(times, features, subsets)
    for subset, row in zip(subsets, found, strict=True):
        for column, value in enumerate(row):
            expected = metrics.concordance_index(times[subset], features[subset, column])
            assert value == pytest.approx(expected, abs=1e-12)


def test_missing_feature_value_counts_as_a_tie() -> None:
    times = np.array([1.0, 2.0, 3.0])
    found = metrics.concordance_over_subsets(times, np.array([[1.0], [np.nan], [3.0]]), np.ones((1, 3), dtype=bool))
    assert found[0, 0] == pytest.approx((1 + 0.5 + 0.5) / 3)


def test_spearman_equals_scipy_with_ties() -> None:
    random = np.random.default_rng(2)
    first, second = random.integers(0, 12, 80).astype(float), random.integers(0, 9, 80).astype(float)
    assert metrics.spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
    assert metrics.spearman(first, np.ones(80)) == 0.0


def test_accuracy_and_squared_error_by_hand() -> None:
    days = np.array([100.0, 400.0, 500.0, 700.0])
    assert metrics.accuracy(days, np.array([0, 1, 0, 2])) == 0.75
    assert metrics.mean_squared_error(days, days + np.array([10.0, 0.0, 0.0, -10.0])) == 50.0


def test_calibration_error_tells_calibrated_from_overconfident() -> None:
    random = np.random.default_rng(3)
    probabilities = random.dirichlet([2.0, 1.5, 1.5], 4000)
    drawn = np.array([random.choice(3, p=each) for each in probabilities])
    days = np.array([100.0, 400.0, 800.0])[drawn]
    sharpened = probabilities**4 / (probabilities**4).sum(axis=1, keepdims=True)
    assert calibration_error(days, probabilities) < 0.04
    assert calibration_error(days, sharpened) > 0.15
    assert metrics.log_loss(days, probabilities) < metrics.log_loss(days, sharpened)


def test_unusable_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="shapes"):
        metrics.spearman(np.ones(3), np.ones(4))
    with pytest.raises(InputError, match="infinite"):
        metrics.mean_squared_error(np.array([1.0, np.nan]), np.ones(2))
    with pytest.raises(InputError, match="no patients"):
        metrics.accuracy(np.array([]), np.array([]))
