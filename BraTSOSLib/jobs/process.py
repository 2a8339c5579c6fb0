"""The caller's side of a child process: start it, ask how far it is, cancel it, take its result."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .. import errors
from ..errors import BraTSOSError, Cancelled, InputError
from .job import CANCEL, Job, read_result
from .log import anonymised
from .process_tree import end_tree, start_options

GRACE_SECONDS = 1.0
"""Between the wish to stop and the end of the process: enough to stop between two windows, and to tidy up."""
_LOG_LINES = 400
_LIBRARY = Path(__file__).resolve().parents[2]
_CODE = (
    "import sys;sys.path.insert(0,bytes.fromhex('{library}').decode());"
    "from BraTSOSLib.jobs.worker import main;sys.exit(main(bytes.fromhex('{folder}').decode()))"
)
"""Nothing but ASCII and no quotes of the other kind: launchers and shells differ in what they make of the rest."""


class WorkerError(BraTSOSError):
    """The child process failed in a way that the library did not foresee; the log says more."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``result`` or ``error``, and the log, which names no patient and no folder."""

    result: dict[str, Any] | None = None
    error: BraTSOSError | None = None
    log: str = ""


@dataclass
class ChildProcess:
    """One job in a process of its own.

    Attributes
    ----------
    job : Job
    python : str
        The interpreter; this process's own unless another is given, as in an application that embeds Python.
    temporary : path, optional
        Where the job's folder is made; the system's temporary folder where None.
    command : sequence of str, optional
        What to start instead of Python on this library, followed by the job's folder; for tests.
    stage, fraction : str, float
        How far it is, after ``poll``.
    news : list of dict
        What the task said of its parts since somebody last emptied the list.
    outcome : Outcome or None
        None as long as it runs.

    Examples
    --------
    >>> child = ChildProcess(Job("phantom"))  # doctest: +SKIP
    >>> child.start()  # doctest: +SKIP
    >>> while child.poll() is None:  # doctest: +SKIP
    ...     time.sleep(0.1)
    >>> child.outcome.result["case"].name  # doctest: +SKIP
    'Synthetic_0000'
    """

    job: Job
    python: str = sys.executable
    temporary: str | os.PathLike[str] | None = None
    command: Sequence[str] | None = None
    stage: str = ""
    fraction: float = 0.0
    news: list[dict[str, Any]] = field(default_factory=list)
    outcome: Outcome | None = None

    def start(self) -> None:
        """Write the job and start the process.

        Raises
        ------
        InputError
            If the temporary folder cannot be written to or the process not be started; nothing is left behind.
        """
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="BraTSOS-", dir=self.temporary))
        except OSError as error:
            raise InputError(
                f"No temporary folder could be made ({error.strerror or error}): make room on the disk."
            ) from error
        self._stop_at: float | None = None
        self._error: BraTSOSError | None = None
        self._done = False
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._lines: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()
        try:
            self.job.write(self.folder)
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONUTF8": "1"},
                cwd=self.folder,
                **start_options(),
            )
        except BaseException as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise InputError(
                    f"Python could not be started ({error.strerror or error}): install the application again."
                ) from error
            raise
        self._readers = [
            threading.Thread(target=self._read, args=(stream, speaks), daemon=True)
            for stream, speaks in ((self._process.stdout, True), (self._process.stderr, False))
        ]
        for reader in self._readers:
            reader.start()

    def poll(self) -> Outcome | None:
        """Take in what the child has said, end it if it was to stop and did not; return the outcome, if there is one.

        To be called every now and then, from one thread. The job's folder is gone once there is an outcome.
        """
        if self.outcome is not None:
            return self.outcome
        ended = self._process.poll() is not None
        if ended:
            for reader in self._readers:  # the last lines may still be on their way; grandchildren may hold the pipe
                reader.join(timeout=1.0)
        self._take_lines()
        if not ended and self._stop_at is not None and time.monotonic() >= self._stop_at:
            end_tree(self._process)
            ended = self._ended_within(2.0)
        if ended:
            self.outcome = self._conclusion()
            self._tidy()
        return self.outcome

    def cancel(self) -> None:
        """Ask the child to stop; ``poll`` ends it, with all its processes, if it has not within ``GRACE_SECONDS``."""
        if self.outcome is None and self._stop_at is None:
            self._stop_at = time.monotonic() + GRACE_SECONDS
            with suppress(OSError):  # on a full disk it is ended without having been asked
                (self.folder / CANCEL).touch()

    def kill(self) -> None:
        """End the child at once, with all its processes."""
        if self.outcome is None:
            self._stop_at = time.monotonic()
            end_tree(self._process)
            self._ended_within(2.0)
            self.poll()

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop_at is not None

    def _command(self) -> list[str]:
        if self.command is not None:
            return [*self.command, str(self.folder)]
        code = _CODE.format(library=str(_LIBRARY).encode().hex(), folder=str(self.folder).encode().hex())
        return [self.python, "-c", code]

    def _read(self, stream: IO[bytes], speaks: bool) -> None:
        with suppress(ValueError, OSError):  # closed under us
            for line in stream:
                self._lines.put((speaks, line.decode("utf-8", errors="replace").rstrip()))

    def _take_lines(self) -> None:
        with suppress(queue.Empty):
            while True:
                speaks, line = self._lines.get_nowait()
                content = _message(line) if speaks else None
                if content is None:
                    if line:
                        self._log.append(line)
                else:
                    self._take(content)

    def _take(self, content: dict[str, Any]) -> None:
        kind = content.pop("bratsos")
        if kind == "progress":
            self.stage, self.fraction = str(content.get("stage", "")), float(content.get("fraction", 0))
            if not self._log or self._log[-1] != f"[{self.stage}]":
                self._log.append(f"[{self.stage}]")
        elif kind == "state":
            self.news.append(content)
        elif kind == "error":
            family = getattr(errors, str(content.get("kind")), None)
            if not (isinstance(family, type) and issubclass(family, BraTSOSError)):
                family = WorkerError
            self._error = family(str(content.get("message", "")))
        elif kind == "done":
            self._done = True

    def _ended_within(self, seconds: float) -> bool:
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _conclusion(self) -> Outcome:
        log = self._shareable_log()
        if self.cancelled and not self._done:
            return Outcome(error=Cancelled("Stopped as asked; nothing was changed."), log=log)
        if self._error is not None:
            return Outcome(error=self._error, log=log)
        if not self._done:
            return Outcome(error=WorkerError(_how_it_ended(self._process.returncode)), log=log)
        try:
            return Outcome(result=read_result(self.folder), log=log)
        except Exception as error:
            return Outcome(error=WorkerError(f"The result could not be read ({error}): try again."), log=log)

    def _shareable_log(self) -> str:
        names = [self.folder, Path.home().name]
        if self.job.case is not None:
            names += [self.job.case.name]
        head = f"{self.job.task}, exit code {self._process.returncode}"
        return anonymised("\n".join([head, *self._log]), map(str, names))

    def _tidy(self) -> None:
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None and not any(reader.is_alive() for reader in self._readers):
                stream.close()
        if self.outcome is None or self.outcome.result is None or "files" not in self.outcome.result:
            self.discard()

    def discard(self) -> None:
        """Delete the job's folder; whoever gets a result with ``files`` does that after having taken them."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _message(line: str) -> dict[str, Any] | None:
    """Return the protocol's message in a line, or None: a launcher or a library may print there, too."""
    if not line.startswith('{"bratsos"'):
        return None
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) and isinstance(content.get("bratsos"), str) else None


def _how_it_ended(code: int) -> str:
    if code == -9:
        return (
            "The computation was ended by the system, most likely because the computer's memory was full: close other "
            "programs, or switch test-time augmentation off."
        )
    if code < 0 or code > 255:
        shown = f"signal {-code}" if code < 0 else f"code {code & 0xFFFFFFFF:#x}"
        return f"The computation crashed ({shown}): try again with the device CPU; the details help to find the cause."
    return f"The computation ended without a result (exit code {code}): the details help to find the cause."
