"""Figures of a survival evaluation as SVG: reliability, survival by predicted category, predicted against observed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from ..categories import CATEGORIES, LONG_ABOVE, SHORT_BELOW

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .evaluate import SurvivalEvaluation
    from .groups import GroupSurvival

_INK, _QUIET, _GRID, _ACCENT = "#1c2733", "#55626f", "#d5dce2", "#1f4e79"
_COLOURS = {"short": "#d55e00", "medium": "#0072b2", "long": "#009e73"}
_LINES: dict[str, Any] = {"short": "solid", "medium": (0, (6, 2)), "long": (0, (6, 2, 1.5, 2))}
_MARKS = {"short": "s", "medium": "D", "long": "o"}
"""Colours of Okabe and Ito (2008); line style and mark say the same without colour."""
_LONGEST_SHOWN = 1500.0
_DRAWN_AS_POINTS = 2000


@dataclass(frozen=True)
class Figured:
    """A figure as SVG bytes and in words, for readers who cannot see it."""

    svg: bytes
    alt: str


def _drawn(draw: Callable[..., tuple[Figure, str]]) -> Callable[..., Figured]:
    """Draw in the page's style and give the same bytes each time, with text as outlines that need no font."""

    @wraps(draw)
    def drawn(*arguments: Any) -> Figured:
        import matplotlib

        style: Any = {
            "svg.fonttype": "path",
            "svg.hashsalt": "bratsos",
            "font.family": "DejaVu Sans",
            "font.size": 9.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 10,
            "text.color": _INK,
            "axes.labelcolor": _INK,
        }
        with matplotlib.rc_context(style):
            figure, alt = draw(*arguments)
            buffer = BytesIO()
            figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return Figured(buffer.getvalue(), alt)

    return drawn


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


