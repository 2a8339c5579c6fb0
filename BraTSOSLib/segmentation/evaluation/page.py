"""One self-contained, printable HTML page for the comparison of a segmentation with its reference."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...labels import REGION_TITLES
from .cases import read_pair
from .folders import Pair
from .lesionwise import DILATION, MISSED_MM, SMALLEST_MM3
from .pictures import PREDICTION_COLOUR, TRUTH_COLOUR, box_plots, draw_disagreement, find_background
from .summary import RESAMPLES, summarise
from .surface import ONE_EMPTY_MM

if TYPE_CHECKING:
    import pandas as pd

_WORST = 2
"""How many cases are pictured for each region."""


def write_page(
    path: str | os.PathLike[str],
    table: pd.DataFrame,
    pairs: Mapping[str, Pair],
    *,
    scans: Path | None = None,
    only_prediction: Sequence[str] = (),
    only_truth: Sequence[str] = (),
    seed: int = 0,
) -> None:
    """Write the page.

    Parameters
    ----------
    path : path
        The HTML file.
    table : DataFrame
        Of ``evaluate_folders``.
    pairs : dict
        Name of each case in ``table`` to its files, which are read again for the pictures.
    scans : Path, optional
        Folder with a folder of scans for each case: the pictures' background.
    only_prediction, only_truth : sequence of str
        Cases that could not be judged because the other side lacks them.
    seed : int
        Of the bootstrap.

    Raises
    ------
    InputError
        If a file cannot be used.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from ... import __version__

    here = Path(__file__).resolve().parent
    # Everything is escaped: the names of cases come from file names that somebody else chose.
    environment = Environment(
        loader=FileSystemLoader([here, here.parents[1] / "report"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    summary = summarise(table, seed=seed)
    regions = [{"name": name, "title": REGION_TITLES[name]} for name in dict.fromkeys(table["region"])]
    cases = _case_rows(table)
    page = environment.get_template("evaluation.html.jinja").render(
        version=__version__,
        count=len(cases),
        regions=regions,
        results=[_region_result(table, summary, region["name"]) for region in regions],
        worst=cases[0],
        cases=cases,
        plots=base64.b64encode(box_plots(table, _one_empty(table))).decode(),
        pictures=_pictures(table, pairs, scans),
        with_scans=scans is not None,
        truth_colour=TRUTH_COLOUR,
        prediction_colour=PREDICTION_COLOUR,
        only_prediction=list(only_prediction),
        only_truth=list(only_truth),
        empty_mm=f"{ONE_EMPTY_MM:g}",
        missed_mm=f"{MISSED_MM:g}",
        dilation=DILATION,
        smallest=f"{SMALLEST_MM3:g}",
        resamples=f"{RESAMPLES:,}",
        seed=seed,
    )
    Path(path).write_text(page, encoding="utf-8", newline="\n")


def _one_empty(table: pd.DataFrame) -> pd.Series:
    """Say which rows have the region in one of the two maps only, so that HD95 is no distance."""
    return (table["truth_ml"] == 0) != (table["predicted_ml"] == 0)


def _region_result(table: pd.DataFrame, summary: pd.DataFrame, region: str) -> dict[str, Any]:
    rows = table[table["region"] == region]
    metrics = {row["metric"]: row for _, row in summary[summary["region"] == region].iterrows()}
    aside = rows[_one_empty(rows)]
    found = rows[~_one_empty(rows)]
    return {
        "title": REGION_TITLES[region],
        "name": region,
        "metrics": {
            name: {
                "median": _number(row["median"], name),
                "mean": _number(row["mean"], name),
                "interval": ""
                if math.isnan(row["low"])
                else f"{_number(row['low'], name)} to {_number(row['high'], name)}",
                "sd": "–" if math.isnan(row["sd"]) else _number(row["sd"], name),
                "worst": _number(row["worst"], name),
                "worst_case": row["worst_case"],
            }
            for name, row in metrics.items()
        },
        "one_empty": [
            f"{row['case']} ({'not in the reference' if row['truth_ml'] == 0 else 'nothing predicted'})"
            for _, row in aside.iterrows()
        ],
        "distance_mean": _number(float(found["hd95_mm"].mean()), "hd95_mm") if len(aside) and len(found) else "",
        "distance_count": len(found),
        "both_empty": [row["case"] for _, row in rows.iterrows() if row["truth_ml"] == 0 == row["predicted_ml"]],
        "missed": int(rows["lesions_missed"].sum()),
        "false": int(rows["lesions_false"].sum()),
        "found": int(rows["lesions_found"].sum()),
    }


def _case_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the cases, that with the lowest mean Dice first."""
    order = table.groupby("case", sort=False)["dice"].mean().sort_values(kind="stable")
    result = []
    for name, mean in order.items():
        cells = {}
        for _, row in table[table["case"] == name].iterrows():
            empty = row["truth_ml"] == 0, row["predicted_ml"] == 0
            cells[row["region"]] = {
                **{key: _number(row[key], key) for key in row.index if key not in ("case", "region")},
                "note": {
                    (True, True): "in neither map",
                    (True, False): "not in the reference",
                    (False, True): "nothing predicted",
                }.get(empty, ""),
                "low": row["dice"] < 0.5,
            }
        result.append({"name": name, "mean": _number(float(mean), "dice"), "cells": cells})
    return result


def _pictures(table: pd.DataFrame, pairs: Mapping[str, Pair], scans: Path | None) -> list[dict[str, Any]]:
    """Return for each region its worst cases, each with the picture of the slice of largest disagreement."""
    groups = []
    for region, rows in table.groupby("region", sort=False):
        worst = rows.sort_values(["dice", "hd95_mm"], ascending=[True, False], kind="stable").head(_WORST)
        pictures = []
        for _, row in worst.iterrows():
            prediction, truth, geometry = read_pair(pairs[row["case"]])
            background, why = None, ""
            if scans is not None:
                background, why = find_background(scans, row["case"], str(region), geometry)
            picture = draw_disagreement(prediction, truth, geometry, str(region), background)
            pictures.append(
                {
                    "case": row["case"],
                    "scores": f"Dice {_number(row['dice'], 'dice')}, HD95 {_number(row['hd95_mm'], 'hd95_mm')} mm",
                    "caption": picture.caption + (f" ({why})" if why else ""),
                    "alt": f"{region} of {row['case']}: {picture.alt}",
                    "data": base64.b64encode(picture.png).decode(),
                }
            )
        groups.append({"region": region, "title": REGION_TITLES[str(region)], "pictures": pictures})
    return groups


def _number(value: float, metric: str) -> str:
    if metric.startswith("lesions_"):
        return f"{int(value)}"
    if metric.endswith("_ml"):
        # Adding 0 turns the -0.0 of a rounded tiny difference into 0.0.
        return f"{round(value, 1) + 0.0:+.1f}".replace("-", "−") if metric == "volume_error_ml" else f"{value:.1f}"
    if metric.endswith("_mm"):
        return f"{value:.1f}"
    return f"{value:.4f}" if metric == "specificity" else f"{value:.3f}"
