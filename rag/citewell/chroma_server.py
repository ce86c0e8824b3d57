"""A Chroma server: its collections by name, and who may write to them.

The published state of a collection lives in the metadata of an empty Chroma collection `NAME.head.N`, which is
also the lease of the one writer. A writer takes the lease by creating N + 1, which only one can; it adopts the
state of N and deletes N before it publishes. So as long as a reader finds N, its state is the published one, and
a writer that was taken for dead finds its own head gone, or N + 1 beside it, and has published nothing.

All times are the server's, so that clocks of machines do not matter.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from citewell.errors import ChromaServerError, CollectionBusyError, CollectionError
from citewell.library import ServedState
from citewell.settings import Settings

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from citewell.chroma_wire import Wire

LEASE_SECONDS = 90.0  # a lease whose heart has not beaten for so long may be taken over
_BEAT_SECONDS = 10.0
_PAGE = 500
_ATTEMPTS = 3


class Owner(BaseModel):
    """The writer that holds a lease."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


class _Head(NamedTuple):
    """One head as read: its number, what it publishes, who wrote it, the time of the last heartbeat (0: released)."""

    number: int
    state: ServedState | None
    owner: Owner | None
    beat: float


class ChromaServer:
    """The collections of a Chroma server whose names begin with the name of ours; connects on first use.

    Args:
        settings: address, headers, authorities, the name of the collection.
        now: the time that leases are measured by, in seconds; by default the server's.
    """

    def __init__(self, settings: Settings, now: Callable[[], float] | None = None) -> None:
        self.name = settings.chroma_collection
        self.url = (settings.chroma_url or "").rstrip("/")
        self._settings = settings
        self._now = now or self._server_time
        self._wire: Wire | None = None
        self._connecting = threading.Lock()
        self._number = 0  # of the last head seen

    @property
    def wire(self) -> Wire:
        """The connection.

        Raises:
            UsageError: a setting cannot be used.
        """
        with self._connecting:
            if self._wire is None:
                from citewell.chroma_wire import Wire, read_headers

                chosen = self._settings
                text = chosen.chroma_headers.get_secret_value() if chosen.chroma_headers else None
                headers = read_headers(text, chosen.chroma_headers_file)
                self._wire = Wire(self.url, headers, chosen.chroma_ca, chosen.chroma_timeout)
            return self._wire

    def close(self) -> None:
        """Closes the connection; the next request opens it again."""
        with self._connecting:
            if self._wire is not None:
                self._wire.close()
                self._wire = None

    def version(self) -> str:
        """Returns the version that the server gives itself.

        Raises:
            ChromaServerError: it does not answer, or is none.
        """
        with self.wire.told():
            self.wire.api.heartbeat()
            return str(self.wire.api.get_version())

    # --- collections -----------------------------------------------------------------------------------

    def collection(self, name: str) -> Collection:
        """Returns a Chroma collection.

        Raises:
            MissingOnServerError: there is none.
            ChromaServerError: the server does not answer.
        """
        with self.wire.told():
            return self._wrapped(self.wire.api.get_collection(name))

    def create(
        self, name: str, metadata: Mapping[str, Any] | None = None, hnsw: Mapping[str, Any] | None = None
    ) -> Collection:
        """Makes a Chroma collection.

        Raises:
            ExistsOnServerError: there is one of this name.
            ChromaServerError: the server does not answer.
        """
        configuration: Any = None if hnsw is None else {"hnsw": dict(hnsw)}
        values = None if metadata is None else dict(metadata)
        with self.wire.told():
            return self._wrapped(self.wire.api.create_collection(name, None, configuration, values))

    def delete(self, name: str) -> None:
        """Deletes a Chroma collection, if there is one.

        Raises:
            ChromaServerError: the server does not answer.
        """
        from citewell.chroma_wire import MissingOnServerError

        with suppress(MissingOnServerError), self.wire.told():
            self.wire.api.delete_collection(name)

    def names(self, prefix: str) -> dict[str, Mapping[str, Any]]:
        """Returns names and metadata of the Chroma collections whose names begin with `prefix`.

        Raises:
            ChromaServerError: the server does not answer.
        """
        found: dict[str, Mapping[str, Any]] = {}
        offset = 0
        with self.wire.told():
            while page := self.wire.api.list_collections(_PAGE, offset):
                found.update(
                    (str(one.name), one.metadata or {}) for one in page if one.name.startswith(prefix)
                )
                offset += len(page)
                if len(page) < _PAGE:
                    break
        return found

    def _wrapped(self, model: Any) -> Collection:  # noqa: ANN401 (chromadb's own model)
        from chromadb.api.models.Collection import Collection

        return Collection(self.wire.api, model, embedding_function=None)

    # --- the published state ---------------------------------------------------------------------------

    def state(self) -> ServedState | None:
        """Returns what is published now, None before anything is.

        Raises:
            ChromaServerError: the server does not answer.
        """
        from citewell.chroma_wire import MissingOnServerError

        if self._number:
            with suppress(MissingOnServerError):
                head = _parse(self._number, self.collection(self._head_name(self._number)).metadata)
                if head.state is not None:
                    return head.state
        heads = self._heads()
        self._number = max((head.number for head in heads if head.state is not None), default=0)
        return next((head.state for head in heads if head.number == self._number), None)

    def holder(self) -> Owner | None:
        """Returns the writer that holds the lease now, None if nobody does.

        Raises:
            ChromaServerError: the server does not answer.
        """
        heads = self._heads()
        return None if not heads or self._is_free(heads[-1]) else heads[-1].owner

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Holds the right to write; it is taken over from a writer whose heart has stopped.

        Raises:
            CollectionBusyError: another writer holds it; the message names it.
            ChromaServerError: the server does not answer.
        """
        lease = self._acquire()
        lease.start()
        try:
            yield lease
        finally:
            lease.release()

    def _acquire(self) -> Lease:
        from citewell.chroma_wire import ExistsOnServerError

        owner = Owner(host=socket.gethostname(), pid=os.getpid(), since=datetime.now().strftime("%H:%M:%S"))
        for _ in range(_ATTEMPTS):
            heads = self._heads()
            last = heads[-1] if heads else None
            if last is not None and not self._is_free(last):
                raise CollectionBusyError(self._busy(last.owner))
            number = last.number + 1 if last is not None else 1
            mine = {"owner": owner.model_dump_json(), "beat": self._now()}
            try:
                made = self.create(self._head_name(number), mine)
            except ExistsOnServerError:
                continue
            # Others may have come and gone since the heads were read: then this one stands behind theirs.
            heads = self._heads()
            if heads[-1].number == number and (
                last is None or last.number in {head.number for head in heads}
            ):
                return self._adopt(made, number, mine, heads[:-1])
            self.delete(self._head_name(number))
        raise CollectionBusyError(self._busy(None))

    def _adopt(self, made: Collection, number: int, mine: Mapping[str, Any], before: list[_Head]) -> Lease:
        """Returns the lease once its head carries the published state and those before it are gone."""
        state = next((head.state for head in reversed(before) if head.state is not None), None)
        lease = Lease(self, made, number, mine, state)
        lease.write(state)
        for head in before:  # the oldest first: a head is gone only when all before it are
            self.delete(self._head_name(head.number))
        return lease

    def _is_free(self, head: _Head) -> bool:
        return head.owner is None or head.beat == 0 or self._now() - head.beat > LEASE_SECONDS

    def _busy(self, owner: Owner | None) -> str:
        return (
            f"{self.name} on {self.url} is being written to by {owner or 'another process'}. "
            "Try again when it is done."
        )

    def _heads(self) -> list[_Head]:
        """Returns all heads in order; there is more than one only while a writer takes over."""
        prefix = self._head_name("")
        found = self.names(prefix).items()
        heads = [
            _parse(int(name[len(prefix) :]), data) for name, data in found if name[len(prefix) :].isdigit()
        ]
        return sorted(heads, key=lambda head: head.number)

    def _head_name(self, number: int | str) -> str:
        return f"{self.name}.head.{number}"

    def _server_time(self) -> float:
        with self.wire.told():
            return self.wire.api.heartbeat() / 1e9


class Lease:
    """The right to write, as long as its head is the last one.

    Attributes:
        state: what was published when it was taken, and then what it published itself.
        number: of its head; no other lease of this collection has the same.
    """

    def __init__(
        self,
        server: ChromaServer,
        head: Collection,
        number: int,
        mine: Mapping[str, Any],
        state: ServedState | None,
    ) -> None:
        self.state = state
        self.number = number
        self._server = server
        self._head = head
        self._mine = dict(mine)
        self._lost = False
        self._writing = threading.Lock()
        self._stopping = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="citewell-lease", daemon=True)

    def start(self) -> None:
        """Starts the heartbeat."""
        self._heart.start()

    def check(self) -> None:
        """Makes sure that the lease is still held.

        Raises:
            CollectionBusyError: another writer has taken it over.
            ChromaServerError: the server does not answer.
        """
        heads = self._server._heads()
        if self._lost or not heads or heads[-1].number != self.number:
            owner = heads[-1].owner if heads else None
            raise CollectionBusyError(
                f"{self._server.name} on {self._server.url} was taken over by {owner or 'another process'}, because "
                f"this process had not answered for {LEASE_SECONDS:g} s; nothing was published. Try again."
            )

    def publish(self, state: ServedState) -> None:
        """Makes a state the published one.

        Raises:
            CollectionBusyError: another writer has taken the lease over; the state is not published.
            ChromaServerError: the server does not answer.
        """
        self.check()
        self.write(state)
        # Who took over in between read the state before or after this: only without a successor is it certain.
        self.check()
        self.state = state

    def write(self, state: ServedState | None) -> None:
        """Writes the head, and with it a heartbeat.

        Raises:
            CollectionBusyError: the head is gone.
            ChromaServerError: the server does not answer.
        """
        from citewell.chroma_wire import MissingOnServerError

        with self._writing:
            self._mine["beat"] = self._server._now()
            if state is not None:
                self._mine["state"] = state.model_dump_json()
            try:
                with self._server.wire.told():
                    self._head.modify(metadata=dict(self._mine))
            except MissingOnServerError:
                self._lost = True
                self.check()

    def release(self) -> None:
        """Stops the heartbeat and lets others write; a server that is down finds out by the silence."""
        self._stopping.set()
        if self._heart.is_alive():
            self._heart.join()
        with suppress(ChromaServerError, CollectionBusyError), self._writing, self._server.wire.told():
            self._head.modify(metadata={**self._mine, "beat": 0.0})

    def _beat(self) -> None:
        while not self._stopping.wait(_BEAT_SECONDS):
            with suppress(ChromaServerError, CollectionBusyError):
                self.write(None)


def _parse(number: int, metadata: Mapping[str, Any] | None) -> _Head:
    """Returns a head.

    Raises:
        CollectionError: it was not written by this version of Citewell.
    """
    data = metadata or {}
    try:
        state = ServedState.model_validate_json(data["state"]) if data.get("state") else None
        owner = Owner.model_validate_json(data["owner"]) if data.get("owner") else None
        return _Head(number, state, owner, float(data.get("beat", 0)))
    except (ValidationError, TypeError, ValueError) as error:
        raise CollectionError(
            "What the Chroma server says of this collection cannot be read: another version of Citewell wrote it. "
            "Use that version, or another CITEWELL_CHROMA_COLLECTION."
        ) from error