@_drawn
def draw_reliability(evaluation: SurvivalEvaluation) -> tuple[Figure, str]:
    """Draw observed shares against predicted probabilities: of the predicted category, then of each category."""
    calibration = evaluation.calibration or {}
    panels = [("Predicted category", calibration["bins"], _INK, "o")]
    panels += [
        (f"“{name}”", calibration["categories"][name]["bins"], _COLOURS[name], _MARKS[name]) for name in CATEGORIES
    ]
    figure = _figure(9.2, 2.75)
    told = []
    for axes, (title, bins, colour, mark) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axes.plot([0, 1], [0, 1], color=_QUIET, linewidth=1, linestyle=(0, (4, 3)))
        stated = np.array([each["predicted"] for each in bins])
        seen = np.array([each["observed"] for each in bins])
        below, above = (np.array([each[end] for each in bins]) for end in ("low", "high"))
        axes.errorbar(
            stated, seen, yerr=np.abs([seen - below, above - seen]), fmt=mark, color=colour, markersize=5, capsize=2.5
        )
        axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04), aspect="equal", title=title, xlabel="predicted probability")
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.grid(color=_GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        pairs = ", ".join(f"{x:.2f} → {y:.2f}" for x, y in zip(stated, seen, strict=True))
        told.append(f"{title}: {pairs}")
    figure.axes[0].set_ylabel("observed share")
    return figure, f"Predicted probability and observed share in bins of equal size. {'; '.join(told)}."


@_drawn
def draw_groups(groups: GroupSurvival) -> tuple[Figure, str]:
    """Draw the Kaplan-Meier curve of each predicted category with its band and the numbers at risk."""
    figure = _figure(9.2, 4.4)
    axes, below = figure.subplots(2, 1, height_ratios=(6, 0.5 + 0.55 * len(groups.groups)), sharex=True)
    last = min(_LONGEST_SHOWN, max(group.days[-1] for group in groups.groups))
    ticks = np.arange(0, last + 1, 150.0)
    for row, group in enumerate(groups.groups):
        colour, days = _COLOURS[group.category], np.array(group.days)
        axes.step(
            days,
            group.survival,
            where="post",
            color=colour,
            linestyle=_LINES[group.category],
            linewidth=2.2,
            label=f"predicted {group.category} ({group.patients})",
        )
        axes.fill_between(days, group.low, group.high, step="post", color=colour, alpha=0.15, linewidth=0)
        for tick in ticks:
            below.text(tick, -row, str(group.at_risk(float(tick))), ha="center", va="center", color=_INK, fontsize=8.8)
        below.text(
            -0.04 * last, -row, group.category, ha="right", va="center", color=colour, weight="bold", fontsize=8.8
        )
    for boundary in (SHORT_BELOW, LONG_ABOVE):
        axes.axvline(boundary, color=_QUIET, linewidth=0.9, linestyle=(0, (1, 2)))
    axes.set(ylim=(0, 1.02), ylabel="share alive")
    axes.set_xlim(-0.01 * last, last * 1.01)
    axes.set_xticks(ticks)
    axes.grid(axis="y", color=_GRID, linewidth=0.7)
    axes.legend(frameon=False, loc="upper right")
    axes.tick_params(labelbottom=True)
    axes.set_xlabel("days since surgery")
    below.set_ylim(-len(groups.groups) + 0.4, 0.9)
    below.text(0, 0.85, "still followed", fontsize=8.8, color=_QUIET, va="bottom")
    below.set_axis_off()
    medians = ", ".join(
        f"{group.category}: {'not reached' if group.median is None else f'{group.median:.0f} days'}"
        for group in groups.groups
    )
    return figure, f"Kaplan-Meier curves by predicted category. Median survival, {medians}."


@_drawn
def draw_days(evaluation: SurvivalEvaluation) -> tuple[Figure, str]:
    """Draw observed against predicted days on logarithmic axes, censored patients as arrows' tails."""
    observed, died = evaluation.truth.days, evaluation.truth.events
    predicted, chosen = evaluation.forecasts.days, evaluation.forecasts.categories
    figure = _figure(9.2, 4.3)
    axes = figure.subplots()
    shown, stated = np.maximum(observed, 1.0), np.maximum(predicted, 1.0)
    many = len(observed) > _DRAWN_AS_POINTS
    for index, name in enumerate(CATEGORIES):
        for status, mark, filled in ((True, _MARKS[name], True), (False, "^", False)):
            members = (chosen == index) & (died == status)
            if members.any():
                axes.scatter(
                    stated[members],
                    shown[members],
                    s=14 if filled else 20,
                    marker=mark,
                    facecolors=_COLOURS[name] if filled else "none",
                    edgecolors=_COLOURS[name],
                    linewidths=0.8,
                    alpha=0.75,
                    rasterized=many,
                    label=f"predicted {name}, {'died' if status else 'censored: lived at least so long'}",
                )
    ends = np.array([min(stated.min(), np.quantile(shown, 0.01)) / 1.2, max(stated.max(), shown.max()) * 1.2])
    axes.plot(ends, ends, color=_QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    for boundary in (SHORT_BELOW, LONG_ABOVE):
        axes.axhline(boundary, color=_QUIET, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
    axes.set(xscale="log", yscale="log", xlabel="predicted days", ylabel="observed days")
    axes.set_xlim(stated.min() / 1.15, stated.max() * 1.15)
    axes.set_ylim(shown.min() / 1.2, shown.max() * 1.2)
    for axis, values in ((axes.xaxis, stated), (axes.yaxis, shown)):
        _plain_ticks(axis, float(values.min()), float(values.max()))
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8.8)
    inside = "; the tables give the figures"
    return figure, f"Observed against predicted days, {len(observed)} patients{inside}."


def _plain_ticks(axis: Any, low: float, high: float) -> None:
    """Label a logarithmic axis with round numbers of days."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    choices: Sequence[float] = [base * 10**power for power in range(5) for base in (1, 2, 3, 5)]
    shown = [value for value in choices if low / 1.2 <= value <= high * 1.2]
    axis.set_major_locator(FixedLocator(shown or [low, high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
