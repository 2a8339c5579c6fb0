"""Stopping a run between two steps, where what it has learned is of one piece."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether somebody asked the run to stop."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: the first waits for the end of the step, the second does not."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def stop_between_steps() -> Iterator[StopRequest]:
    """Turn Ctrl-C and a request to terminate into a ``StopRequest`` while the block runs.

    Signals reach the main thread alone; elsewhere the request is never set.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
