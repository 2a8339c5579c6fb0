"""Reading a table's columns with one clear sentence, naming column and row, for whatever is wrong with one."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .covariates import is_missing

if TYPE_CHECKING:
    import pandas as pd


def read_frame(source: Any) -> tuple[pd.DataFrame, str]:
    """Return a table (path of a .csv or .csv.gz file, or a DataFrame) and what a message calls it."""
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return _without_repeats(source, "The table"), "The table"
    path = Path(source)
    if not path.is_file():
        raise InputError(f"The table {path} does not exist: give the path of a .csv or .csv.gz file.")
    try:
        opener: Any = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream), [])
        frame = pd.read_csv(path, encoding="utf-8-sig", low_memory=False)
    except (OSError, EOFError, UnicodeDecodeError, ValueError, csv.Error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"The table {path.name} cannot be read as comma-separated values: {reason}.") from error
    # pandas renames a repeated column silently, so the file's own header is put back for the check above.
    if len(header) == len(frame.columns):
        frame.columns = pd.Index([column.strip() for column in header])
    return _without_repeats(frame, path.name), path.name


def _without_repeats(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    duplicated = [str(column) for column in frame.columns[frame.columns.duplicated()]]
    if duplicated:
        raise InputError(f"{name} has the column {duplicated[0]!r} more than once: keep one of them.")
    return frame


def find_column(frame: pd.DataFrame, names: tuple[str, ...], table: str, meaning: str) -> str:
    """Return the first of ``names`` that is a column of ``frame``."""
    for name in names:
        if name in frame.columns:
            return name
    raise InputError(f"{table} has no column with {meaning}: name it {' or '.join(repr(name) for name in names[:2])}.")


def numbers(frame: pd.DataFrame, column: str, table: str, *, missing: bool = False) -> np.ndarray:
    """Return a column of finite numbers, shape (n,); NaN where the value is blank and ``missing`` allows it."""
    import pandas as pd

    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64)
    blank = np.array([is_missing(value) for value in frame[column]], dtype=bool)
    text = np.isnan(values) & ~blank
    if text.any():
        row = int(np.argmax(text))
        raise InputError(f"{table}, column {column!r}, row {row + 1}: {frame[column].iloc[row]!r} is not a number.")
    infinite = np.isinf(values)
    if infinite.any():
        raise InputError(f"{table}, column {column!r}, row {int(np.argmax(infinite)) + 1}: the value is infinite.")
    if blank.any() and not missing:
        raise InputError(f"{table}, column {column!r}, row {int(np.argmax(blank)) + 1}: the value is missing.")
    return values


def check_ids(ids: list[str], table: str, column: str) -> None:
    """Raise InputError if a patient occurs twice."""
    seen: set[str] = set()
    for row, name in enumerate(ids, start=1):
        if name in seen:
            raise InputError(f"{table}, column {column!r}, row {row}: the patient {name!r} occurs twice, keep one row.")
        seen.add(name)


def check_range(values: np.ndarray, column: str, table: str, low: float, high: float, unit: str) -> None:
    """Raise InputError unless every value is above ``low`` and at most ``high``."""
    wrong = (values <= low) | (values > high)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{table}, column {column!r}, row {row + 1}: {values[row]:g} {unit} is impossible; expected more than "
            f"{low:g} and at most {high:g}."
        )


def choices(frame: pd.DataFrame, column: str, table: str, check: Callable[[Any], str]) -> list[str]:
    """Return ``check`` of every value of a column; the error names column and row."""
    result = []
    for row, value in enumerate(frame[column], start=1):
        try:
            result.append(check(value))
        except InputError as error:
            raise InputError(f"{table}, column {column!r}, row {row}: {error}") from None
    return result
