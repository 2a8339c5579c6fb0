"""Ranking features by concordance with survival, and choosing the best of them (Do et al. 2022, section 3.2)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...atomic import atomic_file
from ..metrics import concordance_of_features, mean_ranks
from .table import FeatureTable

if TYPE_CHECKING:
    import pandas as pd

REDUNDANT = 0.95
"""Absolute rank correlation from which two features are taken for one measurement (CaPTk repeats shape four times)."""


def order_of_strength(c_index: np.ndarray) -> np.ndarray:
    """Return the columns from the strongest to the weakest by max(C, 1 - C); equals keep their order, NaN comes last.

    Rounding to 12 digits keeps a feature and its mirror image (C and 1 - C) equals.
    """
    strength = np.round(np.maximum(c_index, 1.0 - c_index), 12)
    return np.argsort(np.where(np.isnan(strength), np.inf, -strength), kind="stable")


def rank_features(table: FeatureTable, *, clinical: bool = False) -> pd.DataFrame:
    """Return every feature with its concordance index, the strongest first.

    Parameters
    ----------
    table : FeatureTable
        Censored patients count as far as it is known whom they outlived.
    clinical : bool
        Rank age and resection among the features.

    Returns
    -------
    pandas.DataFrame
        rank (1 = strongest), feature, c_index (above 0.5: larger values, longer survival; NaN where nothing can be
        compared), strength = max(C, 1 - C), n (patients with a value, on whom alone C is computed), missing.
    """
    import pandas as pd

    names, values = list(table.feature_names), table.features
    if clinical:
        names, values = ["age", "gross_total_resection", *names], np.column_stack([table.clinical(), values])
    c_index, counts = concordance_of_features(table.days, values, table.events)
    order = order_of_strength(c_index)
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "feature": [names[column] for column in order],
            "c_index": c_index[order],
            "strength": np.maximum(c_index, 1.0 - c_index)[order],
            "n": counts[order],
            "missing": len(table) - counts[order],
        }
    )


def write_ranking(ranking: pd.DataFrame, path: str | Path) -> None:
    """Write what `rank_features` returned as a CSV file, whole or not at all."""
    with atomic_file(path) as unfinished:
        ranking.to_csv(unfinished, index=False)


def matching(names: list[str], patterns: tuple[str, ...]) -> np.ndarray:
    """Return which of ``names`` (bool, shape (p,)) match one of ``patterns`` (``*`` and ``?`` as in file names)."""
    return np.array([any(fnmatchcase(name, pattern) for pattern in patterns) for name in names], dtype=bool)


def choose_best(c_index: np.ndarray, features: np.ndarray, count: int, allowed: np.ndarray | None = None) -> list[int]:
    """Return the columns of the ``count`` strongest features that are not redundant with a stronger one.

    Parameters
    ----------
    c_index : ndarray, shape (p,)
    features : ndarray, shape (n, p)
        Of the patients whose concordance ``c_index`` is; NaN where missing.
    allowed : ndarray of bool, shape (p,), optional
        The features to choose from.
    """
    chosen: list[int] = []
    ranks: list[np.ndarray] = []
    for column in order_of_strength(c_index):
        if len(chosen) == count:
            break
        if np.isnan(c_index[column]) or (allowed is not None and not allowed[column]):
            continue
        values = features[:, column]
        # A gap stands in the middle: what is missing says nothing about the order.
        own = mean_ranks(np.where(np.isnan(values), np.nanmedian(values), values))
        own = own - own.mean()
        norm = np.sqrt(own @ own)
        own = own / norm if norm > 0 else own
        if all(abs(own @ other) < REDUNDANT for other in ranks):
            chosen.append(int(column))
            ranks.append(own)
    return chosen
