"""Survival estimates for a table of patients: one row in, one row out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic import atomic_file
from ..errors import DependencyError, InputError
from .categories import CATEGORIES
from .columns import KINDS, read_frame
from .explanation.clinical_inputs import ClinicalInput, clinical_inputs, missing_names
from .explanation.ranges import range_flags
from .explanation.suitability import reasons_against, warnings_for
from .patients import read_patients
from .student import Student, load_student

if TYPE_CHECKING:
    import pandas as pd

PROBABILITIES = tuple(f"p_{category}" for category in CATEGORIES)
COLUMNS = (
    *("case", "category", *PROBABILITIES, "days", "days_low", "days_high", "risk"),
    *("missing", "flags", "warnings", "reason"),
)
SEPARATOR = " | "
"""Between the entries of ``missing``, ``flags`` and ``warnings``."""
_AT_ONCE = 4096

Progress = Callable[[str, float], None]


def predict_table(
    table: str | os.PathLike[str] | pd.DataFrame,
    model: str | Path | Student | None = None,
    progress: Progress | None = None,
    *,
    region: str | None = None,
) -> pd.DataFrame:
    """Estimate the survival of every patient of a table, as `predictor.predict_survival` does for one.

    Parameters
    ----------
    table : path or DataFrame
        ``case`` and ``age`` (years); where known ``resection``, ``mgmt``, ``idh``, ``kps`` and any of the library's
        features, of which the region volumes in mm3 (``ET_original_shape_VoxelVolume``) are used. Also a table of the
        pyradiomics command line to which these columns were added; see `foreign_tables`. ``.csv``, ``.csv.gz``,
        ``.parquet``.
    model : path or Student, optional
        See `student.load_student`.
    progress : callable, optional
    region : str, optional
        The region that a pyradiomics table is about, where it does not say so itself.

    Returns
    -------
    DataFrame
        In the order of the table: ``case, category, p_short, p_medium, p_long, days, days_low, days_high, risk,
        missing, flags, warnings, reason``. Without age, for a child, a known IDH mutation or an empty tumour everything
        up to ``risk`` is empty and ``reason`` says why. ``attrs["unused"]`` lists the table's columns that are neither
        used nor features.

    Raises
    ------
    InputError
        For the first value that cannot be meant, naming column and row (1 = first patient), and for columns that are
        missing or there twice.

    Notes
    -----
    An empty cell means not known. Only where a row has the volume of one of NCR, ED and ET, the others of them, if
    empty, are regions without a voxel, as features.csv writes them.
    """
    import pandas as pd

    frame, name = read_frame(table)
    if progress is not None:
        progress("Reading the table", 0.0)
    patients, unused = read_patients(frame, name, region=region)
    student = load_student(model)
    data = patients.inputs(student.names)
    words: dict[str, list[str]] = {key: [] for key in ("missing", "flags", "warnings", "reason")}
    clinicals = clinical_inputs(student.names)
    for row, inputs in enumerate(patients.rows()):
        if progress is not None and row % _AT_ONCE == 0:
            progress("Checking the patients", 0.1 + 0.5 * row / len(patients))
        for key, said in zip(words, _words(student, clinicals, inputs, data[row]), strict=True):
            words[key].append(said)
    answered = np.array([reason == "" for reason in words["reason"]], dtype=bool)
    estimates = np.full((len(patients), len(PROBABILITIES) + 4), np.nan)
    rows = np.flatnonzero(answered)
    for start in range(0, len(rows), _AT_ONCE):
        if progress is not None:
            progress("Predicting survival", 0.6 + 0.4 * start / len(rows))
        part = rows[start : start + _AT_ONCE]
        estimates[part] = _estimates(student, data[part])
    result: dict[str, Any] = {"case": patients.names}
    chosen = np.nan_to_num(estimates[:, :3]).argmax(axis=1)
    categories = np.where(answered, np.array(CATEGORIES, dtype=object)[chosen], None)
    # of the kind "object", because newer pandas would turn None into NaN
    result["category"] = pd.Series(categories, dtype=object)
    result.update(zip((*PROBABILITIES, "days", "days_low", "days_high", "risk"), estimates.T, strict=True))
    result.update(words)
    predictions = pd.DataFrame(result, columns=list(COLUMNS))
    predictions.attrs["unused"] = unused
    return predictions


def write_predictions(predictions: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write the table, whole or not at all, as its name's ending says: .csv, .csv.gz or .parquet."""
    path = Path(path)
    check_output(path)
    with atomic_file(path) as unfinished:
        if path.suffix == ".parquet":
            predictions.to_parquet(unfinished, index=False)
        else:
            # Without the time of writing: the same predictions give the same bytes.
            packing: Any = {"method": "gzip", "mtime": 0} if path.suffix == ".gz" else None
            predictions.to_csv(
                unfinished,
                index=False,
                float_format="%.10g",
                lineterminator="\n",
                compression=packing,
                encoding="utf-8",
            )


def check_output(path: Path) -> None:
    """Raise InputError unless a table can be written under this name, and DependencyError where pyarrow is missing."""
    if not path.name.endswith(KINDS):
        raise InputError(f"The output {path.name} is of no known kind: name it with {', '.join(KINDS)}.")
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise DependencyError(f"Writing {path.name} needs pyarrow: pip install pyarrow, or name a .csv.") from error


def _words(
    student: Student, clinicals: tuple[ClinicalInput, ...], inputs: Mapping[str, Any], row: np.ndarray
) -> tuple[str, str, str, str]:
    """Return what is to be said about one patient: missing inputs, flags, warnings, the reason for no category."""
    age, idh, volumes = inputs["age"], inputs["idh"], inputs["volumes"]
    flags = range_flags(student.card["inputs"], {"age": age, "kps": inputs["kps"]}, volumes)
    return (
        SEPARATOR.join(missing_names(clinicals, inputs, row)),
        SEPARATOR.join(flag.message for flag in flags),
        SEPARATOR.join(warnings_for(age, idh, volumes, student.card.get("reference") or {})),
        " ".join(reasons_against(age, idh, volumes)),
    )


def _estimates(student: Student, data: np.ndarray) -> np.ndarray:
    """Return the probabilities, days, interval and risk, shape (n, 7)."""
    probabilities, days = student.predict(data)
    low, high = student.interval(data)
    return np.column_stack([probabilities, days, low, high, student.risk(data)])
