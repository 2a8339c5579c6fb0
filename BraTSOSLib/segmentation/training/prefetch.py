"""Preparing the next samples in threads while a GPU computes; on a CPU they would only take the network's cores."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from .mining import HardSet
from .sampling import Sampler

Numbers = tuple[int, ...]


class Prefetcher:
    """Gives the batches of a ``Sampler``, computed ahead of time in ``workers`` threads (0: when asked for)."""

    def __init__(self, sampler: Sampler, workers: int) -> None:
        self._sampler = sampler
        self._pool = ThreadPoolExecutor(workers, "samples") if workers else None
        self._ahead = 2 * workers
        self._waiting: dict[tuple[Numbers, int], Future[tuple[Tensor, Tensor]]] = {}

    def batch(self, batches: Sequence[Numbers], hard: HardSet) -> tuple[Tensor, Tensor]:
        """The first of ``batches``; the others are those that will be asked for next."""
        if self._pool is None:
            return self._sampler.batch(batches[0], hard)
        # batches drawn before a round of hard mining are dropped, so that threads change nothing about the run
        self._waiting = {key: future for key, future in self._waiting.items() if key[1] == hard.step}
        for numbers in batches[: self._ahead + 1]:
            key = (numbers, hard.step)
            if key not in self._waiting:
                self._waiting[key] = self._pool.submit(self._sampler.batch, numbers, hard)
        return self._waiting.pop((batches[0], hard.step)).result()

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
