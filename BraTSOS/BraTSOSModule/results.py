"""Results as the panel's text browser shows them: small pieces of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from BraTSOSLib.labels import REGION_TITLES
from BraTSOSLib.models import card_lines

if TYPE_CHECKING:
    from BraTSOSLib.survival import Prediction


def volumesText(name: str, volumes: Mapping[str, Mapping[str, float]]) -> str:
    """Return a table of the regions' volumes under the segmentation's name."""
    rows = "".join(
        f"<tr><td>{escape(REGION_TITLES[region])}</td>"
        f"<td align='right'>&nbsp;{volume['ml']:.1f} mL</td>"
        f"<td align='right'>&nbsp;{volume['brain_percent']:.1f} %</td></tr>"
        for region, volume in volumes.items()
    )
    header = f"<tr><td></td><td></td><td align='right'>&nbsp;{escape(_('of the brain'))}</td></tr>"
    empty = "" if volumes["WT"]["ml"] else f"<p>{escape(_('No tumour was found.'))}</p>"
    return f"<p><b>{escape(name)}</b></p>{empty}<table>{header}{rows}</table>"


def warningsText(warnings: Sequence[str]) -> str:
    """Return the segmentation's warnings as a list under a heading, or nothing."""
    return _list(_("Check before use:"), warnings, bold=True)


def qualityText(quality: Mapping[str, Mapping[str, float]] | None) -> str:
    """Return what to expect of the segmentation's agreement with an expert, or nothing."""
    if not quality:
        return ""
    rows = "".join(
        f"<tr><td>{escape(REGION_TITLES.get(region, region))}</td><td align='right'>&nbsp;{values['dice']:.2f}</td>"
        f"<td>&nbsp;({values['low']:.2f} – {values['high']:.2f})</td></tr>"
        for region, values in quality.items()
    )
    title = escape(_("Expected agreement with an expert (Dice, with an interval)"))
    return f"<p>{title}</p><table>{rows}</table>"


def modelText(card: Mapping) -> str:
    """Return a model's card in a few lines, as a tooltip."""
    lines = "".join(f"<br/>{escape(line)}" for line in card_lines(card))
    return f"<p><b>{escape(str(card['name']))}</b>{lines}</p>"


def predictionText(prediction: Prediction) -> str:
    """Return what a reader of a prediction needs, the most important first; what it does not hold is left out."""
    parts = [_list(_("Read this first:"), getattr(prediction, "warnings", ()), bold=True), _category(prediction)]
    if prediction.probabilities:
        parts.append(_bars(prediction.probabilities))
    if prediction.days is not None:
        parts.append(f"<p>{escape(_days(prediction))}</p>")
    parts.append(_list(_("To be taken with care:"), [flag.message for flag in prediction.flags]))
    missing = [str(name) for name in getattr(prediction, "missing", ())]
    if missing:
        parts.append(f"<p>{escape(_('Not given: {inputs}.').format(inputs=', '.join(missing)))}</p>")
    parts.append(_contributions(getattr(prediction, "contributions", ())))
    parts.append(_cohort(getattr(prediction, "cohort", None)))
    return "".join(parts)


def _category(prediction: Prediction) -> str:
    if prediction.category is None:
        return f"<p><b>{escape(_('No survival category'))}</b>: {escape(prediction.reason or '')}</p>"
    return f"<p><b>{escape(_('Overall survival'))}: {escape(_inWords(prediction.category))}</b></p>"


def _inWords(category: str) -> str:
    return {
        "short": _("short (fewer than 300 days)"),
        "medium": _("medium (300 to 450 days)"),
        "long": _("long (more than 450 days)"),
    }[category]


def _bars(probabilities: Mapping[str, float]) -> str:
    """Return the probabilities as bars: cells of a table, the only thing of the kind that Qt's rich text draws."""
    rows = "".join(
        f"<tr><td>{escape(_inWords(category))}&nbsp;</td><td>{_bar(probability)}</td>"
        f"<td align='right'>&nbsp;{100 * probability:.0f} %</td></tr>"
        for category, probability in probabilities.items()
    )
    return f"<table>{rows}</table>"


def _bar(share: float, colour: str = "#0072b2", width: int = 90) -> str:
    """Return a bar as a table with one coloured cell."""
    pixels = max(round(width * share), 1)
    return (
        f"<table cellspacing='0' cellpadding='0'><tr><td bgcolor='{colour}' width='{pixels}'>&nbsp;</td></tr></table>"
    )


def _days(prediction: Prediction) -> str:
    low, high = getattr(prediction, "days_low", None), getattr(prediction, "days_high", None)
    text = _("Estimated median: {days} days from surgery").format(days=f"{prediction.days:.0f}")
    if low is None or high is None:
        return text
    return text + _("; 8 of 10 such patients: {low} to {high} days").format(low=f"{low:.0f}", high=f"{high:.0f}")


def _contributions(contributions: Sequence) -> str:
    """Return what each input does to the estimate: red shortens, blue lengthens it."""
    largest = max((abs(item.effect) for item in contributions), default=0.0)
    if not largest:
        return ""
    rows = "".join(
        f"<tr><td>{escape(item.label)}: {escape(item.shown)}&nbsp;</td>"
        f"<td>{_bar(abs(item.effect) / largest, '#d55e00' if item.effect > 0 else '#0072b2', 60)}</td>"
        f"<td>&nbsp;{escape(_('shortens') if item.effect > 0 else _('lengthens'))}</td></tr>"
        for item in contributions
        if item.effect
    )
    return f"<p>{escape(_('What the estimate rests on:'))}</p><table>{rows}</table>"


def _cohort(cohort) -> str:
    if cohort is None:
        return ""
    text = _("Estimated risk higher than that of {percentile} % of the {patients} training patients.").format(
        percentile=round(cohort.percentile), patients=cohort.patients
    )
    if cohort.median is not None:
        text += " " + _("Median survival of the {count} most similar: {days} days.").format(
            count=cohort.neighbours, days=round(cohort.median)
        )
    return f"<p>{escape(text)}</p>"


def _list(title: str, items: Sequence[str], bold: bool = False) -> str:
    """Return a heading with a list below it, or nothing."""
    if not items:
        return ""
    heading = f"<b>{escape(title)}</b>" if bold else escape(title)
    return f"<p>{heading}</p><ul>{''.join(f'<li>{escape(str(item))}</li>' for item in items)}</ul>"
