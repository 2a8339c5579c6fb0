"""How the survival model fared in tests beside a plain model of age and extent of resection, read from its card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .cards import Metric, metrics_of
from .content import text

_BASELINE = "age + resection"
_SEPARATORS = (" − ", " minus ")
_COMPARED = {"accuracy": "Accuracy", "c index": "C-index", "c_index": "C-index"}
_CHOSEN = ("logistic", "cox", "ridge")
"""Where several plain models are in the card, the first of these is compared with."""


@dataclass(frozen=True)
class Difference:
    """One number of the model, of the plain model on the same patients, and what is between them."""

    title: str
    model: float | None
    plain: float | None
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> int:
        """1 better, -1 worse, 0 no difference that could be shown."""
        if self.low > 0.0:
            return 1
        return -1 if self.high < 0.0 else 0

    @property
    def shown(self) -> str:
        if self.model is None or self.plain is None:
            return ""
        return f"{self.model:.3f} against {self.plain:.3f}"

    @property
    def interval(self) -> str:
        if not math.isfinite(self.low):
            return _signed(self.value)
        return f"{_signed(self.value)} ({_signed(self.low)} to {_signed(self.high)})"


def comparison_with_baseline(card: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Put the card's tests on patients that the model had not seen into one table and one sentence.

    Returns
    -------
    dict or None
        ``headline`` (str), ``columns`` (titles) and ``rows``: ``evaluation``, ``cases``, ``cells`` (a Difference or
        None for each column) and ``coverage`` in words; None where the card compares with nothing.
    """
    metrics = [metric for metric in metrics_of((card or {}).get("metrics") or []) if metric.name in _COMPARED]
    differences = _differences(metrics)
    if not differences:
        return None
    columns = [
        title for title in dict.fromkeys(_COMPARED.values()) if any(title in row for row in differences.values())
    ]
    coverage = coverage_shares((card or {}).get("coverage"))
    return {
        "headline": _headline([cell.verdict for row in differences.values() for cell in row.values()]),
        "columns": columns,
        "rows": [
            {
                "evaluation": evaluation or "evaluation not named",
                "cases": cases,
                "cells": [row.get(title) for title in columns],
                "coverage": coverage.get(evaluation, ""),
            }
            for (evaluation, cases), row in differences.items()
        ],
        "has_coverage": any(evaluation in coverage for evaluation, _ in differences),
    }


def coverage_shares(coverage: Any) -> dict[str, str]:
    """Say for each evaluation how often the interval of days held.

    Parameters
    ----------
    coverage : list of dict or None
        The card's: ``evaluation``, ``value`` (share), and its 95 % interval ``low`` to ``high``.
    """
    shares = {}
    for entry in coverage if isinstance(coverage, list | tuple) else []:
        if isinstance(entry, Mapping) and isinstance(entry.get("value"), int | float):
            interval = ""
            if isinstance(entry.get("low"), int | float) and isinstance(entry.get("high"), int | float):
                interval = f" ({100 * entry['low']:.0f} to {100 * entry['high']:.0f})"
            shares[text(entry.get("evaluation"))] = f"{100 * entry['value']:.0f} of 100{interval}"
    return shares


def _headline(verdicts: Sequence[int]) -> str:
    better, worse, count = verdicts.count(1), verdicts.count(-1), len(verdicts)
    plain = "a plain model of age and extent of resection"
    if better and worse:
        return f"Better than {plain} in {better}, worse in {worse} of {count} comparisons."
    if worse:
        return (
            f"Worse than {plain} in {worse} of {count} comparisons: scans and further inputs add nothing that could be "
            "shown."
        )
    if better == count:
        return f"Better than {plain} in every comparison; the table below says by how much."
    if better:
        return f"Hardly better than {plain}: measurably so in {better} of {count} comparisons only."
    return (
        f"Not measurably better than {plain}: nearly all that this estimate knows is the patient’s age and how much "
        "was resected."
    )


def _differences(metrics: Sequence[Metric]) -> dict[tuple[str, str], dict[str, Difference]]:
    """Return the entries "model − age + resection" by evaluation (and its number of patients) and title."""
    found: dict[tuple[str, str], dict[str, Difference]] = {}
    ranks: dict[tuple[str, str, str], int] = {}
    for metric in metrics:
        separator = next((mark for mark in _SEPARATORS if mark in metric.model), None)
        if separator is None or not isinstance(metric.value, int | float):
            continue
        model, baseline = (part.strip() for part in metric.model.split(separator, 1))
        if not baseline.startswith(_BASELINE) or any(word in model for word in ("alone", "teacher")):
            continue
        rank = next((place for place, word in enumerate(_CHOSEN) if word in baseline.lower()), len(_CHOSEN))
        key = (metric.evaluation, metric.cases, _COMPARED[metric.name])
        if rank >= ranks.get(key, len(_CHOSEN) + 1):
            continue
        ranks[key] = rank
        low, high = _bounds(metric)
        mine, plain = _value(metrics, metric, model), _value(metrics, metric, baseline)
        found.setdefault(key[:2], {})[key[2]] = Difference(key[2], mine, plain, float(metric.value), low, high)
    return found


def _value(metrics: Sequence[Metric], like: Metric, model: str) -> float | None:
    for metric in metrics:
        if (metric.name, metric.evaluation, metric.model) == (like.name, like.evaluation, model):
            return float(metric.value) if isinstance(metric.value, int | float) else None
    return None


def _bounds(metric: Metric) -> tuple[float, float]:
    low, _, high = metric.interval.partition(" to ")
    try:
        return float(low), float(high)
    except ValueError:
        return -math.inf, math.inf


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
