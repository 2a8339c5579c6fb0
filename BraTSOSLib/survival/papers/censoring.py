"""Inverse probability of censoring weights, so that models of deaths alone can be fitted where some are censored."""

from __future__ import annotations

import numpy as np

from ..censoring import censoring_curve

LEAST_PROBABILITY = 0.1
"""Weights above its inverse are cut: few patients who died late would outweigh everybody else."""


def censoring_weights(times: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Return the weight of every patient, shape (n,): 1 / P(not yet censored just before the death), 0 if censored.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Days to death or to the last contact.
    events : ndarray of bool, shape (n,)
        True where the patient died.

    Notes
    -----
    Those who died stand for those who were censored before (Robins and Rotnitzky 1992; Kaplan-Meier estimate of
    censoring, deaths of a day before its censorings). With deaths alone every weight is 1; else the mean weight
    of the deaths is 1.
    """
    times, died = np.asarray(times, dtype=np.float64), np.asarray(events).astype(bool)
    free = censoring_curve(times, died).before(times)[0]
    weights = died / np.maximum(free, LEAST_PROBABILITY)
    return weights / weights[died].mean() if died.any() else weights
