"""Metrics of survival predictions: pure functions of truth and prediction, in days."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .categories import class_indices


def _pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError(f"Truth and prediction have the shapes {first.shape} and {second.shape}: give two equal rows.")
    if len(first) == 0:
        raise InputError("Truth and prediction hold no patients: a metric needs at least one.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("Truth or prediction holds a missing or infinite value: leave those patients out first.")
    return first, second


def concordance_pairs(times: np.ndarray, events: np.ndarray | None = None) -> np.ndarray:
    """Return which ordered pairs are comparable: ``[i, j]`` is true where patient i is known to die before j.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Days to death or to the last contact.
    events : ndarray of bool, shape (n,), optional
        True where the patient died; everybody by default.

    Notes
    -----
    Two deaths on the same day are not comparable; a death and a censoring on the same day are, because the censored
    patient outlived that day (Harrell 1982; the convention of lifelines).
    """
    died = np.ones(len(times), dtype=bool) if events is None else np.asarray(events).astype(bool)
    earlier = times[:, None] < times[None, :]
    same_day = (times[:, None] == times[None, :]) & ~died[None, :]
    return died[:, None] & (earlier | same_day)


def concordance_index(times: np.ndarray, scores: np.ndarray, events: np.ndarray | None = None) -> float:
    """Return Harrell's concordance index, ties in the score counted half.

    Parameters
    ----------
    times : array_like, shape (n,)
        Days to death or to the last contact.
    scores : array_like, shape (n,)
        Predicted survival: the larger, the longer (predicted days, or a risk with its sign changed).
    events : array_like of bool, shape (n,), optional
        True where the patient died; everybody by default.

    Raises
    ------
    InputError
        If no two patients can be compared.

    References
    ----------
    Harrell et al. 1982, *Evaluating the yield of medical tests*, JAMA 247(18).
    """
    times, scores = _pair(times, scores)
    comparable = concordance_pairs(times, events)
    total = int(comparable.sum())
    if total == 0:
        raise InputError("No two patients can be compared: all died on the same day or are censored.")
    right = int((comparable & (scores[:, None] < scores[None, :])).sum())
    tied = int((comparable & (scores[:, None] == scores[None, :])).sum())
    return (right + 0.5 * tied) / total


def concordance_of_features(
    times: np.ndarray, features: np.ndarray, events: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return Harrell's concordance index of every feature with survival, ties in the feature counted half.

    Parameters
    ----------
    times : array_like, shape (n,)
        Days to death or to the last contact.
    features : array_like, shape (n, p)
        One column a feature, the larger the longer survival; NaN where a patient has no value.
    events : array_like of bool, shape (n,), optional
        True where the patient died; everybody by default.

    Returns
    -------
    c_index : ndarray, shape (p,)
        NaN where no two patients with a value can be compared.
    counts : ndarray of int, shape (p,)
        Patients with a value.

    Notes
    -----
    A patient without a value is left out of that feature's index alone: it equals `concordance_index` of the patients
    who have one. Which pairs can be compared is said in `concordance_pairs`. Once the patients are sorted by time,
    those who outlived a death are the rows after it, so that a death is compared for all features at once: n steps
    over p columns and memory of n x p, no matrix of pairs.
    """
    times, features = np.asarray(times, dtype=np.float64), np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or times.shape != features.shape[:1] or len(times) == 0:
        raise InputError(
            f"The times have the shape {times.shape} and the features {features.shape}: give n times and n rows, n > 0."
        )
    if not np.isfinite(times).all() or np.isinf(features).any():
        raise InputError("A survival time is missing or infinite, or a feature infinite: leave those values out first.")
    died = np.ones(len(times), dtype=bool) if events is None else np.asarray(events).astype(bool)
    if died.shape != times.shape:
        raise InputError(f"There are {died.size} events for {times.size} survival times: give one for each.")
    # Days in their order, and on one day deaths before censorings: whoever outlived a death has a larger key.
    key = 2 * np.unique(times, return_inverse=True)[1].ravel() + ~died
    order = np.argsort(key, kind="stable")
    key, died = key[order], died[order]
    values = np.ascontiguousarray(features[order])
    known = ~np.isnan(values)
    known_after = np.zeros((len(times) + 1, values.shape[1]), dtype=np.int64)
    known_after[:-1] = known[::-1].cumsum(axis=0)[::-1]
    right, tied, total = np.zeros((3, values.shape[1]), dtype=np.int64)
    for patient, first in zip(np.flatnonzero(died), np.searchsorted(key, key[died], side="right"), strict=True):
        longer = values[first:]
        right += np.add.reduce(longer > values[patient], axis=0, dtype=np.int64)
        tied += np.add.reduce(longer == values[patient], axis=0, dtype=np.int64)
        total += known_after[first] * known[patient]
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, (right + 0.5 * tied) / total, np.nan), known.sum(axis=0)


def concordance_over_subsets(times: np.ndarray, features: np.ndarray, subsets: np.ndarray) -> np.ndarray:
    """Return the concordance index of every feature on every subset of the patients (all deaths observed).

    Parameters
    ----------
    times : ndarray, shape (n,)
        Days to death.
    features : ndarray, shape (n, p)
        Features; missing values (NaN) count as tied with everything.
    subsets : ndarray of bool, shape (s, n)
        Patients of each subset.

    Returns
    -------
    ndarray, shape (s, p)

    Notes
    -----
    The comparisons of one feature are made once for all patients; a subset's count is then a quadratic form of its
    membership vector, so that many training folds cost little more than one.
    """
    times, features = np.asarray(times, dtype=np.float64), np.asarray(features, dtype=np.float64)
    members = np.asarray(subsets).astype(np.float32)
    comparable = concordance_pairs(times).astype(np.float32)
    totals = ((members @ comparable) * members).sum(axis=1, dtype=np.float64)
    if (totals == 0).any():
        raise InputError("A subset holds no two patients who can be compared: it is too small.")
    result = np.empty((len(members), features.shape[1]))
    for column in range(features.shape[1]):
        values = features[:, column]
        order = (values[:, None] < values[None, :]).astype(np.float32)
        order -= values[:, None] > values[None, :]
        excess = ((members @ (order * comparable)) * members).sum(axis=1, dtype=np.float64)
        result[:, column] = 0.5 + 0.5 * excess / totals
    return result


def accuracy(days: np.ndarray, predicted_classes: np.ndarray) -> float:
    """Return the share of patients whose predicted class (index into ``CATEGORIES``) is that of their ``days``."""
    days, predicted = _pair(days, predicted_classes)
    return float((class_indices(days) == predicted).mean())


def mean_squared_error(days: np.ndarray, predicted_days: np.ndarray) -> float:
    """Return the mean squared error in days squared."""
    days, predicted = _pair(days, predicted_days)
    return float(((days - predicted) ** 2).mean())


def spearman(days: np.ndarray, scores: np.ndarray) -> float:
    """Return Spearman's rank correlation, ties given their mean rank; 0 where one side is constant."""
    days, scores = _pair(days, scores)
    first, second = mean_ranks(days), mean_ranks(scores)
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / norm if norm > 0 else 0.0


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks 1..n of ``values``, shape (n,), equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[inverse]


def log_loss(days: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean negative log-probability (natural logarithm) given to the true class.

    ``probabilities`` has the shape (n, 3) in the order of ``CATEGORIES``.
    """
    chosen = np.asarray(probabilities)[np.arange(len(days)), class_indices(days)]
    return float(-np.log(np.clip(chosen, 1e-12, 1.0)).mean())
