"""Bringing what was found into the manifest: what is new, what is done and still right, what is stale."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from .fingerprints import in_place, quick_fingerprint
from .found import FoundCase
from .manifest import DONE, FAILED, RUNNING, WAITING, Manifest, from_json

CASES = "cases"
"""The folder of the cases' own folders, in the output folder."""

_CHUNK = 200

_INSERT = """
INSERT INTO cases (name, listed, position, state, error, found_at, source, days, event, fingerprint)
VALUES (:name, 1, :position, :state, :error, :found_at, :source, :days, :event, :fingerprint)
ON CONFLICT (name) DO UPDATE SET listed = 1, position = :position, state = :state, error = :error,
    found_at = :found_at, source = :source, days = :days, event = :event, fingerprint = :fingerprint,
    outputs = :outputs, crashes = 0, owner = NULL, token = NULL
"""


def merge_findings(
    manifest: Manifest,
    findings: Iterable[FoundCase],
    output: Path,
    *,
    settings: str,
    weights: str,
    alone: bool,
) -> None:
    """Bring the cases that were found into the manifest, in short transactions.

    Parameters
    ----------
    manifest : Manifest
    findings : iterable of FoundCase
    output : Path
        The cohort's folder.
    settings, weights : str
        Hashes; a case done with others is stale.
    alone : bool
        Whether no other coordinator is at work. Only then are cases that the input lacks unlisted and cases that
        failed tried again.
    """
    if alone:
        with manifest.transaction() as database:
            database.execute("UPDATE cases SET listed = 0")
    position = 0
    for chunk in _chunks(findings):
        # Files are looked at before the transaction, which others have to wait for
        decided = [_Decision(case, manifest, output, settings, weights) for case in chunk]
        with manifest.transaction() as database:
            for decision in decided:
                position += 1
                decision.write(database, position, alone)


def _chunks(findings: Iterable[FoundCase]) -> Iterator[list[FoundCase]]:
    iterator = iter(findings)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


class _Decision:
    """What is to become of one case."""

    def __init__(self, case: FoundCase, manifest: Manifest, output: Path, settings: str, weights: str) -> None:
        self.case = case
        self.fingerprint = "" if case.problem else quick_fingerprint(case.source())
        rows = manifest.query("SELECT * FROM cases WHERE name = ?", (case.name,))
        row = rows[0] if rows else None
        self.seen = _version(row)
        self.outputs = row["outputs"] if row else None
        recorded = from_json(self.outputs) or {}
        if recorded and not in_place(output / CASES / case.name, recorded):
            self.outputs = None
        self.state = FAILED if case.problem else WAITING
        if row is not None and self.outputs is not None and not case.problem:
            made_from = (row["settings"], row["weights"], row["fingerprint"])
            if made_from == (settings, weights, self.fingerprint):
                self.state = DONE

    def write(self, database: sqlite3.Connection, position: int, alone: bool) -> None:
        case = self.case
        now = database.execute("SELECT * FROM cases WHERE name = ?", (case.name,)).fetchone()
        untouched = _version(now) == self.seen
        if now is not None and (not untouched or now["state"] == RUNNING or (now["state"] == FAILED and not alone)):
            # In somebody's hands, or just out of them
            database.execute("UPDATE cases SET listed = 1, position = ? WHERE name = ?", (position, case.name))
            return
        values: dict[str, Any] = {
            "name": case.name,
            "position": position,
            "state": self.state,
            "error": case.problem,
            "found_at": case.where,
            "source": json.dumps(case.source()),
            "days": case.days,
            "event": case.event,
            "fingerprint": self.fingerprint,
            "outputs": self.outputs,
        }
        database.execute(_INSERT, values)


def _version(row: sqlite3.Row | None) -> tuple[Any, ...] | None:
    return None if row is None else (row["state"], row["token"], row["outputs"], row["attempts"])
