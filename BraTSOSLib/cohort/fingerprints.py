"""Knowing files again: cheaply by size and times, for certain by SHA-256."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .settings import hash_json

_CHUNK = 1 << 20

FileRecord = tuple[int, int, str]
"""Size in bytes, time of the last change in ns, SHA-256."""


def hash_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def quick_fingerprint(source: Mapping[str, Any]) -> str:
    """Return what changes when a case's files or clinical values do, without reading the files.

    The time of the last change of a file's entry (``st_ctime``) is part of it, so that a file replaced under its old
    size and time is noticed; a false alarm costs no more than hashing the files.
    """
    stamps: dict[str, Any] = {}
    for kind, path in {**source["scans"], "labels": source.get("labels")}.items():
        if path is None:
            continue
        try:
            status = os.stat(path)
            stamps[kind] = [path, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        except OSError:
            stamps[kind] = [path, None]
    return hash_json({"files": stamps, "clinical": source["clinical"]})


def inputs_hash(source: Mapping[str, Any]) -> str:
    """Return the hash of what a case's results are made from: its files' contents and clinical values."""
    files = {kind: hash_file(path) for kind, path in source["scans"].items()}
    if source.get("labels"):
        files["labels"] = hash_file(source["labels"])
    return hash_json({"files": files, "clinical": source["clinical"]})


def record_files(folder: Path, names: Sequence[str]) -> dict[str, FileRecord]:
    """Return the records of files that were just written.

    They are not flushed to the disk one by one, which would take longer than a small case: a file that a power failure
    took is missing or too short, ``in_place`` sees it, and the case is done again. A run flushes everything before it
    says that the cohort is done.
    """
    records = {}
    for name in names:
        digest = hash_file(folder / name)
        status = os.stat(folder / name)
        records[name] = (status.st_size, status.st_mtime_ns, digest)
    return records


def in_place(folder: Path, outputs: Mapping[str, FileRecord | list[Any]]) -> bool:
    """Return whether all recorded files are there, unchanged; one whose time alone differs is read to find out."""
    for name, (size, time_ns, digest) in outputs.items():
        path = folder / name
        try:
            status = os.stat(path)
            if status.st_size != size or (status.st_mtime_ns != time_ns and hash_file(path) != digest):
                return False
        except OSError:
            return False
    return bool(outputs)
