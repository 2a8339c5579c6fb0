"""Reading the feature table that a run wrote."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

from .errors import InputError


def read_feature_table(path: str | os.PathLike[str]) -> dict[str, float]:
    """Read a CSV file with the columns ``feature`` and ``value`` as a dictionary; an empty value is NaN.

    What is no feature is left out: diagnostics and the case's name, which some presets store in the table.

    Raises
    ------
    InputError
        If the file cannot be read as such a table, holds a value that is no number, or a feature twice.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"The feature table {path} cannot be read ({error.strerror}): check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a feature table ({error}): give a features.csv.") from error
    if not rows or not {"feature", "value"} <= set(rows[0]):
        raise InputError(f"{path} is not a feature table: it needs the columns feature and value, and rows below them.")
    table: dict[str, float] = {}
    for number, row in enumerate(rows, start=2):
        name, text = row["feature"] or "", (row["value"] or "").strip()
        if name == "case" or "diagnostics_" in name:
            continue
        try:
            value = float(text) if text else math.nan
        except ValueError:
            raise InputError(f"{path}, line {number}: the value of {name} is {text!r}, not a number.") from None
        if name in table:
            raise InputError(f"{path}, line {number}: the feature {name} is there twice; keep one.")
        table[name] = value
    return table
