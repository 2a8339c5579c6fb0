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
VOLUME_REGIONS = ("NCR", "ED", "ET")
MGMT_STATES = ("methylated", "unmethylated", "indeterminate", "unknown")
IDH_STATES = ("mutated", "wildtype", "unknown")

CLINICAL_INPUTS = ("age", "gross_total_resection", "resection_known")
VOLUME_INPUTS = ("log_NCR", "log_ED", "log_ET", "core_share", "enhancing_share")
INPUT_MEANINGS = {
    "age": "age at surgery in years",
    "gross_total_resection": "+1 gross total resection, -1 subtotal resection or biopsy, 0 unknown",
    "resection_known": "1 if the extent of resection is known, else 0",
    "log_NCR": "natural logarithm of 1 + volume of NCR in mm3",
    "log_ED": "natural logarithm of 1 + volume of ED in mm3",
    "log_ET": "natural logarithm of 1 + volume of ET in mm3",
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
    ages: np.ndarray, resections: list[str], volumes: dict[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Return every candidate input of the student by its name, before standardisation.

    Parameters
    ----------
    ages : ndarray, shape (n,)
        Years; NaN where unknown.
    resections : list of str, length n
        Members of ``RESECTIONS``. Subtotal resection and biopsy share one level, because the training table does not
        tell them apart.
    volumes : dict of ndarray, shape (n,), optional
        mm3 by region (NCR, ED, ET); NaN where unknown, 0 where the region is empty.

    Returns
    -------
    dict of ndarray, shape (n,)
        NaN where an input is missing.
    """
    known = np.array([value != "unknown" for value in resections], dtype=np.float64)
    gross_total = np.array([value == "GTR" for value in resections], dtype=np.float64)
    empty = np.full(len(known), np.nan)
    volumes = volumes or {}
    ncr, ed, et = (np.asarray(volumes.get(region, empty), dtype=np.float64) for region in VOLUME_REGIONS)
    core, whole = ncr + et, ncr + ed + et
    with np.errstate(divide="ignore", invalid="ignore"):
        core_share = np.where(whole > 0, core / whole, np.nan)
        enhancing_share = np.where(core > 0, et / core, np.nan)
    return {
        "age": np.asarray(ages, dtype=np.float64),
        "gross_total_resection": (2.0 * gross_total - 1.0) * known,
        "resection_known": known,
        "log_NCR": np.log1p(ncr),
        "log_ED": np.log1p(ed),
        "log_ET": np.log1p(et),
        "core_share": core_share,
        "enhancing_share": enhancing_share,
    }
