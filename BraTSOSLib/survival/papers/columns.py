"""The columns of a table of patients: which one holds what, and turning them into checked numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ..columns import needed_column
from ..covariates import NOT_GROSS_TOTAL, checked_resection, is_missing

if TYPE_CHECKING:
    import pandas as pd

ID_COLUMNS = ("case", "SubjectID", "ID", "Brats20ID", "patient_id")
DAYS_COLUMNS = ("days", "OS_days", "Survival_days", "Survival")
AGE_COLUMNS = ("age",)
_RESECTION_COLUMNS = ("resection", "GTR_over90", "EOR", "Extent_of_Resection")
_GROSS_TOTAL, _SUBTOTAL = "RS0", "RS1"
_RESECTION_WORDS = {"y": "GTR", "n": NOT_GROSS_TOTAL, "not available": "unknown", "na": "unknown", "n/a": "unknown"}
_NOT_FEATURES = {
    "event", "sex", "gender", "grade", "who cns grade", "label_hgg", "os_class", "idh", "idh1", "1p/19q", "mgmt",
    "mgmt status", "mgmt index", "kps", "egfr", "biopsy prior to imaging", "missing", "warnings", "flags",
    *(name.lower() for name in (*ID_COLUMNS, *DAYS_COLUMNS, *AGE_COLUMNS, *_RESECTION_COLUMNS)),
}  # fmt: skip


def numbers(frame: pd.DataFrame, column: str, table: str, low: float, high: float) -> np.ndarray:
    """Return a clinical column whose every value must be a number above ``low`` and at most ``high``."""
    values = _numeric(frame[column])
    wrong = ~((values > low) & (values <= high))
    if wrong.any():
        row = int(np.argmax(wrong))
        found = frame[column].iloc[row]
        what = "is missing" if is_missing(found) else f"is {found!s}"
        raise InputError(
            f"{table}, column {column!r}, row {frame.index[row]}: the value {what}; expected a number "
            f"above {low:g} and at most {high:g}."
        )
    return values


def _numeric(column: pd.Series) -> np.ndarray:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)


def read_events(frame: pd.DataFrame, table: str) -> np.ndarray:
    """Return whether each patient died, shape (n,); everybody did in a table without a column ``event``."""
    if "event" not in frame.columns:
        return np.ones(len(frame), dtype=bool)
    values = _numeric(frame["event"])
    wrong = ~np.isin(values, (0.0, 1.0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{table}, column 'event', row {frame.index[row]}: the value is {frame['event'].iloc[row]!s}; "
            "expected 1 for a death, 0 for a censored patient."
        )
    return values == 1.0


def read_resections(frame: pd.DataFrame, table: str) -> list[str]:
    """Return each patient's extent of resection: GTR, STR, biopsy, ``NOT_GROSS_TOTAL`` or unknown."""
    if {_GROSS_TOTAL, _SUBTOTAL} <= set(frame.columns) and not set(_RESECTION_COLUMNS) & set(frame.columns):
        gross, partial = _numeric(frame[_GROSS_TOTAL]), _numeric(frame[_SUBTOTAL])
        wrong = ~(np.isin(gross, (0, 1)) & np.isin(partial, (0, 1)) & (gross + partial <= 1))
        if wrong.any():
            raise InputError(
                f"{table}, columns {_GROSS_TOTAL!r} and {_SUBTOTAL!r}, row {frame.index[int(np.argmax(wrong))]}: "
                "expected 0 or 1 in each, and not both 1."
            )
        return [
            "GTR" if one == 1 else "STR" if two == 1 else "unknown" for one, two in zip(gross, partial, strict=True)
        ]
    column = needed_column(frame, _RESECTION_COLUMNS, table, "the extent of resection, blank where it is unknown")
    result = []
    for row, value in frame[column].items():
        word = _RESECTION_WORDS.get(str(value).strip().lower(), value)
        try:
            result.append(word if word == NOT_GROSS_TOTAL else checked_resection(word))
        except InputError as error:
            raise InputError(f"{table}, column {column!r}, row {row}: {error}") from None
    return result


def read_features(frame: pd.DataFrame, table: str, skip: bool, notes: list[str]) -> tuple[np.ndarray, list[str]]:
    """Return the features, shape (n, p), NaN where a value is missing, and their names.

    Infinite values stop, or with ``skip`` count as missing, which is added to ``notes``.
    """
    names: list[str] = []
    columns: list[np.ndarray] = []
    for name in map(str, frame.columns):
        if not name or name.lower() in _NOT_FEATURES or name in (_GROSS_TOTAL, _SUBTOTAL):
            continue
        if name.endswith("ID") or name.startswith(("diagnostics", "Unnamed:")):
            continue
        values = _feature(frame[name], name, table)
        if values is None:
            continue
        unbounded = np.isinf(values)
        if unbounded.any() and not skip:
            raise InputError(
                f"{table}, column {name!r}, row {frame.index[int(np.argmax(unbounded))]}: the value is infinite; "
                "correct it, or ask for bad values to be skipped."
            )
        if unbounded.any():
            notes.append(f"infinite values of {name}, counted as missing: {unbounded.sum()}")
        names.append(name)
        columns.append(np.where(unbounded, np.nan, values))
    return (np.column_stack(columns) if columns else np.empty((len(frame), 0))), names


def _feature(column: pd.Series, name: str, table: str) -> np.ndarray | None:
    """Return a column's numbers, ``None`` for a column of text; raise InputError where only some values are text."""
    values = _numeric(column)
    if column.dtype.kind in "bifu":
        return values
    blank = np.array([is_missing(value) for value in column], dtype=bool)
    text = np.isnan(values) & ~blank
    # Text in most rows is a description; in few rows it is a number that was damaged, and must not become a gap.
    if text.sum() > 0.5 * (~blank).sum():
        return None
    if text.any():
        row = int(np.argmax(text))
        raise InputError(f"{table}, column {name!r}, row {column.index[row]}: {column.iloc[row]!r} is not a number.")
    return values
