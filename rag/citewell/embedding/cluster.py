"""Embedding on a Ray cluster: the same model in every worker, the same vectors in the same order.

A process that is connected to a cluster already embeds there. Else the connection is held by a child process, whose end
is an error here and not the end of this process; see `cluster_driver`.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from citewell.embedding import open_embedder
from citewell.embedding.base import Embedder, PaperVectors, Passages
from citewell.embedding.cluster_driver import Connection, Done, lost, no_cluster
from citewell.embedding.cluster_tasks import ClusterTasks
from citewell.errors import CitewellError, UsageError

_CONNECT_SECONDS = 10.0
_READY_SECONDS = 120.0  # Ray's own limits add up to one minute and a half
_END_SECONDS = 10.0
_STOP_SECONDS = 5.0  # for Ray to end its processes
# Not with -m: what the module defines would be known by another name there than here.
_DRIVER = (sys.executable, "-P", "-c", "import citewell.embedding.cluster_driver as driver; driver.main()")


class _Tasks(Protocol):
    """What embeds on the cluster: this process, or a child of it."""

    def papers_at_once(self) -> int:
        """Returns how many papers keep every worker busy."""

    def embed(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Returns the vectors of every paper, in the order given."""


class ClusterEmbedder:
    """Gives the vectors that a model gives, made by the workers of a running cluster.

    Args:
        here: The model, which embeds questions and tells what the vectors are.
        tasks: Embed papers with the same model.
    """

    def __init__(self, here: Embedder, tasks: _Tasks) -> None:
        self._here = here
        self._tasks = tasks

    @property
    def name(self) -> str:
        """The model's name."""
        return self._here.name

    @property
    def fingerprint(self) -> str:
        """That of the model: where it ran changes nothing."""
        return self._here.fingerprint

    @property
    def dim(self) -> int:
        """The length of the vectors."""
        return self._here.dim

    @property
    def papers_at_once(self) -> int:
        """How many papers keep every worker busy; more once nodes have joined."""
        return self._tasks.papers_at_once()

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of questions, made here."""
        return self._here.embed_queries(texts)

    def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Return the vectors of every paper, in the order given.

        Raises:
            ModelError: The model failed in a worker, workers died again and again, or the cluster was lost.
        """
        return self._tasks.embed(batch)


class ClusterDriver:
    """The child process that is connected to a cluster; leaving the block ends it.

    Args:
        wanted: The cluster and the model.
        command: Starts the child.
        limit: For how many seconds it may try to connect.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: There is no cluster at the address.
    """

    def __init__(
        self, wanted: Connection, command: Sequence[str] = _DRIVER, limit: float = _READY_SECONDS
    ) -> None:
        self._address = wanted.address
        self._complaints: IO[bytes] = tempfile.TemporaryFile()
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        )
        self._requests = cast(IO[bytes], self._child.stdin)
        self._replies = cast(IO[bytes], self._child.stdout)
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._child.kill()

        timer = threading.Timer(limit, give_up)
        timer.start()
        try:
            self._papers_at_once = self._answer(wanted).papers_at_once
        except BaseException as error:
            self._end(0)
            if late.is_set():
                raise no_cluster(self._address, f"no answer within {limit:.0f} seconds.") from error
            raise
        finally:
            timer.cancel()

    def papers_at_once(self) -> int:
        """Returns how many papers kept every worker busy at the last answer."""
        return self._papers_at_once

    def embed(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Returns the vectors of every paper, in the order given.

        Raises:
            ModelError: The model failed in a worker, workers died again and again, or the cluster was lost.
        """
        done = self._answer(list(batch))
        self._papers_at_once = done.papers_at_once
        return done.vectors

    def _answer(self, request: Connection | list[Passages]) -> Done:
        """Returns the answer to a request, or raises the error that came instead."""
        try:
            with suppress(BrokenPipeError):  # its last words may tell why
                pickle.dump(request, self._requests)
                self._requests.flush()
            reply: Done | CitewellError = pickle.load(self._replies)
        except (EOFError, pickle.UnpicklingError) as error:  # it ended before it had said all
            raise lost(self._address, self._how_it_ended()) from error
        if isinstance(reply, CitewellError):
            raise reply
        return reply

    def _how_it_ended(self) -> str:
        status = self._child.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        told = f": {said[:300]}" if said and status > 0 else ""  # a signal leaves a list of addresses
        return f"Ray ended the process connected to it (status {status}){told.rstrip('.')}."

    def _end(self, seconds: float) -> None:
        """Lets the child end by itself, or ends it."""
        with suppress(BrokenPipeError):
            self._requests.close()
        for wait, kill in ((seconds, self._child.terminate), (_STOP_SECONDS, self._child.kill)):
            try:
                self._child.wait(wait)
                break
            except subprocess.TimeoutExpired:
                kill()
        self._child.wait()
        self._replies.close()
        self._complaints.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(_END_SECONDS if error is None else 1.0)


@contextmanager
def cluster(address: str, spec: str) -> Iterator[ClusterEmbedder]:
    """Yields an embedder on the cluster at an address, or on one of this machine's CPUs for `local`.

    A program that is connected to a cluster already stays so, whatever the address.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: There is no cluster at the address.
    """
    here = open_embedder(spec)
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        yield ClusterEmbedder(here, ClusterTasks(spec, here.fingerprint))
        return
    _check_reachable(address)
    with ClusterDriver(Connection(address, spec, here.fingerprint)) as driver:
        yield ClusterEmbedder(here, driver)


def _check_reachable(address: str) -> None:
    """Raises where nobody listens at a host and port: Ray itself would try for minutes."""
    scheme, _, place = address.rpartition("://")
    host, colon, port = place.rpartition(":")
    if not colon:  # local and auto
        if scheme:
            raise UsageError(
                f"The Ray address {address!r} lacks a port. Use {address}:10001, Ray's own choice."
            )
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise no_cluster(address, f"{error}.") from error
