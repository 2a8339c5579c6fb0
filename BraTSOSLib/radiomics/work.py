"""Running the tasks of an extraction, side by side where that helps, with progress and a way to stop."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..errors import Cancelled
from .job import Task

Progress = Callable[[str, float], None]
Cancel = Callable[[], bool]

_AT_MOST = 4
"""Threads; a case has four modalities."""


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tasks(
    tasks: Sequence[Task], workers: int | None = None, progress: Progress | None = None, cancel: Cancel | None = None
) -> None:
    """Run all tasks; progress and cancel are called from this thread only.

    Raises
    ------
    Cancelled
        If ``cancel`` returned True. Other errors of a task are raised as they are, when all others have stopped.
    """
    total = max(sum(task.steps for task in tasks), 1)
    done = 0

    def report(message: str) -> None:
        if cancel is not None and cancel():
            raise Cancelled("Stopped as asked; no features were kept.")
        if progress is not None:
            progress(message, min(done / total, 1.0))

    report("Measuring")
    count = min(workers or min(processors(), _AT_MOST), len(tasks))
    if count <= 1:
        for task in tasks:
            for message in task.run():
                done += 1
                report(f"Measured {message}")
    else:
        news: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        stop = threading.Event()

        def work(task: Task) -> None:
            try:
                for message in task.run():
                    if stop.is_set():
                        return
                    news.put(message)
            except BaseException:
                stop.set()
                raise
            finally:
                news.put(None)

        with ThreadPoolExecutor(count, thread_name_prefix="radiomics") as pool:
            # The longest first: shape is quick and fills the gaps.
            futures = [pool.submit(work, task) for task in sorted(tasks, key=lambda task: -task.steps)]
            try:
                left = len(futures)
                while left:
                    said = news.get()
                    if said is None:
                        left -= 1
                    else:
                        done += 1
                        report(f"Measured {said}")
            finally:
                stop.set()
                for future in futures:
                    future.cancel()
        for future in futures:
            if not future.cancelled():
                future.result()
    done = total
    report("Features measured")
