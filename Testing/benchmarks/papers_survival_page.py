"""Fills papers_survival.md with the numbers of papers_survival.py: docs/survival-results.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from scipy.stats import binomtest

from BraTSOSLib.survival.papers.comparison import CONSTANT, FOREST, LOGISTIC, RIDGE, STUDENTS, shown
from BraTSOSLib.survival.papers.splits import METRICS, TITLES, difference_interval

PUBLISHED = (
    # source, measured on, patients, accuracy, MSE, median SE, SD of SE, Spearman, as printed
    ("Do et al. 2022, student alone", "BraTS 2020 validation", 29, "0.31", "212,563", "–", "–", "0.043"),
    ("Do et al. 2022, student, distilled", "BraTS 2020 validation", 29, "0.483", "111,201", "–", "–", "0.104"),
    ("Anand et al. 2020", "BraTS 2020 training", None, "0.59", "44,611", "13,705", "109,338", "0.775"),
    ("Anand et al. 2020", "BraTS 2020 validation", 29, "0.448", "110,677", "22,874", "142,424", "0.169"),
    ("Anand et al. 2020", "BraTS 2020 test", 166, "0.452", "4,122,630,758 (sic)", "67,136", "1,142,775", "−0.014"),
)
TEMPLATE = Path(__file__).with_name("papers_survival.md")
COMPARED = ("accuracy", "mse", "spearman", "c_index")
MINUS = "−"

Table = dict[str, Any]


def page(results: dict[str, Any]) -> str:
    """Return the whole page; ``results`` as papers_survival.py writes them."""
    tables: dict[str, Table] = results["tables"]
    seconds = sum(table["seconds"] for table in tables.values())
    return TEMPLATE.read_text(encoding="utf-8").format(
        minutes=round(seconds / 60),
        splits=results["splits"],
        published=_published(),
        measured="\n\n".join(_measured(name, table) for name, table in tables.items()),
        against=_against_baseline(tables),
        taught=_distillation(tables),
        choice=_choice(tables),
        conclusions=_conclusions(tables),
    )


def _published() -> str:
    lines = [
        "| source | measured on | n | accuracy [95 % exact] | MSE (days²) | median SE | SD of SE | Spearman |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for source, where, count, accuracy, *rest in PUBLISHED:
        interval = ""
        if count is not None:
            bounds = binomtest(round(float(accuracy) * count), count).proportion_ci()
            interval = f" [{bounds.low:.2f}, {bounds.high:.2f}]"
        lines.append(f"| {source} | {where} | {count or '–'} | {accuracy}{interval} | {' | '.join(rest)} |")
    return "\n".join(lines)


def _values(table: Table, model: str, metric: str) -> np.ndarray:
    return np.array(table["metrics"][model][metric], dtype=np.float64)


def _measured(name: str, table: Table) -> str:
    resections = ", ".join(f"{count} {level}" for level, count in sorted(table["resections"].items()))
    lines = [
        f"### {name}\n",
        f"{table['patients']} patients ({resections}), {table['features']} features; {table['train']} to train, "
        f"{table['test']} to test. Mean over the splits, standard deviation in brackets.\n",
        "| model | " + " | ".join(TITLES[metric] for metric in METRICS) + " |",
        "| --- |" + " --- |" * len(METRICS),
    ]
    for model in table["metrics"]:
        cells = [shown(_values(table, model, metric), metric) for metric in METRICS]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    notes = [f"\n{note[0].upper()}{note[1:]}." for note in table["notes"]]
    return "\n".join(lines) + "\n".join(["", *notes])


def _gap(table: Table, model: str, reference: str, metric: str) -> tuple[float, float, float]:
    pairs = _values(table, model, metric) - _values(table, reference, metric)
    return difference_interval(pairs, table["test"] / table["patients"])


def _gap_text(gap: tuple[float, float, float], metric: str) -> str:
    pattern = "{:+,.0f}" if metric == "mse" else "{:+.3f}"
    mean, low, high = (pattern.format(value).replace("-", MINUS) for value in gap)
    sure = gap[1] > 0 or gap[2] < 0
    return f"**{mean}** [{low}, {high}]" if sure else f"{mean} [{low}, {high}]"


def _gap_rows(rows: Iterator[tuple[str, str, Table, str, str]]) -> str:
    lines = [
        "| table | model | " + " | ".join(TITLES[metric] for metric in COMPARED) + " |",
        "| --- |" + " --- |" * (1 + len(COMPARED)),
    ]
    last = ""
    for name, label, table, model, reference in rows:
        cells = [_gap_text(_gap(table, model, reference, metric), metric) for metric in COMPARED]
        lines.append(f"| {name if name != last else ''} | {label} | {' | '.join(cells)} |")
        last = name
    return "\n".join(lines)


def _models(table: Table) -> list[str]:
    return [model for model in table["metrics"] if model not in (CONSTANT, LOGISTIC, RIDGE)]


def _against_baseline(tables: dict[str, Table]) -> str:
    return _gap_rows((name, model, table, model, RIDGE) for name, table in tables.items() for model in _models(table))


def _learned(table: Table) -> list[tuple[str, str]]:
    """Each student that has a teacher, and the same student alone."""
    pairs = [(STUDENTS[wording], STUDENTS["alone"]) for wording in ("paper", "hinton", "both")]
    return [*pairs, ("its student of age + resection", "student of age + resection alone")]


def _distillation(tables: dict[str, Table]) -> str:
    return _gap_rows(
        (name, model if model in STUDENTS.values() else f"{model}, of 8 privileged features", table, model, alone)
        for name, table in tables.items()
        for model, alone in _learned(table)
    )


def _choice(tables: dict[str, Table]) -> str:
    lines = [
        "| table | features chosen; the most often | C, training | C, test | C of age, test |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, table in tables.items():
        chosen = table["choice"]
        feature, times = chosen["names"][0]
        means = " | ".join(
            f"{np.mean(chosen[part]):.3f} ({np.std(chosen[part]):.3f})" for part in ("train", "test", "age")
        )
        lines.append(f"| {name} | {len(chosen['names'])}; `{feature}`, {times} times | {means} |")
    return "\n".join(lines)


def _counted(tables: dict[str, Table], pairs: list[tuple[str, str, str]], metric: str) -> str:
    """Say how many of the ``pairs`` (table, model, reference) differ beyond their interval, and which models do."""
    sides: dict[str, Counter[str]] = {"above": Counter(), "below": Counter()}
    for name, model, reference in pairs:
        _, low, high = _gap(tables[name], model, reference, metric)
        if low > 0 or high < 0:
            sides["above" if low > 0 else "below"][model] += 1
    if not any(sides.values()):
        return f"none of {len(pairs)} differences excludes 0"
    found = []
    for side, models in sides.items():
        which = "; ".join(f"{model}: {count}" for model, count in models.most_common())
        found.append(f"{models.total()} are surely {side} 0 ({which})" if models else f"none is surely {side} 0")
    return f"of {len(pairs)} differences {' and '.join(found)}"


def _conclusions(tables: dict[str, Table]) -> str:
    every = [(name, model) for name, table in tables.items() for model in _models(table)]
    plain = [(name, model, RIDGE) for name, model in every]
    classes = [(name, model, LOGISTIC) for name, model in every if FOREST not in model]
    taught = [(name, *pair) for name, table in tables.items() for pair in _learned(table)]
    first = next(iter(tables.values()))

    def three(model: str) -> str:
        right, error, rank = (np.mean(first["metrics"][model][metric]) for metric in ("accuracy", "mse", "spearman"))
        return f"accuracy {right:.3f}, MSE {error:,.0f}, Spearman {rank:.3f}"

    alone, commonest = (
        np.mean(first["metrics"][model][metric])
        for model, metric in ((STUDENTS["alone"], "accuracy"), (CONSTANT, "class_accuracy"))
    )
    seen, unseen = (
        np.mean([np.mean(table["choice"][part]) for table in tables.values()]) for part in ("train", "test")
    )
    lines = [
        f"- **C-index against ridge regression on age and resection**: {_counted(tables, plain, 'c_index')}.",
        "- **Accuracy of the class output against logistic regression on age and resection**: "
        f"{_counted(tables, classes, 'class_accuracy')}.",
        f"- **Taught students against the same alone**: C-index, {_counted(tables, taught, 'c_index')}; accuracy, "
        f"{_counted(tables, taught, 'accuracy')}; MSE, {_counted(tables, taught, 'mse')}.",
        f"- On the papers' own cohort (first table below) the student that starts from the teacher's weights reaches "
        f"{three(STUDENTS['paper'])}; published on 29 others: 0.483, 111,201, 0.104. The forest reaches "
        f"{three(FOREST)}; published on 29 others: 0.448, 110,677, 0.169. Age and resection alone (ridge): "
        f"{three(RIDGE)}.",
        f"- The student alone ({alone:.3f}) is not the failure that it is in the paper (0.31, below the "
        f"{commonest:.2f} of always saying the commonest category): its gain by distillation is not found again.",
        f"- The best feature of hundreds owes much to chance: C {seen:.3f} where it was chosen, {unseen:.3f} on unseen "
        f"patients (mean over the tables); {1 - (unseen - 0.5) / (seen - 0.5):.0%} of its distance from 0.5 is lost.",
    ]
    return "\n".join(fill(line, 120, subsequent_indent="  ", break_on_hyphens=False) for line in lines)
