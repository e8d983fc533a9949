"""Batches drawn ahead by threads, handed out in the order of their steps."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from geounet.training.batch import Batch, Sampler

WORKERS = min(8, os.cpu_count() or 1)


class Loader:
    """The batches of the steps from `first` on; leave the `with` block to end its threads."""

    def __init__(self, sampler: Sampler, first: int, last: int, workers: int = WORKERS) -> None:
        """Begin to draw.

        Args:
            sampler: asked by several threads.
            first: step of the first batch.
            last: step after that of the last batch.
            workers: threads; as many batches are drawn ahead, and two.
        """
        self._sampler, self._last = sampler, last
        self._next = first
        self._threads = ThreadPoolExecutor(workers, "batches")
        self._waiting: deque[Future[Batch]] = deque()
        for _ in range(workers + 2):
            self._ask()

    def take(self) -> Batch:
        """Return the next batch."""
        batch = self._waiting.popleft().result()
        self._ask()
        return batch

    def __enter__(self) -> Self:
        """Return the loader."""
        return self

    def __exit__(self, *_: object) -> None:
        """Draw no more."""
        self._threads.shutdown(cancel_futures=True)

    def _ask(self) -> None:
        if self._next < self._last:
            self._waiting.append(self._threads.submit(self._sampler.batch, self._next))
            self._next += 1
