"""Asking a cohort to stop: by a signal, or by the caller."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import Cancelled


class Stop:
    """Whether to stop: asked by signals, or by the caller's ``cancel``."""

    def __init__(self, cancel: Callable[[], bool] | None = None) -> None:
        self._asked, self._cancel, self._signalled = 0, cancel, False

    @property
    def asked(self) -> int:
        """How often: once to give cases back cleanly, twice to do so at once."""
        if not self._asked and self._cancel is not None and self._cancel():
            self._asked = 1
        return self._asked

    def signalled(self, number: int, frame: Any) -> None:
        """Handle a signal."""
        self._signalled = True
        self._asked += 1

    def reason(self) -> BaseException:
        """Return the exception to end with."""
        if self._signalled:
            return KeyboardInterrupt()
        return Cancelled("The cohort was stopped as asked; start it again to continue.")

    def check(self) -> None:
        """Raise if asked to stop."""
        if self.asked:
            raise self.reason()


@contextmanager
def stopping(cancel: Callable[[], bool] | None) -> Iterator[Stop]:
    """Handle SIGINT and SIGTERM while the block runs, where this is the main thread."""
    stop = Stop(cancel)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop.signalled) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
