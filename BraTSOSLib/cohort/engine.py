"""What every engine offers the coordinator: it takes cases as messages and gives back reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Engine(Protocol):
    """Works on claimed cases.

    A job is a dictionary with ``job`` (the claim's token), ``name``, ``scans``, ``labels``, ``clinical``, ``folder``
    and ``known``; a report is one with ``job`` and ``kind``:

    ``started``, ``progress`` (``message``, ``fraction``), ``done`` and ``same`` (see ``worker.Worker.do``),
    ``failed`` (``error``), ``died`` (``error``: the worker, not the case, came to an end), ``timeout`` (``error``),
    ``cancelled``, ``lost`` (nothing is known of it any more; ask again).
    """

    def free(self) -> int:
        """Return how many more jobs the engine can take now."""
        ...

    def submit(self, job: Mapping[str, Any]) -> None:
        """Take a job."""
        ...

    def poll(self, timeout: float) -> list[dict[str, Any]]:
        """Return reports, waiting for the first one for at most ``timeout`` seconds.

        Raises
        ------
        BraTSOSError
            If the engine cannot work at all.
        """
        ...

    def cancel(self) -> None:
        """Ask all jobs to stop; each still ends in a report."""
        ...

    def close(self) -> None:
        """End everything at once; jobs that have not been reported are gone."""
        ...
