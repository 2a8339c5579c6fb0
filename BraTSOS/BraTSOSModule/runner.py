"""Who does the computing: the logic asks a runner for work, so that it can be another process, or a fake in a test."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, Protocol

import slicer

from BraTSOSLib.jobs import ChildProcess, Job, Outcome


class Work(Protocol):
    """A job that is under way; ``ChildProcess`` is one.

    Attributes
    ----------
    stage, fraction : how far it is, after ``poll``
    news : what it said of its parts since the list was last emptied
    outcome : None as long as it runs
    """

    stage: str
    fraction: float
    news: list[dict[str, Any]]
    outcome: Outcome | None

    def poll(self) -> Outcome | None:
        """Look how far it is; return the outcome, if there is one."""

    def cancel(self) -> None:
        """Ask it to stop; it has within two seconds."""

    def kill(self) -> None:
        """End it at once."""

    def discard(self) -> None:
        """Delete the files that it left."""


class Runner(Protocol):
    """Starts work."""

    def start(self, job: Job) -> Work:
        """Start a job and return at once."""


class ChildRunner:
    """Has the library work in a separate process of Slicer's Python, so that the window stays alive."""

    def start(self, job: Job) -> Work:
        """Start a job in a process of its own.

        Raises
        ------
        InputError
            If it cannot be started, for lack of disk space for example.
        """
        child = ChildProcess(job, python=pythonExecutable(), temporary=slicer.app.temporaryPath or None)
        child.start()
        return child


def pythonExecutable() -> str:
    """Return Slicer's Python interpreter; outside the application, this process's own.

    Inside the application ``sys.executable`` may be the application itself.
    """
    return shutil.which("PythonSlicer") or _besideApplication() or sys.executable


def _besideApplication() -> str | None:
    name = "PythonSlicer.exe" if sys.platform == "win32" else "PythonSlicer"
    home = getattr(slicer.app, "slicerHome", "")
    path = Path(home, "bin", name)
    return str(path) if home and path.is_file() else None
