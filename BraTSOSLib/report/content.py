"""What the report says about one result, in plain words and plain numbers; the markup is the template's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..labels import REGION_TITLES, REGIONS
from ..survival.categories import CATEGORIES, DEFINITIONS, category_of

MONTHS = {"short": "under 10 months", "medium": "10 to 15 months", "long": "over 15 months"}
DAYS_PER_MONTH = 30.0
"""The BraTS evaluation counts 300 days as 10 months and 450 as 15."""

_RESECTION_WORDS = {
    "GTR": "gross total resection (GTR)",
    "STR": "subtotal resection (STR)",
    "biopsy": "biopsy only",
    "unknown": "not known",
}
INPUT_TITLES = {"age": "Age", "resection": "Resection", "mgmt": "MGMT promoter", "idh": "IDH", "kps": "Karnofsky score"}
_NEEDED = "the model uses it: without it the estimate is less certain"
_ONLY_EXCLUDES = "a known mutation rules the estimate out; otherwise not used"
_COMPARED = "compared with the training patients, not used"
_VOLUME_FEATURE = "_original_shape_VoxelVolume"
_PLAUSIBLE_BRAIN = (800.0, 2200.0)
"""mL; outside it the scan is probably not skull-stripped, or cut off."""
_SHOWN_ELSEWHERE = ("notes", "synthetic", "warnings", "quality")
_POOR_AGREEMENT = 0.6
"""Expected Dice under which a region's outline is called poor; two experts reach 0.74 to 0.85 on glioma (Menze et al.
2015, table 4)."""


def number(value: float) -> str:
    """Write a number as a reader wants it: whole when large, three significant digits when small."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return "not known"
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def text(value: Any) -> str:
    """Write any JSON-like value as one line."""
    if value is None or value == "":
        return "not known"
    if isinstance(value, Mapping):
        return "; ".join(f"{readable(key)}: {text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int | float) else str(value)


def readable(key: Any) -> str:
    """Turn a key such as ``weights_sha256`` into words."""
    return str(key).replace("_", " ")


def percentages(probabilities: Mapping[str, float]) -> dict[str, int]:
    """Round to whole per cent so that the sum stays 100 (largest remainders are rounded up)."""
    total = sum(probabilities.values())
    exact = {name: 100.0 * value / total for name, value in probabilities.items()}
    whole = {name: math.floor(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: whole[name] - exact[name])
    for name in by_remainder[: 100 - sum(whole.values())]:
        whole[name] += 1
    return whole


def result_view(prediction: Any) -> dict[str, Any]:
    """Put the category, its probabilities and the days into words; or the reason why there is no category."""
    category = prediction.category
    if category is None:
        return {"category": None, "reason": prediction.reason or "No reason was given."}
    view: dict[str, Any] = {
        "category": category,
        "definition": DEFINITIONS[category],
        "months": MONTHS[category],
        "chance": "",
        "own_doubt": "",
        "days": None,
        "notes": [],
    }
    if prediction.probabilities:
        shares = percentages({name: float(prediction.probabilities[name]) for name in CATEGORIES})
        likeliest = max(CATEGORIES, key=lambda name: prediction.probabilities[name])
        view["own_doubt"] = (
            f"By the model’s own count, {100 - shares[category]} of 100 patients with these inputs would not be "
            f"in the category “{category}”."
        )
        if likeliest != category:
            view["notes"].append(f"The category given is not the one with the highest probability (“{likeliest}”).")
        view["chance"] = f"the most probable of three: {shares[category]} %" if likeliest == category else ""
    if prediction.days is not None and math.isfinite(prediction.days):
        days = float(prediction.days)
        view["days"] = {"days": f"{days:,.0f}", "months": f"{days / DAYS_PER_MONTH:.0f}", "interval": None}
        if prediction.days_low is not None and prediction.days_high is not None:
            low, high = float(prediction.days_low), float(prediction.days_high)
            view["days"]["interval"] = f"{low:,.0f} to {high:,.0f} days"
            view["days"]["interval_months"] = f"{low / DAYS_PER_MONTH:.0f} to {high / DAYS_PER_MONTH:.0f} months"
            if category_of(low) == CATEGORIES[0] and category_of(high) == CATEGORIES[-1]:
                view["notes"].append(
                    f"{low:,.0f} to {high:,.0f} days reach from “{CATEGORIES[0]}” to “{CATEGORIES[-1]}”: for a single "
                    "patient the category says little."
                )
        if category_of(days) != category:
            view["notes"].append(
                f"The predicted days lie in the category “{category_of(days)}”, not in “{category}”: days and category "
                "are estimated separately, and where they disagree both are especially uncertain."
            )
    return view


def volume_title(name: str) -> str | None:
    """Return "volume of ET" for ``ET_original_shape_VoxelVolume``; None for what is no volume."""
    return f"volume of {name.removesuffix(_VOLUME_FEATURE)}" if name.endswith(_VOLUME_FEATURE) else None


def flag_messages(flags: Sequence[Any]) -> list[str]:
    """Return the flags' sentences with regions in place of feature names."""
    messages = []
    for flag in flags:
        message = str(flag.message)
        for region in REGIONS:
            message = message.replace(f"{region}{_VOLUME_FEATURE}", f"volume of {region}")
        message = message.replace("mm3", "mm³")
        messages.append(message[:1].upper() + message[1:])
    return messages


def input_views(
    inputs: Mapping[str, Any], card: Mapping[str, Any] | None, missing: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """List what the survival model was told: name, value, and a note where it is lacking or not used.

    ``card`` is the model's: its ``inputs`` may say ``used``: false, and its ``input_meanings`` name what is used.
    ``missing`` names the inputs that the model uses and was not given; each entry says so under ``missing``.
    """
    card = card or {}
    entries = card.get("inputs")
    checked = {
        str(entry.get("name"))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, Mapping) and entry.get("used") is False
    }
    meanings = " ".join(card.get("input_meanings") or {})
    views = []
    volumes = [name for name in inputs if str(name).endswith(_VOLUME_FEATURE)]
    if volumes and checked.issuperset(volumes):
        # One line instead of five: the table of volumes has the numbers.
        inputs = {name: value for name, value in inputs.items() if name not in volumes}
        regions = ", ".join(str(name).removesuffix(_VOLUME_FEATURE) for name in volumes)
        shown = f"as measured ({regions})"
        volume_note = {"title": "Tumour volumes", "value": shown, "note": _COMPARED, "missing": False}
    else:
        volume_note = None
    for name, value in inputs.items():
        title, shown, note = INPUT_TITLES.get(name, readable(name)), text(value), ""
        if name == "resection" and isinstance(value, str):
            shown = _RESECTION_WORDS.get(value, value)
        elif name == "age" and value is not None:
            shown = f"{text(value)} years"
        elif str(name).endswith(_VOLUME_FEATURE) and isinstance(value, int | float):
            title, shown = f"Volume of {str(name).removesuffix(_VOLUME_FEATURE)}", f"{value / 1000:,.1f} mL"
        if name in checked:
            note = _COMPARED
        elif name in ("mgmt", "kps") and meanings and str(name) not in meanings:
            note = "not used"
        elif name == "idh":
            note = _ONLY_EXCLUDES
        if name in missing:
            note = _NEEDED
        shown = "not known" if shown == "unknown" else shown
        views.append({"title": title, "value": shown, "note": note, "missing": name in missing})
    if volume_note:
        views.append(volume_note)
    return views


def brain_note(millilitres: float) -> str | None:
    """Return a warning if the brain's volume is not one that an adult brain has."""
    low, high = _PLAUSIBLE_BRAIN
    if low <= millilitres <= high:
        return None
    return (
        f"The brain measures {millilitres:,.0f} mL here, outside {low:,.0f} to {high:,.0f} mL: the scans may not be "
        "skull-stripped, or be cut off, and the shares of the brain are then wrong."
    )


def segmentation_view(run: Mapping[str, Any]) -> dict[str, Any]:
    """Put into words what the segmentation said about the scans and about its own outlines.

    Parameters
    ----------
    run : dict
        ``run["segmentation"]`` may hold ``warnings`` (sentences) and ``quality``: region to ``dice``, ``low`` and
        ``high``, the Dice that an expert's outline would be expected to give.

    Returns
    -------
    dict
        ``warnings``, ``agreement`` (region to ``value``, ``range`` and ``poor``) and ``poor``, the titles of the
        regions whose outline is expected to be poor.
    """
    said = run.get("segmentation")
    said = said if isinstance(said, Mapping) else {}
    quality = said.get("quality")
    agreement: dict[str, dict[str, Any]] = {}
    for region, values in (quality if isinstance(quality, Mapping) else {}).items():
        if region not in REGIONS or not isinstance(values, Mapping):
            continue
        dice, low, high = (values.get(key) for key in ("dice", "low", "high"))
        if not isinstance(dice, int | float) or not math.isfinite(dice):
            continue
        interval = ""
        if isinstance(low, int | float) and isinstance(high, int | float):
            interval = f"{low:.2f} to {high:.2f}"
        agreement[region] = {"value": f"{dice:.2f}", "range": interval, "poor": dice < _POOR_AGREEMENT}
    return {
        "warnings": [str(warning) for warning in said.get("warnings") or ()],
        "agreement": agreement,
        "poor": [REGION_TITLES[region] for region, values in agreement.items() if values["poor"]],
    }


def run_groups(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Split the record of a run into tables: its plain values first, then one table for each group of values."""
    plain = [
        (readable(key), text(value))
        for key, value in run.items()
        if not isinstance(value, Mapping) and key not in _SHOWN_ELSEWHERE
    ]
    groups = [{"title": "Run", "rows": plain}] if plain else []
    for key, value in run.items():
        if isinstance(value, Mapping) and value:
            unit = " s" if "timing" in str(key) or "seconds" in str(key) else ""
            rows = [
                (readable(name), f"{item:.1f}{unit}" if unit and isinstance(item, int | float) else text(item))
                for name, item in value.items()
                if name not in _SHOWN_ELSEWHERE
            ]
            title = readable(key)
            if rows:
                groups.append({"title": title[:1].upper() + title[1:], "rows": rows})
    return groups
