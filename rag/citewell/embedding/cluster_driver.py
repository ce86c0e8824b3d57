"""The process that is connected to a Ray cluster, run by `ClusterDriver`: papers in, vectors out.

It is a process of its own because Ray ends the one that is connected when the cluster goes away, prints on its streams,
and waits for minutes on a network that drops packets. Requests and replies are pickles, one after the other, on stdin
and stdout: first the `Connection` wanted, then batches of papers. A reply is a `Done`, or the error to raise.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any, BinaryIO

from citewell.embedding.base import PaperVectors
from citewell.embedding.cluster_tasks import ClusterTasks, import_ray, reason_of
from citewell.errors import CitewellError, ModelError, UsageError

LOCAL = "local"
_LOOK_SECONDS = 10.0  # between two looks at the head, and for an answer to each
_LOOKS = 3  # in vain: the head has gone


@dataclass(frozen=True, slots=True)
class Connection:
    """What the first request asks for: the cluster, the model, and the fingerprint that it has here."""

    address: str
    spec: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Done:
    """A reply: the vectors of a batch, and how many papers would keep the cluster busy now."""

    papers_at_once: int
    vectors: list[PaperVectors]


Reply = Done | CitewellError


class Replies:
    """Writes replies, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, reply: Reply) -> None:
        """Writes a reply."""
        with self._lock:
            pickle.dump(reply, self._stream)
            self._stream.flush()


def main() -> None:
    """Serves one parent until it closes stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C the parent makes an end
    requests = os.fdopen(os.dup(0), "rb")
    replies = Replies(os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # nothing printed may come between the replies
    wanted: Connection = pickle.load(requests)
    try:
        tasks = _connected(wanted, replies)
        replies.send(Done(tasks.papers_at_once(), []))
        while True:
            vectors = tasks.embed(pickle.load(requests))
            replies.send(Done(tasks.papers_at_once(), vectors))
    except EOFError:  # the parent needs no more
        import_ray().shutdown()
    except CitewellError as error:
        replies.send(error)
    except Exception as error:  # whatever Ray raises when a cluster falls apart
        replies.send(lost(wanted.address, f"{type(error).__name__}: {reason_of(error)}"))


def _connected(wanted: Connection, replies: Replies) -> ClusterTasks:
    """Connects this process, and watches the head from then on.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: There is no cluster at the address.
    """
    ray = import_ray()
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if wanted.address == LOCAL:
        options |= {"address": LOCAL, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    else:
        options |= {"address": wanted.address}
    log = _LastLine()
    try:
        ray.init(**options)
    except Exception as error:  # of many kinds, RayError and ConnectionError among them
        raise no_cluster(wanted.address, log.after(reason_of(error))) from error
    host, _, port = _head(ray, wanted.address).rpartition(":")
    threading.Thread(
        target=_watch,
        args=(wanted.address, (host.strip("[]"), int(port)), os.getppid(), replies),
        daemon=True,
    ).start()
    return ClusterTasks(wanted.spec, wanted.fingerprint)


def no_cluster(address: str, reason: str) -> UsageError:
    """Returns the error of an address where no cluster can be used."""
    return UsageError(
        f"No Ray cluster at {address!r}: {reason} Start one with `ray start --head`, or use --ray local."
    )


def _head(ray: Any, address: str) -> str:  # noqa: ANN401
    """Returns host and port to watch: those of the Ray Client's server, or of what Ray calls the GCS."""
    scheme, _, rest = address.rpartition("://")
    return rest if scheme == "ray" else str(ray.get_runtime_context().gcs_address)


def _watch(address: str, head: tuple[str, int], parent: int, replies: Replies) -> None:
    """Ends this process when the head does not answer any more, or the parent has gone."""
    missed = 0
    while missed < _LOOKS:
        time.sleep(_LOOK_SECONDS)
        if os.getppid() != parent:
            os._exit(1)
        try:
            socket.create_connection(head, _LOOK_SECONDS).close()
            missed = 0
        except OSError as error:
            missed, reason = missed + 1, error
    replies.send(lost(address, f"its head at {head[0]}:{head[1]} does not answer ({reason})."))
    os._exit(1)


def lost(address: str, reason: str) -> ModelError:
    """Returns the error of a cluster that has gone."""
    return ModelError(
        f"The Ray cluster {address!r} was lost: {reason} What was stored is kept; "
        "look at `ray status`, then ingest again."
    )


class _LastLine(logging.Handler):
    """Keeps what the Ray Client logs about its attempts; its error says no more than that it timed out."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._line = ""
        log = logging.getLogger("ray.util.client.worker")
        log.setLevel(logging.DEBUG)
        log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the reason of a failure."""
        _, told, reason = record.getMessage().partition("Received when checking init: ")
        if told:
            self._line = reason

    def after(self, reason: str) -> str:
        """Returns a reason with the line kept."""
        return f"{reason.rstrip('.')}: {self._line.rstrip('.')}." if self._line else reason
