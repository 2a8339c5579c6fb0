"""One self-contained, printable HTML page for one case."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import atomic_file
from ..case import Case
from ..labels import COLOURS, REGION_TITLES
from ..volumes import brain_volume, volumes
from .cards import card_view, how_often_wrong, survival_card, typical_error
from .charts import Chart, draw_contributions, draw_estimate, draw_reliability, draw_similar
from .comparison import comparison_with_baseline
from .content import brain_note, flag_messages, input_views, result_view, run_groups, segmentation_view, text
from .explanation import missing_titles, place_lines, reliability_views, spread_view
from .pictures import draw_views


def write_report(
    path: str | os.PathLike[str],
    case: Case,
    labels: np.ndarray,
    prediction: Any,
    *,
    run: Mapping[str, Any],
    cards: Sequence[Mapping[str, Any]],
) -> Path:
    """Write the report of a case, whole or not at all.

    Parameters
    ----------
    path : path
        The HTML file; its folder is made if need be.
    case : Case
    labels : ndarray, (z, y, x)
        Values 0, 1, 2, 4 on the case's grid; may be empty of tumour.
    prediction : Prediction
        Of ``BraTSOSLib.survival``; with ``category`` None the reason is shown in its place.
    run : dict
        Versions, device, timings in seconds, hashes: shown as they are. Nothing else in the page depends on the
        time or the machine, so that the same arguments give the same bytes.
    cards : list of dict
        The cards of the models that had a part in the result, shown in short form.

    Returns
    -------
    Path
        Of the file written.

    Raises
    ------
    InputError
        If the label map does not fit the scans, or the file cannot be written.
    """
    path = Path(path)
    page = render_report(case, labels, prediction, run=run, cards=cards)
    with atomic_file(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8", newline="\n")
    return path


def render_report(
    case: Case, labels: np.ndarray, prediction: Any, *, run: Mapping[str, Any], cards: Sequence[Mapping[str, Any]]
) -> str:
    """Return the page that ``write_report`` writes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from .. import __version__

    # Everything is escaped: a case's name or a flag may come from a file name or a table that somebody else wrote.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    measured = volumes(case, labels)
    brain = brain_volume(case)
    colours = {
        region: "#{:02x}{:02x}{:02x}".format(*(round(255 * part) for part in COLOURS[region])) for region in COLOURS
    }
    segmentation = segmentation_view(run)
    card = survival_card(cards, prediction.model or {})
    pictures = [
        {"title": view.title, "caption": view.caption, "alt": view.alt, "data": base64.b64encode(view.png).decode()}
        for view in draw_views(case, labels)
    ]
    return environment.get_template("report.html.jinja").render(
        version=__version__,
        name=case.name,
        synthetic=case.synthetic,
        result=result_view(prediction),
        wrong=how_often_wrong(card),
        error=typical_error(card),
        flags=flag_messages(prediction.flags or ()),
        unsuitable=[str(warning).replace("mm3", "mm³") for warning in prediction.warnings],
        missing=missing_titles(prediction.missing),
        comparison=comparison_with_baseline(card),
        charts=_charts(prediction),
        place=place_lines(prediction.cohort, prediction.risk) if prediction.cohort is not None else [],
        spread=spread_view(prediction.spread),
        reliability=[
            {**view, "chart": _inline(draw_reliability(view["bins"]))}
            for view in reliability_views((card or {}).get("reliability"))
        ],
        inputs=input_views(prediction.inputs or {}, card, prediction.missing),
        survival_card=card_view(card) if card else None,
        notes=list(case.notes),
        warnings=segmentation["warnings"],
        poor=segmentation["poor"],
        given=isinstance(run.get("settings"), Mapping) and run["settings"].get("labels") == "given",
        empty=not np.any(labels),
        pictures=pictures,
        legend=[{"colour": colours[region], "title": REGION_TITLES[region]} for region in COLOURS],
        volumes=[
            {
                "title": REGION_TITLES[region],
                "colour": colours.get(region),
                "sum": region not in COLOURS,
                "agreement": segmentation["agreement"].get(region),
                **values,
            }
            for region, values in measured.items()
        ],
        has_agreement=bool(segmentation["agreement"]),
        brain_ml=f"{brain:,.0f}",
        brain_note=brain_note(brain),
        cards=[card_view(item) for item in cards],
        model=[
            (key, text(value))
            for key, value in ((key, (prediction.model or {}).get(key)) for key in ("name", "version", "sha256"))
            if value
        ],
        run=run_groups(run),
    )


def _charts(prediction: Any) -> dict[str, dict[str, str] | None]:
    """Draw what the prediction holds; None for what it does not."""
    estimate, explained, place = None, None, None
    if prediction.category is not None and prediction.probabilities:
        interval = (prediction.days_low, prediction.days_high)
        estimate = draw_estimate(prediction.probabilities, prediction.category, prediction.days, *interval)
    if any(item.direction != "none" for item in prediction.contributions):
        explained = draw_contributions(prediction.contributions)
    if prediction.cohort is not None:
        place = draw_similar(prediction.cohort)
    drawn = {"estimate": estimate, "contributions": explained, "similar": place}
    return {name: None if item is None else _inline(item) for name, item in drawn.items()}


def _inline(chart: Chart) -> dict[str, str]:
    return {"alt": chart.alt, "data": base64.b64encode(chart.png).decode()}
