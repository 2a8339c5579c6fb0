"""Reading a table of patients and its columns, with errors that name table, column and row (1 = first patient)."""

from __future__ import annotations

import csv
import gzip
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DependencyError, InputError

if TYPE_CHECKING:
    import pandas as pd

CASE_COLUMNS = ("case", "SubjectID", "ID")
KINDS = (".csv", ".csv.gz", ".parquet")
_BLANK = ("", "nan", "na", "n/a", "none", "null", "not available")
_NAMES_KEPT = {"case", "subjectid", "id", "patient"}


def plain(name: object) -> str:
    """Return a column's name without capitals, spaces and dashes, by which columns are recognised."""
    return "".join(letter for letter in str(name).lower() if letter.isalnum())


def read_frame(source: str | os.PathLike[str] | pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Read a table.

    Parameters
    ----------
    source : path or DataFrame
        ``.csv``, ``.csv.gz`` or ``.parquet``. The names of cases stay text: ``007`` is not 7.

    Returns
    -------
    frame : DataFrame
    name : str
        What messages call the table.

    Raises
    ------
    InputError
        If the file cannot be read, holds a column twice or no row.
    DependencyError
        If pyarrow is needed and not installed.
    """
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        frame, name = source, "The table"
    else:
        path = Path(source)
        name = path.name
        if not path.is_file():
            raise InputError(f"The table {path} does not exist: give the path of a {', '.join(KINDS)} file.")
        frame = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    names = [str(column).strip() for column in frame.columns]
    seen: dict[str, str] = {}
    for column in names:
        if plain(column) in seen:
            raise InputError(f"{name} has the column {column!r} more than once: keep one of them.")
        seen[plain(column)] = column
    if len(frame) == 0:
        raise InputError(f"{name} holds no rows: give at least one patient below the names of the columns.")
    result = frame.set_axis(names, axis=1)
    return result, name


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        opener: Any = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream), [])
        # Columns are asked for by number and named afterwards, because pandas renames a repeated column silently.
        kept = [number for number, column in enumerate(header) if plain(column) in _NAMES_KEPT]
        with warnings.catch_warnings():
            # A row of more cells than there are columns would lose the last ones with a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                encoding="utf-8-sig",
                header=None,
                skiprows=1,
                names=list(range(len(header))),
                index_col=False,
                dtype=dict.fromkeys(kept, str),
                na_values={number: list(_BLANK) for number in range(len(header)) if number not in kept},
                keep_default_na=False,
                low_memory=False,
            )
    except pd.errors.ParserWarning as error:
        raise InputError(
            f"A row of {path.name} has more cells than its {len(header)} columns: put text with commas in quotes."
        ) from error
    except (OSError, EOFError, UnicodeDecodeError, ValueError, csv.Error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"The table {path.name} cannot be read as comma-separated values: {reason}.") from error
    if len(header) == 1 and ";" in header[0]:
        raise InputError(f"The columns of {path.name} are separated by semicolons: save it with commas.")
    return frame.set_axis(header, axis=1)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise DependencyError(
            f"Reading {path.name} needs pyarrow: pip install pyarrow, or give a .csv file."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"The table {path.name} cannot be read as Parquet: save it anew, or as .csv.") from error


def find_column(frame: pd.DataFrame, names: Sequence[str]) -> str | None:
    """Return the first of ``names`` that ``frame`` has, whatever its capitals, spaces and dashes; None without one."""
    columns = {plain(column): str(column) for column in frame.columns}
    return next((columns[plain(name)] for name in names if plain(name) in columns), None)


def needed_column(frame: pd.DataFrame, names: Sequence[str], table: str, meaning: str) -> str:
    """Return what `find_column` finds, or raise InputError."""
    found = find_column(frame, names)
    if found is None:
        held = ", ".join(repr(str(column)) for column in frame.columns[:8]) + (", ..." if frame.shape[1] > 8 else "")
        raise InputError(f"{table} has no column {names[0]!r} ({meaning}), only {held}: add or rename it.")
    return found


def place(table: str, column: str, row: int, cases: Sequence[str] | None = None) -> str:
    """Return how a message names a cell; ``row`` counts from 0."""
    who = f" (case {cases[row]!r})" if cases is not None else ""
    return f"{table}, column {column!r}, row {row + 1}{who}"


def case_names(frame: pd.DataFrame, column: str, table: str) -> list[str]:
    """Return the names of the cases; raise InputError for a missing one and for one that is there twice."""
    names = ["" if value is None or value != value else str(value).strip() for value in frame[column].tolist()]
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        if not name:
            raise InputError(f"{place(table, column, row)}: the case has no name, give it one.")
        if name in first:
            raise InputError(
                f"{place(table, column, row)}: the case {name!r} is already in row {first[name] + 1}, keep one row."
            )
        first[name] = row
    return names


def is_blank(values: pd.Series) -> np.ndarray:
    """Say which cells are empty or hold a word for it; bool, shape (n,)."""
    blank = values.isna().to_numpy(dtype=bool, copy=True)  # newer pandas lends its own array, read-only
    if values.dtype == object or str(values.dtype).startswith(("str", "category")):
        blank |= values.astype(str).str.strip().str.lower().isin(_BLANK).to_numpy(dtype=bool)
    return blank


def numbers(frame: pd.DataFrame, column: str, table: str, cases: Sequence[str] | None = None) -> np.ndarray:
    """Return a column as float64, shape (n,), NaN where it is blank; raise InputError for text and infinity."""
    import pandas as pd

    series = frame[column]
    values = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    text = np.isnan(values) & ~is_blank(series)
    for wrong, what in ((text, "is not a number"), (np.isinf(values), "is infinite")):
        if wrong.any():
            row = int(np.argmax(wrong))
            shown = series.iloc[row] if what == "is not a number" else f"{values[row]:g}"
            raise InputError(f"{place(table, column, row, cases)}: {shown!r} {what}.")
    return values


def refuse(
    wrong: np.ndarray, values: np.ndarray, column: str, table: str, cases: Sequence[str] | None, expected: str
) -> None:
    """Raise InputError that names the first row in which ``wrong`` is true and what was expected there."""
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(f"{place(table, column, row, cases)}: the value is {values[row]:g}; expected {expected}.")


def refuse_infinite(frame: pd.DataFrame, table: str, cases: Sequence[str], ignored: Iterable[str] = ()) -> None:
    """Raise InputError if any other numeric column holds infinity."""
    import pandas as pd

    left_out = set(ignored)
    for column in frame.columns:
        if column in left_out or not pd.api.types.is_float_dtype(frame[column]):
            continue
        infinite = np.isinf(frame[column].to_numpy(dtype=np.float64, na_value=np.nan))
        if infinite.any():
            raise InputError(f"{place(table, str(column), int(np.argmax(infinite)), cases)}: the value is infinite.")


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first few names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
