"""Work that the logic has started: watched by a timer while the window stays alive, or waited for in the console."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import qt
import slicer

from BraTSOSLib.errors import BraTSOSError, Cancelled

from .runner import Work

Progress = Callable[[str, float], None]
Cancel = Callable[[], bool]

INTERVAL = 100
"""Milliseconds between two looks at the work."""


class Task:
    """One piece of work and what becomes of its result.

    Parameters
    ----------
    work : Work
        It has been started.
    finish : callable
        Called in Slicer's main thread with the result (a dict); puts it into the scene and returns what the verb of the
        logic returns.

    Attributes
    ----------
    value : what ``finish`` returned
    result : dict, what the work left; None until then
    error : BraTSOSError or Exception, if it ended with one
    log : what the details show; names no patient and no folder
    """

    def __init__(self, work: Work, finish: Callable[[dict[str, Any]], Any]) -> None:
        self.work, self._finish = work, finish
        self.value: Any = None
        self.result: dict[str, Any] | None = None
        self.error: Exception | None = None
        self.log = ""
        self.finished = False
        self.onProgress: Progress | None = None
        self.onNews: Callable[[list[dict]], None] | None = None
        self.onEnd: Callable[[Task], None] | None = None
        self.started = time.monotonic()

    def watch(self, onEnd: Callable[[Task], None], onProgress: Progress | None = None, onNews=None) -> None:
        """Look at the work now and then from now on; ``onEnd`` is called with this task when it has ended."""
        self.onEnd, self.onProgress, self.onNews = onEnd, onProgress, onNews
        self._look()

    def wait(self, progress: Progress | None = None, cancel: Cancel | None = None) -> Any:
        """Keep the window alive until the work has ended; return the value, or raise the error."""
        self.onProgress = progress
        while not self.finished:
            if cancel is not None and cancel():
                self.cancel()
            self.check()
            slicer.app.processEvents()
            time.sleep(0 if self.finished else INTERVAL / 2000)
        if self.error is not None:
            raise self.error
        return self.value

    def check(self) -> None:
        """Look at the work once."""
        if self.finished:
            return
        outcome = self.work.poll()
        if self.work.news and self.onNews is not None:
            news, self.work.news[:] = list(self.work.news), []
            self.onNews(news)
        if outcome is None:
            if self.onProgress is not None and self.work.stage:
                self.onProgress(self.work.stage, self.work.fraction)
            return
        self.finished = True
        self.log, self.error = outcome.log, outcome.error
        if outcome.result is not None:
            self._take(outcome.result)
        if self.onEnd is not None:
            self.onEnd(self)

    def cancel(self) -> None:
        """Have the work stop; it does within two seconds, and the scene stays as it is."""
        self.work.cancel()

    def abandon(self) -> None:
        """End the work at once and tell nobody: the panel or the scene that asked for it goes away."""
        if not self.finished:
            self.finished = True
            self.work.kill()
            self.error = Cancelled("Stopped; nothing was changed.")

    @property
    def seconds(self) -> float:
        """How long it has been under way."""
        return time.monotonic() - self.started

    def _take(self, result: dict[str, Any]) -> None:
        self.result = result
        try:
            self.value = self._finish(result)
        except (BraTSOSError, RuntimeError, ValueError, KeyError, AttributeError, TypeError, OSError) as error:
            self.error = error
        finally:
            if "files" in result:
                self.work.discard()

    def _look(self) -> None:
        """Look once and come back: a timer of our own would have to be deleted while it calls us."""
        self.check()
        if not self.finished:
            qt.QTimer.singleShot(INTERVAL, self._look)
