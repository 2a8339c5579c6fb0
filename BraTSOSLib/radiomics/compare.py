"""Two tables of the same features side by side: how far the engines are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-10
"""The largest relative difference that counts as agreement."""

ZERO = 1e-6
"""Axis lengths (mm) and ratios below this are those of a flat region, whose true value is 0 and where all digits are
rounding: 1e-16 mm² in an eigenvalue is 1e-8 mm in a length."""


def relative_differences(own: pd.DataFrame, reference: pd.DataFrame) -> np.ndarray:
    """Return |own - reference| / |reference| of every row; 0 where both are the same or both undefined, NaN for text.

    Both tables are as ``extract_features`` gives them, with the same rows.
    """
    differences = np.zeros(len(own))
    for row, (name, a, b) in enumerate(zip(own["feature"], own["value"], reference["value"], strict=True)):
        if isinstance(a, str) or "_diagnostics_" in name:
            differences[row] = np.nan
            continue
        differences[row] = _difference(name, float(a), float(b))
    return differences


def _difference(name: str, a: float, b: float) -> float:
    if a == b or (np.isnan(a) and np.isnan(b)):
        return 0.0
    flat = name.endswith(("AxisLength", "Elongation", "Flatness"))
    if flat and abs(a) < ZERO and abs(b) < ZERO:
        return 0.0
    with np.errstate(all="ignore"):
        difference = abs(a - b) / abs(b)
    return float("inf") if np.isnan(difference) else float(difference)


def feature_class(name: str) -> str:
    """Return the class in a feature's name."""
    parts = name.split("_")
    return parts[-2] if len(parts) > 2 else ""


def compare(own: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Return, for each feature class, how many values there are and how far they are apart.

    Returns
    -------
    pandas.DataFrame
        Columns ``class``, ``features``, ``identical`` (counts), ``largest`` (relative difference) and ``where`` (the
        feature with it, empty if all are identical).
    """
    import pandas as pd

    differences = relative_differences(own, reference)
    names = own["feature"].to_numpy()
    classes = np.array([feature_class(name) for name in names])
    rows = []
    for name in dict.fromkeys(classes[~np.isnan(differences)]):
        chosen = np.flatnonzero((classes == name) & ~np.isnan(differences))
        worst = chosen[int(np.argmax(differences[chosen]))]
        largest = float(differences[worst])
        identical = int(np.count_nonzero(differences[chosen] == 0))
        rows.append((name, len(chosen), identical, largest, names[worst] if largest > 0 else ""))
    return pd.DataFrame(rows, columns=["class", "features", "identical", "largest", "where"])
