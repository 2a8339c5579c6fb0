"""A cohort given as a CSV table: one row per case."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..case import MODALITIES, find_scans
from ..errors import InputError
from .found import FoundCase, clinical_values, name_problem, scans_problem

_COLUMNS = {
    "case": ("case", "name", "case_id", "patient", "subject", "id"),
    "t1": ("t1", "t1n"),
    "t1ce": ("t1ce", "t1c", "t1gd"),
    "t2": ("t2", "t2w"),
    "flair": ("flair", "t2f"),
    "segmentation": ("segmentation", "labels", "seg"),
    "age": ("age",),
    "resection": ("resection", "extent_of_resection", "eor"),
    "mgmt": ("mgmt",),
    "idh": ("idh", "idh1"),
    "kps": ("kps",),
    "days": ("days", "os_days", "survival_days", "survival"),
    "event": ("event", "dead", "died", "deceased"),
}
"""What each column may be called; capitals, and blanks or dashes for underscores, do not matter."""

_MISSING = {"", "na", "n/a", "nan", "none", "null", "not available", "unknown", "?"}
_YES_NO = {"1": True, "1.0": True, "yes": True, "true": True, "0": False, "0.0": False, "no": False, "false": False}
_ALIVE = re.compile(r"alive\s*\(\s*(\d+)\s*days later\s*\)", re.IGNORECASE)


def read_table(path: Path) -> Iterator[FoundCase]:
    """Read the rows of a table one after another, each checked as far as it can be without reading scans.

    The columns are ``case``, ``t1``, ``t1ce``, ``t2``, ``flair``, ``age``, ``resection``, and optionally
    ``segmentation``, ``mgmt``, ``idh``, ``kps``, ``days`` and ``event``. Paths are relative to the table's folder.
    Where a row names no scan, the case's folder is the one of that name beside the table.

    Raises
    ------
    InputError
        If the file is no such table. What is wrong with a row is its ``problem``.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _read_rows(path, file)
    except OSError as error:
        raise InputError(f"The cohort table {path} cannot be read ({error.strerror}): check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"The cohort table {path} is not UTF-8 text ({error.reason}): save it as CSV UTF-8."
        ) from error
    except csv.Error as error:
        raise InputError(f"The cohort table {path} is not a CSV table ({error}): save it again as CSV.") from error


def _read_rows(path: Path, file: Any) -> Iterator[FoundCase]:
    header = file.readline()
    delimiter = max(",;\t", key=header.count)
    names = next(csv.reader([header], delimiter=delimiter), [])
    columns = _columns(path, names)
    reader = csv.reader(file, delimiter=delimiter)
    for fields in reader:
        if not any(field.strip() for field in fields):
            continue
        row = reader.line_num + 1
        if len(fields) > len(names) and any(field.strip() for field in fields[len(names) :]):
            problem = f"The row has {len(fields)} fields and the header {len(names)}: quote what holds {delimiter!r}."
            yield FoundCase(f"row {row}", f"row {row}", problem=problem)
            continue
        values = {key: fields[index].strip() for key, index in columns.items() if index < len(fields)}
        yield _read_row(path.parent, row, values)


def _columns(path: Path, names: list[str]) -> dict[str, int]:
    """Return the position of each known column."""
    spelled = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in names]
    found: dict[str, int] = {}
    for key, spellings in _COLUMNS.items():
        there = [index for index, name in enumerate(spelled) if name in spellings]
        if len(there) > 1:
            first, second = (names[index] for index in there[:2])
            raise InputError(f"The cohort table {path} has two columns for {key} ({first}, {second}): keep one.")
        if there:
            found[key] = there[0]
    if "case" not in found:
        shown = ", ".join(name for name in names[:6] if name) or "nothing"
        raise InputError(
            f"The cohort table {path} has no column 'case' (it begins with {shown}): its first line must name the "
            "columns case, t1, t1ce, t2, flair, age, resection."
        )
    return found


def _read_row(folder: Path, row: int, values: Mapping[str, str]) -> FoundCase:
    where = f"row {row}"
    name = values.get("case", "")
    if not name:
        return FoundCase(where, where, problem="The row names no case: fill in the column case.")
    problem = name_problem(name)
    if problem:
        return FoundCase(where, where, problem=problem)
    given = {key: "" if text.lower() in _MISSING else text for key, text in values.items()}
    case = FoundCase(name, where)
    try:
        scans, labels = _scans(folder, name, given)
        case = replace(case, scans=scans, labels=labels, clinical=clinical_values({}))
        case = replace(case, clinical=clinical_values(given))
        days, event = _survival(given)
    except InputError as error:
        return replace(case, problem=str(error))
    return replace(case, days=days, event=event, problem=scans_problem(scans, labels))


def _scans(folder: Path, name: str, given: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
    labels = given.get("segmentation")
    scans = {kind: str(_absolute(folder, given[kind])) for kind in MODALITIES if given.get(kind)}
    if not scans and (folder / name).is_dir():
        scans = {kind: str(_absolute(folder, str(path))) for kind, path in find_scans(folder / name).items()}
    return scans, str(_absolute(folder, labels)) if labels else None


def _absolute(folder: Path, text: str) -> Path:
    path = Path(text).expanduser()
    return path if path.is_absolute() else folder.resolve() / path


def _survival(given: Mapping[str, str]) -> tuple[float | None, bool | None]:
    text = given.get("days", "")
    if not text:
        return None, None
    event: bool | None = True
    alive = _ALIVE.fullmatch(text)
    if alive:
        text, event = alive[1], False
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not (math.isfinite(days) and days > 0):
        raise InputError(f"The survival is {given['days']!r}: give a number of days above 0, or leave it empty.")
    if given.get("event"):
        event = _YES_NO.get(given["event"].lower())
        if event is None:
            raise InputError(f"The event is {given['event']!r}: give 1 (died) or 0 (alive at the last contact).")
    return days, event
