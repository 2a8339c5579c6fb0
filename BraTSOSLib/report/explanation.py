"""Why the estimate is what it is, in words: who compares with the patient, what is missing, what else was plausible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..labels import REGION_TITLES
from ..survival.categories import CATEGORIES, LONG_ABOVE, SHORT_BELOW
from ..survival.explanation.neighbours import CohortPlace
from ..survival.prediction import SegmentationSpread
from .content import INPUT_TITLES, volume_title

_EDGE = 10.0
"""Neighbours' risks leave the patient's outside where the patient is an extreme of the cohort; per cent."""


def missing_titles(missing: Sequence[str]) -> list[str]:
    """Return the names of inputs that were not given as a reader knows them."""
    return [INPUT_TITLES.get(name) or volume_title(name) or name for name in missing]


def place_lines(place: CohortPlace, risk: float) -> list[str]:
    """Say where the patient lies among the training patients and how the most similar of them fared."""
    similar, population = place.similar, place.population
    alive = [
        f"{100 * similar.at(day)[0]:.0f} of 100 after {day:.0f} days "
        f"(95 % band {100 * similar.at(day)[1]:.0f} to {100 * similar.at(day)[2]:.0f}; "
        f"all training patients: {100 * population.at(day)[0]:.0f})"
        for day in (SHORT_BELOW, LONG_ABOVE)
    ]
    lines = [
        f"The estimated risk is higher than that of {place.percentile:.0f} of 100 training patients "
        f"({place.patients} in all).",
        f"Of the {place.neighbours} training patients with the most similar risk there were alive: {'; '.join(alive)}.",
    ]
    if place.median is not None:
        interval = ""
        if place.median_low is not None:
            upper = f"to {place.median_high:,.0f}" if place.median_high is not None else "and more"
            interval = f" (95 % interval of the median {place.median_low:,.0f} {upper})"
        everybody = ""
        if place.population_median is not None:
            everybody = f"; half of all training patients lived longer than {place.population_median:,.0f} days"
        lines.append(f"Half of them lived longer than {place.median:,.0f} days{interval}{everybody}.")
    if not place.risk_low <= risk <= place.risk_high or not _EDGE < place.percentile < 100 - _EDGE:
        side = "lower" if place.percentile < 50 else "higher"
        lines.append(
            f"The patient’s risk is at the {side} end of the training patients: those who are called most similar are "
            "on the whole less extreme than this patient."
        )
    return lines


def reliability_views(reliability: Any) -> list[dict[str, Any]]:
    """Return the card's reliability diagrams: ``evaluation``, ``cases``, ``bins`` and ``verdict`` in words.

    Parameters
    ----------
    reliability : dict, list of dict or None
        ``evaluation`` (what was tested), ``cases``, ``bins`` (``predicted``, ``observed``, ``n`` and, if known, ``low``
        and ``high``) and, if known, ``calibration_error`` and ``band`` with ``low`` and ``high``: the expected
        calibration error, and where that of a perfectly calibrated model lies in 95 % of samples of this size.
    """
    entries = [reliability] if isinstance(reliability, Mapping) else reliability
    views = []
    for entry in entries if isinstance(entries, list | tuple) else []:
        bins = entry.get("bins") if isinstance(entry, Mapping) else None
        if not bins or not all({"predicted", "observed"} <= set(part) for part in bins):
            continue
        band = entry.get("band") if isinstance(entry.get("band"), Mapping) else {}
        error = entry.get("calibration_error")
        verdict = ""
        if isinstance(error, int | float) and isinstance(band.get("high"), int | float):
            within = "as a well calibrated model" if error <= band["high"] else "more than a well calibrated model"
            verdict = (
                f"On average the probabilities were {100 * error:.0f} percentage points off, {within} of this number "
                f"of patients would be (up to {100 * band['high']:.0f} by chance)."
            )
        views.append(
            {
                "evaluation": str(entry.get("evaluation") or "evaluation not named"),
                "cases": str(entry.get("cases") or ""),
                "bins": list(bins),
                "verdict": verdict,
            }
        )
    return views


def spread_view(spread: SegmentationSpread | None) -> dict[str, Any] | None:
    """Say what other plausible outlines of the same tumour would have given."""
    if spread is None:
        return None
    rows = [
        (REGION_TITLES.get(region, region), f"{values['low'] / 1000:,.1f} to {values['high'] / 1000:,.1f} mL")
        for region, values in spread.volumes.items()
    ]
    unchanged = spread.days is not None and spread.days["low"] == spread.days["high"]
    if spread.days is not None and unchanged:
        rows.append(("Estimated survival", f"{spread.days['low']:,.0f} days for each: the model uses no volumes"))
    elif spread.days is not None:
        rows.append(("Estimated survival", f"{spread.days['low']:,.0f} to {spread.days['high']:,.0f} days"))
    for name, values in ({} if unchanged else spread.probabilities or {}).items():
        shown = f"{100 * values['low']:.0f} to {100 * values['high']:.0f} %"
        rows.append((f"Probability of “{name}”", shown))
    led = [f"“{name}” in {spread.categories[name]}" for name in CATEGORIES if spread.categories.get(name)]
    if spread.categories.get("none"):
        led.append(f"none in {spread.categories['none']}")
    return {
        "count": spread.segmentations,
        "source": spread.source,
        "rows": rows,
        "verdict": f"Category: {', '.join(led)} of {spread.segmentations}." if led else "",
    }
