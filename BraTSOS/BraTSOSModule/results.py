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
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f"<p><b>{escape(_('Check before use:'))}</b></p><ul>{items}</ul>"


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
    """Return category, probabilities, days and warnings of a prediction."""
    words = {
        "short": _("short (fewer than 300 days)"),
        "medium": _("medium (300 to 450 days)"),
        "long": _("long (more than 450 days)"),
    }
    if prediction.category is None:
        parts = [f"<p><b>{escape(_('No survival category'))}</b>: {escape(prediction.reason or '')}</p>"]
    else:
        title = escape(_("Overall survival"))
        parts = [f"<p><b>{title}: {escape(words[prediction.category])}</b></p>"]
    if prediction.probabilities:
        rows = "".join(
            f"<tr><td>{escape(words[category])}</td><td align='right'>&nbsp;{100 * probability:.0f} %</td></tr>"
            for category, probability in prediction.probabilities.items()
        )
        parts.append(f"<table>{rows}</table>")
    if prediction.days is not None:
        median = _("Estimated median: {days} days from surgery").format(days=f"{prediction.days:.0f}")
        parts.append(f"<p>{escape(median)}</p>")
    if prediction.flags:
        items = "".join(f"<li>{escape(flag.message)}</li>" for flag in prediction.flags)
        parts.append(f"<p>{escape(_('To be taken with care:'))}</p><ul>{items}</ul>")
    return "".join(parts)
