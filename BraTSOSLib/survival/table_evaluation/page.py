"""One self-contained, printable HTML page for the evaluation of survival predictions."""

from __future__ import annotations

import base64
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..calibration import BINS
from ..categories import CATEGORIES, DEFINITIONS, class_indices
from ..censoring import known_category
from .evaluate import SurvivalEvaluation
from .figures import Figured, draw_days, draw_groups, draw_reliability
from .scores import HIGHER_IS_BETTER, NEITHER, TITLES

_FURTHEST = 10
_FIFTHS = ("lowest fifth", "second fifth", "third fifth", "fourth fifth", "highest fifth")


def write_page(path: str | os.PathLike[str], evaluation: SurvivalEvaluation) -> None:
    """Write the page to the HTML file ``path``; the same evaluation gives the same bytes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from ... import __version__

    here = Path(__file__).resolve().parent
    library = here.parents[1]
    # Everything is escaped: the names of cases and tables come from files that somebody else wrote.
    environment = Environment(
        loader=FileSystemLoader([here, library / "report", library / "segmentation" / "evaluation"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    figures = {"days": _embedded(draw_days(evaluation))}
    if evaluation.calibration is not None:
        figures["reliability"] = _embedded(draw_reliability(evaluation))
    if evaluation.groups is not None:
        figures["groups"] = _embedded(draw_groups(evaluation.groups))
    page = environment.get_template("survival_evaluation.html.jinja").render(
        version=__version__,
        predictions=evaluation.forecasts.name,
        truth=evaluation.truth.name,
        baseline=evaluation.baseline,
        counts=evaluation.counts(),
        rows=[metric_row(row) for row in evaluation.metrics.to_dict("records")],
        calibration=_calibration(evaluation),
        coverage=_coverage(evaluation),
        confusion=_confusion(evaluation),
        groups=_groups(evaluation),
        furthest=_furthest(evaluation),
        figures=figures,
        definitions=[{"name": name, "words": DEFINITIONS[name]} for name in CATEGORIES],
        only_prediction=list(evaluation.only_prediction),
        only_truth=list(evaluation.only_truth),
        withheld=list(evaluation.withheld),
        notes=list(evaluation.notes),
        seed=evaluation.seed,
        resamples=f"{evaluation.resamples:,}",
    )
    Path(path).write_text(page, encoding="utf-8", newline="\n")


def metric_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return one metric's figures as they are shown, with a verdict on the difference from a baseline."""
    name = row["metric"]
    shown = {
        "metric": name,
        "title": TITLES[name],
        "better": "" if name in NEITHER else "higher" if name in HIGHER_IS_BETTER else "lower",
        "n": row["n"],
        "value": number(row["value"], name),
        "interval": interval(row["low"], row["high"], name),
        "uninformed": number(row["uninformed"], name),
    }
    if "baseline" in row:
        low, high = row["difference_low"], row["difference_high"]
        sign = 1.0 if name in HIGHER_IS_BETTER else -1.0
        verdict = ""
        if name not in NEITHER and math.isfinite(low) and math.isfinite(high):
            best, worst = max(sign * low, sign * high), min(sign * low, sign * high)
            verdict = "better" if worst > 0 else "worse" if best < 0 else "not told apart"
        shown |= {
            "baseline": number(row["baseline"], name),
            "difference": number(row["difference"], name, signed=True),
            "difference_interval": interval(low, high, name, signed=True),
            "verdict": verdict,
        }
    return shown


def number(value: float | None, metric: str, *, signed: bool = False) -> str:
    """Return a metric's value in as many digits as it deserves; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    digits = 0 if metric in ("mse", "median_se", "sd_se", "interval_width") else 3
    # Adding 0 turns the -0.0 of a rounded tiny difference into 0.0.
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed else ''},.{digits}f}".replace("-", "−")


def interval(low: float, high: float, metric: str, *, signed: bool = False) -> str:
    """Return an interval as it is shown; nothing where there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{number(low, metric, signed=signed)} to {number(high, metric, signed=signed)}"


