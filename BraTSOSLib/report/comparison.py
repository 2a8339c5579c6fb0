"""Whether the survival model is better than age and extent of resection alone, read from its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cards import Metric, metrics_of

_BASELINE = "age + resection"
_SEPARATORS = (" − ", " minus ")
_COMPARED = {"c index": "C-index", "c_index": "C-index", "concordance": "C-index", "accuracy": "Accuracy"}
_CHOSEN = ("logistic", "cox", "ridge")
"""Where several plain models are in the card, the first of these is compared with."""


def comparison_with_baseline(card: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Put the card's differences between the model and the plain one into words.

    Returns
    -------
    dict or None
        ``headline`` (str) and ``evidence`` (list of str), or None where the card compares with nothing.
    """
    metrics = [metric for metric in metrics_of((card or {}).get("metrics") or []) if metric.name in _COMPARED]
    evidence, verdicts = [], []
    for metric, model, baseline in _differences(metrics):
        mine = _value(metrics, metric, model)
        plain = _value(metrics, metric, baseline)
        low, high = _bounds(metric)
        verdicts.append(0 if low is None or high is None or low <= 0.0 <= high else 1 if low > 0.0 else -1)
        values = f"{mine:.3f} against {plain:.3f}, " if mine is not None and plain is not None else ""
        interval = f" (95 % interval {low:+.3f} to {high:+.3f})".replace("-", "−") if low is not None else ""
        difference = f"{float(metric.value):+.3f}".replace("-", "−")
        cases = f", {metric.cases} patients" if metric.cases else ""
        evidence.append(
            f"{_COMPARED[metric.name]} {values}difference {difference}{interval}: {metric.evaluation}{cases}"
        )
    if not evidence:
        return None
    return {"headline": _headline(verdicts), "evidence": evidence}


def _headline(verdicts: list[int]) -> str:
    better, worse = verdicts.count(1), verdicts.count(-1)
    if better and not worse:
        where = "every comparison" if better == len(verdicts) else f"{better} of {len(verdicts)} comparisons"
        return (
            f"Better than a plain model of age and extent of resection in {where}, otherwise not measurably different."
        )
    if worse and not better:
        return (
            f"Worse than a plain model of age and extent of resection in {worse} of {len(verdicts)} comparisons: scans "
            "and further inputs add nothing that could be shown."
        )
    if better:
        return (
            f"Better than a plain model of age and extent of resection in {better}, worse in {worse} of "
            f"{len(verdicts)} comparisons."
        )
    return (
        "Not measurably better than a plain model of age and extent of resection: nearly all that this estimate "
        "knows is the patient’s age and how much was resected."
    )


def _differences(metrics: list[Metric]) -> list[tuple[Metric, str, str]]:
    """Return the entries "model − age + resection", one for each evaluation and kind of number."""
    found: dict[tuple[str, str], tuple[int, Metric, str, str]] = {}
    for metric in metrics:
        separator = next((mark for mark in _SEPARATORS if mark in metric.model), None)
        if separator is None or not isinstance(metric.value, int | float):
            continue
        model, baseline = metric.model.split(separator, 1)
        if not baseline.strip().startswith(_BASELINE) or any(word in model for word in ("alone", "teacher")):
            continue
        rank = next((place for place, word in enumerate(_CHOSEN) if word in baseline.lower()), len(_CHOSEN))
        key = (metric.evaluation, metric.name)
        if key not in found or rank < found[key][0]:
            found[key] = (rank, metric, model.strip(), baseline.strip())
    return [(metric, model, baseline) for _, metric, model, baseline in found.values()]


def _value(metrics: list[Metric], like: Metric, model: str) -> float | None:
    for metric in metrics:
        if (metric.name, metric.evaluation, metric.model) == (like.name, like.evaluation, model):
            return float(metric.value) if isinstance(metric.value, int | float) else None
    return None


def _bounds(metric: Metric) -> tuple[float | None, float | None]:
    low, _, high = metric.interval.partition(" to ")
    try:
        return float(low), float(high)
    except ValueError:
        return None, None
