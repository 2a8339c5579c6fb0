"""Leases: a coordinator keeps its claims for as long as its heart beats; then the others take them over."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import BraTSOSError, InputError
from .manifest import RUNNING, WAITING, Manifest

DEFAULT_LEASE = 60.0
"""Seconds without a heartbeat after which a coordinator counts as dead."""

_BEATS_PER_LEASE = 5


class Membership:
    """This coordinator's place among those that work on the same manifest.

    Whether another one is dead is judged by whether its counter moves while *our* clock runs, so that clocks of
    different machines need not agree; one on this machine whose process is gone is dead at once.
    """

    def __init__(self, manifest: Manifest, *, settings: str, weights: str, lease: float = DEFAULT_LEASE) -> None:
        self.id = uuid.uuid4().hex[:12]
        self._manifest, self._lease = manifest, lease
        self._settings, self._weights = settings, weights
        self._seen: dict[str, tuple[int, float]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def join(self) -> None:
        """Register, unless somebody else works here with other settings; start the heartbeat.

        Raises
        ------
        InputError
            If another coordinator that may be alive uses other settings or weights.
        """
        deadline = time.monotonic() + self._lease
        while True:
            self.bury()
            with self._manifest.transaction() as database:
                others = database.execute("SELECT settings, weights FROM coordinators").fetchall()
                if all((row["settings"], row["weights"]) == (self._settings, self._weights) for row in others):
                    self._insert(database)
                    break
            if time.monotonic() > deadline + self._lease / _BEATS_PER_LEASE:
                raise InputError(
                    f"Another run with other settings or weights works on {self._manifest.path.parent}: wait for it, "
                    "stop it, or give another output folder."
                )
            time.sleep(min(1.0, self._lease / _BEATS_PER_LEASE))
        self._thread = threading.Thread(target=self._keep_beating, name="bratsos-heartbeat", daemon=True)
        self._thread.start()

    def _insert(self, database: Any) -> None:
        database.execute(
            "INSERT OR REPLACE INTO coordinators (id, process, beat, settings, weights) VALUES (?, ?, 0, ?, ?)",
            (self.id, json.dumps(_this_process()), self._settings, self._weights),
        )

    def _keep_beating(self) -> None:
        # A connection of its own, since the main one may be in the middle of a transaction. A beat that fails (a full
        # disk, say) is not the end: the lease allows for several.
        manifest: Manifest | None = None
        while not self._stop.wait(self._lease / _BEATS_PER_LEASE):
            with suppress(BraTSOSError):
                manifest = manifest or Manifest(self._manifest.path.parent, create=False)
                with manifest.transaction() as database:
                    beat = "UPDATE coordinators SET beat = beat + 1 WHERE id = ?"
                    if database.execute(beat, (self.id,)).rowcount == 0:  # taken for dead, after a long sleep maybe
                        self._insert(database)
        if manifest is not None:
            manifest.close()

    def bury(self) -> list[str]:
        """Give back the cases of coordinators that are dead; return the dead ones' ids."""
        now = time.monotonic()
        dead = []
        for row in self._manifest.query("SELECT id, process, beat FROM coordinators WHERE id <> ?", (self.id,)):
            beat, since = self._seen.get(row["id"], (None, now))
            if beat != row["beat"]:
                since = now
            self._seen[row["id"]] = (row["beat"], since)
            if now - since > self._lease or _is_gone(json.loads(row["process"])):
                dead.append(row["id"])
        for other in dead:
            with self._manifest.transaction() as database:
                database.execute("DELETE FROM coordinators WHERE id = ?", (other,))
                database.execute("DELETE FROM locks WHERE owner = ?", (other,))
                _give_back(database, other)
            self._seen.pop(other, None)
        self._give_back_orphans()
        return dead

    def _give_back_orphans(self) -> None:
        """Give back claims whose coordinator is not registered (any more)."""
        orphaned = "state = ? AND owner NOT IN (SELECT id FROM coordinators)"
        if self._manifest.query(f"SELECT 1 FROM cases WHERE {orphaned} LIMIT 1", (RUNNING,)):
            with self._manifest.transaction() as database:
                database.execute(
                    f"UPDATE cases SET state = ?, owner = NULL, token = NULL WHERE {orphaned}", (WAITING, RUNNING)
                )

    def others(self) -> int:
        """Return how many other coordinators are registered."""
        return int(self._manifest.query("SELECT count(*) FROM coordinators WHERE id <> ?", (self.id,))[0][0])

    def living(self) -> set[str]:
        """Return the ids of all registered coordinators."""
        return {row["id"] for row in self._manifest.query("SELECT id FROM coordinators")}

    def try_lock(self, name: str) -> bool:
        """Take a named lock if nobody has it; ``leave`` and death give it back."""
        with self._manifest.transaction() as database:
            database.execute("DELETE FROM locks WHERE owner NOT IN (SELECT id FROM coordinators)")
            database.execute("INSERT OR IGNORE INTO locks (name, owner) VALUES (?, ?)", (name, self.id))
            return bool(database.execute("SELECT owner FROM locks WHERE name = ?", (name,)).fetchone()[0] == self.id)

    def unlock(self, name: str) -> None:
        """Give a lock back."""
        with self._manifest.transaction() as database:
            database.execute("DELETE FROM locks WHERE name = ? AND owner = ?", (name, self.id))

    def leave(self) -> None:
        """Stop the heartbeat, give everything back and sign off."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._manifest.transaction() as database:
            database.execute("DELETE FROM coordinators WHERE id = ?", (self.id,))
            database.execute("DELETE FROM locks WHERE owner = ?", (self.id,))
            _give_back(database, self.id)


def _give_back(database: Any, owner: str) -> None:
    database.execute(
        "UPDATE cases SET state = ?, owner = NULL, token = NULL WHERE state = ? AND owner = ?",
        (WAITING, RUNNING, owner),
    )


def _this_process() -> dict[str, Any]:
    return {"host": _host(), "pid": os.getpid(), "started": _start_time(os.getpid())}


def _host() -> str:
    """Say on which machine, since which start and in which container process numbers mean the same as here."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    if len(parts) == 1:
        parts.append(f"{uuid.getnode():x}")
    return " ".join(parts)


def _start_time(pid: int) -> str | None:
    """Return when a process started, in the system's own words; None where that cannot be known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _is_gone(process: dict[str, Any]) -> bool:
    """Return whether a process is known to be gone; False where there is any doubt."""
    if process.get("host") != _host():
        return False
    if Path("/proc/self/stat").exists():
        return _start_time(process["pid"]) != process["started"]
    if os.name != "posix":
        return False
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
