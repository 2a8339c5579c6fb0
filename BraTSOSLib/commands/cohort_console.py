"""What the command `cohort` shows: a bar on a terminal, plain lines elsewhere, or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Event = dict[str, Any]
Notify = Callable[[Event], None]

_EACH_UP_TO = 50
"""Cohorts of at most so many cases have a line for each; larger ones a line now and then."""

_LINE_EVERY = 10.0
"""Seconds between two such lines."""


@contextmanager
def showing(as_json: bool) -> Iterator[Notify]:
    """Give what is to be told of a cohort's events."""
    if as_json:
        yield print_event
        return
    if not sys.stderr.isatty():
        yield PlainLines()
        return
    with _bar() as notify:
        yield notify


def print_event(event: Event) -> None:
    """Print one event as a line of JSON."""
    from ..pipeline import strict_json

    print(json.dumps(strict_json(event), ensure_ascii=False, allow_nan=False), flush=True)


class Rate:
    """How quickly cases are finished, counted from the first one that this run began."""

    def __init__(self) -> None:
        self.finished, self.total, self.left = 0, 0, 0
        self.failed = 0
        self._began: float | None = None
        self._here = 0

    def update(self, event: Event) -> None:
        """Take an event in."""
        kind = event["event"]
        if kind == "counts":
            self.failed = event["failed"]
            self.finished = event["done"] + event["failed"]
            self.left = event["waiting"] + event["running"]
            self.total = self.finished + self.left
        elif kind == "started" and self._began is None:
            self._began = time.monotonic()
        elif kind in ("done", "failed"):
            self._here += 1
            self.finished = min(self.finished + 1, self.total)
            self.left = max(self.left - 1, 0)
            self.failed += kind == "failed"

    def text(self) -> str:
        """Say rate and time left; "" before the first case is finished."""
        if self._began is None or not self._here:
            return ""
        per_second = self._here / max(time.monotonic() - self._began, 1e-3)
        rate = f"{per_second:.1f} cases/s" if per_second >= 1 else f"{60 * per_second:.1f} cases/min"
        return f"{rate}, {duration(self.left / per_second)} left"


def duration(seconds: float) -> str:
    """Say a time in the two largest units that matter."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600} h"


def describe(event: Event) -> str | None:
    """Return the line for an event that always has one."""
    kind = event["event"]
    if kind == "found":
        wrong = f", {event['wrong']} of which cannot be worked on:" if event["wrong"] else ""
        return f"{event['total']} cases in {event['source']}{wrong}"
    if kind == "problem":
        return f"  {event['case']} ({event['where']}): {event['error']}"
    if kind == "case":
        return f"  {event['case']} ({event['where']}): {event['state']}"
    if kind == "failed":
        return f"failed: {event['case']}: {event['error']}"
    if kind == "returned" and event.get("error"):
        return f"again: {event['case']}: {event['error']}"
    if kind == "note":
        return str(event["text"])
    return "Collecting the results" if kind == "collecting" else None


class PlainLines:
    """Prints lines, for a log."""

    def __init__(self) -> None:
        self._rate = Rate()
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        self._rate.update(event)
        line = describe(event)
        if line is not None:
            print(line, flush=True)
        elif event["event"] == "done" and self._due():
            seconds = f" in {event['seconds']:.1f} s" if event.get("seconds") is not None else ""
            name = f"{event['case']}{seconds}: " if self._rate.total <= _EACH_UP_TO else ""
            print(f"{name}{self._rate.finished} of {self._rate.total}, {self._rate.text()}", flush=True)

    def _due(self) -> bool:
        now = time.monotonic()
        if self._rate.total > _EACH_UP_TO and now - self._last < _LINE_EVERY:
            return False
        self._last = now
        return True


@contextmanager
def _bar() -> Iterator[Notify]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    rate = Rate()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Looking for cases", total=None, rate="")

        def notify(event: Event) -> None:
            rate.update(event)
            line = describe(event)
            if line is not None:
                progress.console.print(line, markup=False, highlight=False)
            failed = f" ({rate.failed} failed)" if rate.failed else ""
            progress.update(
                task,
                description=f"Cases{failed}" if rate.total else "Looking for cases",
                total=rate.total or None,
                completed=rate.finished,
                rate=rate.text(),
            )

        yield notify
