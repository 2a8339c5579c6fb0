"""Means of a feature over the directions it was computed for."""

from __future__ import annotations

import numpy as np

EPSILON = float(np.spacing(1))
"""ε = 2.2e-16, added to probabilities before their logarithm is taken."""


summed = np.add.reduce
"""``np.sum`` along given axes without its overhead, which matters where arrays are small and sums many."""


def mean_over_directions(values: np.ndarray) -> float:
    """Return the mean of ``values`` (A,), those that are NaN left out; NaN if there are none."""
    values = values.ravel()
    total = float(np.add.reduce(values))
    if total == total and len(values):
        return total / len(values)
    missing = np.isnan(values)
    found = len(values) - np.count_nonzero(missing)
    return float(np.add.reduce(np.where(missing, 0, values)) / found) if found else np.nan


def mean_over_all_directions(values: np.ndarray) -> float:
    """Return the mean of ``values`` (A,); NaN if any is, or if there are none."""
    values = values.ravel()
    return float(np.sum(values) / len(values)) if len(values) else np.nan
