"""Model cards in short form, and what their metrics mean for one reader with one patient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .content import number, readable, text

_NAME_KEYS = ("name", "metric")
_VALUE_KEYS = ("value", "estimate", "mean")
_EVALUATION_KEYS = ("evaluation", "cohort", "data")
_MODEL_KEYS = ("model", "method")
_COUNT_KEYS = ("cases", "patients", "n", "case_count")
_INTERVAL_KEYS = ("interval", "ci95", "interval_95", "bootstrap_95", "ci")
_COMPARISONS = ("−", " minus ", "alone", "teacher")
"""Differences between models and ablations: for the card itself, too much for its short form."""
_NOT_THE_MODEL = (
    *_COMPARISONS,
    "baseline",
    "age + resection",
    "age and resection",
    "teacher",
    "majority",
    "chance",
    "without",
)
_ON_TRAINING = ("training data", "training set", "on the training", "in-sample")
_ABBREVIATIONS = {"mse": "mean squared error (days²)", "spearman": "Spearman", "dice": "Dice"}


@dataclass(frozen=True)
class Metric:
    """One number of a model card: what it is called, of which model, measured on what and on how many cases."""

    name: str
    value: float | str
    evaluation: str = ""
    cases: str = ""
    interval: str = ""
    model: str = ""

    @property
    def title(self) -> str:
        """The name with its first letter large and its abbreviations written out."""
        words = [_ABBREVIATIONS.get(word.lower(), word) for word in self.name.replace("c index", "C-index").split()]
        title = " ".join(words)
        return title[:1].upper() + title[1:]

    @property
    def shown(self) -> str:
        return number(self.value) if isinstance(self.value, int | float) else self.value


def _first(entry: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((entry[key] for key in keys if key in entry), None)


def _interval(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(item, int | float) for item in value):
        return f"{number(value[0])} to {number(value[1])}"
    return text(value) if value is not None else ""


def metrics_of(
    entry: Any, name: str = "", evaluation: str = "", cases: str = "", model: str = "", interval: Any = None
) -> Iterator[Metric]:
    """Yield every metric of a card's ``metrics``, whichever way they are nested.

    Parameters
    ----------
    entry : list, dict, number or str
        Understood are lists of ``{"name", "value", "evaluation", "cases", "interval"}``, lists of evaluations that
        hold several named numbers each (``accuracy`` with ``accuracy_interval``), and dicts from evaluation or metric
        to any of these.
    name, evaluation, cases, model, interval
        What the enclosing levels have said.
    """
    if isinstance(entry, list | tuple) and not (entry and all(isinstance(item, int | float) for item in entry)):
        for item in entry:
            yield from metrics_of(item, name, evaluation, cases, model)
        return
    if not isinstance(entry, Mapping):
        if entry is not None:
            value = entry if isinstance(entry, int | float) else text(entry)
            yield Metric(name, value, evaluation, cases, _interval(interval), model)
        return
    evaluation = _said(entry, _EVALUATION_KEYS, evaluation)
    cases = _said(entry, _COUNT_KEYS, cases)
    model = _said(entry, _MODEL_KEYS, model)
    name = readable(_said(entry, _NAME_KEYS, name))
    interval = _first(entry, _INTERVAL_KEYS)
    if interval is None and {"low", "high"} <= entry.keys():
        interval = (entry["low"], entry["high"])
    value = _first(entry, _VALUE_KEYS)
    if value is not None and not isinstance(value, Mapping | list | tuple):
        yield from metrics_of(value, name, evaluation, cases, model, interval)
        return
    known = {*_EVALUATION_KEYS, *_COUNT_KEYS, *_MODEL_KEYS, *_NAME_KEYS, *_INTERVAL_KEYS}
    for key, item in entry.items():
        stem = str(key).removesuffix("_interval")
        if key in known or (stem != key and stem in entry):
            continue
        # A level that groups several values is an evaluation; a number, or a number with its interval, is a metric.
        single = not isinstance(item, Mapping | list | tuple) or (
            isinstance(item, Mapping) and _first(item, _VALUE_KEYS) is not None
        )
        if single or evaluation:
            beside = entry.get(f"{key}_interval")
            yield from metrics_of(item, f"{name} {readable(key)}".strip(), evaluation, cases, model, beside)
        else:
            yield from metrics_of(item, name, readable(key), cases, model)


def _said(entry: Mapping[str, Any], keys: Sequence[str], before: str) -> str:
    found = _first(entry, keys)
    return before if found is None else text(found)


def metric_table(metrics: Sequence[Metric]) -> dict[str, Any]:
    """Arrange metrics by evaluation, with a row for each model and a column for each kind of number.

    Returns
    -------
    dict
        ``columns`` (titles), ``groups`` (``evaluation``, ``cases`` and ``rows`` of ``model`` and ``cells``, a Metric
        or None each) and ``left_out``, whether differences between models and ablations were left out.
    """
    kept = [metric for metric in metrics if not any(word in metric.model for word in _COMPARISONS)]
    titles = list(dict.fromkeys(metric.title for metric in kept))
    grouped: dict[tuple[str, str], dict[str, dict[str, Metric]]] = {}
    for metric in kept:
        evaluation = grouped.setdefault((metric.evaluation, metric.cases), {})
        evaluation.setdefault(metric.model, {})[metric.title] = metric
    groups = [
        {
            "evaluation": evaluation,
            "cases": cases,
            "rows": [
                {"model": model, "cells": [cells.get(title) for title in titles]} for model, cells in rows.items()
            ],
        }
        for (evaluation, cases), rows in grouped.items()
    ]
    return {"columns": titles, "groups": groups, "left_out": len(kept) < len(metrics)}


def _card_task(card: Mapping[str, Any]) -> str:
    return f"{card.get('task', '')} {card.get('name', '')}".lower()


def card_view(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the short form of a card: name, version, hash, use, limits, training data and metrics."""
    data = card.get("training_data") or []
    data = [data] if isinstance(data, str | Mapping) else data
    return {
        "name": text(card.get("name")),
        "version": text(card.get("version")),
        "task": text(card.get("task")) if card.get("task") else "",
        "sha256": str(card.get("sha256") or ""),
        "intended_use": text(card.get("intended_use")),
        "limits": [text(item) for item in _as_list(card.get("limits"))],
        "training_data": [_training_line(item) for item in data],
        "metrics": metric_table(list(metrics_of(card.get("metrics") or []))),
    }


