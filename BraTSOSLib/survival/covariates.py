"""The inputs a survival model may use on a new patient, how they are validated and how they are encoded.

Only what BraTSOS computes itself or what the clinic knows belongs here; whatever else a training table holds is
privileged information for the teacher.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import InputError

MAXIMUM_AGE = 120.0
RESECTIONS = ("GTR", "STR", "biopsy", "unknown")
NOT_GROSS_TOTAL = "not GTR"
"""Resection of a patient in a training table that tells only gross total from anything less."""
VOLUME_REGIONS = ("NCR", "ED", "ET")
MGMT_STATES = ("methylated", "unmethylated", "indeterminate", "unknown")
IDH_STATES = ("mutated", "wildtype", "unknown")

CLINICAL_INPUTS = ("age", "gross_total_resection", "biopsy", "mgmt_methylated", "kps")
VOLUME_INPUTS = ("log_NCR", "log_ED", "log_ET", "log_WT", "core_share", "enhancing_share")
INPUT_GROUPS = {
    "age": ("age",),
    "resection": ("gross_total_resection", "biopsy"),
    "mgmt": ("mgmt_methylated",),
    "kps": ("kps",),
    "volumes": VOLUME_INPUTS,
}
"""What the clinic or the segmentation gives as one, and the columns that encode it: known or missing together."""
INPUT_MEANINGS = {
    "age": "age at surgery in years",
    "gross_total_resection": "+1 gross total resection, -1 subtotal resection or biopsy; missing if unknown",
    "biopsy": "1 biopsy only, 0 any resection; missing if unknown or not told apart from subtotal resection",
    "mgmt_methylated": "+1 MGMT promoter methylated, -1 unmethylated; missing if unknown or indeterminate",
    "kps": "Karnofsky performance score before surgery, 0 to 100",
    "log_NCR": "natural logarithm of 1 + volume of NCR in mm3",
    "log_ED": "natural logarithm of 1 + volume of ED in mm3",
    "log_ET": "natural logarithm of 1 + volume of ET in mm3",
    "log_WT": "natural logarithm of 1 + volume of the whole tumour in mm3",
    "core_share": "(NCR + ET) / (NCR + ED + ET), by volume",
    "enhancing_share": "ET / (NCR + ET), by volume; missing without a tumour core",
}

_SYNONYMS = {"mutant": "mutated", "wild-type": "wildtype", "wild type": "wildtype", "gross total resection": "GTR"}


def volume_feature(region: str) -> str:
    """Return the name of the volume feature of ``region``, e.g. ``ET_original_shape_VoxelVolume`` (mm3)."""
    return f"{region}_original_shape_VoxelVolume"


def is_missing(value: Any) -> bool:
    """Return True for ``None``, NaN and blank text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    try:
        return math.isnan(value)
    except TypeError:
        return False


def checked_age(age: Any) -> float | None:
    """Return the age in years, or ``None`` where it is not known; raise InputError where no age can be meant."""
    if is_missing(age):
        return None
    try:
        value = float(age)
    except (TypeError, ValueError):
        raise InputError(f"The age is {age!r}: give it as a number of years, e.g. 60.7.") from None
    if not (0.0 < value <= MAXIMUM_AGE):
        raise InputError(f"The age is {value:g} years: give an age above 0 and at most {MAXIMUM_AGE:g} years.")
    return value


def checked_choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """Return the member of ``choices`` that ``value`` names in any case; what is missing is ``"unknown"``."""
    if is_missing(value):
        return "unknown"
    text = str(value).strip()
    text = _SYNONYMS.get(text.lower(), text)
    for choice in choices:
        if text.lower() == choice.lower():
            return choice
    raise InputError(f"The {name} is {text!r}: give one of {', '.join(choices)}.")


def checked_resection(value: Any) -> str:
    """Return ``"GTR"``, ``"STR"``, ``"biopsy"`` or ``"unknown"``; raise InputError for anything else."""
    return checked_choice(value, "resection", RESECTIONS)


def checked_performance(kps: Any) -> float | None:
    """Return the Karnofsky performance score (0 to 100), or ``None`` where it is not known."""
    if is_missing(kps):
        return None
    try:
        value = float(kps)
    except (TypeError, ValueError):
        raise InputError(f"The KPS is {kps!r}: give a number from 0 to 100.") from None
    if not (0.0 <= value <= 100.0):
        raise InputError(f"The KPS is {value:g}: give a number from 0 to 100.")
    return value


def encode(
    ages: np.ndarray,
    resections: list[str],
    volumes: dict[str, np.ndarray] | None = None,
    *,
    mgmt: list[str] | None = None,
    kps: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return every candidate input of the student by its name, before standardisation.

    Parameters
    ----------
    ages : ndarray, shape (n,)
        Years; NaN where unknown.
    resections : list of str, length n
        Members of ``RESECTIONS``, or ``NOT_GROSS_TOTAL`` where subtotal resection and biopsy are not told apart.
    volumes : dict of ndarray, shape (n,), optional
        mm3 by region (NCR, ED, ET, WT); NaN where unknown, 0 where the region is empty.
    mgmt : list of str, length n, optional
        Members of ``MGMT_STATES``.
    kps : ndarray, shape (n,), optional
        Karnofsky performance score; NaN where unknown.

    Returns
    -------
    dict of ndarray, shape (n,)
        NaN where an input is missing.
    """
    count = len(resections)
    empty = np.full(count, np.nan)
    volumes = volumes or {}
    ncr, ed, et = (np.asarray(volumes.get(region, empty), dtype=np.float64) for region in VOLUME_REGIONS)
    core, parts = ncr + et, ncr + ed + et
    whole = np.where(np.isnan(parts), np.asarray(volumes.get("WT", empty), dtype=np.float64), parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        core_share = np.where(parts > 0, core / parts, np.nan)
        enhancing_share = np.where(core > 0, et / core, np.nan)
    return {
        "age": np.asarray(ages, dtype=np.float64),
        "gross_total_resection": _coded(resections, {"GTR": 1.0, "STR": -1.0, "biopsy": -1.0, NOT_GROSS_TOTAL: -1.0}),
        "biopsy": _coded(resections, {"GTR": 0.0, "STR": 0.0, "biopsy": 1.0}),
        "mgmt_methylated": _coded(mgmt or ["unknown"] * count, {"methylated": 1.0, "unmethylated": -1.0}),
        "kps": empty if kps is None else np.asarray(kps, dtype=np.float64),
        "log_NCR": np.log1p(ncr),
        "log_ED": np.log1p(ed),
        "log_ET": np.log1p(et),
        "log_WT": np.log1p(whole),
        "core_share": core_share,
        "enhancing_share": enhancing_share,
    }


def _coded(values: list[str], codes: dict[str, float]) -> np.ndarray:
    return np.array([codes.get(value, math.nan) for value in values], dtype=np.float64)
