"""Prediction intervals for days from the errors on patients that a model has not seen (numpy alone).

Split conformal prediction with one interval for each set of missing inputs. The errors of censored patients are
censored themselves, so their quantiles come from the Kaplan-Meier estimate.

References
----------
Vovk, Gammerman, Shafer 2005, *Algorithmic learning in a random world*, sections 2.2 (conformal) and 4.6 (Mondrian).
Candes, Lei, Ren 2023, *Conformalized survival analysis*, JRSS B 85(1).
"""

from __future__ import annotations

import numpy as np

from .covariates import INPUT_GROUPS

COVERAGE = 0.8
"""Share of patients whose survival the interval is to hold; a tenth on either side is left out."""


def optional_groups(names: tuple[str, ...]) -> list[list[int]]:
    """Return the columns of each optional input (all but age) among the inputs ``names``, in a fixed order."""
    known = {column for columns in INPUT_GROUPS.values() for column in columns}
    alone = [(name,) for name in names if name not in known]
    together = [columns for group, columns in INPUT_GROUPS.items() if group != "age"]
    groups = [[names.index(column) for column in columns if column in names] for columns in (*together, *alone)]
    return [columns for columns in groups if columns]


def missing_pattern(inputs: np.ndarray, groups: list[list[int]]) -> np.ndarray:
    """Return which optional inputs each patient lacks, shape (...,): bit k is set where group k is missing.

    ``inputs`` has the shape (..., p), NaN where missing; the first column of a group decides.
    """
    pattern = np.zeros(inputs.shape[:-1], dtype=np.int64)
    for position, columns in enumerate(groups):
        pattern |= np.isnan(inputs[..., columns[0]]).astype(np.int64) << position
    return pattern


def residual_quantiles(residuals: np.ndarray, events: np.ndarray, coverage: float = COVERAGE) -> tuple[float, float]:
    """Return the lower and upper quantile of errors that leave (1 - coverage) / 2 on either side.

    Parameters
    ----------
    residuals : ndarray, shape (n,)
        Logarithm of the observed days minus that of the predicted days.
    events : ndarray of bool, shape (n,)
        False where the patient was censored, so that the error is at least ``residuals``.

    Notes
    -----
    The levels are widened by (n + 1) / n, which makes the coverage hold for exchangeable patients in finite samples.
    """
    order = np.argsort(residuals, kind="stable")
    values, died = residuals[order], np.asarray(events)[order]
    count = len(values)
    at_risk = count - np.arange(count)
    gone = 1.0 - np.cumprod(1.0 - died / at_risk)
    tail = (1.0 - coverage) / 2.0
    low = int(np.searchsorted(gone, tail - (1.0 - tail) / count))
    high = int(np.searchsorted(gone, min(1.0 - tail + (1.0 - tail) / count, 1.0) - 1e-12))
    return float(values[min(low, count - 1)]), float(values[min(high, count - 1)])


def nested_intervals(bounds: np.ndarray) -> np.ndarray:
    """Return ``bounds``, shape (patterns, 2), widened so that knowing less never gives a narrower interval."""
    result = bounds.copy()
    for pattern in range(len(bounds)):
        parts = [part for part in range(len(bounds)) if part & pattern == part]
        result[pattern] = bounds[parts, 0].min(), bounds[parts, 1].max()
    return result
