"""The workers of an existing Dask cluster, which may be many machines; its scheduler may be lost and come back."""

from __future__ import annotations

import json
import logging
import queue
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import BraTSOSError, DependencyError
from .dask_worker import RESULT, clear_pool, run_job
from .publishing import remove

_CONNECT = 5.0
"""Seconds that one attempt to reach the scheduler may take."""

_PATIENCE = 900.0
"""Seconds without a scheduler after which the engine gives up."""

_ASK_EVERY = 3.0
"""Seconds between two questions for the number of workers."""


class DaskEngine:
    """See ``engine.Engine``.

    Parameters
    ----------
    address : str
        Of the scheduler.
    settings : dict
        Of ``CohortSettings``.
    threads : int, optional
        Of each case; as the Dask workers' environment says unless given (``dask worker`` sets OMP_NUM_THREADS to 1).
    case_timeout : float, optional
    tell : callable
        Told of ``note`` events.
    patience : float
        Seconds without a scheduler after which the engine gives up.

    Raises
    ------
    DependencyError
        If ``distributed`` is not installed.
    BraTSOSError
        If there is no scheduler at the address.
    """

    def __init__(
        self,
        address: str,
        settings: Mapping[str, Any],
        *,
        threads: int | None = None,
        case_timeout: float | None = None,
        tell: Callable[[dict[str, Any]], None],
        patience: float = _PATIENCE,
    ) -> None:
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise DependencyError(
                "Dask is not installed, which --scheduler needs: pip install 'bratsos[cohort]'."
            ) from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told as notes
        self._address, self._settings, self._threads, self._limit = address, dict(settings), threads, case_timeout
        self._tell, self._patience = tell, patience
        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._futures: dict[str, Any] = {}
        self._folders: dict[str, Path] = {}
        self._reports: list[dict[str, Any]] = []
        self._places, self._asked = 0, 0.0
        self._without_workers = False
        self._lost_since: float | None = None
        self._client: Any = None
        if not self._connect():
            raise BraTSOSError(f"No Dask scheduler answers at {address}: start one with dask scheduler, or check it.")

    def _connect(self) -> bool:
        from distributed import Client

        try:
            self._client = Client(
                self._address, timeout=_CONNECT, name="bratsos", set_as_default=False, direct_to_workers=False
            )
        except (OSError, TimeoutError, ValueError):
            self._client = None
            return False
        self._asked = 0.0
        return True

    def free(self) -> int:
        """See ``Engine``; one case more than threads waits at each worker, so that none is idle in between."""
        if self._client is None:
            return 0
        if time.monotonic() - self._asked > _ASK_EVERY:
            try:
                threads = self._client.nthreads()
            except Exception:  # whatever a connection that is going down raises; see _look_after_scheduler
                return 0
            self._places, self._asked = sum(threads.values()) + len(threads), time.monotonic()
            if not threads and not self._without_workers:
                self._note(f"The Dask scheduler {self._address} has no workers yet: waiting for them.")
            self._without_workers = not threads
        return max(self._places - len(self._futures), 0)

    def submit(self, job: Mapping[str, Any]) -> None:
        """See ``Engine``; as long as somebody waits for the case, there is a folder named after its claim."""
        token = job["job"]
        self._folders[token] = Path(job["folder"])
        self._folders[token].mkdir(exist_ok=True)
        try:
            future = self._client.submit(
                run_job, dict(job), self._settings, self._threads, self._limit, key=f"bratsos-{token}", pure=False
            )
        except Exception:  # the connection went down just now
            self._futures[token] = None
            return
        self._futures[token] = future
        self._reports.append({"kind": "started", "job": token})
        future.add_done_callback(lambda _: self._finished.put(token))

    def poll(self, timeout: float) -> list[dict[str, Any]]:
        """See ``Engine``."""
        self._look_after_scheduler()
        with suppress(queue.Empty):
            if not self._reports:
                self._take(self._finished.get(timeout=timeout))
            while True:
                self._take(self._finished.get_nowait())
        reports, self._reports = self._reports, []
        for report in reports:
            if report["kind"] == "unusable":
                raise BraTSOSError(str(report["error"]))
        return reports

    def _take(self, token: str) -> None:
        """Turn a future that is done into a report."""
        future = self._futures.get(token)
        if future is None:
            return
        if future.status == "finished":
            with suppress(Exception):  # lost on the way: the report's copy is asked for
                return self._end(token, future.result(timeout=_CONNECT))
        if future.status == "error":
            error = future.exception()
            if type(error).__name__ == "KilledWorker":
                text = "its Dask worker died each time"
            else:
                text = f"its Dask worker failed ({type(error).__name__}: {error})"
            return self._end(token, {"kind": "died", "job": token, "error": text})
        self._end(token, self._kept_report(token))

    def _kept_report(self, token: str) -> dict[str, Any]:
        """Return the report in the claim's folder, if the case was finished before the connection was lost."""
        with suppress(OSError, ValueError):
            report: dict[str, Any] = json.loads((self._folders[token] / RESULT).read_text(encoding="utf-8"))
            return report
        return {"kind": "lost", "job": token}

    def _end(self, token: str, report: dict[str, Any]) -> None:
        self._reports.append(report)
        remove(self._folders.pop(token))
        future = self._futures.pop(token)
        if future is not None:
            with suppress(Exception):
                future.release()

    def _look_after_scheduler(self) -> None:
        if self._client is not None and self._client.status == "running":
            for token, future in list(self._futures.items()):
                # Lost by a client that has found the scheduler again, or rather another one at its address
                if future is None or future.status in ("lost", "cancelled"):
                    self._end(token, self._kept_report(token))
            return
        if self._lost_since is None:
            self._lost_since = time.monotonic()
            self._note(f"The Dask scheduler {self._address} is lost: waiting for it to come back.")
            self._drop_client()
            for token in list(self._futures):
                self._end(token, self._kept_report(token))
        if self._connect():
            self._lost_since = None
            self._note(f"The Dask scheduler {self._address} is back.")
        elif time.monotonic() - self._lost_since > self._patience:
            raise BraTSOSError(
                f"The Dask scheduler {self._address} has been lost for {self._patience:g} s: start it and the cohort "
                "again, finished cases are kept."
            )

    def _note(self, text: str) -> None:
        self._tell({"event": "note", "text": text})

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        with suppress(Exception):
            client.close(timeout=2)

    def cancel(self) -> None:
        """See ``Engine``; running tasks see that the folders of their claims are gone."""
        for token, future in list(self._futures.items()):
            with suppress(Exception):
                future.cancel()
            self._end(token, {"kind": "cancelled", "job": token})

    def close(self) -> None:
        """See ``Engine``."""
        self.cancel()
        self._reports.clear()
        if self._client is not None:
            with suppress(Exception):
                self._client.run(clear_pool, wait=True, on_error="ignore")
            self._drop_client()