def _as_list(value: Any) -> Sequence[Any]:
    if value is None:
        return []
    return value if isinstance(value, list | tuple) else [value]


def _training_line(item: Any) -> str:
    if not isinstance(item, Mapping):
        return text(item)
    line = text(item.get("name"))
    if item.get("cases") is not None:
        line += f", {text(item['cases'])} cases"
    if item.get("terms"):
        line += f"; terms: {text(item['terms'])}"
    if item.get("citation"):
        line += f". {text(item['citation'])}"
    return line


def survival_card(cards: Sequence[Mapping[str, Any]], model: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the card of the survival model: among ``cards``, else the summary that the prediction carries."""
    for card in cards:
        if "survival" in _card_task(card):
            return card
    for key in ("card", "summary", "card_summary"):
        if isinstance(model.get(key), Mapping):
            return {"name": model.get("name"), "version": model.get("version"), **model[key]}
    return model if "metrics" in model else None


def _of_the_model(card: Mapping[str, Any] | None) -> list[Metric]:
    """Return the card's metrics of the bundled model itself on patients that it has not seen."""
    kept = []
    for metric in metrics_of((card or {}).get("metrics") or []):
        words = f"{metric.name} {metric.evaluation} {metric.model}".lower()
        if not any(word in words for word in (*_NOT_THE_MODEL, *_ON_TRAINING)):
            kept.append(metric)
    return kept


def how_often_wrong(card: Mapping[str, Any] | None) -> dict[str, Any]:
    """Say in words how often the category is wrong, from the accuracies in the survival model's card.

    Returns
    -------
    dict
        ``headline`` (str) and ``evidence`` (list of str: accuracy, evaluation and number of patients each).
    """
    found = []
    for metric in _of_the_model(card):
        named = "accuracy" in metric.name.lower() and "balanced" not in metric.name.lower()
        if named and isinstance(metric.value, int | float) and 0.0 <= metric.value <= 1.0:
            found.append(metric)
    if not found:
        return {
            "headline": "How often this category is wrong is not known: the model card gives no accuracy.",
            "evidence": [],
        }
    wrong = sorted(100 - round(100 * float(metric.value)) for metric in found)
    span = f"{wrong[0]}" if wrong[0] == wrong[-1] else f"{wrong[0]} to {wrong[-1]}"
    evidence = []
    for metric in found:
        cases = f", {metric.cases} patients" if metric.cases else ""
        interval = f" (95 % interval {metric.interval})" if metric.interval else ""
        evidence.append(
            f"{metric.title} {metric.shown}{interval}: {metric.evaluation or 'evaluation not named'}{cases}"
        )
    return {
        "headline": f"The category is wrong in {_share_words(sum(wrong) / len(wrong))} of patients: "
        f"{span} of 100 in tests on patients that the model had not seen.",
        "evidence": evidence,
    }


def _share_words(percent: float) -> str:
    for limit, words in ((15, "a small part"), (29, "about a quarter"), (40, "about a third"), (60, "about half")):
        if percent <= limit:
            return words
    return "most" if percent > 72 else "about two thirds"


def typical_error(card: Mapping[str, Any] | None) -> str | None:
    """Say how far the predicted days were off, from the mean squared error in the survival model's card."""
    errors = []
    for metric in _of_the_model(card):
        name = metric.name.lower()
        squared = name.split()[-1:] == ["mse"] or name.endswith(("mean squared error", "mse days2", "mse days²"))
        if squared and isinstance(metric.value, int | float) and metric.value > 0:
            errors.append(round(math.sqrt(metric.value)))
    if not errors:
        return None
    if min(errors) == max(errors):
        size = f"{errors[0]:,} days"
    else:
        size = f"{min(errors):,} to {max(errors):,} days, depending on the patients tested"
    return f"Typical error of the days in tests: {size} (root of the mean squared error)."
