"""Metrics of survival predictions on patients some of whom are censored, for one table or many bootstrap samples.

``days`` (n,) are days to death or last contact, ``events`` (n,) True for a death. ``counts`` (draws, n) says how often
each patient is in each bootstrap sample; with it a function returns one value a sample, shape (draws,), without it one
number. NaN stands for what cannot be computed, e.g. a mean over no patients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .categories import CATEGORIES, class_indices
from .censoring import category_weights, known_category, short_weights


def accuracy(
    days: np.ndarray,
    events: np.ndarray,
    predicted: np.ndarray,
    counts: np.ndarray | None = None,
    *,
    censoring_weights: bool = False,
) -> Any:
    """Return the share of patients with the right category among those whose category is known.

    Parameters
    ----------
    predicted : ndarray of int, shape (n,)
        Index into ``CATEGORIES``.
    censoring_weights : bool
        Weight by the inverse probability of being followed long enough (`censoring.category_weights`): without it
        early deaths count for too much.
    """
    right = (class_indices(days) == predicted).astype(np.float64)
    return _mean(right, _category_weights(days, events, counts, censoring_weights), counts)


def log_loss(
    days: np.ndarray,
    events: np.ndarray,
    probabilities: np.ndarray,
    counts: np.ndarray | None = None,
    *,
    censoring_weights: bool = False,
) -> Any:
    """Return the mean negative natural logarithm of the probability (n, 3) given to the true category.

    Probabilities below 1e-12 count as that. See `accuracy` for who counts.
    """
    chosen = probabilities[np.arange(len(days)), class_indices(days)]
    losses = -np.log(np.clip(chosen, 1e-12, 1.0))
    return _mean(losses, _category_weights(days, events, counts, censoring_weights), counts)


def confusion(days: np.ndarray, events: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the number of patients by true (row) and predicted category, shape (3, 3), where the true one is known."""
    known = known_category(days, events)
    table = np.zeros((len(CATEGORIES), len(CATEGORIES)), dtype=np.int64)
    np.add.at(table, (class_indices(days)[known], predicted[known]), 1)
    return table


def brier_score(
    days: np.ndarray, events: np.ndarray, probabilities: np.ndarray, horizon: int, counts: np.ndarray | None = None
) -> Any:
    """Return the mean squared difference between the probability of outliving a boundary and whether one did.

    Parameters
    ----------
    probabilities : ndarray, shape (n, 3)
    horizon : int
        300: not *short*; 450: *long*.

    References
    ----------
    Graf et al. 1999, *Assessment and comparison of prognostic classification schemes for survival data*, Stat Med
    18(17-18), eq. 6: weighted by the inverse probability of being followed until death or until the boundary. Sums are
    divided by that of the weights, which is n unless everybody's follow-up ends before the boundary.
    """
    if horizon not in (300, 450):
        raise ValueError(f"horizon {horizon}: the categories have the boundaries 300 and 450")
    classes = class_indices(days)
    if horizon == 300:
        weights, outlived, stated = short_weights(days, events, counts), classes > 0, 1.0 - probabilities[:, 0]
    else:
        weights, outlived, stated = category_weights(days, events, counts), classes == 2, probabilities[:, 2]
    return _mean((outlived - stated) ** 2, weights, counts)


def integrated_brier_score(
    days: np.ndarray, events: np.ndarray, probabilities: np.ndarray, counts: np.ndarray | None = None
) -> Any:
    """Return the Brier score integrated from 300 to 450 days and divided by 150 days.

    A prediction of three categories is known at both ends only, so that this is the trapezoidal rule: their mean, which
    is half the ranked probability score.
    """
    ends = [brier_score(days, events, probabilities, horizon, counts) for horizon in (300, 450)]
    return 0.5 * (ends[0] + ends[1])


def squared_errors(
    days: np.ndarray, events: np.ndarray, predicted: np.ndarray, counts: np.ndarray | None = None
) -> dict[str, Any]:
    """Return mean (``mse``), median (``median_se``) and standard deviation (``sd_se``, by n - 1) of the squared error.

    In days squared, over deaths alone: how long a censored patient lived is not known. ``predicted`` (n,) in days.
    """
    died = np.flatnonzero(events)
    errors = (predicted[died] - days[died]) ** 2
    order = np.argsort(errors, kind="stable")
    errors = errors[order]
    each = (np.ones((1, len(days))) if counts is None else counts)[:, died][:, order].astype(np.float64)
    total = each.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = each @ errors / total
        spread = np.sqrt((each @ errors**2 - total * mean**2).clip(0.0) / (total - 1.0))
    middle = np.full(len(each), np.nan)
    if len(errors):
        upto = np.cumsum(each, axis=1)
        ends = [
            errors[(upto > place[:, None]).argmax(axis=1)]
            for place in (np.floor((total - 1) / 2), np.ceil((total - 1) / 2))
        ]
        middle = np.where(total > 0, 0.5 * (ends[0] + ends[1]), np.nan)
    spread = np.where(total > 1, spread, np.nan)
    return {name: _result(x, counts) for name, x in (("mse", mean), ("median_se", middle), ("sd_se", spread))}


