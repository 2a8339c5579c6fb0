"""Concordance of many features at once, their ranking, and choosing the best of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from survival_synthetic import synthetic_table

from BraTSOSLib.errors import InputError
from BraTSOSLib.survival.metrics import concordance_index, concordance_of_features
from BraTSOSLib.survival.papers import rank_features, read_patient_features, write_ranking
from BraTSOSLib.survival.papers.censoring import censoring_weights
from BraTSOSLib.survival.papers.ranking import choose_best, order_of_strength


def _patients(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times and features with many ties, a fifth of the values missing, a third of the patients censored."""
    random = np.random.default_rng(seed)
    features = random.integers(0, 9, (90, 25)).astype(float)
    features[:, 10:] = random.normal(size=(90, 15))
    features[random.random(features.shape) < 0.2] = np.nan
    return random.integers(1, 40, 90).astype(float), features, random.random(90) < 0.67


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("censored", [False, True])
def test_every_feature_equals_lifelines(seed: int, censored: bool) -> None:
    utils = pytest.importorskip("lifelines.utils", reason="lifelines is not installed")
    times, features, events = _patients(seed)
    died = events if censored else np.ones(90, dtype=bool)
    found, counts = concordance_of_features(times, features, events if censored else None)
    for column, values in enumerate(features.T):
        known = ~np.isnan(values)
        assert found[column] == pytest.approx(
            utils.concordance_index(times[known], values[known], died[known]), abs=1e-12
        )
        assert counts[column] == known.sum()


def test_every_feature_equals_the_index_of_one() -> None:
    times, features, events = _patients(7)
    found, _ = concordance_of_features(times, features, events)
    known = ~np.isnan(features[:, 3])
    assert found[3] == concordance_index(times[known], features[known, 3], events[known])


def test_a_feature_without_comparable_patients_has_no_index() -> None:
    features = np.array([[1.0, np.nan, 5.0], [2.0, np.nan, 5.0], [3.0, 4.0, 5.0]])
    found, counts = concordance_of_features(np.array([10.0, 20.0, 30.0]), features)
    assert found[0] == 1.0 and np.isnan(found[1]) and found[2] == 0.5
    assert counts.tolist() == [3, 1, 3]


@pytest.mark.parametrize(
    ("times", "features", "message"),
    [
        (np.ones(3), np.ones((2, 1)), "shape"),
        (np.array([]), np.ones((0, 2)), "shape"),
        (np.array([1.0, np.inf]), np.ones((2, 1)), "infinite"),
        (np.array([1.0, 2.0]), np.array([[1.0], [np.inf]]), "infinite"),
    ],
)
def test_what_cannot_be_compared_is_refused(times: np.ndarray, features: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        concordance_of_features(times, features)
    with pytest.raises(InputError, match="3 events"):
        concordance_of_features(np.ones(2), np.ones((2, 1)), np.ones(3, dtype=bool))


def test_ranking_goes_by_strength_in_either_direction(tmp_path: Path) -> None:
    frame = synthetic_table()
    frame["shorter"] = -1.0 * frame["days"]  # C = 0, the strongest of all together with its mirror image
    frame["longer"] = frame["days"]
    frame["constant"] = 3.0
    frame["nothing"] = np.nan
    frame.loc[:9, "feature_0"] = np.nan
    ranking = rank_features(read_patient_features(frame))
    assert ranking["feature"].tolist()[:2] == ["shorter", "longer"]
    assert ranking["strength"].tolist()[:2] == [1.0, 1.0]
    assert ranking["feature"].tolist()[-2:] == ["constant", "nothing"]
    assert ranking["rank"].tolist() == list(range(1, len(ranking) + 1))
    signal = ranking.set_index("feature").loc["feature_0"]
    assert (signal["n"], signal["missing"]) == (110, 10)
    assert (ranking["strength"].dropna() == np.maximum(ranking["c_index"], 1 - ranking["c_index"]).dropna()).all()
    write_ranking(ranking, tmp_path / "ranking.csv")
    written = pd.read_csv(tmp_path / "ranking.csv")
    assert written.columns.tolist() == ["rank", "feature", "c_index", "strength", "n", "missing"]
    pd.testing.assert_frame_equal(written, ranking, rtol=1e-14)


def test_a_mirror_image_is_an_equal() -> None:
    assert order_of_strength(np.array([0.45, 0.55, np.nan, 0.6])).tolist() == [3, 0, 1, 2]


def test_the_best_features_are_no_copies_of_each_other() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 60))
    features = np.column_stack([second, -np.exp(first), first, np.full(60, np.nan)])
    c_index = np.array([0.6, 0.2, 0.8, np.nan])
    assert choose_best(c_index, features, 3) == [1, 0]  # column 2 orders the patients as column 1 does
    assert choose_best(c_index, features, 3, np.array([False, False, True, True])) == [2]


def test_censoring_weights_follow_kaplan_meier() -> None:
    times, events = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, True])
    # One of three at risk is censored on day 2: the deaths after it stand for 1.5 patients each.
    assert censoring_weights(times, events) == pytest.approx(np.array([1.0, 0.0, 1.5, 1.5]) * 3 / 4)
    assert (censoring_weights(times, np.ones(4, dtype=bool)) == 1.0).all()
