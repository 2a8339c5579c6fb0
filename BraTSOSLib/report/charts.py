"""The report's charts as PNG bytes: probabilities and days, survival of similar patients, contributions, reliability.

Nothing is told by colour alone: darkness, hatching, line style and words carry the same, for grey print and for readers
who do not see colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from ..survival.categories import CATEGORIES, DEFINITIONS, LONG_ABOVE, SHORT_BELOW
from .content import percentages

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..survival.explanation.neighbours import CohortPlace
    from ..survival.explanation.shapley import Contribution

INK, QUIET, LINE, ACCENT, SOFT, WARM = "#1c2733", "#55626f", "#b7c1ca", "#1f4e79", "#c3d0dc", "#c9691c"
BOX = "#f4f6f8"
"""Behind the estimate; the page's own."""
_DOTS = 160
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.8,
    "axes.linewidth": 0.8,
    "axes.titlecolor": QUIET,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "xtick.color": QUIET,
    "ytick.color": INK,
    "hatch.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_OWN_STYLE = (
    "axes",
    "figure",
    "font",
    "grid",
    "hatch",
    "legend",
    "lines",
    "patch",
    "savefig",
    "text",
    "xtick",
    "ytick",
)
_NARROW = 0.11
"""Of an axis; a category's part that is narrower has no room for its name."""
_LONGEST_SHOWN = 1200.0
"""Days; beyond, few patients are left and the curves say little."""


@dataclass(frozen=True)
class Chart:
    """One chart, ready for a page.

    Attributes
    ----------
    alt : str
        The chart in words, for readers who cannot see it.
    png : bytes
    """

    alt: str
    png: bytes


def _figure(width: float, height: float, rows: Sequence[float] = (1.0,)) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``width`` x ``height`` inches with axes stacked in ``rows`` of these relative heights."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), 1, squeeze=False, height_ratios=rows)
    return figure, [row[0] for row in grid]


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _styled(draw: Any) -> Any:
    """Draw in the report's own style, whatever the user's matplotlib is set to."""

    @wraps(draw)
    def drawn(*arguments: Any) -> Any:
        from matplotlib import rc_context, rcParamsDefault

        style: Any = {key: rcParamsDefault[key] for key in rcParamsDefault if key.split(".")[0] in _OWN_STYLE}
        style.update(_STYLE)
        with rc_context(style):
            return draw(*arguments)

    return drawn


@_styled
def draw_estimate(
    probabilities: Mapping[str, float],
    category: str,
    days: float | None,
    low: float | None,
    high: float | None,
) -> Chart:
    """Draw the probability of each category and, on one axis of days, the estimate with its 80 % interval."""
    shares = percentages({name: float(probabilities[name]) for name in CATEGORIES})
    with_days = days is not None
    figure, axes = _figure(5.6, 3.15 if with_days else 1.9, (1.6, 1.0) if with_days else (1.0,))
    figure.set_facecolor(BOX)
    axes[0].set_facecolor(BOX)
    bars = axes[0]
    for place, name in enumerate(CATEGORIES):
        chosen = name == category
        bars.barh(place, shares[name], height=0.62, color=ACCENT if chosen else SOFT, edgecolor=INK, linewidth=0.7)
        bars.text(shares[name] + 1.5, place, f"{shares[name]} %", va="center", weight="bold" if chosen else "normal")
    labels = [f"{name}\n{DEFINITIONS[name]}" for name in CATEGORIES]
    bars.set_yticks(range(len(CATEGORIES)), labels, linespacing=1.15)
    for tick, name in zip(bars.get_yticklabels(), CATEGORIES, strict=True):
        tick.set_fontweight("bold" if name == category else "normal")
    bars.set_xlim(0, 100)
    bars.set_xticks((0, 25, 50, 75, 100), ("0", "25", "50", "75", "100 %"))
    bars.invert_yaxis()
    bars.tick_params(axis="y", length=0)
    bars.set_title("Probability of each category")
    words = ", ".join(f"{name} ({DEFINITIONS[name]}) {shares[name]} per cent" for name in CATEGORIES)
    alt = f"Probabilities: {words}."
    if with_days:
        _draw_days(axes[1], float(days or 0.0), low, high)
        alt += f" Estimated survival {days:,.0f} days"
        alt += f", in 8 of 10 such patients {low:,.0f} to {high:,.0f} days." if low is not None else "."
    return Chart(alt, _png(figure))


