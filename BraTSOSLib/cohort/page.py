"""The cohort's page: what became of its cases, a table to sort, distributions, and how good predictions are."""

from __future__ import annotations

import base64
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .figures import Series, draw_distributions
from .manifest import DONE, FAILED, Manifest, from_json
from .merging import CASES
from .stage import THUMBNAIL

PAGE = "index.html"

_REASONS_SHOWN = 200


def write_cohort_page(
    manifest: Manifest, folder: Path, evaluation: Any, files: list[str], check: Callable[[], None]
) -> str:
    """Write ``index.html``, row by row; return its name.

    Parameters
    ----------
    manifest : Manifest
    folder : Path
        Where to write.
    evaluation : SurvivalEvaluation or None
    files : list of str
        The collected tables, which are linked.
    check : callable
        Raises if the work is to stop.

    Notes
    -----
    Nothing in the page depends on times, machines or the order in which cases were done. A browser draws a hundred
    rows at a time, whatever their number.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    here = Path(__file__).resolve().parent
    # Everything is escaped: names and reasons come from files that somebody else wrote.
    environment = Environment(
        loader=FileSystemLoader([here, here.parent / "report"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    numbers = _Numbers()
    for row in manifest.rows((DONE,), "summary, source"):
        check()
        numbers.add(from_json(row["summary"]) or {}, from_json(row["source"]))
    counts = manifest.counts()
    stream = environment.get_template("cohort.html.jinja").generate(
        total=sum(counts.values()),
        done=counts[DONE],
        failed=counts[FAILED],
        unfinished=sum(counts.values()) - counts[DONE] - counts[FAILED],
        synthetic=numbers.synthetic,
        warned=numbers.warned,
        categories=numbers.categories,
        distributions=_embedded(draw_distributions(numbers.series())),
        failures=_failures(manifest),
        reasons_shown=_REASONS_SHOWN,
        judged=_judged(evaluation),
        files=files,
        rows=(Markup(line) for line in _json_lines(manifest, check)),
    )
    with (folder / PAGE).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(stream)
    return PAGE


class _Numbers:
    """What the distributions are drawn from: eight bytes a value."""

    def __init__(self) -> None:
        self.volumes = {region: array("d") for region in ("WT", "TC", "ET")}
        self.ages, self.days = array("d"), array("d")
        self.categories: Counter[str] = Counter()
        self.synthetic = self.warned = 0

    def add(self, summary: Mapping[str, Any], source: Mapping[str, Any]) -> None:
        for region, values in self.volumes.items():
            if (summary.get("volumes") or {}).get(region) is not None:
                values.append(summary["volumes"][region])
        if source["clinical"].get("age") is not None:
            self.ages.append(source["clinical"]["age"])
        prediction = summary.get("prediction")
        if prediction:
            self.categories[prediction.get("category") or "none"] += 1
            if prediction.get("days") is not None:
                self.days.append(prediction["days"])
        self.synthetic += bool(summary.get("synthetic"))
        self.warned += bool(summary.get("warnings"))

    def series(self) -> list[Series]:
        titles = {"WT": "Whole tumour", "TC": "Tumour core", "ET": "Enhancing tumour"}
        series = [Series(titles[region], "mL", values) for region, values in self.volumes.items()]
        series += [Series("Age", "years", self.ages), Series("Predicted survival", "days", self.days)]
        return [each for each in series if len(each.values) > 1]


def _embedded(figure: tuple[bytes, str] | None) -> dict[str, str] | None:
    return None if figure is None else {"data": base64.b64encode(figure[0]).decode(), "alt": figure[1]}


def _failures(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the first cases that failed, with the reasons."""
    rows = manifest.query(
        "SELECT name, found_at, error FROM cases WHERE listed AND state = ? ORDER BY name LIMIT ?",
        (FAILED, _REASONS_SHOWN),
    )
    return [{"case": row["name"], "where": row["found_at"], "error": row["error"]} for row in rows]


def _judged(evaluation: Any) -> dict[str, Any] | None:
    if evaluation is None:
        return None
    from ..survival.table_evaluation.figures import draw_groups
    from ..survival.table_evaluation.page import metric_row

    groups = evaluation.groups
    figure = None if groups is None else draw_groups(groups)
    return {
        "counts": evaluation.counts(),
        "rows": [metric_row(row) for row in evaluation.metrics.to_dict("records")],
        "notes": list(evaluation.notes),
        "curves": None if figure is None else {"data": base64.b64encode(figure.svg).decode(), "alt": figure.alt},
        "p_value": None if groups is None or groups.p_value is None else _p_value(groups.p_value),
        "statistic": None if groups is None or groups.statistic is None else f"{groups.statistic:.1f}",
        "degrees": None if groups is None else groups.degrees,
    }


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _json_lines(manifest: Manifest, check: Callable[[], None]) -> Iterator[str]:
    """Yield the page's data, a case a line, safe inside a script element."""
    columns = "name, state, error, source, days, event, outputs, summary"
    first = True
    for row in manifest.rows(columns=columns):
        check()
        text = json.dumps(_page_row(row), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        yield ("" if first else ",\n") + text
        first = False


def _page_row(row: Any) -> list[Any]:
    """Return a case as the page's script expects it; see ``COLUMNS`` there."""
    done = row["state"] == DONE
    summary = (from_json(row["summary"]) or {}) if done else {}
    outputs = (from_json(row["outputs"]) or {}) if done else {}
    prediction, volumes = summary.get("prediction") or {}, summary.get("volumes") or {}
    link = f"{CASES}/{quote(row['name'])}/"
    observed = None if row["days"] is None else row["days"] if row["event"] in (None, 1) else f"> {row['days']:g}"
    notes = [*(summary.get("warnings") or ()), *(prediction.get("warnings") or ()), *(prediction.get("flags") or ())]
    return [
        row["name"],
        link if "report.html" in outputs else "",
        int(THUMBNAIL in outputs),
        row["state"],
        *(None if volumes.get(region) is None else round(volumes[region], 2) for region in ("WT", "TC", "ET")),
        from_json(row["source"])["clinical"].get("age"),
        prediction.get("category"),
        None if prediction.get("days") is None else round(prediction["days"]),
        observed,
        row["error"] or prediction.get("reason") or " ".join(notes) or "",
    ]