def _embedded(figure: Figured) -> dict[str, str]:
    return {"data": base64.b64encode(figure.svg).decode(), "alt": figure.alt}


def _calibration(evaluation: SurvivalEvaluation) -> dict[str, Any] | None:
    kept = evaluation.calibration
    if kept is None:
        return None
    judged = {"the predicted category": kept} | {f"“{name}”": kept["categories"][name] for name in CATEGORIES}
    rows = [
        {
            "what": what,
            "error": f"{each['error']:.3f}",
            "band": f"{each['band']['low']:.3f} to {each['band']['high']:.3f}",
            "above": each["error"] > each["band"]["high"],
        }
        for what, each in judged.items()
    ]
    return {
        "rows": rows,
        "failing": [row["what"] for row in rows if row["above"]],
        "bins": [
            {key: f"{each[key]:.2f}" for key in ("predicted", "observed", "low", "high")}
            | {"n": each["n"], "name": _FIFTHS[number] if len(kept["bins"]) == BINS else f"bin {number + 1}"}
            for number, each in enumerate(kept["bins"])
        ],
    }


def _coverage(evaluation: SurvivalEvaluation) -> dict[str, Any] | None:
    kept = evaluation.coverage
    if kept is None or not math.isfinite(kept["value"]):
        return None
    percent = {key: f"{100 * kept[key]:.0f}" for key in ("value", "low", "high", "least", "most")}
    return {**percent, "cases": kept["cases"], "known": kept["known"], "unknown": kept["cases"] - kept["known"]}


def _confusion(evaluation: SurvivalEvaluation) -> list[dict[str, Any]]:
    rows = []
    for index, name in enumerate(CATEGORIES):
        line = evaluation.confusion[index]
        total = int(line.sum())
        cells = [
            {"n": int(each), "share": f"{100 * each / total:.0f} %" if total else "", "right": column == index}
            for column, each in enumerate(line)
        ]
        rows.append({"name": name, "cells": cells, "total": total})
    return rows


def _groups(evaluation: SurvivalEvaluation) -> dict[str, Any] | None:
    if evaluation.groups is None:
        return None
    test = evaluation.groups
    p_value = test.p_value
    return {
        "rows": [
            {
                "category": group.category,
                "patients": group.patients,
                "deaths": group.deaths,
                "median": "not reached" if group.median is None else f"{group.median:,.0f}",
                "interval": f"{_days(group.median_low)} to {_days(group.median_high)}",
            }
            for group in test.groups
        ],
        "p_value": None if p_value is None else "below 0.001" if p_value < 0.001 else f"{p_value:.3f}",
        "statistic": None if test.statistic is None else f"{test.statistic:.1f}",
        "degrees": test.degrees,
    }


def _days(value: float | None) -> str:
    return "not reached" if value is None else f"{value:,.0f}"


def _furthest(evaluation: SurvivalEvaluation) -> list[dict[str, Any]]:
    """Return the deaths furthest from their predicted days, by the ratio of the two."""
    truth, said = evaluation.truth, evaluation.forecasts
    died = np.flatnonzero(truth.events)
    ratios = np.abs(np.log(np.maximum(truth.days[died], 1.0) / np.maximum(said.days[died], 1.0)))
    classes = class_indices(truth.days)
    known = known_category(truth.days, truth.events)
    rows = []
    for row in died[np.argsort(-ratios, kind="stable")][:_FURTHEST]:
        rows.append(
            {
                "case": truth.cases[row],
                "predicted": f"{said.days[row]:,.0f}",
                "interval": ""
                if said.low is None or said.high is None
                else f"{said.low[row]:,.0f} to {said.high[row]:,.0f}",
                "category": CATEGORIES[said.categories[row]],
                "observed": f"{truth.days[row]:,.0f}",
                "true": CATEGORIES[classes[row]] if known[row] else "",
            }
        )
    return rows
