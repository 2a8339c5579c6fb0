"""The cohort's durable state: one SQLite database in the output folder, opened by coordinators alone."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import BraTSOSError, InputError
from .filesystem import is_network

NAME = "manifest.sqlite"
SCHEMA_VERSION = 1

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
STATES = (WAITING, RUNNING, DONE, FAILED)

_SCHEMA = f"""
CREATE TABLE cases (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    listed INTEGER NOT NULL,      -- whether the input holds the case now
    position INTEGER NOT NULL,    -- its place in the input
    state TEXT NOT NULL CHECK (state IN {STATES}),
    attempts INTEGER NOT NULL DEFAULT 0,  -- how often work on it began
    crashes INTEGER NOT NULL DEFAULT 0,   -- how often its worker died, in this run
    owner TEXT,                   -- the coordinator that has claimed it
    token TEXT,                   -- of the claim
    worker TEXT,
    started REAL, finished REAL,  -- seconds since 1970
    seconds REAL,                 -- of work
    error TEXT,
    found_at TEXT NOT NULL,       -- row or folder
    source TEXT NOT NULL,         -- JSON: scans, labels, clinical
    days REAL, event INTEGER,     -- known survival
    fingerprint TEXT NOT NULL,    -- of the inputs as they are now, without reading them
    inputs TEXT, settings TEXT, weights TEXT,  -- SHA-256 of what the outputs were made from
    outputs TEXT,                 -- JSON: file to size, time, SHA-256
    summary TEXT,                 -- JSON: what the stage reported
    features TEXT                 -- SHA-256 of the feature names
);
CREATE INDEX cases_state ON cases (listed, state, position);
CREATE TABLE coordinators (
    id TEXT PRIMARY KEY,
    process TEXT NOT NULL,        -- JSON: where it runs, to see that it is gone
    beat INTEGER NOT NULL,
    settings TEXT NOT NULL, weights TEXT NOT NULL
);
CREATE TABLE feature_names (hash TEXT PRIMARY KEY, names TEXT NOT NULL);
CREATE TABLE locks (name TEXT PRIMARY KEY, owner TEXT NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
"""

_PATIENCE = 60.0
"""Seconds to wait for another coordinator's transaction."""


class ManifestError(BraTSOSError):
    """The manifest cannot be read or written."""


class Manifest:
    """The manifest of the cohort in ``folder``, made where it is not there.

    Parameters
    ----------
    folder : Path
        The output folder, which exists.
    create : bool
        Whether to make the database where there is none.

    Raises
    ------
    InputError
        If it is no manifest, or one of a newer version.
    """

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        self.path = folder / NAME
        if not create and not self.path.exists():
            raise InputError(f"{folder} holds no {NAME}: it is no cohort's output folder.")
        with _said_in_words(self.path):
            self.database = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            self.database.row_factory = sqlite3.Row
            try:
                self._set_journal(is_network(folder))
                self._check_schema()
            except BaseException:
                self.database.close()
                raise

    def _set_journal(self, network: bool) -> None:
        """Use the write-ahead log where it is safe: readers share it through memory that a network cannot share."""
        wanted = "delete" if network else "wal"
        deadline = time.monotonic() + _PATIENCE
        while True:
            with suppress(sqlite3.OperationalError):  # another process is changing it, or has it open in the other mode
                mode = self.database.execute(f"PRAGMA journal_mode={wanted}").fetchone()[0]
                if mode == wanted:
                    break
            if time.monotonic() > deadline:
                raise ManifestError(
                    f"The journal mode of {self.path} cannot be set to {wanted.upper()}: stop other runs that have it "
                    "open from another machine."
                )
            time.sleep(0.05)
        self.journal_mode = wanted
        # With the log, a power failure may undo the last transactions, never damage the database: the cases in
        # question are done again. Without it, only FULL gives the same.
        self.database.execute(f"PRAGMA synchronous={'FULL' if network else 'NORMAL'}")

    def _check_schema(self) -> None:
        if self._version() == 0:
            with self.transaction():
                if self._version() == 0:  # not made by another coordinator in between
                    if self.database.execute("SELECT 1 FROM sqlite_master").fetchone():
                        raise InputError(f"{self.path} is a database, but no manifest: give another output folder.")
                    for statement in _SCHEMA.split(";\n"):
                        self.database.execute(statement)
        version = self._version()
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{self.path} has the version {version} and this BraTSOS knows {SCHEMA_VERSION}: update BraTSOS, or "
                "give another output folder."
            )

    def _version(self) -> int:
        return int(self.database.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the right to write while the block runs; undo everything if it raises.

        Inside another transaction's block this is a part of that one.
        """
        if self.database.in_transaction:
            yield self.database
            return
        with _said_in_words(self.path):
            self.database.execute("BEGIN IMMEDIATE")
            try:
                yield self.database
                self.database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # after a full disk SQLite has rolled back by itself
                    self.database.execute("ROLLBACK")
                raise

    def query(self, statement: str, values: tuple[Any, ...] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a short query."""
        with _said_in_words(self.path):
            return self.database.execute(statement, values).fetchall()

    def rows(self, states: tuple[str, ...] = STATES, columns: str = "*", chunk: int = 500) -> Iterator[sqlite3.Row]:
        """Walk through the listed cases in the order of their names, a few at a time."""
        last = ""
        marks = ", ".join("?" * len(states))
        while True:
            found = self.query(
                f"SELECT name AS key, {columns} FROM cases WHERE listed AND name > ? AND state IN ({marks}) "
                "ORDER BY name LIMIT ?",
                (last, *states, chunk),
            )
            yield from found
            if len(found) < chunk:
                return
            last = found[-1]["key"]

    def counts(self) -> dict[str, int]:
        """Return how many listed cases are in each state."""
        rows = self.query("SELECT state, count(*) AS cases FROM cases WHERE listed GROUP BY state")
        found = {row["state"]: int(row["cases"]) for row in rows}
        return {state: found.get(state, 0) for state in STATES}

    def unfinished(self) -> bool:
        """Return whether a listed case waits or is being worked on by anybody."""
        return bool(
            self.query("SELECT 1 FROM cases WHERE listed AND state = ? LIMIT 1", (WAITING,))
            or self.query("SELECT 1 FROM cases WHERE listed AND state = ? LIMIT 1", (RUNNING,))
        )

    def close(self) -> None:
        """Close the database; the last one to do so removes the write-ahead log."""
        with suppress(sqlite3.Error):
            self.database.close()

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


@contextmanager
def _said_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        reason = str(error)
        if "full" in reason or "disk I/O" in reason:
            advice = "free space on its disk and start again, finished cases are kept"
        elif "not a database" in reason or "malformed" in reason:
            advice = "it is damaged; move it away, and the cases are done again"
        elif "locked" in reason or "locking" in reason:
            advice = "another run holds it for too long, or its file system cannot lock files"
        else:
            advice = "check the folder's permissions"
        raise ManifestError(f"The manifest {path} cannot be used ({reason}): {advice}.") from error


def case_states(output: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the name, state, error and seconds of every case of a cohort, for showing them; changes nothing.

    Raises
    ------
    InputError
        If ``output`` holds no manifest.
    """
    columns = "name, state, error, seconds, attempts, worker"
    with Manifest(Path(output), create=False) as manifest:
        return [{key: row[key] for key in columns.split(", ")} for row in manifest.rows(columns=columns)]


def from_json(text: str | None) -> Any:
    """Return what a JSON column holds; None where it is empty."""
    return None if text is None else json.loads(text)