def _draw_days(axes: Axes, days: float, low: float | None, high: float | None) -> None:
    end = max(600.0, 1.12 * (high if high is not None else days))
    _name_categories(axes, end, shaded=True)
    if low is not None and high is not None:
        axes.errorbar(days, 0.0, xerr=[[max(days - low, 0.0)], [max(high - days, 0.0)]], color=INK, linewidth=2.2,
                      capsize=6, capthick=2.2)  # fmt: skip
        for edge in (low, high):
            axes.text(edge, -0.3, f"{edge:,.0f}", ha="center", va="top", fontsize=8.5)
    axes.plot(days, 0.0, marker="D", color=ACCENT, markeredgecolor="white", markersize=9)
    axes.text(days, 0.26, f"{days:,.0f} days", ha="center", va="bottom", weight="bold", fontsize=9.5)
    axes.set_xlim(0, end)
    axes.set_ylim(-0.85, 1.25)
    axes.set_yticks(())
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("days from surgery", fontsize=8.5)
    axes.set_title("Estimated survival" + (", and where 8 of 10 such patients lie" if low is not None else ""))


def _name_categories(axes: Axes, end: float, *, shaded: bool = False) -> None:
    """Write the categories' names above their parts of an axis of days that ends at ``end``."""
    edges = (0.0, SHORT_BELOW, LONG_ABOVE, end)
    for name, start, stop in zip(CATEGORIES, edges[:-1], edges[1:], strict=True):
        if shaded:
            axes.axvspan(start, stop, color="#dbe2e8" if name == "medium" else "#ffffff", linewidth=0)
        elif start > 0:
            axes.axvline(start, color=QUIET, linewidth=0.9, linestyle=":")
        if stop - start < _NARROW * end:
            continue
        place: dict[str, Any] = {
            "transform": axes.get_xaxis_transform(),
            "ha": "center",
            "va": "top" if shaded else "bottom",
        }
        axes.text((start + stop) / 2, 0.97 if shaded else 1.0, name, fontsize=8.5, color=QUIET, **place)


@_styled
def draw_similar(place: CohortPlace) -> Chart:
    """Draw the survival of the most similar training patients before that of all of them, with numbers at risk."""
    figure, (axes,) = _figure(7.6, 3.7)
    similar, population = place.similar, place.population
    end = min(_LONGEST_SHOWN, max(similar.times[-1], 600.0))
    axes.step(population.times, np.multiply(population.survival, 100), where="post", color=QUIET, linestyle=(0, (5, 3)),
              linewidth=1.6, label=f"all {place.patients} training patients")  # fmt: skip
    axes.fill_between(similar.times, np.multiply(similar.low, 100), np.multiply(similar.high, 100), step="post",
                      color=SOFT, linewidth=0, alpha=0.85, label="95 % band of the solid curve")  # fmt: skip
    axes.step(similar.times, np.multiply(similar.survival, 100), where="post", color=ACCENT, linewidth=2.4,
              label=f"the {place.neighbours} most similar training patients")  # fmt: skip
    _name_categories(axes, end)
    ticks = list(range(0, int(end) + 1, 150))
    axes.set_xlim(0, end)
    axes.set_ylim(0, 100)
    axes.set_yticks((0, 25, 50, 75, 100), ("0", "25", "50", "75", "100 %"))
    axes.set_xticks(ticks, [f"{day}\n{_at_risk(similar, day)}" for day in ticks])
    axes.set_xlabel("days from surgery; below: how many of the similar patients were still followed", fontsize=8.5)
    axes.set_ylabel("alive")
    axes.grid(axis="y", color=LINE, linewidth=0.5)
    handles, labels = axes.get_legend_handles_labels()
    legend: dict[str, Any] = {
        "frameon": True,
        "framealpha": 0.95,
        "edgecolor": "none",
        "loc": "upper right",
        "fontsize": 8.8,
    }
    axes.legend(handles[::-1], labels[::-1], **legend)
    alive = "; ".join(
        f"after {day:.0f} days {100 * similar.at(day)[0]:.0f} per cent of the similar patients and "
        f"{100 * population.at(day)[0]:.0f} per cent of all"
        for day in (SHORT_BELOW, LONG_ABOVE)
    )
    return Chart(f"Kaplan-Meier curves from surgery on; alive: {alive}.", _png(figure))


