"""One generation on a Chroma server: three Chroma collections that only ever grow while they are in use.

| collection | holds |
|---|---|
| NAME.GENERATION.abstracts | abstract vectors, and in their metadata the records that copies are made from |
| NAME.GENERATION.chunks | chunk vectors, unless the generation's name leaves them out |
| NAME.GENERATION.removed | the positions at which papers were removed |

A change adds records under new ids; what they replace is deleted once the change is published. So what is published
is there in full at any time, and a reader meets at worst an id that its library does not know, which it ignores.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citewell.chroma_server import ChromaServer
from citewell.errors import ChromaServerError
from citewell.library import Record, Served
from citewell.store import HNSW, has_chunks
from citewell.vector_index import ABSTRACTS, CHUNKS, VectorIndex

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection as ChromaCollection

_REMOVED = "removed"
_PARTS = (ABSTRACTS, CHUNKS, _REMOVED)
_PULLED = 200  # records in one reply
_ADDED = 500  # vectors in one request
_TRIES = 5  # of one request to add
_NAMED = 5_000  # ids in one reply
_DELETED = 500
_TRIVIAL: dict[str, Any] = {"space": "cosine"}


class ServedGeneration(VectorIndex):
    """Searches and changes a generation.

    Args:
        server: where it is.
        name: its name.
        create: whether it is made, empty.
        failed: told of a query that the server did not answer.
    """

    def __init__(
        self,
        server: ChromaServer,
        name: str,
        create: bool = False,
        failed: Callable[[ChromaServerError], None] = lambda error: None,
    ) -> None:
        self.name = name
        self._server = server
        self._failed = failed
        self._collections: dict[str, ChromaCollection] = {}
        if create:
            for part in _PARTS:
                hnsw = HNSW.get(part, _TRIVIAL)
                self._collections[part] = server.create(self._full_name(part), hnsw=hnsw)

    @property
    def has_chunks(self) -> bool:
        """Whether it holds chunk vectors."""
        return has_chunks(self.name)

    def close(self) -> None:
        """Does nothing: the connection is the server's."""

    # --- following -------------------------------------------------------------------------------------

    def pull(self, after: int, until: int) -> Iterator[tuple[list[Record], int]]:
        """Yields records after one position until another, some at a time, and the position each batch ends at.

        Raises:
            ChromaServerError: the server does not answer.
        """
        for start in range(after, until, _PULLED):
            end = min(start + _PULLED, until)
            window: Any = {"$and": [{"position": {"$gt": start}}, {"position": {"$lte": end}}]}
            with self._server.wire.told():
                papers = self._part(ABSTRACTS).get(where=window, include=["metadatas"])
                removed = self._part(_REMOVED).get(where=window, include=["metadatas"])
                found = [
                    _record(name, data)
                    for reply in (papers, removed)
                    for name, data in zip(reply["ids"], reply["metadatas"] or [], strict=True)
                ]
            yield found, end

    # --- changing --------------------------------------------------------------------------------------

    def add(self, records: Sequence[Record], dim: int) -> None:
        """Adds records with their vectors of length `dim`.

        Raises:
            ChromaServerError: the server does not answer.
        """
        if not records:
            return
        vectors = [_vectors(record, dim) for record in records]
        abstracts = np.stack([one[0] for one in vectors])
        self._upsert(ABSTRACTS, [one.name for one in records], abstracts, [_metadata(one) for one in records])
        if self.has_chunks:
            names = [f"{one.name}#{n}" for one in records for n in range(one.count_chunks(dim))]
            self._upsert(CHUNKS, names, np.concatenate([one[1:] for one in vectors]), None)

    def bury(self, records: Sequence[Record]) -> None:
        """Adds records that say that papers were removed.

        Raises:
            ChromaServerError: the server does not answer.
        """
        angles = [record.position * 0.1 for record in records]
        places = np.array([[math.cos(angle), math.sin(angle)] for angle in angles], dtype=np.float32)
        if records:
            found: list[dict[str, Any]] = [{"position": one.position} for one in records]
            self._upsert(_REMOVED, [one.name for one in records], places, found)

    def drop(self, records: Sequence[Served]) -> None:
        """Deletes records that others replace.

        Raises:
            ChromaServerError: the server does not answer.
        """
        self._delete(ABSTRACTS, [one.name for one in records])
        if self.has_chunks:
            self._delete(CHUNKS, [f"{one.name}#{n}" for one in records for n in range(one.chunks)])

    def sweep(self, served: Collection[Served], position: int) -> None:
        """Deletes what writers left that died before they published, or before they deleted what they replaced.

        Args:
            served: the records that are published.
            position: the last one that is published.

        Raises:
            ChromaServerError: the server does not answer.
        """
        late: Any = {"position": {"$gt": position}}
        with self._server.wire.told():
            self._part(_REMOVED).delete(where=late)
        names = {one.name for one in served}
        if self._count(ABSTRACTS) != len(names):
            self._delete(ABSTRACTS, [name for name in self._names(ABSTRACTS) if name not in names])
        if self.has_chunks and self._count(CHUNKS) != sum(one.chunks for one in served):
            strange = (name for name in self._names(CHUNKS) if name.rpartition("#")[0] not in names)
            self._delete(CHUNKS, list(strange))

    def delete(self) -> None:
        """Deletes the generation.

        Raises:
            ChromaServerError: the server does not answer.
        """
        for part in _PARTS:
            self._server.delete(self._full_name(part))

    # --- the three collections ---------------------------------------------------------------------------

    def _full_name(self, part: str) -> str:
        return f"{self._server.name}.{self.name}.{part}"

    def _part(self, part: str) -> ChromaCollection:
        if part not in self._collections:
            self._collections[part] = self._server.collection(self._full_name(part))
        return self._collections[part]

    def _count(self, name: str) -> int:
        with self._server.wire.told():
            return int(self._part(name).count())

    def _nearest(self, name: str, query: NDArray[np.float32], limit: int) -> list[tuple[str, float]]:
        if limit <= 0 or (name == CHUNKS and not self.has_chunks):
            return []
        try:
            with self._server.wire.told():
                found = self._part(name).query(
                    query_embeddings=query[None, :], n_results=limit, include=["distances"]
                )
                ids, distances = found["ids"][0], (found["distances"] or [[]])[0]
        except ChromaServerError as error:
            self._failed(error)
            raise
        return [(one.rpartition("@")[0], far) for one, far in zip(ids, distances, strict=True)]

    def _names(self, part: str) -> Iterator[str]:
        names: list[str] = []
        with self._server.wire.told():
            while page := self._part(part).get(limit=_NAMED, offset=len(names), include=[])["ids"]:
                names += page
        return iter(names)

    def _upsert(
        self,
        part: str,
        names: Sequence[str],
        vectors: NDArray[np.float32],
        metadata: Sequence[dict[str, Any]] | None,
    ) -> None:
        for start in range(0, len(names), _ADDED):
            end = start + _ADDED
            found: Any = None if metadata is None else list(metadata[start:end])
            self._put(part, list(names[start:end]), vectors[start:end], found)

    def _put(self, part: str, names: list[str], vectors: NDArray[np.float32], metadata: Any) -> None:  # noqa: ANN401
        """Adds records with one request, again if it takes too long: a publication without it would begin anew."""
        from citewell.chroma_wire import SlowServerError

        for left in reversed(range(_TRIES)):
            try:
                with self._server.wire.told():
                    self._part(part).upsert(ids=names, embeddings=vectors, metadatas=metadata)
                return
            except SlowServerError:
                if not left:
                    raise

    def _delete(self, part: str, names: Sequence[str]) -> None:
        for start in range(0, len(names), _DELETED):
            with self._server.wire.told():
                self._part(part).delete(ids=list(names[start : start + _DELETED]))


def generations(server: ChromaServer) -> list[str]:
    """Returns the names of all generations on the server, published, half made or left behind.

    Raises:
        ChromaServerError: the server does not answer.
    """
    prefix = f"{server.name}."
    found = [name[len(prefix) :].rpartition(".") for name in server.names(prefix)]
    return sorted({name for name, _, part in found if part in _PARTS and "." not in name})


def _vectors(record: Record, dim: int) -> NDArray[np.float32]:
    """Returns unit vectors of shape (1 + chunks, dim), that of the abstract first."""
    return np.frombuffer(record.vectors, dtype="<f2").reshape(-1, dim).astype(np.float32)


def _metadata(record: Record) -> dict[str, Any]:
    return {
        "position": record.position,
        "record": record.body,
        "spans": base64.b64encode(record.spans).decode(),
        "vectors": base64.b64encode(record.vectors).decode(),
    }


def _record(name: str, data: Any) -> Record:  # noqa: ANN401 (metadata as chromadb types it)
    paper_id, _, tag = name.rpartition("@")
    body, spans, vectors = (str(data.get(key, "")) for key in ("record", "spans", "vectors"))
    return Record(
        int(data["position"]), tag, paper_id, body, base64.b64decode(spans), base64.b64decode(vectors)
    )
