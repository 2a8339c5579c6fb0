"""What runs on a Dask worker: a process of our own for each case in hand, watched over by the task.

A task in a Dask worker's thread could be neither stopped nor killed alone. The processes stay for the next case, since
loading the networks takes longer than using them.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .devices import Share
from .local import over_time
from .settings import hash_json
from .worker_process import WorkerProcess

RESULT = "result.json"
"""The report of a finished case, in its claim's folder: it outlives the scheduler."""

_TURN = 0.5
_IDLE = 60.0
"""Seconds after which a process without a case is ended."""


class _Pool:
    """Idle processes by their settings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[tuple[_Conversation, float]]] = {}
        self._reaper: threading.Thread | None = None

    def take(self, settings: Mapping[str, Any], threads: int | None) -> _Conversation:
        with self._lock:
            waiting = self._idle.get(_key(settings, threads), [])
            while waiting:
                conversation, _ = waiting.pop()
                if not conversation.process.dead():
                    return conversation
                conversation.process.end()
        return _Conversation(settings, threads)

    def give(self, conversation: _Conversation) -> None:
        with self._lock:
            self._idle.setdefault(conversation.key, []).append((conversation, time.monotonic()))
            if self._reaper is None:
                self._reaper = threading.Thread(target=self._reap, name="bratsos-reaper", daemon=True)
                self._reaper.start()

    def clear(self, older: float = 0.0) -> bool:
        """End processes that have been idle for ``older`` seconds; return whether none is left."""
        now = time.monotonic()
        with self._lock:
            for waiting in self._idle.values():
                for entry in [entry for entry in waiting if now - entry[1] >= older]:
                    waiting.remove(entry)
                    entry[0].process.end()
            return not any(self._idle.values())

    def _reap(self) -> None:
        while True:
            time.sleep(_IDLE / 4)
            self.clear(_IDLE)


class _Conversation:
    """A process and the messages that it has sent."""

    def __init__(self, settings: Mapping[str, Any], threads: int | None) -> None:
        self.key = _key(settings, threads)
        self.messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        environment = {} if threads is None else Share(1, threads).environment(0)
        self.process = WorkerProcess(settings, lambda _, message: self.messages.put(message), environment, "dask")


_POOL = _Pool()


def run_job(job: Mapping[str, Any], settings: Mapping[str, Any], threads: int | None, limit: float | None) -> Any:
    """Do one case in a process of its own and return the report on it (see ``engine.Engine``).

    The case is given up when its claim's folder is gone: whoever removed it, nobody waits for the result any more.
    """
    from distributed import get_worker

    conversation = _POOL.take(settings, threads)
    process = conversation.process
    process.name = str(get_worker().name)
    process.give(job)
    report: dict[str, Any] | None = None
    last = True
    deadline = None if limit is None or not process.ready else time.monotonic() + limit
    while report is None:
        try:
            message = conversation.messages.get(timeout=_TURN)
        except queue.Empty:
            if not Path(job["folder"]).exists():
                report = {"kind": "cancelled", "job": job["job"]}
            elif deadline is not None and time.monotonic() > deadline:
                report = {"kind": "timeout", "job": job["job"], "error": over_time(limit)}
            elif process.dead():
                process.kill()  # ends what it left running, upon which its exit is reported
            continue
        kind = message["kind"]
        if kind == "ready":
            process.ready = True
            deadline = None if limit is None else time.monotonic() + limit
        elif kind == "unusable":
            report = {"kind": "unusable", "job": job["job"], "error": message["error"]}
        elif kind == "exit":
            report = {"kind": "died", "job": job["job"], "error": process.last_words()}
        elif kind != "progress" and message.get("job") == job["job"]:
            last = message.pop("last", False)
            report = message
    if last:
        process.end()
    else:
        _POOL.give(conversation)
    _keep(Path(job["folder"]), report)
    return report


def clear_pool() -> None:
    """End the idle processes of this Dask worker."""
    _POOL.clear()


def _key(settings: Mapping[str, Any], threads: int | None) -> str:
    return f"{hash_json(dict(settings))} {threads}"


def _keep(folder: Path, report: Mapping[str, Any]) -> None:
    """Write the report into the claim's folder, unless that is gone."""
    unfinished = folder / f"{RESULT}.{os.getpid()}-{threading.get_ident()}"
    try:
        unfinished.write_text(json.dumps(report), encoding="utf-8")
        os.replace(unfinished, folder / RESULT)
    except OSError:
        unfinished.unlink(missing_ok=True)
