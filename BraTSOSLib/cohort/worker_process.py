"""The handle on a worker process: starting it, talking to it, ending it with everything that it has started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

Receive = Callable[["WorkerProcess", dict[str, Any]], None]

_TAIL = 2000
"""Bytes of a dead worker's last words that are looked at."""


class WorkerProcess:
    """A running ``worker.main`` in a process group of its own.

    Parameters
    ----------
    settings : dict
        Of ``CohortSettings``.
    receive : callable
        Called in a thread with this object and each message; ``{"kind": "exit"}`` is the last one.
    environment : mapping
        Variables to set besides this process's own.
    name : str
        For messages and the manifest.
    """

    def __init__(
        self, settings: Mapping[str, Any], receive: Receive, environment: Mapping[str, str], name: str
    ) -> None:
        self.name = name
        self.ready = False
        self._gone = False
        self._receive = receive
        # Opened for appending, so that it can be emptied while the worker writes
        self._errors = tempfile.TemporaryFile(mode="a+b")  # noqa: SIM115
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        options: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
        if os.name == "nt":
            options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW  # type: ignore[attr-defined]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "BraTSOSLib.cohort.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **environment, "PYTHONPATH": path},
            text=True,
            encoding="utf-8",
            **options,
        )
        self.send({"settings": dict(settings)})
        self._thread = threading.Thread(target=self._read, name=f"bratsos-{name}", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; one to a dead worker is lost, its ``exit`` is on the way."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def give(self, job: Mapping[str, Any]) -> None:
        """Send a case; what the last one printed is forgotten."""
        with suppress(OSError):
            os.ftruncate(self._errors.fileno(), 0)
        self.send({"kind": "job", "worker": self.name, **job})

    def cancel(self) -> None:
        """Ask for the current case to stop."""
        self.send({"kind": "cancel"})

    def _read(self) -> None:
        assert self._process.stdout is not None
        with suppress(OSError, ValueError):
            for line in self._process.stdout:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue  # cut off by the worker's death
                self._receive(self, message)
        self._receive(self, {"kind": "exit"})

    def kill(self) -> None:
        """End the process and all that it has started, at once, and wait until it is gone."""
        if not self._gone:
            kill_tree(self._process)
            self._gone = True  # its number may belong to somebody else from now on

    def dead(self) -> bool:
        """Return whether the process has ended by itself or been killed, even if what it started still runs."""
        return self._process.poll() is not None

    def end(self) -> None:
        """Close the connection, upon which the worker ends by itself; see that it does."""
        self.kill()
        self._thread.join(timeout=10)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def last_words(self) -> str:
        """Say how a dead worker died."""
        self.kill()
        code = self._process.wait()
        said = ""
        with suppress(OSError):
            size = os.fstat(self._errors.fileno()).st_size
            self._errors.seek(max(size - _TAIL, 0))
            lines = self._errors.read().decode("utf-8", errors="replace").strip().splitlines()
            said = lines[-1].strip()[:300] if lines else ""
        if code < 0:
            with suppress(ValueError):
                name = signal.Signals(-code).name
                hint = ", which the system also sends when memory runs out" if name == "SIGKILL" else ""
                return f"its worker was killed by {name}{hint}"
        return f"its worker ended with the exit code {code}" + (f" ({said})" if said else "")


def kill_tree(process: subprocess.Popen[str]) -> None:
    """Kill a process and its process group, whose leader it is, and wait for it."""
    if os.name == "posix":
        # The group outlives its leader: what a dead worker has started is found too
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()
