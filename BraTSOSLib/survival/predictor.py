"""The survival estimate of one patient, with every reason to distrust it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .categories import CATEGORIES
from .covariates import (
    IDH_STATES,
    MGMT_STATES,
    VOLUME_REGIONS,
    checked_age,
    checked_choice,
    checked_performance,
    checked_resection,
    encode,
    volume_feature,
)
from .student import Student, load_student

UNRELIABLE = "the estimate may not be reliable"
ADULT_FROM = 18.0
_COMPOSED = {"WT": ("NCR", "ED", "ET"), "TC": ("NCR", "ET")}
_PER_MILLILITRE = 1000.0
_CARD_SUMMARY = ("intended_use", "limits", "training_data", "metrics")


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


@dataclass(frozen=True)
class Prediction:
    """A survival estimate.

    Attributes
    ----------
    category : str or None
        ``"short"`` (< 300 days), ``"medium"`` (300 to 450) or ``"long"`` (> 450): the most probable one.
    reason : str or None
        Why there is no category.
    probabilities : dict or None
        Of the three categories; they sum to 1.
    days : float or None
        Estimated median survival from surgery, in days. It is fitted beside the probabilities, so that it may lie in
        *medium* while *short* or *long*, being wider, is the more probable category.
    flags : tuple of Flag
        Inputs outside the range of the training patients, or missing.
    inputs : dict
        Age (years), resection, mgmt, idh, kps and the region volumes (mm3), as they were understood.
    model : dict
        Name, version, sha256 and the card's intended use, limits, training data and metrics.
    """

    category: str | None
    reason: str | None
    probabilities: dict[str, float] | None
    days: float | None
    flags: tuple[Flag, ...]
    inputs: dict[str, Any]
    model: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as JSON-serialisable values."""
        result = asdict(self)
        result["flags"] = [asdict(flag) for flag in self.flags]
        return result


