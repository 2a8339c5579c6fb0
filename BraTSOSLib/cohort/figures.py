"""The cohort page's figure: how volumes, ages and predictions are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

_INK, _QUIET, _ACCENT = "#1c2733", "#55626f", "#1f4e79"
_MOST_BINS = 30
_STYLE: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "bratsos",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "text.color": _INK,
    "axes.labelcolor": _QUIET,
}


@dataclass(frozen=True)
class Series:
    """Values of one quantity over the cases."""

    title: str
    unit: str
    values: Sequence[float]


def draw_distributions(series: Sequence[Series]) -> tuple[bytes, str] | None:
    """Draw a histogram of each series with its median.

    Returns
    -------
    svg : bytes
        The same for the same values, with text as outlines.
    alt : str
        The medians and ranges in words.
    None where there is no series.
    """
    if not series:
        return None
    import matplotlib
    from matplotlib.figure import Figure

    told = []
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, 2.3), layout="constrained")
        for axes, each in zip(figure.subplots(1, len(series), squeeze=False)[0], series, strict=True):
            values = np.asarray(each.values, dtype=np.float64)
            median = float(np.median(values))
            axes.hist(values, bins=int(np.clip(2 * np.sqrt(len(values)), 4, _MOST_BINS)), color=_ACCENT)
            axes.yaxis.get_major_locator().set_params(integer=True)
            axes.axvline(median, color=_INK, linewidth=1.2, linestyle=(0, (4, 2)))
            axes.set(title=f"{each.title}\nmedian {median:,.4g}", xlabel=each.unit)
            axes.tick_params(labelsize=8)
            told.append(f"{each.title}: median {median:,.4g} {each.unit}, {values.min():,.4g} to {values.max():,.4g}")
        figure.axes[0].set_ylabel("cases")
        buffer = BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue(), "; ".join(told) + "."
