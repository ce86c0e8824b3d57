"""Threads that work beside the one that asks a question."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_MOST = 32  # threads: an embedding model or a Chroma server elsewhere may let many questions wait
P = ParamSpec("P")
T = TypeVar("T")


class Beside:
    """Threads that are started when all are busy, and kept: each new one would have a heap of its own.

    Work is begun in the order in which it comes, so work may wait for work that came before it.
    """

    def __init__(self) -> None:
        self._threads: tuple[int, ThreadPoolExecutor] | None = None

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Has the work done by one of the threads; in a forked child, which has none of them, by one of its own."""
        threads = self._threads
        if threads is None or threads[0] != os.getpid():
            self._threads = threads = os.getpid(), ThreadPoolExecutor(_MOST, "citewell-beside")
        return threads[1].submit(work, *args, **kwargs)

    def close(self) -> None:
        """Lets the threads end when their work is done; further work starts new ones."""
        threads, self._threads = self._threads, None
        if threads is not None and threads[0] == os.getpid():
            threads[1].shutdown(wait=False)