def _at_risk(curve: Any, day: float) -> int:
    """Return how many patients were under observation on ``day``."""
    later = int(np.searchsorted(curve.times, day, side="left"))
    return curve.at_risk[later] if later < len(curve.at_risk) else 0


@_styled
def draw_contributions(contributions: Sequence[Contribution]) -> Chart:
    """Draw what each input that was given adds to the risk; bars to the right shorten the estimate."""
    shown = [item for item in contributions if item.direction != "none"]
    figure, (axes,) = _figure(7.6, 1.15 + 0.42 * (len(shown) + 1))
    rows = [(f"{item.label}: {item.shown}", item.effect) for item in shown]
    rows.append(("All together", sum(item.effect for item in shown)))
    reach = max(0.25, *(abs(effect) for _, effect in rows))
    for place, (_, effect) in enumerate(rows):
        shorter, total = effect > 0, place == len(rows) - 1
        axes.barh(place, effect, height=0.6, color=WARM if shorter else ACCENT, edgecolor=INK, linewidth=0.7,
                  hatch="////" if shorter else None, alpha=1.0)  # fmt: skip
        words = "shortens" if shorter else "lengthens"
        axes.text(effect + (0.02 if shorter else -0.02) * reach, place, f"{signed(effect)} {words}", va="center",
                  ha="left" if shorter else "right", weight="bold" if total else "normal", fontsize=9)  # fmt: skip
    axes.axvline(0, color=INK, linewidth=1.0)
    axes.axhline(len(rows) - 1.5, color=LINE, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.get_yticklabels()[-1].set_fontweight("bold")
    axes.set_xlim(-2.1 * reach, 2.1 * reach)  # room for the words beside the longest bar
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("effect on the estimated risk (log hazard ratio)")
    for side, words, align in ((0.0, "← longer survival", "left"), (1.0, "shorter survival →", "right")):
        axes.text(side, 1.0, words, transform=axes.transAxes, ha=align, va="bottom", fontsize=8.8, color=QUIET)
    words = "; ".join(
        f"{item.label}, {item.shown}: {signed(item.effect)}, {item.direction} the estimate" for item in shown
    )
    return Chart(f"Effect of each input on the estimated risk: {words}.", _png(figure))


def signed(value: float) -> str:
    """Write an effect with its sign and two decimals, with a true minus."""
    return f"{value:+.2f}".replace("-", "−")


@_styled
def draw_reliability(bins: Sequence[Mapping[str, float]]) -> Chart:
    """Draw how often the category was right against the probability that the model gave it, with 95 % intervals."""
    figure, (axes,) = _figure(3.9, 3.5)
    predicted, observed = ([100 * float(entry[key]) for entry in bins] for key in ("predicted", "observed"))
    axes.plot((0, 100), (0, 100), color=QUIET, linestyle=(0, (5, 3)), linewidth=1.2)
    axes.text(97, 99, "perfect", rotation=42, ha="right", va="top", fontsize=8.5, color=QUIET)
    if all("low" in entry and "high" in entry for entry in bins):
        below, above = (
            [abs(100 * float(entry[key]) - value) for entry, value in zip(bins, observed, strict=True)]
            for key in ("low", "high")
        )
        axes.errorbar(predicted, observed, yerr=[below, above], fmt="none", ecolor=INK, elinewidth=1.2, capsize=4)
    axes.plot(predicted, observed, "o", color=ACCENT, markeredgecolor="white", markersize=8)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_aspect("equal")
    ticks, names = (0, 25, 50, 75, 100), ("0", "25", "50", "75", "100 %")
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    axes.set_xlabel("probability that the model gave", fontsize=8.8)
    axes.set_ylabel("how often it came true", fontsize=8.8)
    words = "; ".join(
        f"given {x:.0f} per cent, true in {y:.0f} per cent of {entry.get('n', 'an unknown number of')} patients"
        for x, y, entry in zip(predicted, observed, bins, strict=True)
    )
    return Chart(f"Reliability: {words}.", _png(figure))
