"""Mean, median, spread and confidence interval of the scores of many cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError

if TYPE_CHECKING:
    import pandas as pd

METRICS = (
    "dice",
    "hd95_mm",
    "sensitivity",
    "specificity",
    "volume_error_ml",
    "lesion_dice",
    "lesion_hd95_mm",
)
"""The columns that are summarised."""

_LOWER_IS_BETTER = ("hd95_mm", "lesion_hd95_mm", "volume_error_ml")
RESAMPLES = 10_000
_AT_ONCE = 4_000_000


def summarise(
    table: pd.DataFrame, *, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Summarise the table of ``evaluate_folders``.

    Parameters
    ----------
    table : DataFrame
        One row for each case and region.
    resamples : int
        Bootstrap samples.
    confidence : float, 0 to 1
    seed : int
        Of the bootstrap; the same table and seed give the same interval.

    Returns
    -------
    DataFrame
        One row for each region and metric: ``region``, ``metric``, ``n`` cases, ``mean``, ``low`` and ``high`` (the
        interval of the mean), ``median``, ``sd``, ``q25``, ``q75``, ``worst`` and ``worst_case`` (the largest absolute
        value of the volume error). With one case ``low``, ``high`` and ``sd`` are NaN.

    Raises
    ------
    InputError
        If the table is empty or a setting is out of range.

    Notes
    -----
    The interval is the percentile bootstrap of the mean over cases [1]_; every metric sees the same resamples. With
    fewer than about ten cases it is too narrow. ``sd`` divides by n - 1.

    References
    ----------
    .. [1] Efron B, Tibshirani RJ, An Introduction to the Bootstrap (1993), chapter 13.
    """
    import pandas as pd

    if len(table) == 0:
        raise InputError("There are no cases to summarise: the table is empty.")
    if resamples < 1 or not 0 < confidence < 1 or seed < 0:
        raise InputError(
            f"{resamples} resamples, confidence {confidence:g} and seed {seed} cannot be used: give at least 1, "
            "something between 0 and 1, and 0 or more."
        )
    rows = []
    for region, part in table.groupby("region", sort=False):
        values = part[list(METRICS)].to_numpy(dtype=float)
        low, high = _interval(values, resamples, confidence, seed)
        for column, metric in enumerate(METRICS):
            scores = values[:, column]
            worst = int(np.argmax(np.abs(scores)) if metric in _LOWER_IS_BETTER else np.argmin(scores))
            rows.append(
                {
                    "region": region,
                    "metric": metric,
                    "n": len(scores),
                    "mean": scores.mean(),
                    "low": low[column],
                    "high": high[column],
                    "median": np.median(scores),
                    "sd": scores.std(ddof=1) if len(scores) > 1 else np.nan,
                    "q25": np.percentile(scores, 25),
                    "q75": np.percentile(scores, 75),
                    "worst": scores[worst],
                    "worst_case": part["case"].iloc[worst],
                }
            )
    return pd.DataFrame(rows)


def _interval(values: np.ndarray, resamples: int, confidence: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap of the column means of ``values``, shape (cases, metrics)."""
    cases, metrics = values.shape
    if cases < 2:
        return np.full(metrics, np.nan), np.full(metrics, np.nan)
    random = np.random.default_rng(seed)
    means = np.empty((resamples, metrics))
    # A few resamples at a time: with thousands of cases all of them at once would not fit into memory.
    step = max(1, _AT_ONCE // (cases * metrics))
    for start in range(0, resamples, step):
        drawn = random.integers(cases, size=(min(step, resamples - start), cases))
        means[start : start + step] = values[drawn].mean(axis=1)
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(means, [tail, 100.0 - tail], axis=0)
    return low, high
