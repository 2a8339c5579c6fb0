"""The layouts in which SlicerRadiomics and the pyradiomics command line write features."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError

FEATURE = re.compile(r"[A-Za-z0-9.\-]+_(shape2D|shape|firstorder|glcm|glrlm|glszm|gldm|ngtdm)_[A-Za-z0-9]+$")
"""A feature as pyradiomics names it."""
_SLICER_COLUMNS = ("Image type", "Feature Class", "Feature Name")
_TEXT_LINE = re.compile(r"Case-(\d+)_([^:]+): ?(.*)$")
_LABEL_SETTING = re.compile(r"['\"]label['\"]:\s*(\d+)")


@dataclass(frozen=True)
class Block:
    """The features of one region of one image; ``label`` is the mask's value where it is known."""

    place: str
    mask: str
    image: str
    label: int | None
    values: Mapping[str, Any]


def read_text(path: Path) -> str:
    """Return a table's text, or raise InputError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"The feature table {path} cannot be read ({error.strerror}): check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a feature table ({error}): give a features.csv.") from error


def foreign_blocks(text: str, name: str) -> list[Block] | None:
    """Return what another program's table holds; None if it is none."""
    start = text.lstrip()[:1]
    if start in ("[", "{"):
        return _of_json(text, name)
    if text.startswith("Case-") and _TEXT_LINE.match(text.splitlines()[0]):
        return _of_text(text, name)
    first = text.split("\n", 1)[0]
    rows = list(csv.reader(text.splitlines(), delimiter="\t" if "\t" in first else ","))
    header = [column.strip() for column in rows[0]] if rows else []
    if tuple(header[:3]) == _SLICER_COLUMNS:
        return _of_slicer(header, rows[1:], name)
    if any(FEATURE.match(column) for column in header) and not {"feature", "value"} <= set(header):
        records = [dict(zip(header, row, strict=False)) for row in rows[1:] if row]
        return [_of_record(record, f"{name}, row {number}") for number, record in enumerate(records, start=1)]
    return None


def _of_json(text: str, name: str) -> list[Block] | None:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"{name} is not valid JSON ({error}): write the features again.") from error
    records = content if isinstance(content, list) else [content]
    if not all(isinstance(record, dict) for record in records):
        raise InputError(f"{name} does not hold pyradiomics' features: give what pyradiomics --format json wrote.")
    return [_of_record(record, f"{name}, case {number}") for number, record in enumerate(records, start=1)]


def _of_text(text: str, name: str) -> list[Block]:
    records: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        found = _TEXT_LINE.match(line)
        if found:
            records.setdefault(found[1], {})[found[2]] = found[3]
    return [_of_record(record, f"{name}, Case-{number}") for number, record in records.items()]


def _of_record(record: Mapping[str, Any], place: str) -> Block:
    values = {key: value for key, value in record.items() if FEATURE.match(key)}
    if not values:
        raise InputError(f"{place}: there are no features, so that pyradiomics failed on this case; measure it again.")
    return Block(place, str(record.get("Mask", "")), str(record.get("Image", "")), measured_label(record), values)


def measured_label(record: Mapping[Any, Any]) -> int | None:
    """Return the mask's value that was measured: the column Label, else what pyradiomics notes of its settings."""
    given = str(record.get("Label", "")).strip()
    try:
        number = float(given)
        return int(number) if math.isfinite(number) else None
    except ValueError:
        noted = _LABEL_SETTING.search(str(record.get("diagnostics_Configuration_Settings", "")))
        return int(noted[1]) if noted else None


def _of_slicer(header: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> list[Block]:
    blocks = []
    for column, title in enumerate(header[3:], start=3):
        values = {
            "_".join(part.strip() for part in row[:3]): row[column]
            for row in rows
            if len(row) > column and FEATURE.match("_".join(part.strip() for part in row[:3]))
        }
        node, mark, segment = title.rpartition("_segment_")
        labelled = re.search(r"_label_(\d+)$", title)
        blocks.append(
            Block(
                f"{name}, column {title!r}",
                segment if mark else title if not labelled else node,
                "",
                int(labelled[1]) if labelled else None,
                values,
            )
        )
    return blocks
