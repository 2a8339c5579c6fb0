"""One case as it was found, and the quick checks that need no reading of scans."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from ..case import MODALITIES, Clinical, check_clinical
from ..errors import InputError
from ..images import EXTENSIONS, image_extension

_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_LONGEST_NAME = 200
"""Bytes; file systems allow 255, and temporary names need some of them."""


@dataclass(frozen=True)
class FoundCase:
    """A case of the cohort, before any work.

    Attributes
    ----------
    name : str
        Unique in the cohort; the name of the case's folder among the results.
    where : str
        The row of the table or the folder it was found in, for messages.
    scans : dict
        ``MODALITIES`` to paths, as far as they are known.
    labels : str or None
        A label map to use instead of segmenting.
    clinical : dict
        Fields of ``Clinical``.
    days, event
        Survival from surgery in days and whether the patient died (False: last contact), where given.
    problem : str or None
        Why the case cannot be worked on.
    """

    name: str
    where: str
    scans: dict[str, str] = field(default_factory=dict)
    labels: str | None = None
    clinical: dict[str, Any] = field(default_factory=dict)
    days: float | None = None
    event: bool | None = None
    problem: str | None = None

    def source(self) -> dict[str, Any]:
        """Return what a worker needs to know of the case."""
        return {"scans": self.scans, "labels": self.labels, "clinical": self.clinical}


def name_problem(name: str) -> str | None:
    """Return why ``name`` cannot be a folder's name on every platform, or None."""
    found = _UNSAFE.search(name)
    if found:
        return f"The case name {name!r} holds {found.group()!r}, which file names cannot: rename the case."
    if name.startswith(".") or name.endswith((".", " ")) or _RESERVED.fullmatch(name):
        return f"The case name {name!r} cannot be a folder's name on every computer: rename the case."
    if len(name.encode("utf-8", errors="surrogateescape")) > _LONGEST_NAME:
        return f"The case name {name[:40]}… is longer than {_LONGEST_NAME} bytes: shorten it."
    return None


def scans_problem(scans: Mapping[str, str], labels: str | None) -> str | None:
    """Return what is wrong with a case's files as far as it shows without reading them, or None."""
    missing = [kind for kind in MODALITIES if not scans.get(kind)]
    if missing:
        return f"There is no scan for {', '.join(missing)}: a case needs {', '.join(MODALITIES)}."
    files = {**scans, **({"segmentation": labels} if labels else {})}
    identities: dict[str, tuple[int, int]] = {}
    for kind, path in files.items():
        try:
            status = os.stat(path)
        except OSError as error:
            return f"The file for {kind}, {path}, is not there ({error.strerror}): check the path."
        problem = _file_problem(kind, path, status)
        if problem:
            return problem
        identities[kind] = status.st_dev, status.st_ino
    for first, second in combinations(scans, 2):
        if identities[first] == identities[second]:
            return f"{scans[second]} is given for both {first} and {second}: give each modality its own scan."
    return None


def _file_problem(kind: str, path: str, status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return f"{path}, given for {kind}, is no file: give the scan's file."
    if image_extension(Path(path)) is None:
        return f"{path}, given for {kind}, is of none of the formats {', '.join(EXTENSIONS)}: convert it."
    if status.st_size == 0:
        return f"{path}, given for {kind}, is an empty file (0 bytes): copy or export it again."
    if not os.access(path, os.R_OK):
        return f"{path}, given for {kind}, may not be read: check its permissions."
    return None


def clinical_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ``Clinical``, checked and in their usual spelling.

    Raises
    ------
    InputError
        If a value cannot be meant.
    """
    numbers = {key: _number(values.get(key), key) for key in ("age", "kps")}
    words = {key: values.get(key) or None for key in ("mgmt", "idh")}
    resection = values.get("resection") or "unknown"
    return asdict(check_clinical(Clinical(numbers["age"], resection, words["mgmt"], words["idh"], numbers["kps"])))


def _number(text: Any, name: str) -> float | None:
    if text in (None, ""):
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(f"The {name} is {text!r}: give a number, or leave it empty.") from None
