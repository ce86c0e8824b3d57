"""The vector store: immutable generations of a Chroma index, built aside and then published.

Chroma's embedded index belongs to one process, and a kill while it writes can leave it unreadable. So nobody
ever writes to an index that is in use: a writer copies the current generation, changes the copy, checks it by
real queries and publishes its name in the library's manifest. Readers, in any number of processes, only ever
open published generations. Everything in a generation can be made again from the library.

This is the only module that imports chromadb.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citewell.errors import CollectionError

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

ABSTRACTS, CHUNKS = "abstracts", "chunks"
_BUILDING = ".building-"
_ADD_BATCH = 2_000  # Chroma takes at most 5,461 at once
_HNSW = {
    "space": "cosine",
    "ef_construction": 200,
    "ef_search": 400,
    "max_neighbors": 32,
    "sync_threshold": 1_000,
}


class PaperVectors(NamedTuple):
    """What the index holds of one paper: unit vectors of shapes (dim,) and (n, dim)."""

    paper_id: str
    abstract: NDArray[np.float32]
    chunks: NDArray[np.float32]


class Generation:
    """One Chroma index with a collection of abstract vectors and one of chunk vectors."""

    def __init__(self, path: Path, create: bool = False) -> None:
        self.path = path
        self._counts: dict[str, int] = {}
        self._client = _client(path)
        try:
            self._collections = {
                name: _collection(self._client, name, create) for name in (ABSTRACTS, CHUNKS)
            }
        except Exception as error:
            self.close()
            raise CollectionError(f"The vector index {path} cannot be opened: {error}.") from error

    def close(self) -> None:
        """Releases files and threads; the generation cannot be used afterwards."""
        self._client.close()

    def count(self) -> int:
        """Returns the number of papers."""
        return int(self._collections[ABSTRACTS].count())

    def nearest_papers(self, query: NDArray[np.float32], limit: int) -> list[str]:
        """Returns the ids of the papers whose abstract vectors are nearest, best first."""
        return self._nearest(ABSTRACTS, query, limit)

    def nearest_by_chunk(self, query: NDArray[np.float32], limit: int) -> list[str]:
        """Returns the distinct ids of the papers of the `limit` nearest chunks, best first."""
        found = self._nearest(CHUNKS, query, limit)
        return list(dict.fromkeys(chunk_id.rpartition("#")[0] for chunk_id in found))

    def add(self, papers: Iterable[PaperVectors]) -> int:
        """Adds papers that the index does not hold; returns how many."""
        added = 0
        self._counts.clear()
        papers = iter(papers)
        while batch := list(islice(papers, _ADD_BATCH)):
            added += len(batch)
            paper_ids = [paper.paper_id for paper in batch]
            vectors = np.stack([paper.abstract for paper in batch])
            _upsert(self._collections[ABSTRACTS], paper_ids, vectors, paper_ids)
            owners = [paper.paper_id for paper in batch for _ in paper.chunks]
            if owners:
                ids = [f"{paper.paper_id}#{n}" for paper in batch for n in range(len(paper.chunks))]
                _upsert(self._collections[CHUNKS], ids, np.concatenate([p.chunks for p in batch]), owners)
        return added

    def remove(self, paper_ids: Sequence[str]) -> None:
        """Removes all vectors of the papers."""
        self._counts.clear()
        for start in range(0, len(paper_ids), 500):
            part = list(paper_ids[start : start + 500])
            self._collections[ABSTRACTS].delete(ids=part)
            owned: Any = {"paper": {"$in": part}}
            self._collections[CHUNKS].delete(where=owned)

    def finds(self, paper: PaperVectors) -> bool:
        """Returns whether a real query with the paper's own vectors finds it, in both collections."""
        try:
            by_abstract = paper.paper_id in self.nearest_papers(paper.abstract, 20)
            return by_abstract and all(
                paper.paper_id in self.nearest_by_chunk(chunk, 20) for chunk in paper.chunks[:1]
            )
        except CollectionError:
            return False

    def _count(self, name: str) -> int:
        # A published generation never changes, so that one count serves all questions.
        if name not in self._counts:
            self._counts[name] = int(self._collections[name].count())
        return self._counts[name]

    def _nearest(self, name: str, query: NDArray[np.float32], limit: int) -> list[str]:
        collection = self._collections[name]
        try:
            limit = min(limit, self._count(name))
            if limit == 0:
                return []
            found = collection.query(query_embeddings=query[None, :], n_results=limit, include=["distances"])
        except Exception as error:  # chromadb raises its own and its engine's errors, of no common kind
            raise CollectionError(f"The vector index {self.path} does not answer: {error}.") from error
        return list(found["ids"][0])


class VectorStore:
    """The folder of generations of one collection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, name: str) -> Generation:
        """Opens a published generation for reading.

        Raises:
            CollectionError: it is missing or damaged.
        """
        path = self.folder / name
        if not name or not path.is_dir():
            raise CollectionError(f"The vector index {path} is missing.")
        return Generation(path)

    def build(self, base: str, change: Callable[[Generation], None]) -> str:
        """Makes a new generation from a copy of `base` (or from nothing if it is empty); returns its name.

        `change` fills the copy. Until this returns, nothing that readers can see has changed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex[:12]
        building = self.folder / f"{_BUILDING}{name}"
        try:
            if base:
                shutil.copytree(self.folder / base, building)
            generation = Generation(building, create=not base)
            try:
                change(generation)
            finally:
                generation.close()
            building.rename(self.folder / name)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        return name

    def sweep(self, keep: Sequence[str]) -> None:
        """Deletes generations and half-built ones except those named; hold the write lock."""
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if path.is_dir() and path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)

    def size(self) -> int:
        """Returns the bytes on disk of all generations."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def _client(path: Path) -> Any:
    # Chroma's own telemetry and any model download stay off; vectors always come from us.
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    import chromadb
    from chromadb.config import Settings

    try:
        return chromadb.PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))
    except Exception as error:
        raise CollectionError(f"The vector index {path} cannot be opened: {error}.") from error


def _collection(client: Any, name: str, create: bool) -> Collection:
    if create:
        made: Collection = client.create_collection(
            name, embedding_function=None, configuration={"hnsw": _HNSW}
        )
        return made
    known: Collection = client.get_collection(name, embedding_function=None)
    return known


def _upsert(collection: Collection, ids: list[str], vectors: NDArray[np.float32], papers: list[str]) -> None:
    for start in range(0, len(ids), _ADD_BATCH):
        end = start + _ADD_BATCH
        collection.upsert(
            ids=ids[start:end],
            embeddings=vectors[start:end],
            metadatas=[{"paper": paper_id} for paper_id in papers[start:end]],
        )