def predict_survival(
    features: Any,
    age: float | None = None,
    resection: str | None = "unknown",
    *,
    mgmt: str | None = None,
    idh: str | None = None,
    kps: float | None = None,
    model: str | Path | Student | None = None,
) -> Prediction:
    """Estimate overall survival from surgery of an adult with a pre-operative glioblastoma.

    Parameters
    ----------
    features : pandas.DataFrame or mapping
        Columns ``feature`` and ``value``, or name to value; region volumes such as ``ET_original_shape_VoxelVolume``
        in mm3 are used, everything else is ignored.
    age : float, optional
        Years at surgery; without it there is no category.
    resection : str
        ``"GTR"``, ``"STR"``, ``"biopsy"`` or ``"unknown"``, in any case.
    mgmt, idh, kps : optional
        Methylation (methylated, unmethylated, indeterminate, unknown), IDH (mutated, wildtype, unknown) and Karnofsky
        performance score. A known IDH mutation rules a category out; mgmt and kps are recorded, not used.
    model : path or Student, optional
        See `student.load_student`.

    Returns
    -------
    Prediction
        Without category, but with a reason, for a missing age, a child, a known IDH mutation or an empty tumour.

    Raises
    ------
    InputError
        If a value cannot be meant (an age of -3, a resection of another name, a negative or infinite volume).
    ModelError
        If the model's files are missing or damaged.
    """
    years = checked_age(age)
    extent = checked_resection(resection)
    idh_state = checked_choice(idh, "IDH status", IDH_STATES)
    inputs: dict[str, Any] = {
        "age": years,
        "resection": extent,
        "mgmt": checked_choice(mgmt, "MGMT status", MGMT_STATES),
        "idh": idh_state,
        "kps": checked_performance(kps),
    }
    given = _given_volumes(features)
    inputs.update({volume_feature(region): value for region, value in given.items()})
    student = load_student(model)
    reasons = _reasons(years, idh_state, given)
    flags = _flags(student, years, given)
    category, probabilities, days = None, None, None
    if not reasons and years is not None:
        volumes = {region: np.array([_or_nan(given.get(region))]) for region in VOLUME_REGIONS}
        columns = encode(np.array([years]), [extent], volumes)
        chances, medians = student.predict(np.column_stack([columns[name] for name in student.names]))
        probabilities = {name: float(chance) for name, chance in zip(CATEGORIES, chances[0], strict=True)}
        category, days = CATEGORIES[int(chances[0].argmax())], float(medians[0])
    return Prediction(
        category=category,
        reason=" ".join(reasons) or None,
        probabilities=probabilities,
        days=days,
        flags=tuple(flags),
        inputs=inputs,
        model={
            **{key: student.card[key] for key in ("name", "version", "sha256")},
            **{key: student.card[key] for key in _CARD_SUMMARY if key in student.card},
        },
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _given_volumes(features: Any) -> dict[str, float]:
    """Return the volumes in mm3 by region that ``features`` holds; an undefined one (NaN, None) is an empty region."""
    if isinstance(features, Mapping):
        values: dict[Any, Any] = dict(features)
    elif hasattr(features, "columns"):
        missing = {"feature", "value"} - set(features.columns)
        if missing:
            raise InputError(f"The feature table has no column {sorted(missing)[0]!r}: it needs 'feature' and 'value'.")
        names = [str(name) for name in features["feature"]]
        wanted = {volume_feature(region) for region in (*VOLUME_REGIONS, *_COMPOSED)}
        twice = next((name for name in names if name in wanted and names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"The feature table holds {twice} more than once: keep one row.")
        values = dict(zip(names, features["value"], strict=True))
    else:
        raise InputError(f"The features are of the kind {type(features).__name__}: give a table or a dictionary.")
    result = {}
    for region in (*VOLUME_REGIONS, *_COMPOSED):
        name = volume_feature(region)
        if name not in values:
            continue
        try:
            value = 0.0 if values[name] is None else float(values[name])
        except (TypeError, ValueError):
            raise InputError(f"The feature {name} is {values[name]!r}: give a volume in mm3.") from None
        value = 0.0 if math.isnan(value) else value
        if math.isinf(value) or value < 0:
            raise InputError(f"The feature {name} is {value:g}: give a volume in mm3, 0 or above and finite.")
        result[region] = value
    return result


def _reasons(age: float | None, idh: str, volumes: dict[str, float]) -> list[str]:
    """Return why no category can be given, one sentence each."""
    reasons = []
    if volumes and max(volumes.values()) <= 0:
        reasons.append("No tumour was found in the segmentation, so there is nothing to predict.")
    if age is None:
        reasons.append("The age is not known; the model cannot do without it.")
    elif age < ADULT_FROM:
        reasons.append(f"The patient is {age:g} years old; the model was fitted on adults (18 years and older).")
    if idh == "mutated":
        reasons.append("The tumour is IDH-mutated; the model was fitted almost only on IDH-wildtype glioblastoma.")
    return reasons


def _flags(student: Student, age: float | None, volumes: dict[str, float]) -> list[Flag]:
    values: dict[str, float | None] = {"age": age}
    values.update({volume_feature(region): value for region, value in volumes.items()})
    flags = []
    empty = bool(volumes) and max(volumes.values()) <= 0
    for entry in student.card["inputs"]:
        # An empty tumour is a reason for no category; that each of its volumes is 0 need not be said again.
        if empty and entry["name"] != "age":
            continue
        flag = _range_flag(entry, values.get(entry["name"]))
        if flag is not None:
            flags.append(flag)
    if not volumes:
        message = f"No tumour volume was given: {UNRELIABLE}."
        flags.append(Flag(volume_feature("WT"), None, None, None, message))
    for whole, parts in _COMPOSED.items():
        if whole in volumes and all(part in volumes for part in parts):
            total = sum(volumes[part] for part in parts)
            if abs(total - volumes[whole]) > 0.01 * max(total, volumes[whole]):
                message = (
                    f"{volume_feature(whole)} is {volumes[whole]:,.6g} mm3, but its parts {' + '.join(parts)} add up "
                    f"to {total:,.6g} mm3 (mixed units?): {UNRELIABLE}."
                )
                flags.append(Flag(volume_feature(whole), volumes[whole], None, None, message))
    return flags


def _range_flag(entry: dict[str, Any], value: float | None) -> Flag | None:
    """Return a flag if ``value`` lies outside the training range of the card's ``entry``.

    For volumes the range is that of the regions that are not empty; an empty one is no surprise where the training
    patients had some.
    """
    low, high = float(entry["low"]), float(entry["high"])
    if value is None or low <= value <= high or (value == 0 and entry.get("empty_seen", False)):
        return None
    unit = entry.get("unit", "")
    hint = ""
    if unit == "mm3" and 0 < value < low and low <= value * _PER_MILLILITRE <= high:
        hint = " (was it given in mL? mm3 are expected)"
    message = (
        f"{entry['name']} is {value:,.6g} {unit}, outside the {low:,.6g} to {high:,.6g} {unit} of the training "
        f"patients{hint}: {UNRELIABLE}."
    )
    return Flag(str(entry["name"]), value, low, high, message)
