"""The loop that hands cases to an engine and records what becomes of each."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import BraTSOSError
from .engine import Engine
from .feature_rows import FEATURES, read_row
from .leases import Membership
from .manifest import RUNNING, WAITING, Manifest, from_json
from .merging import CASES
from .publishing import clear_claim, clear_work, fail, give_back, keep, publish, remove, work_folder
from .stopping import Stop

Notify = Callable[[dict[str, Any]], None]

_SELECT = "SELECT * FROM cases WHERE listed AND state = ? ORDER BY position LIMIT ?"

_TURN = 0.25
"""Seconds that the loop waits for a report before it looks at its other duties."""

_COUNT_EVERY = 1.0
_BURY_EVERY = 2.0
_GRACE = 20.0
"""Seconds in which cases that are asked to stop may do so before their workers are killed."""


class Coordinator:
    """Works on a manifest's cases with an engine until none is left.

    Parameters
    ----------
    manifest : Manifest
    membership : Membership
        Joined.
    engine : Engine
    output : Path
        The cohort's folder.
    hashes : dict
        ``settings`` and ``weights``.
    attempts : int
        How often a case is begun whose worker dies.
    notify : callable
        Told of events, dictionaries with ``event``: ``started``, ``progress``, ``done``, ``failed``, ``returned``
        (each with ``case``) and ``counts`` (cases in each state).
    stop : Stop
    """

    def __init__(
        self,
        manifest: Manifest,
        membership: Membership,
        engine: Engine,
        output: Path,
        *,
        hashes: Mapping[str, str],
        attempts: int,
        notify: Notify,
        stop: Stop,
    ) -> None:
        self._manifest, self._membership, self._engine, self._output = manifest, membership, engine, output
        self._hashes, self._attempts, self._notify, self._stop = hashes, attempts, notify, stop
        self._claims: dict[str, dict[str, Any]] = {}
        self._counted = self._buried = time.monotonic()
        self._known_names: set[str] = set()
        self._plenty = False

    def run(self) -> bool:
        """Work until no listed case is left; return False if asked to stop before that.

        Raises
        ------
        BraTSOSError
            If the engine or the manifest cannot go on; claimed cases wait again as far as the manifest lets them.
        """
        clear_work(self._output, self._membership.living)
        try:
            self._record_and_claim([])
            while not self._stop.asked:
                if not self._claims and not self._manifest.unfinished():
                    return True
                self._record_and_claim(self._engine.poll(_TURN))
                self._look_around()
            self._return_cases()
            return False
        finally:
            self._abandon()

    def _record_and_claim(self, reports: list[dict[str, Any]], *, claim: bool = True) -> None:
        """Record what the engine reports and hand it as many waiting cases as it can take, in one transaction."""
        ended = []
        for report in reports:
            row = self._claims.get(report.get("job", ""))
            if row is not None and report["kind"] in ("started", "progress"):
                self._notify({**report, "event": report["kind"], "case": row["name"]})
            elif row is not None:
                ended.append(report)
        wanted = self._engine.free() if claim else 0
        # Looking first spares others a transaction; while there is plenty it would only cost time
        wanted = wanted if wanted and (self._plenty or self._manifest.query(_SELECT, (WAITING, 1))) else 0
        if not ended and not wanted:
            return
        with self._manifest.transaction():
            events = [self._end(report) for report in ended]
            claimed = self._claim(wanted) if wanted else []
        for event in events:
            self._notify(event)
        for row in claimed:
            self._submit(row)

    def _claim(self, wanted: int) -> list[dict[str, Any]]:
        """Claim up to so many waiting cases."""
        now = time.time()
        with self._manifest.transaction() as database:
            claimed = [dict(row) for row in database.execute(_SELECT, (WAITING, wanted))]
            for row in claimed:
                row |= {"token": uuid.uuid4().hex[:12], "owner": self._membership.id}
                database.execute(
                    "UPDATE cases SET state = ?, owner = ?, token = ?, attempts = attempts + 1, started = ?, "
                    "finished = NULL, error = NULL WHERE id = ?",
                    (RUNNING, row["owner"], row["token"], now, row["id"]),
                )
                self._claims[row["token"]] = row
        self._plenty = len(claimed) == wanted
        return claimed

    def _submit(self, row: dict[str, Any]) -> None:
        folder = work_folder(self._output, row["owner"])
        try:
            _make(folder)
        except OSError as error:
            reason = (
                f"No folder can be made in {self._output} ({error.strerror}): free space, or check its permissions."
            )
            self._notify(self._end({"kind": "failed", "job": row["token"], "error": reason}))
            return
        made_from = (row["settings"], row["weights"])
        same = row["outputs"] is not None and made_from == (self._hashes["settings"], self._hashes["weights"])
        job = {
            "job": row["token"],
            "name": row["name"],
            "folder": str(folder / row["token"]),
            **from_json(row["source"]),
        }
        self._engine.submit({**job, "known": row["inputs"] if same else None})

    def _end(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Record how a claim ended; return the event to tell of."""
        row = self._claims.pop(report["job"])
        if report["kind"] != "done":
            clear_claim(self._output, row)  # first, since the manifest may need the room on a full disk
        event = self._record(row, report)
        if report["kind"] == "done" and event["event"] != "done":
            clear_claim(self._output, row)
        return {"case": row["name"], **event}

    def _record(self, row: dict[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
        kind = report["kind"]
        returned = {"event": "returned"}
        if kind == "done":
            try:
                mine = publish(self._manifest, self._output, row, report, self._hashes)
            except OSError as error:
                report = {
                    **report,
                    "error": f"The outputs cannot be put in place ({error.strerror}): {error.filename}.",
                }
                return self._fail(row, report)
            if not mine:  # taken for dead and taken over; the other one's result counts
                return returned
            self._learn_names(row["name"], report.get("features"))
            return {"event": "done", "seconds": report.get("seconds"), "worker": report.get("worker"), "redone": True}
        if kind == "same":
            return {"event": "done", "redone": False} if keep(self._manifest, row) else returned
        if kind in ("cancelled", "lost"):
            give_back(self._manifest, row)
            return returned
        if kind == "died" and row["crashes"] + 1 < self._attempts:
            give_back(self._manifest, row, crashed=True)
            return {"event": "returned", "error": report["error"]}
        if kind == "died":
            times = f"{self._attempts} times" if self._attempts > 1 else "once"
            report = {**report, "error": f"The case was begun {times} and {report['error']}."}
        return self._fail(row, report)

    def _fail(self, row: dict[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
        error = str(report["error"])
        crashed = report["kind"] == "died"
        mine = fail(self._manifest, row, error, hashes=self._hashes, inputs=report.get("inputs"), crashed=crashed)
        return {"event": "failed", "error": error} if mine else {"event": "returned"}

    def _learn_names(self, case: str, features: str | None) -> None:
        """Keep each list of feature names once, so that collecting knows all columns beforehand."""
        if features is None or features in self._known_names:
            return
        names = read_row(self._output / CASES / case / FEATURES)[0]
        with self._manifest.transaction() as database:
            database.execute("INSERT OR IGNORE INTO feature_names VALUES (?, ?)", (features, json.dumps(names)))
        self._known_names.add(features)

    def _look_around(self) -> None:
        now = time.monotonic()
        if now - self._buried >= _BURY_EVERY:
            self._buried = now
            if self._membership.bury():
                clear_work(self._output, self._membership.living)
        if now - self._counted >= _COUNT_EVERY:
            self._counted = now
            self._notify({"event": "counts", **self._manifest.counts()})

    def _return_cases(self) -> None:
        """Let the cases in hand stop, recording those that finish meanwhile; kill what does not stop in time."""
        self._engine.cancel()
        deadline = time.monotonic() + _GRACE
        while self._claims and self._stop.asked == 1 and time.monotonic() < deadline:
            self._record_and_claim(self._engine.poll(_TURN), claim=False)

    def _abandon(self) -> None:
        """End the engine and give back what is still in hand."""
        self._engine.close()
        for token in list(self._claims):
            with suppress(BraTSOSError):
                self._notify(self._end({"kind": "cancelled", "job": token}))
        remove(work_folder(self._output, self._membership.id))


def _make(folder: Path) -> None:
    """Make the folder of our work, although another coordinator may be removing the empty folder of all work."""
    for last in (False, False, True):
        if folder.is_dir():
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return
        except FileNotFoundError:
            if last:
                raise
