"""A worker process: gets its cases one by one as JSON lines on standard input, and reports back in the same way.

Started as ``python -m BraTSOSLib.cohort.worker``. It never sees the manifest. When its standard input closes, because
the coordinator is gone, it ends at once, with everything that it has started.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import BraTSOSError, Cancelled, InputError
from .feature_rows import FEATURES, names_hash, read_row
from .fingerprints import inputs_hash, record_files
from .settings import load_stage
from .stage import StageJob
from .texts import printable

LAST = "run.json"
"""The output that appears last and is the sign of a whole result."""

_REPORT_EVERY = 0.5
"""Seconds between two reports of progress at least."""

_GROWTH_FACTOR, _GROWTH_BYTES = 2.0, 1 << 30
"""A worker that has come to hold this much more memory than after its second case is replaced by a fresh one."""

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}

Report = Callable[[dict[str, Any]], None]


class Worker:
    """Does one case after another with a stage.

    Parameters
    ----------
    settings : dict
        Of ``CohortSettings``.
    report : callable
        Takes messages, dictionaries with ``kind`` and ``job``.
    """

    def __init__(self, settings: dict[str, Any], report: Report) -> None:
        self.settings, self.report = settings, report
        self.cancelled = threading.Event()
        self._stage = load_stage(settings["stage"])
        self._done, self._usual = 0, 0

    def do(self, job: dict[str, Any]) -> dict[str, Any]:
        """Do a case and return the report on it, with ``kind`` ``done``, ``same``, ``failed`` or ``cancelled``."""
        start = time.perf_counter()
        folder = Path(f"{job['folder']}-{uuid.uuid4().hex[:8]}")  # whoever else may be given the same case has another
        message: dict[str, Any] = {"job": job["job"], "worker": job.get("worker")}
        try:
            message["inputs"] = inputs_hash(job)
            if message["inputs"] == job.get("known"):
                return {**message, "kind": "same"}
            folder.mkdir()
            summary = self._stage(self._stage_job(job, folder))
            message |= {
                "kind": "done",
                "folder": folder.name,
                "outputs": _record(folder),
                "features": _feature_names_hash(folder / FEATURES),
                "summary": summary or {},
                "seconds": round(time.perf_counter() - start, 3),
            }
            return message
        except Cancelled:
            message["kind"] = "cancelled"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            message |= {"kind": "failed", "error": printable(_in_words(error, folder.parent))}
        shutil.rmtree(folder, ignore_errors=True)
        return message

    def _stage_job(self, job: dict[str, Any], folder: Path) -> StageJob:
        told = 0.0

        def progress(message: str, fraction: float) -> None:
            nonlocal told
            if time.monotonic() - told >= _REPORT_EVERY:
                told = time.monotonic()
                self.report({"kind": "progress", "job": job["job"], "message": message, "fraction": fraction})

        return StageJob(
            name=job["name"],
            scans=job["scans"],
            labels=job["labels"],
            clinical=job["clinical"],
            folder=folder,
            settings=self.settings,
            progress=progress,
            cancel=self.cancelled.is_set,
        )

    def outgrown(self) -> bool:
        """Return whether memory has grown beyond what the first cases needed, so that a fresh worker is due."""
        self._done += 1
        held = _memory()
        if self._done <= 2:
            self._usual = held
            return False
        return held > max(_GROWTH_FACTOR * self._usual, self._usual + _GROWTH_BYTES)


def _record(folder: Path) -> dict[str, Any]:
    """Return the records of the outputs, in the order in which they are to appear."""
    names = sorted(entry.name for entry in os.scandir(folder))
    if not names:
        raise InputError("The stage wrote nothing: a case needs at least one output.")
    ordered = [name for name in names if name != LAST] + [name for name in names if name == LAST]
    return record_files(folder, ordered)


def _feature_names_hash(path: Path) -> str | None:
    """Return a hash of the names in the first column of a feature table; None where there is no table."""
    return names_hash(read_row(path)[0]) if path.exists() else None


def _in_words(error: BaseException, folder: Path) -> str:
    """Say in one sentence why a case failed; the same for the same reason, so without paths of temporary folders."""
    full = isinstance(error, OSError) and error.errno in _FULL
    cause: BaseException | None = error
    while cause is not None and not full:
        full = isinstance(cause, OSError) and cause.errno in _FULL
        cause = cause.__cause__ or cause.__context__
    with suppress(OSError):
        # The image library does not say why it could not write
        full = full or ("could not be written" in str(error) and shutil.disk_usage(folder).free < 1 << 20)
    if full:
        return "The disk of the output folder is full: free space and start the cohort again."
    if isinstance(error, BraTSOSError):
        return " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "There was not enough memory for this case: use fewer workers."
    return " ".join(f"Unexpected {type(error).__name__}: {error}".split())


def _memory() -> int:
    """Return the memory that this process holds, in bytes; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def main() -> None:
    """Work until standard input closes."""
    _die_with_parent()
    with suppress(ValueError, AttributeError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides what becomes of the case
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever libraries print must not come between the messages
    lock = threading.Lock()

    def report(message: dict[str, Any]) -> None:
        with lock, suppress(BrokenPipeError):
            out.write(json.dumps(message) + "\n")
            out.flush()

    first = json.loads(sys.stdin.readline() or "null")
    if first is None:
        return
    try:
        worker = Worker(first["settings"], report)
    except BraTSOSError as error:
        report({"kind": "unusable", "error": str(error)})
        return
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs, worker), daemon=True).start()
    report({"kind": "ready"})
    while True:
        job = jobs.get()
        message = worker.do(job)
        worker.cancelled.clear()
        outgrown = worker.outgrown()
        report({**message, "last": outgrown})
        if outgrown:
            return


def _listen(jobs: queue.SimpleQueue[dict[str, Any]], worker: Worker) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if message["kind"] == "cancel":
            worker.cancelled.set()
        else:
            jobs.put(message)
    _end_at_once()


def _end_at_once() -> None:
    """End this process and those it has started, whatever they are doing."""
    if os.name == "posix" and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _die_with_parent() -> None:
    """On Linux, ask to be killed when the parent is: even a thread that never lets go of Python's lock ends then."""
    if sys.platform.startswith("linux"):
        import ctypes

        with suppress(OSError, AttributeError):
            set_parent_death_signal = 1
            ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


if __name__ == "__main__":
    main()
