"""Whether the model is meant for a patient: prominent warnings, and why there is no category."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..covariates import VOLUME_REGIONS
from .reference import training_distance

UNRELIABLE = "the estimate may not be reliable"
ADULT_FROM = 18.0
_PER_MILLILITRE = 1000.0


def reasons_against(age: float | None, idh: str, volumes: Mapping[str, float]) -> list[str]:
    """Return why no category can be given, one sentence each.

    Parameters
    ----------
    age : float or None
        Years.
    idh : str
        ``"mutated"``, ``"wildtype"`` or ``"unknown"``.
    volumes : dict
        mm3 by region, as far as given.
    """
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


def warnings_for(
    age: float | None, idh: str, volumes: Mapping[str, float], reference: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return whom the model is not meant for, where this patient seems to be one of them; one sentence each.

    Parameters
    ----------
    age, idh, volumes
        As in `reasons_against`.
    reference : dict
        The card's ``reference`` (`reference.reference_statistics`); with an empty one only what needs no comparison is
        noticed.

    Notes
    -----
    Region volumes cannot tell a resection cavity from a cyst or a necrosis, and a small or collapsed cavity leaves no
    trace in them: the warning is about tumours that look like one, its absence proves nothing.
    """
    warnings = []
    if age is not None and age < ADULT_FROM:
        warnings.append(
            f"The patient is {age:g} years old: the model is for adults, tumours of children are other diseases."
        )
    if idh == "mutated":
        warnings.append("The tumour is IDH-mutated: the model is for IDH-wildtype glioblastoma, survival differs much.")
    if all(region in volumes for region in VOLUME_REGIONS) and sum(volumes[region] for region in VOLUME_REGIONS) > 0:
        warnings += _appearance(volumes, reference)
    if age is not None and age >= ADULT_FROM and "distance" in reference:
        warnings += _distance(age, volumes, reference)
    return tuple(warnings)


def _appearance(volumes: Mapping[str, float], reference: Mapping[str, Any]) -> list[str]:
    """Say so where the tumour looks low grade, or as after an operation."""
    ncr, ed, et = (volumes[region] for region in VOLUME_REGIONS)
    whole, core = ncr + ed + et, ncr + et
    warnings = []
    share, of_core = et / whole, et / core if core > 0 else 0.0
    amount = ""
    if et <= 0:
        amount = "No part of the tumour"
    elif share < reference.get("enhancing_share_low", 0.0):
        amount = f"Only {100 * share:.1f} % of the tumour"
    elif of_core < reference.get("enhancing_share_of_core_low", 0.0):
        amount = f"Only {100 * of_core:.1f} % of the tumour core"
    if amount:
        warnings.append(
            f"{amount} enhances with contrast, less than in 99 % of the training patients: it may be a low-grade "
            f"glioma, for which the model is not meant, and {UNRELIABLE}."
        )
    if ncr / whole > reference.get("plain_core_share_high", 1.0):
        warnings.append(
            f"{100 * ncr / whole:.0f} % of the tumour is core without enhancement, more than in 99 % of the training "
            "patients: if it is a resection cavity, the model is not meant for these scans (it is for scans before "
            f"surgery), and {UNRELIABLE}."
        )
    return warnings


def _distance(age: float, volumes: Mapping[str, float], reference: Mapping[str, Any]) -> list[str]:
    """Say so where age and volumes together lie further out than those of 99 % of the training patients."""
    present = {region: volumes[region] for region in VOLUME_REGIONS if volumes.get(region, 0.0) > 0}
    if not present:
        return []
    distance, threshold = training_distance(reference, age, present)
    if distance <= threshold:
        return []
    enlarged = {region: value * _PER_MILLILITRE for region, value in present.items()}
    scaled, _ = training_distance(reference, age, enlarged)
    hint = "; were the volumes given in mL? mm3 are expected" if scaled <= threshold < distance else ""
    return [
        f"Age and tumour volumes together are unlike those of the training patients (distance {distance:.1f}, that of "
        f"99 % of them is below {threshold:.1f}{hint}): {UNRELIABLE}."
    ]
