"""Censored patients: how likely a patient was to be followed until a day, and the weights that follow from it.

A patient who left the study alive on day 200 may belong to any category. Leaving such patients out favours early
deaths; those whose category is known are therefore weighted by the inverse of the probability of being followed so
long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .categories import LONG_ABOVE, SHORT_BELOW


@dataclass(frozen=True)
class CensoringCurve:
    """Kaplan-Meier estimate of the probability G of not being censored yet.

    Attributes
    ----------
    times : ndarray, shape (m,)
        The different days of the table, ascending.
    values : ndarray, shape (draws, m + 1)
        1, then G after each of ``times``; one row for each set of patients.
    """

    times: np.ndarray
    values: np.ndarray

    def at(self, days: np.ndarray | float) -> np.ndarray:
        """Return G(days): still followed after that day; shape (draws, ...)."""
        return self.values[:, np.searchsorted(self.times, days, side="right")]

    def before(self, days: np.ndarray | float) -> np.ndarray:
        """Return G(days-): still followed when that day begins; shape (draws, ...)."""
        return self.values[:, np.searchsorted(self.times, days, side="left")]


def censoring_curve(days: np.ndarray, events: np.ndarray, counts: np.ndarray | None = None) -> CensoringCurve:
    """Estimate the probability of still being followed, by Kaplan and Meier with the roles exchanged.

    Parameters
    ----------
    days : ndarray, shape (n,)
        Days to death or to the last contact.
    events : ndarray of bool, shape (n,)
        True where the patient died.
    counts : ndarray, shape (draws, n), optional
        How often each patient is in each bootstrap sample; once by default.

    Notes
    -----
    Of a death and a censoring on one day the death comes first, so that those who died on a day are not at risk of
    being censored on it.
    """
    counts = np.ones((1, len(days))) if counts is None else counts
    order = np.argsort(days, kind="stable")
    times, starts = np.unique(days[order], return_index=True)
    sorted_counts = counts[:, order].astype(np.float64)
    here = np.add.reduceat(sorted_counts, starts, axis=1)
    died = np.add.reduceat(sorted_counts * events[order], starts, axis=1)
    at_risk = np.cumsum(here[:, ::-1], axis=1)[:, ::-1] - died
    hazard = np.divide(here - died, at_risk, out=np.zeros_like(here), where=at_risk > 0)
    return CensoringCurve(times, np.concatenate([np.ones((len(counts), 1)), np.cumprod(1.0 - hazard, axis=1)], axis=1))


def known_category(days: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Say whose category is known: who died, or was alive after 450 days (long). Shape (n,)."""
    return np.asarray(events, dtype=bool) | (days > LONG_ABOVE)


def category_weights(days: np.ndarray, events: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Return the inverse-probability-of-censoring weight of each patient's category, shape (draws, n).

    0 where the category is not known; 1 throughout without censoring. It assumes that leaving the study says nothing
    about survival. Multiply by ``counts`` for sums over a bootstrap sample.

    References
    ----------
    Graf et al. 1999, *Assessment and comparison of prognostic classification schemes for survival data*, Stat Med
    18(17-18), section 3: the same weights for a status at a fixed time.
    """
    return _weights(days, events, counts, days > LONG_ABOVE, LONG_ABOVE, following=True)


def short_weights(days: np.ndarray, events: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Return the same weights for the question whether a patient lived for 300 days, shape (draws, n)."""
    return _weights(days, events, counts, days >= SHORT_BELOW, SHORT_BELOW, following=False)


def _weights(
    days: np.ndarray,
    events: np.ndarray,
    counts: np.ndarray | None,
    passed: np.ndarray,
    horizon: np.ndarray | float,
    *,
    following: bool,
) -> np.ndarray:
    """Return 1 / G at the moment from which the status is known: the horizon where it is passed, else the death."""
    curve = censoring_curve(days, events, counts)
    at_horizon = curve.at(horizon) if following else curve.before(horizon)
    if at_horizon.ndim == 1:
        at_horizon = at_horizon[:, None]
    followed = np.where(passed, at_horizon, curve.before(days))
    known = np.broadcast_to(passed | np.asarray(events, dtype=bool), followed.shape) & (followed > 0)
    return np.divide(1.0, followed, out=np.zeros_like(followed), where=known)


def status_weights(days: np.ndarray, events: np.ndarray, horizons: np.ndarray) -> np.ndarray:
    """Return the weights for each patient's own day ``horizons`` (n,): was he or she dead by then? Shape (n,)."""
    return _weights(days, events, None, days > horizons, horizons, following=True)[0]
