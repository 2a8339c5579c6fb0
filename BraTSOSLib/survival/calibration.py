"""Do stated probabilities and intervals hold? Reliability, calibration error with its band, coverage.

Everywhere ``days`` (n,) are days to death or last contact, ``events`` (n,) True for a death (everybody by default) and
``probabilities`` (n, 3) in the order of ``CATEGORIES``. Patients whose category is not known because they were censored
have the weight 0 and the others the inverse of the probability of being followed that long (`censoring`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError
from .categories import CATEGORIES, class_indices
from .censoring import category_weights, censoring_curve, known_category, status_weights

BINS = 5
_AT_ONCE = 4_000_000


def reliability(
    days: np.ndarray,
    probabilities: np.ndarray,
    events: np.ndarray | None = None,
    bins: int = BINS,
    category: str | None = None,
) -> list[dict[str, float]]:
    """Return predicted and observed shares over equal-mass bins of the predicted probability.

    Parameters
    ----------
    bins : int
        Bins of as equal a number of patients as can be, by ascending probability.
    category : str, optional
        Judge the probability of this category; by default that of the most probable one of each patient (its
        *confidence*), against how often it is the true one.

    Returns
    -------
    list of dict
        ``predicted`` mean probability, ``observed`` share, ``low`` and ``high`` its 95 % interval (Clopper-Pearson;
        with censoring by Kish's effective number), ``n`` patients with known category. Bins without any are left out.
    """
    truth, stated, weights = _judged(days, probabilities, events, category)
    result = []
    for members in _bins(stated, bins):
        weight = weights[members]
        total = float(weight.sum())
        if total <= 0:
            continue
        observed = float(weight @ truth[members]) / total
        effective = total**2 / float((weight**2).sum())
        low, high = proportion_interval(observed * effective, effective)
        result.append(
            {
                "predicted": float(weight @ stated[members]) / total,
                "observed": observed,
                "n": int((weight > 0).sum()),
                "low": low,
                "high": high,
            }
        )
    return result


def calibration_error(
    days: np.ndarray,
    probabilities: np.ndarray,
    events: np.ndarray | None = None,
    bins: int = BINS,
    category: str | None = None,
) -> float:
    """Return the expected calibration error: the mean distance of predicted and observed share over the bins.

    See `reliability` for the arguments. A perfectly calibrated model does not reach 0 on few patients: compare with
    `calibration_band`.

    References
    ----------
    Naeini et al. 2015, *Obtaining well calibrated probabilities using Bayesian binning*, AAAI; with bins of equal mass
    instead of equal width (Nguyen and O'Connor 2015, EMNLP).
    """
    truth, stated, weights = _judged(days, probabilities, events, category)
    gaps = [abs(float(weights[members] @ (truth[members] - stated[members]))) for members in _bins(stated, bins)]
    return sum(gaps) / float(weights.sum())


def calibration_band(
    probabilities: np.ndarray,
    bins: int = BINS,
    seed: int = 0,
    draws: int = 2000,
    *,
    category: str | None = None,
    days: np.ndarray | None = None,
    events: np.ndarray | None = None,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the band of the calibration error of a perfectly calibrated model with these very probabilities.

    Parameters
    ----------
    bins, category
        As for `calibration_error`.
    seed, draws : int
        Of the simulation: each draw gives every patient a category by his or her probabilities.
    days, events : ndarray, shape (n,), optional
        With censored patients: each draw also takes a day of death from those observed in the drawn category and hides
        the category as often as censoring does.
    confidence : float

    Returns
    -------
    low, high : float
        The central ``confidence`` of the simulated errors. An error above ``high`` is more than chance.

    References
    ----------
    Bröcker and Smith 2007, *Increasing the reliability of reliability diagrams*, Weather and Forecasting 22(3):
    consistency resampling.
    """
    probabilities = _checked(probabilities)
    stated, index = _stated(probabilities, category)
    parts = _bins(stated, bins)
    order = np.concatenate(parts)
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    cumulative = np.cumsum(probabilities, axis=1)
    random = np.random.default_rng(seed)
    hide = None if events is None or np.all(events) else _Hiding(np.asarray(days, dtype=np.float64), np.asarray(events))
    errors = []
    for size in _portions(draws, len(stated)):
        drawn = (random.random((size, len(stated), 1)) > cumulative[:, :2]).sum(axis=2)
        weights = np.ones(drawn.shape) if hide is None else hide.weights(drawn, random)
        gaps = np.abs(np.add.reduceat((weights * ((drawn == index) - stated))[:, order], starts, axis=1)).sum(axis=1)
        errors.append(gaps / np.maximum(weights.sum(axis=1), 1e-12))
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(np.concatenate(errors), [tail, 100.0 - tail])
    return float(low), float(high)


class _Hiding:
    """Hides drawn categories as the censoring of a table does."""

    def __init__(self, days: np.ndarray, events: np.ndarray) -> None:
        events = events.astype(bool)
        curve = censoring_curve(days, events)
        weights = category_weights(days, events)[0]
        known = known_category(days, events)
        classes = class_indices(days)
        # For each category: the weights that its patients may get, and how often each occurs.
        self.options = []
        for index in range(len(CATEGORIES)):
            members = known & (classes == index) & (weights > 0)
            if members.any():
                self.options.append((weights[members], np.cumsum(weights[members]) / weights[members].sum()))
            else:
                # Nobody is known to have been in it: as if each were known or hidden by the last value of the curve.
                self.options.append((np.array([1.0 / max(float(curve.values[0, -1]), 1e-3)]), np.array([1.0])))

    def weights(self, drawn: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return the weights of the drawn categories, 0 where they are hidden; shape of ``drawn``."""
        result = np.empty(drawn.shape)
        for index, (weights, cumulative) in enumerate(self.options):
            members = drawn == index
            chosen = np.searchsorted(cumulative, random.random(int(members.sum())), side="right")
            result[members] = weights[np.minimum(chosen, len(weights) - 1)]
        # A weight is the inverse of the probability of being followed, hence of being known.
        return np.where(random.random(drawn.shape) * result < 1.0, result, 0.0)


def coverage(
    days: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    events: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return how often the time of death lies within its prediction interval, both ends included.

    Parameters
    ----------
    low, high : ndarray, shape (n,)
        Days.

    Returns
    -------
    dict
        ``value`` the share, weighted for censoring; ``low`` and ``high`` its 95 % interval (Clopper-Pearson, by Kish's
        effective number); ``cases``; ``known`` patients of whom it is known; ``least`` and ``most``: the share if none
        or all of the unknown ones were inside, which holds whatever the censoring was like.
    """
    days, low, high = (np.asarray(values, dtype=np.float64) for values in (days, low, high))
    died = _events(events, len(days))
    if len(days) == 0:
        raise InputError("There are no patients: coverage needs at least one.")
    if np.isnan(days).any() or np.isnan(low).any() or np.isnan(high).any():
        raise InputError("A survival time or a bound of an interval is missing: leave those patients out first.")
    inside, weights = _inside(days, low, high, died)
    total = float(weights.sum())
    value = covered_share(days, low, high, died)
    effective = total**2 / float((weights**2).sum()) if total > 0 else 0.0
    lower, upper = proportion_interval(value * effective, effective) if total > 0 else (0.0, 1.0)
    known = died | (days > high)
    return {
        "value": value,
        "low": lower,
        "high": upper,
        "cases": len(days),
        "known": int(known.sum()),
        "least": float(inside.mean()),
        "most": float((inside | ~known).mean()),
    }


def covered_share(days: np.ndarray, low: np.ndarray, high: np.ndarray, events: np.ndarray) -> float:
    """Return ``value`` of `coverage` alone; NaN where it is known of no patient."""
    inside, weights = _inside(days, low, high, np.asarray(events, dtype=bool))
    total = float(weights.sum())
    return float(weights @ inside) / total if total > 0 else float("nan")


def _inside(days: np.ndarray, low: np.ndarray, high: np.ndarray, died: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return who died within the interval, and the weight of each patient: 0 where it is not known."""
    return died & (days >= low) & (days <= high), status_weights(days, died, high)


def proportion_interval(successes: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a proportion.

    References
    ----------
    Clopper and Pearson 1934, *The use of confidence or fiducial limits illustrated in the case of the binomial*,
    Biometrika 26(4). Fractions of a success, from weights, enter the same formula.
    """
    from scipy.stats import beta

    tail = 0.5 * (1.0 - confidence)
    failures = max(trials - successes, 0.0)
    low = 0.0 if successes <= 1e-9 else float(beta.ppf(tail, successes, failures + 1.0))
    high = 1.0 if failures <= 1e-9 else float(beta.ppf(1.0 - tail, successes + 1.0, failures))
    return low, high


def _checked(probabilities: np.ndarray) -> np.ndarray:
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or probabilities.shape[1] != len(CATEGORIES) or len(probabilities) == 0:
        raise InputError(
            f"The probabilities have the shape {probabilities.shape}: give one row a patient and {len(CATEGORIES)} "
            f"columns ({', '.join(CATEGORIES)})."
        )
    if not np.isfinite(probabilities).all():
        raise InputError("A probability is missing or infinite: leave those patients out first.")
    return probabilities


def _events(events: np.ndarray | None, count: int) -> np.ndarray:
    return np.ones(count, dtype=bool) if events is None else np.asarray(events).astype(bool)


def _stated(probabilities: np.ndarray, category: str | None) -> tuple[np.ndarray, Any]:
    """Return the judged probability of each patient and the category (index or one for each patient) it is about."""
    if category is None:
        return probabilities.max(axis=1), probabilities.argmax(axis=1)
    if category not in CATEGORIES:
        raise InputError(f"The category is {category!r}: give one of {', '.join(CATEGORIES)}.")
    index = CATEGORIES.index(category)
    return probabilities[:, index], index


def _judged(
    days: np.ndarray, probabilities: np.ndarray, events: np.ndarray | None, category: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return whether the judged category is the true one, its stated probability, and the weights; each (n,)."""
    probabilities = _checked(probabilities)
    days = np.asarray(days, dtype=np.float64)
    if days.shape != (len(probabilities),):
        raise InputError(f"There are {len(probabilities)} rows of probabilities for {len(days)} survival times.")
    stated, index = _stated(probabilities, category)
    weights = category_weights(days, _events(events, len(days)))[0]
    if weights.sum() <= 0:
        raise InputError("The category of no patient is known: all were censored within 450 days.")
    return (class_indices(days) == index).astype(np.float64), stated, weights


def _bins(stated: np.ndarray, bins: int) -> list[np.ndarray]:
    """Return the members of each bin of as equal a size as can be, by ascending probability."""
    if bins < 1:
        raise InputError(f"{bins} bins cannot be made: give at least 1.")
    parts = np.array_split(np.argsort(stated, kind="stable"), bins)
    return [part for part in parts if len(part)]


def _portions(draws: int, patients: int) -> Iterator[int]:
    """Yield numbers of draws whose simulated categories fit into memory together."""
    step = max(1, _AT_ONCE // max(patients, 1))
    for start in range(0, draws, step):
        yield min(step, draws - start)
