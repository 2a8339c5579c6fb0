"""Repeated 80:20 splits by patient, and what survival metrics say on their test parts."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..categories import class_indices
from ..metrics import accuracy, concordance_index, spearman
from .table import FeatureTable

METRICS = ("accuracy", "class_accuracy", "mse", "median_se", "sd_se", "spearman", "c_index")
TITLES = {
    "accuracy": "accuracy",
    "class_accuracy": "accuracy of the class output",
    "mse": "MSE (days²)",
    "median_se": "median SE",
    "sd_se": "SD of SE",
    "spearman": "Spearman",
    "c_index": "C-index",
}


def repeated_splits(table: FeatureTable, count: int, *, test_share: float = 0.2, seed: int = 0) -> np.ndarray:
    """Return ``count`` random splits as masks of the training patients, bool, shape (count, n).

    Categories of survival, and censored patients, are split each in the same ratio, so every split has the same sizes.
    The i-th split depends on ``seed`` and i alone.
    """
    if count < 1 or not 0.0 < test_share < 1.0:
        raise InputError(f"{count} splits with a test share of {test_share:g}: give at least 1, and between 0 and 1.")
    strata = np.where(table.events, class_indices(table.days), -1)
    train = np.ones((count, len(table)), dtype=bool)
    for split in range(count):
        generator = np.random.default_rng([seed, split])
        for stratum in np.unique(strata):
            rows = generator.permutation(np.flatnonzero(strata == stratum))
            train[split, rows[: round(test_share * len(rows))]] = False
    return train


def split_metrics(
    table: FeatureTable, train: np.ndarray, days: np.ndarray, probabilities: np.ndarray | None = None
) -> np.ndarray:
    """Return ``METRICS`` of each split's test patients, shape (splits, metrics).

    Parameters
    ----------
    train : ndarray of bool, shape (splits, n)
    days : ndarray, shape (splits, n)
        Predicted survival; its category counts for ``accuracy``, as in the BraTS evaluation.
    probabilities : ndarray, shape (splits, n, 3), optional
        Their largest counts for ``class_accuracy``, which is NaN without them.

    Notes
    -----
    Squared errors (SE), accuracies and Spearman are those of the test patients with an observed death; the concordance
    index takes the censored ones in as far as they can be compared. The standard deviation divides by n.
    """
    result = np.full((len(train), len(METRICS)), np.nan)
    for split, trained in enumerate(train):
        test = ~trained & table.events
        truth, predicted = table.days[test], days[split, test]
        squares = (truth - predicted) ** 2
        result[split] = (
            accuracy(truth, class_indices(predicted)),
            np.nan if probabilities is None else accuracy(truth, probabilities[split, test].argmax(axis=1)),
            squares.mean(),
            np.median(squares),
            squares.std(),
            spearman(truth, predicted),
            concordance_index(table.days[~trained], days[split, ~trained], table.events[~trained]),
        )
    return result


def difference_interval(differences: np.ndarray, test_share: float = 0.2) -> tuple[float, float, float]:
    """Return the mean of paired differences over repeated splits, and its corrected 95 % interval (low, high).

    ``differences`` has the shape (splits,). Training parts of repeated splits overlap, so that the plain standard
    error is far too small; Nadeau and Bengio 2003 (*Machine Learning* 52) add n_test / n_train to 1 / splits.
    """
    from scipy.stats import t

    mean, count = float(differences.mean()), len(differences)
    if count < 2:
        return mean, float("nan"), float("nan")
    error = np.sqrt((1.0 / count + test_share / (1.0 - test_share)) * differences.var(ddof=1))
    half = float(t.ppf(0.975, count - 1) * error)
    return mean, mean - half, mean + half
