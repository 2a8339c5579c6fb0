"""The survival estimate of one patient, with every reason to distrust it."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
from .explanation.clinical_inputs import clinical_inputs, missing_names
from .explanation.neighbours import cohort_place
from .explanation.ranges import COMPOSED, Flag, range_flags
from .explanation.shapley import contributions
from .explanation.suitability import UNRELIABLE, reasons_against, warnings_for
from .prediction import Prediction, SegmentationSpread
from .student import Student, load_student

__all__ = ["UNRELIABLE", "Flag", "Prediction", "SegmentationSpread", "predict_survival"]

_CARD_SUMMARY = ("intended_use", "limits", "training_data", "metrics", "reliability", "coverage")


def predict_survival(
    features: Any,
    age: float | None = None,
    resection: str | None = "unknown",
    *,
    mgmt: str | None = None,
    idh: str | None = None,
    kps: float | None = None,
    model: str | Path | Student | None = None,
    explain: bool = True,
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
        performance score. A known IDH mutation rules a category out; whether the model uses the others is said by its
        card's ``arguments``.
    model : path or Student, optional
        See `student.load_student`.
    explain : bool
        Also give contributions and similar patients, which take nearly all of the time.

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
    inputs: dict[str, Any] = {
        "age": checked_age(age),
        "resection": checked_resection(resection),
        "mgmt": checked_choice(mgmt, "MGMT status", MGMT_STATES),
        "idh": checked_choice(idh, "IDH status", IDH_STATES),
        "kps": checked_performance(kps),
    }
    volumes = _given_volumes(features)
    student = load_student(model)
    row = _row(student, inputs, volumes)
    entries = student.card["inputs"]
    flags = range_flags(entries, {name: inputs[name] for name in ("age", "kps")}, volumes)
    warnings = warnings_for(inputs["age"], inputs["idh"], volumes, student.card.get("reference") or {})
    reasons = reasons_against(inputs["age"], inputs["idh"], volumes)
    inputs.update({volume_feature(region): value for region, value in volumes.items()})
    clinicals = clinical_inputs(student.names)
    estimate: dict[str, Any] = {"category": None, "probabilities": None, "days": None}
    if not reasons:
        estimate = _estimate(student, row)
        if explain and len(student.cohort.days):
            shown, base = contributions(student.risk, row, student.cohort.inputs, clinicals, inputs)
            place = cohort_place(student, estimate["risk"])
            estimate |= {"contributions": shown, "base_risk": base, "cohort": place}
    return Prediction(
        reason=" ".join(reasons) or None,
        flags=flags,
        warnings=warnings,
        missing=missing_names(clinicals, inputs, row),
        inputs=inputs,
        model={
            **{key: student.card[key] for key in ("name", "version", "sha256")},
            **{key: student.card[key] for key in _CARD_SUMMARY if key in student.card},
        },
        **estimate,
    )


def _row(student: Student, inputs: Mapping[str, Any], volumes: Mapping[str, float]) -> np.ndarray:
    """Return the patient as the student is told, shape (p,); NaN where an input is missing."""
    columns = encode(
        np.array([_or_nan(inputs["age"])]),
        [inputs["resection"]],
        {region: np.array([_or_nan(volumes.get(region))]) for region in (*VOLUME_REGIONS, "WT")},
        mgmt=[inputs["mgmt"]],
        kps=np.array([_or_nan(inputs["kps"])]),
    )
    return np.array([columns[name][0] for name in student.names])


def _estimate(student: Student, row: np.ndarray) -> dict[str, Any]:
    """Return what the student itself says about a patient, by the names in `Prediction`."""
    rows = row[None]
    chances, medians = student.predict(rows)
    low, high = student.interval(rows)
    return {
        "category": CATEGORIES[int(chances[0].argmax())],
        "probabilities": {name: float(chance) for name, chance in zip(CATEGORIES, chances[0], strict=True)},
        "days": float(medians[0]),
        "days_low": float(low[0]),
        "days_high": float(high[0]),
        "risk": float(student.risk(rows)[0]),
    }


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
        wanted = {volume_feature(region) for region in (*VOLUME_REGIONS, *COMPOSED)}
        twice = next((name for name in names if name in wanted and names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"The feature table holds {twice} more than once: keep one row.")
        values = dict(zip(names, features["value"], strict=True))
    else:
        raise InputError(f"The features are of the kind {type(features).__name__}: give a table or a dictionary.")
    result = {}
    for region in (*VOLUME_REGIONS, *COMPOSED):
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
