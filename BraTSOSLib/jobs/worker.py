"""The child process: carries a job out and says on standard output how far it is, one JSON object a line.

Lines are ASCII, begin on a line of their own, and carry the key ``bratsos``: ``progress`` (``stage``, ``fraction``),
``state`` (a task's own news), ``error`` (``kind``, ``message``), ``done``. Whatever libraries print goes to standard
error, where it cannot be taken for one of them.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from ..errors import BraTSOSError
from .job import CANCEL, Job, parent_of, write_result
from .process_tree import end_own_tree, is_alive

_LEAST_SECONDS = 0.1
"""Between two lines of the same stage: nobody reads them faster."""
_WATCH_SECONDS = 2.0

NO_ROOM = "There is no room left on the disk: delete something, or choose an output folder on another disk."
NO_MEMORY = (
    "The computer's memory was too small for this work: close other programs, or switch test-time augmentation off."
)


def main(folder: str | os.PathLike[str]) -> int:
    """Carry out the job in ``folder``; return the process's exit code, 0 where a result was left."""
    path = Path(folder)
    speak = _Speaker(_claim_stdout())
    threading.Thread(target=_follow_parent, args=(parent_of(path),), daemon=True).start()
    try:
        from .tasks import TASKS

        job = Job.read(path)
        result = TASKS[job.task](job, path, progress=speak.progress, cancel=(path / CANCEL).exists, news=speak.news)
        write_result(path, result)
    except BraTSOSError as error:
        speak.line("error", kind=type(error).__name__, message=str(error))
        return 2
    except BaseException as error:
        traceback.print_exc()
        speak.line("error", kind=_kind(error), message=_sentence(error))
        return 1
    speak.line("done")
    return 0


def _claim_stdout() -> TextIO:
    """Keep standard output for the protocol: anything else that is printed, in C as well, goes to standard error."""
    sys.stdout.flush()
    protocol = os.fdopen(os.dup(1), "w", encoding="ascii", newline="\n")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return protocol


class _Speaker:
    """Writes the protocol's lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._last = ("", 0.0)

    def line(self, event: str, /, **fields: Any) -> None:
        """Write one line; a parent that no longer listens is no error here."""
        text = json.dumps({"bratsos": event, **fields})
        try:
            with self._lock:
                self._stream.write(f"\n{text}\n")
                self._stream.flush()
        except OSError:
            pass

    def progress(self, stage: str, fraction: float) -> None:
        """Say how far the work is."""
        said, when = self._last
        now = time.monotonic()
        if stage != said or now - when >= _LEAST_SECONDS or fraction >= 1:
            self._last = (stage, now)
            self.line("progress", stage=stage, fraction=round(float(fraction), 4))

    def news(self, content: Mapping[str, Any]) -> None:
        """Pass on what a task says of its parts, such as a cohort's cases."""
        self.line("state", **content)


def _follow_parent(number: int, wait: Callable[[float], None] = time.sleep) -> None:
    """End when the application that asked for the work has gone, crashed perhaps: nobody would read the result."""
    while is_alive(number):
        wait(_WATCH_SECONDS)
    end_own_tree()


def _kind(error: BaseException) -> str:
    return "DependencyError" if _is_missing_package(error) else "WorkerError"


def _is_missing_package(error: BaseException) -> bool:
    # A half-installed torch fails with any of these while it is being imported
    frames = traceback.extract_tb(error.__traceback__)
    importing = any("importlib" in frame.filename or frame.name == "<module>" for frame in frames)
    return isinstance(error, ImportError) or (isinstance(error, OSError | AttributeError | NameError) and importing)


def _sentence(error: BaseException) -> str:
    """Say what happened and what to do, for errors that the library did not foresee."""
    if isinstance(error, MemoryError):
        return NO_MEMORY
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return NO_ROOM
    if _is_missing_package(error):
        package = (getattr(error, "name", None) or _package_of(error) or str(error)).split(".")[0]
        if isinstance(error, ModuleNotFoundError):
            return f"The Python package {package} is not installed: install it in the section Setup, then try again."
        return (
            f"The Python package {package} is there but cannot be loaded ({_short(error)}): install it again in the "
            "section Setup, then restart."
        )
    return f"The work failed unexpectedly ({type(error).__name__}: {_short(error)}): see the details."


def _package_of(error: BaseException) -> str:
    """Name the installed package whose file failed while it was being imported."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        parts = Path(frame.filename).parts
        if "site-packages" in parts[:-1]:
            return parts[parts.index("site-packages") + 1].removesuffix(".py")
    return ""


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or "no reason given"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