def spearman(days: np.ndarray, events: np.ndarray, scores: np.ndarray, counts: np.ndarray | None = None) -> Any:
    """Return Spearman's rank correlation over deaths alone, ties given their mean rank; NaN for a constant side."""
    died = np.flatnonzero(events)
    each = (np.ones((1, len(days))) if counts is None else counts)[:, died].astype(np.float64)
    first, second = (_centred_ranks(values[died], each) for values in (days, scores))
    with np.errstate(divide="ignore", invalid="ignore"):
        norm = np.sqrt((each * first**2).sum(axis=1) * (each * second**2).sum(axis=1))
        return _result(np.where(norm > 0, (each * first * second).sum(axis=1) / norm, np.nan), counts)


def _centred_ranks(values: np.ndarray, each: np.ndarray) -> np.ndarray:
    """Return the mean ranks, minus their mean, of ``values`` (n,) repeated as ``each`` (draws, n) says."""
    if len(values) == 0:
        return each
    order = np.argsort(values, kind="stable")
    _, starts, inverse = np.unique(values[order], return_index=True, return_inverse=True)
    groups = np.add.reduceat(each[:, order], starts, axis=1)
    ranks = np.cumsum(groups, axis=1) - (groups - 1.0) / 2.0
    result = np.empty_like(each)
    result[:, order] = ranks[:, inverse]
    return result - (each.sum(axis=1, keepdims=True) + 1.0) / 2.0


class Concordance:
    """Harrell's concordance index of one score on any number of bootstrap samples, in n log n steps for each.

    Parameters
    ----------
    days, events : ndarray, shape (n,)
    scores : ndarray, shape (n,)
        Predicted survival: the larger, the longer.

    Notes
    -----
    Which pairs can be compared is said in `metrics.concordance_pairs`; ties of the score count half. The patients are
    sorted by time, and counting who comes later with a larger score goes through the binary digits of that place: two
    patients are compared at the highest digit in which their places differ, where all with the same digits before it
    are sorted by score. Which of them come after whom does not depend on the sample and is found once.
    """

    def __init__(self, days: np.ndarray, events: np.ndarray, scores: np.ndarray) -> None:
        # Deaths before censorings of one day, which alone outlived it; those of one day and kind are not compared.
        key = 2 * np.unique(days, return_inverse=True)[1].ravel() + ~np.asarray(events, dtype=bool)
        self._key = np.unique(key, return_inverse=True)[1].ravel()
        self._died = np.asarray(events, dtype=bool)
        self._levels = []
        for level in range(int(self._key.max(initial=0)).bit_length()):
            block, later = self._key >> (level + 1), (self._key >> level) & 1
            order = np.lexsort((scores, block))
            tied_first = np.ones(len(order), dtype=bool)
            tied_first[1:] = (np.diff(block[order]) != 0) | (np.diff(scores[order]) != 0)
            block_first = np.ones(len(order), dtype=bool)
            block_first[1:] = np.diff(block[order]) != 0
            ends = [_ends(first) for first in (tied_first, block_first)]
            starts = np.maximum.accumulate(np.where(tied_first, np.arange(len(order)), 0))
            earlier = np.flatnonzero((later[order] == 0) & self._died[order])
            self._levels.append((order, later[order], earlier, starts[earlier], ends[0][earlier], ends[1][earlier]))

    def index(self, counts: np.ndarray | None = None) -> Any:
        """Return the index; NaN where no two patients can be compared."""
        each = (np.ones((1, len(self._key))) if counts is None else counts).astype(np.float64)
        right = np.zeros(len(each))
        for order, later, earlier, first, last, block_last in self._levels:
            ordered = each[:, order]
            upto = np.zeros((len(each), len(order) + 1))
            np.cumsum(ordered * later, axis=1, out=upto[:, 1:])
            # Longer survivors with a larger score, and half of those with the same one.
            above = upto[:, block_last] - 0.5 * (upto[:, first] + upto[:, last])
            right += (ordered[:, earlier] * above).sum(axis=1)
        after = np.zeros((len(each), int(self._key.max(initial=0)) + 2))
        for row, weights in enumerate(each):
            after[row, :-1] = np.bincount(self._key, weights, minlength=after.shape[1] - 1)
        after = after[:, ::-1].cumsum(axis=1)[:, ::-1]
        total = (each * self._died * after[:, self._key + 1]).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return _result(np.where(total > 0, right / total, np.nan), counts)


def _ends(first: np.ndarray) -> np.ndarray:
    """Return for each position the end (exclusive) of its run; ``first`` marks where runs begin."""
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, len(first)))
    return np.repeat(starts + lengths, lengths)


def _category_weights(
    days: np.ndarray, events: np.ndarray, counts: np.ndarray | None, censoring_weights: bool
) -> np.ndarray:
    if censoring_weights:
        return category_weights(days, events, counts)
    return known_category(days, events)[None].astype(np.float64)


def _mean(values: np.ndarray, weights: np.ndarray, counts: np.ndarray | None) -> Any:
    """Return the mean of ``values`` (n,) by ``weights`` (1 or draws, n) in each sample."""
    each = weights if counts is None else weights * counts
    total = each.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _result(np.where(total > 0, each @ values / total, np.nan), counts)


def _result(values: np.ndarray, counts: np.ndarray | None) -> Any:
    return float(values[0]) if counts is None else values
