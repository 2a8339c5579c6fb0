"""Workers on this machine, each a process of its own."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BraTSOSError
from .devices import Share
from .worker_process import WorkerProcess


@dataclass
class _Task:
    """The job that a worker has, and since when: seconds of a monotonic clock, None until the worker is ready."""

    token: str
    since: float | None


_STARTS = 3
"""How often in a row a worker may die before it is ready, before the engine gives up."""

_LOOK_EVERY = 1.0
"""Seconds between two looks at time limits and silent deaths."""


class LocalEngine:
    """Processes that are started when there is work for them; see ``engine.Engine``.

    Parameters
    ----------
    settings : dict
        Of ``CohortSettings``.
    share : Share
        How many workers, and what each gets of the machine.
    case_timeout : float, optional
        Seconds after which a case's worker is killed.
    """

    def __init__(self, settings: Mapping[str, Any], share: Share, case_timeout: float | None = None) -> None:
        self._settings, self._share, self._limit = settings, share, case_timeout
        self._messages: queue.SimpleQueue[tuple[WorkerProcess, dict[str, Any]]] = queue.SimpleQueue()
        self._workers: dict[int, WorkerProcess] = {}
        self._jobs: dict[WorkerProcess, _Task] = {}
        self._over_time: set[WorkerProcess] = set()
        self._begun: list[dict[str, Any]] = []
        self._failed_starts = 0
        self._looked = 0.0

    def free(self) -> int:
        """See ``Engine``."""
        return self._share.workers - len(self._jobs)

    def submit(self, job: Mapping[str, Any]) -> None:
        """See ``Engine``."""
        for worker in [worker for worker in self._workers.values() if worker not in self._jobs and worker.dead()]:
            self._forget(worker)
        idle = (index for index, worker in self._workers.items() if worker not in self._jobs)
        index = next(idle, None)
        if index is None:
            index = min(set(range(self._share.workers)) - set(self._workers))
            self._workers[index] = WorkerProcess(
                self._settings,
                lambda worker, message: self._messages.put((worker, message)),
                self._share.environment(index),
                f"worker-{index + 1}",
            )
        worker = self._workers[index]
        self._jobs[worker] = _Task(job["job"], time.monotonic() if worker.ready else None)
        worker.give(job)
        if worker.ready:
            self._begun.append(self._start_report(worker))

    def _start_report(self, worker: WorkerProcess) -> dict[str, Any]:
        return {"kind": "started", "job": self._jobs[worker].token, "worker": worker.name}

    def poll(self, timeout: float) -> list[dict[str, Any]]:
        """See ``Engine``."""
        reports, self._begun = self._begun, []
        self._look()
        try:
            reports += self._understand(*self._messages.get(timeout=timeout))
            while True:
                reports += self._understand(*self._messages.get_nowait())
        except queue.Empty:
            return reports

    def _look(self) -> None:
        """Kill workers over their time, and what silently dead ones have left running."""
        now = time.monotonic()
        if now - self._looked < min(_LOOK_EVERY, (self._limit or _LOOK_EVERY) / 4):
            return
        self._looked = now
        for worker in self._workers.values():
            if worker.dead():
                worker.kill()
        for worker, task in self._jobs.items():
            if self._limit is not None and task.since is not None and now - task.since > self._limit:
                self._over_time.add(worker)
                worker.kill()

    def _understand(self, worker: WorkerProcess, message: dict[str, Any]) -> list[dict[str, Any]]:
        kind = message["kind"]
        if kind == "exit":
            return self._bury(worker)
        if kind == "unusable":
            raise BraTSOSError(message["error"])
        if kind == "ready":
            worker.ready, self._failed_starts = True, 0
            if worker not in self._jobs:
                return []
            self._jobs[worker].since = time.monotonic()  # the case's time does not begin with its worker's
            return [self._start_report(worker)]
        task = self._jobs.get(worker)
        if task is None or message.get("job") != task.token or worker in self._over_time:
            return []
        if kind != "progress":
            del self._jobs[worker]
            if message.pop("last", False):
                self._forget(worker)
        return [message]

    def _bury(self, worker: WorkerProcess) -> list[dict[str, Any]]:
        if worker not in self._workers.values():
            return []
        reason = worker.last_words()
        self._forget(worker)
        task = self._jobs.pop(worker, None)
        late = worker in self._over_time
        self._over_time.discard(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                raise BraTSOSError(f"Workers cannot be started: {reason}.")
        if task is None:
            return []
        if late:
            return [{"kind": "timeout", "job": task.token, "error": over_time(self._limit)}]
        if not worker.ready:
            return [{"kind": "lost", "job": task.token}]
        return [{"kind": "died", "job": task.token, "error": reason}]

    def _forget(self, worker: WorkerProcess) -> None:
        index = next(index for index, known in self._workers.items() if known is worker)
        del self._workers[index]
        worker.end()

    def cancel(self) -> None:
        """See ``Engine``."""
        for worker in self._jobs:
            worker.cancel()

    def close(self) -> None:
        """See ``Engine``."""
        for worker in list(self._workers.values()):
            worker.kill()
        for worker in list(self._workers.values()):
            self._forget(worker)
        self._jobs.clear()


def over_time(limit: float | None) -> str:
    """Say that a case took too long."""
    return f"The case took longer than the time limit of {limit:g} s and was stopped."
