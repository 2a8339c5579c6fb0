"""Flags for single inputs outside the range of the training patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..covariates import volume_feature
from .suitability import UNRELIABLE

COMPOSED = {"WT": ("NCR", "ED", "ET"), "TC": ("NCR", "ET")}
_PER_MILLILITRE = 1000.0


@dataclass(frozen=True)
class Flag:
    """One input that the model was not fitted for.

    ``low`` and ``high`` bound the training patients; they are ``None`` where the flag is not about a range.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    message: str


def range_flags(
    entries: Sequence[Mapping[str, Any]], values: Mapping[str, float | None], volumes: Mapping[str, float]
) -> tuple[Flag, ...]:
    """Return a flag for each value outside its range, for missing volumes and for volumes that do not add up.

    Parameters
    ----------
    entries : list of dict
        The card's ``inputs``: ``name``, ``unit``, ``low``, ``high`` and, for volumes, ``empty_seen``.
    values : dict
        Age (years), KPS and what else has a range, by name; None where it is not known.
    volumes : dict
        mm3 by region, as far as given. A whole that was not given is compared as the sum of its parts.
    """
    known = {**values, **{volume_feature(region): value for region, value in volumes.items()}}
    sums = {}
    for whole, parts in COMPOSED.items():
        if all(part in volumes for part in parts):
            sums[whole] = sum(volumes[part] for part in parts)
            known.setdefault(volume_feature(whole), sums[whole])
    empty = bool(volumes) and max(volumes.values()) <= 0
    flags = []
    for entry in entries:
        # An empty tumour is a reason for no category; that each of its volumes is 0 need not be said again.
        if empty and entry.get("unit") == "mm3":
            continue
        flag = _range_flag(entry, known.get(entry["name"]))
        if flag is not None:
            flags.append(flag)
    if not volumes:
        message = f"No tumour volume was given, so that an unusual tumour cannot be noticed: {UNRELIABLE}."
        flags.append(Flag(volume_feature("WT"), None, None, None, message))
    for whole, total in sums.items():
        given = volumes.get(whole, total)
        if abs(total - given) > 0.01 * max(total, given):
            message = (
                f"{volume_feature(whole)} is {given:,.6g} mm3, but its parts {' + '.join(COMPOSED[whole])} add up "
                f"to {total:,.6g} mm3 (mixed units?): {UNRELIABLE}."
            )
            flags.append(Flag(volume_feature(whole), given, None, None, message))
    return tuple(flags)


def _range_flag(entry: Mapping[str, Any], value: float | None) -> Flag | None:
    """Return a flag if ``value`` lies outside the training range of the card's ``entry``.

    For volumes the range is that of the regions that are not empty; an empty one is no surprise where the training
    patients had some.
    """
    low, high = float(entry["low"]), float(entry["high"])
    if value is None or low <= value <= high or (value == 0 and entry.get("empty_seen", False)):
        return None
    unit = str(entry.get("unit", ""))
    hint = ""
    if unit == "mm3" and 0 < value < low and low <= value * _PER_MILLILITRE <= high:
        hint = " (was it given in mL? mm3 are expected)"
    space = f" {unit}" if unit else ""
    message = (
        f"{entry['name']} is {value:,.6g}{space}, outside the {low:,.6g} to {high:,.6g}{space} of the training "
        f"patients{hint}: {UNRELIABLE}."
    )
    return Flag(str(entry["name"]), value, low, high, message)
