"""The student's columns grouped into what a clinician calls one input, with each value in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..covariates import INPUT_GROUPS, INPUT_MEANINGS, VOLUME_REGIONS, volume_feature

VOLUMES = "volumes"
"""The name of the group of all columns that are computed from the region volumes."""

LABELS = {
    "age": "Age",
    "resection": "Extent of resection",
    "mgmt": "MGMT promoter",
    "kps": "Karnofsky score",
    VOLUMES: "Tumour volumes",
}
_RESECTION_WORDS = {
    "GTR": "gross total resection",
    "STR": "subtotal resection",
    "biopsy": "biopsy only",
}
NOT_GIVEN = "not given"
_UNINFORMATIVE = (None, "unknown", "indeterminate")


@dataclass(frozen=True)
class ClinicalInput:
    """One input as the clinic knows it.

    Attributes
    ----------
    name : str
        A group of `covariates.INPUT_GROUPS`: ``age``, ``resection``, ``mgmt``, ``kps`` or ``volumes``.
    label : str
        What a reader is shown.
    columns : tuple of int
        The student's columns that encode it, e.g. "gross total" and "biopsy" of the resection.
    """

    name: str
    label: str
    columns: tuple[int, ...]


def clinical_inputs(names: tuple[str, ...]) -> tuple[ClinicalInput, ...]:
    """Group the student's input ``names`` in the order in which they first occur."""
    groups: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        group = next((group for group, members in INPUT_GROUPS.items() if name in members), name)
        groups.setdefault(group, []).append(column)
    return tuple(
        ClinicalInput(name, LABELS.get(name, INPUT_MEANINGS.get(name, name)), tuple(columns))
        for name, columns in groups.items()
    )


def is_given(clinical: ClinicalInput, inputs: Mapping[str, Any], row: np.ndarray) -> bool:
    """Return whether the patient's value says anything: an unknown resection or an indeterminate MGMT does not.

    Parameters
    ----------
    clinical : ClinicalInput
    inputs : dict
        As in `Prediction.inputs`.
    row : ndarray, shape (p,)
        The same patient as the student is told; NaN where an input is missing.
    """
    if clinical.name in inputs and inputs[clinical.name] in _UNINFORMATIVE:
        return False
    return bool(np.isfinite(row[list(clinical.columns)]).any())


def missing_names(clinicals: tuple[ClinicalInput, ...], inputs: Mapping[str, Any], row: np.ndarray) -> tuple[str, ...]:
    """Return the inputs that the model uses and that were not given, by their names in `Prediction.inputs`."""
    missing: list[str] = []
    for clinical in clinicals:
        if clinical.name == VOLUMES:
            if not np.isfinite(row[list(clinical.columns)]).all():
                features = (volume_feature(region) for region in VOLUME_REGIONS)
                missing += [name for name in features if name not in inputs]
        elif not is_given(clinical, inputs, row):
            missing.append(clinical.name)
    return tuple(missing)


def value_of(clinical: ClinicalInput, inputs: Mapping[str, Any], row: np.ndarray) -> float | str | None:
    """Return the value as it was given (age in years, MGMT in words); the whole tumour in mm3 for the volumes."""
    if clinical.name == VOLUMES:
        return whole_volume(inputs)
    if clinical.name in inputs:
        return inputs[clinical.name]
    value = float(row[clinical.columns[0]])
    return value if np.isfinite(value) else None


def shown_value(clinical: ClinicalInput, inputs: Mapping[str, Any], row: np.ndarray) -> str:
    """Return the value in words and with its unit, or ``"not given"``."""
    value = value_of(clinical, inputs, row)
    if clinical.name == VOLUMES:
        parts = [
            f"{region} {inputs[volume_feature(region)] / 1000:.1f}"
            for region in (*VOLUME_REGIONS, "WT")
            if volume_feature(region) in inputs
        ]
        return f"{', '.join(parts)} mL" if parts else NOT_GIVEN
    if value in (None, "unknown"):
        return NOT_GIVEN
    if clinical.name == "age":
        return f"{value:g} years"
    if clinical.name == "resection":
        return _RESECTION_WORDS.get(str(value), str(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def whole_volume(inputs: Mapping[str, Any]) -> float | None:
    """Return the whole tumour's volume in mm3: as given, else the sum of its parts, else None."""
    if volume_feature("WT") in inputs:
        return float(inputs[volume_feature("WT")])
    parts = [inputs.get(volume_feature(region)) for region in VOLUME_REGIONS]
    return None if any(part is None for part in parts) else float(sum(float(part) for part in parts if part))
