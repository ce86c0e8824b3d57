"""The vector store: immutable generations of a Chroma index, built aside and then published.

Chroma's embedded index belongs to one process, and a kill while it writes can leave it unreadable. So nobody
ever writes to an index that is in use: a writer copies the current generation, changes the copy, checks it by
real queries and publishes its name in the library's manifest. Readers, in any number of processes, only ever
open published generations. Everything in a generation can be made again from the library.

Chroma notes every opening in its database and dies of damaged graph files. So a generation that cannot be
written to is opened as a copy, and the files that no opening changes are compared with checksums first.

Only this module and those of the Chroma server (`chroma_*`) import chromadb.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from citewell.errors import CollectionError
from citewell.vector_index import ABSTRACTS, CHUNKS, PaperVectors, VectorIndex

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

_ABSTRACTS_ONLY = f"-{ABSTRACTS}"  # ends the name of a generation that holds no chunk vectors
_BUILDING = ".building-"
_CHECKSUMS = "checksums.json"
_PERSISTED = "index_metadata.pickle"  # Chroma writes it once a collection reaches its sync threshold
# Vectors added at once: while Chroma takes them in, Python runs no other thread, for some 200 ms with 1,000 of them.
_ADD_BATCH = 250
_GRAPH = {"space": "cosine", "ef_search": 400, "sync_threshold": 1_000}
# Chunks propose what abstracts and words have missed: their graph may be coarser, and takes less time.
HNSW: Mapping[str, Mapping[str, Any]] = {
    ABSTRACTS: _GRAPH | {"max_neighbors": 32, "ef_construction": 200},
    CHUNKS: _GRAPH | {"max_neighbors": 16, "ef_construction": 100},
}

_OPENING = threading.Lock()  # chromadb counts the clients of a folder without a lock


class Generation(VectorIndex):
    """One Chroma index with a collection of abstract vectors and one of chunk vectors, which its name may leave empty.

    Args:
        path: its folder.
        create: whether it is made there, empty.
        scratch: a folder deleted when the generation is closed.
    """

    def __init__(
        self, path: Path, create: bool = False, scratch: tempfile.TemporaryDirectory[str] | None = None
    ) -> None:
        self.path = path
        self._scratch = scratch
        self._counts: dict[str, int] = {}
        with _translated(path, "cannot be opened"), _OPENING:
            self._client = _client(path)
            try:
                self._collections = {
                    name: _collection(self._client, name, create) for name in (ABSTRACTS, CHUNKS)
                }
            except BaseException:
                self._client.close()
                raise

    @property
    def has_chunks(self) -> bool:
        """Whether it holds chunk vectors."""
        return has_chunks(self.path.name)

    def close(self) -> None:
        """Releases files and threads; the generation cannot be used afterwards."""
        with _OPENING:
            self._client.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def add(self, papers: Sequence[PaperVectors]) -> None:
        """Adds papers that the index does not hold.

        Raises:
            CollectionError: the index cannot be written.
        """
        if not papers:
            return
        self._counts.clear()
        paper_ids = [paper.paper_id for paper in papers]
        counts = [{"chunks": len(paper.chunks) if self.has_chunks else 0} for paper in papers]
        chunk_ids = _chunk_ids(zip(paper_ids, counts, strict=True))
        with _translated(self.path):
            _upsert(self._collections[ABSTRACTS], paper_ids, np.stack([p.abstract for p in papers]), counts)
            if chunk_ids:  # without metadata, which would take a fifth of the time
                chunks = np.concatenate([paper.chunks for paper in papers])
                _upsert(self._collections[CHUNKS], chunk_ids, chunks, None)

    def remove(self, paper_ids: Sequence[str]) -> None:
        """Removes all vectors of the papers.

        Raises:
            CollectionError: the index cannot be written.
        """
        self._counts.clear()
        abstracts, chunks = self._collections[ABSTRACTS], self._collections[CHUNKS]
        for start in range(0, len(paper_ids), 500):
            with _translated(self.path):
                held: Any = abstracts.get(ids=list(paper_ids[start : start + 500]), include=["metadatas"])
                counted = zip(held["ids"], held["metadatas"], strict=True) if self.has_chunks else ()
                _delete(chunks, _chunk_ids(counted))
                _delete(abstracts, held["ids"])

    def _count(self, name: str) -> int:
        # A published generation never changes, so that one count serves all questions.
        if name not in self._counts:
            with _translated(self.path):
                self._counts[name] = int(self._collections[name].count())
        return self._counts[name]

    def _nearest(self, name: str, query: NDArray[np.float32], limit: int) -> list[tuple[str, float]]:
        limit = min(limit, self._count(name))
        if limit == 0:
            return []
        with _translated(self.path):
            found = self._collections[name].query(
                query_embeddings=query[None, :], n_results=limit, include=["distances"]
            )
            ids, distances = found["ids"][0], (found["distances"] or [[]])[0]
        owners = ids if name == ABSTRACTS else [chunk_id.rpartition("#")[0] for chunk_id in ids]
        return list(zip(owners, distances, strict=True))


class Building:
    """A generation in the making, in a folder where no reader looks. Close it, finished or not.

    Args:
        folder: that of the generations.
        base: the one of which it begins as a copy; empty for none.
        chunks: whether it holds chunk vectors.

    Raises:
        CollectionError: the base is damaged, or the new one cannot be written.
    """

    def __init__(self, folder: Path, base: str, chunks: bool) -> None:
        self._name = new_name(chunks)
        self._folder = folder
        self._path = folder / f"{_BUILDING}{self._name}"
        self._open = True
        try:
            with _translated(folder, "cannot be written"):
                folder.mkdir(parents=True, exist_ok=True)
                if base:
                    _check(folder / base)
                    shutil.copytree(folder / base, self._path, ignore=_no_checksums)
            self.generation = Generation(self._path, create=not base)
        except BaseException:
            shutil.rmtree(self._path, ignore_errors=True)
            raise

    def finish(self) -> str:
        """Makes it a generation like others, and returns its name.

        Raises:
            CollectionError: it cannot be written.
        """
        self._close()
        with _translated(self._folder, "cannot be written"):
            (self._path / _CHECKSUMS).write_text(json.dumps(_checksums(self._path)))
            self._path.rename(self._folder / self._name)
        return self._name

    def close(self) -> None:
        """Releases its files, and deletes them unless it is finished."""
        self._close()
        shutil.rmtree(self._path, ignore_errors=True)

    def _close(self) -> None:
        if self._open:
            self._open = False
            self.generation.close()


class VectorStore:
    """The folder of generations of one collection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def holds(self, name: str) -> bool:
        """Returns whether there is a generation of this name, sound or not."""
        return bool(name) and (self.folder / name).is_dir()

    def open(self, name: str) -> Generation:
        """Opens a published generation for reading.

        Raises:
            CollectionError: it is missing or damaged.
        """
        if not self.holds(name):
            raise CollectionError(f"The vector index {self.folder / name} is missing.")
        path = self.folder / name
        _check(path)
        if all(os.access(part, os.W_OK) for part in (path, *path.rglob("*"))):
            return Generation(path)
        scratch = tempfile.TemporaryDirectory(prefix="citewell-index-")
        try:
            with _translated(path, "cannot be opened"):
                copy = _writable_copy(path, Path(scratch.name))
            return Generation(copy, scratch=scratch)
        except BaseException:
            scratch.cleanup()
            raise

    def begin(self, base: str, chunks: bool = True) -> Building:
        """Begins a new generation: a copy of `base`, or an empty one if that is empty.

        Args:
            base: a generation with chunk vectors if the new one is to have them, and without otherwise.
            chunks: whether it holds chunk vectors.

        Raises:
            CollectionError: the base is damaged, or the new one cannot be written.
        """
        return Building(self.folder, base, chunks)

    def sweep(self, keep: Sequence[str]) -> None:
        """Deletes generations and half-built ones except those named; hold the write lock."""
        for path in self._folders():
            if path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)

    def sweep_leftovers(self, current: str) -> None:
        """Deletes what killed writers left, except the last generation before the current one."""
        others = [path for path in self._folders() if path.name != current]
        finished = [path for path in others if not path.name.startswith(_BUILDING)]
        before = max(finished, key=lambda path: path.stat().st_mtime_ns, default=None)
        self.sweep([current, before.name if before else ""])

    def size(self) -> int:
        """Returns the bytes on disk of all generations."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def _folders(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if path.is_dir()] if self.folder.is_dir() else []


def new_name(chunks: bool) -> str:
    """Returns a name for a generation that no other has."""
    return uuid.uuid4().hex[:12] + ("" if chunks else _ABSTRACTS_ONLY)


def has_chunks(name: str) -> bool:
    """Returns whether the generation of a name holds chunk vectors."""
    return not name.endswith(_ABSTRACTS_ONLY)


@contextmanager
def _translated(path: Path, fault: str = "does not answer") -> Iterator[None]:
    try:
        yield
    except CollectionError:
        raise
    except Exception as error:  # chromadb raises its own and its engine's errors, of no common kind
        raise CollectionError(f"The vector index {path} {fault}: {str(error).strip()}.") from error


def _checksums(path: Path) -> dict[str, int]:
    """Returns the CRC-32 of every file that Chroma does not write again.

    Chroma follows damaged links and dies, so damage must be found before Chroma opens a file. A small
    collection has no such files, it lives in the SQLite database, which reports its damage by itself.
    """
    kept = [folder for folder in path.iterdir() if (folder / _PERSISTED).is_file()]
    return {f"{folder.name}/{file.name}": _crc(file) for folder in kept for file in sorted(folder.iterdir())}


def _no_checksums(folder: str, names: list[str]) -> list[str]:
    """Leaves those of a base out of its copy: after a power cut they could stand where the new ones should."""
    return [name for name in names if name == _CHECKSUMS]


def _check(path: Path) -> None:
    try:
        for name, crc in json.loads((path / _CHECKSUMS).read_text()).items():
            if _crc(path / name) != crc:
                raise CollectionError(f"The vector index {path} is damaged: {name} has changed.")
    except (OSError, ValueError, AttributeError) as error:
        raise CollectionError(f"The vector index {path} is damaged: {error}.") from error


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            crc = zlib.crc32(block, crc)
    return crc


def _writable_copy(path: Path, folder: Path) -> Path:
    """Copies what Chroma writes to even when it only reads, and links the rest, which is most."""
    copy = folder / path.name
    kept = json.loads((path / _CHECKSUMS).read_text())
    shutil.copytree(path, copy, ignore=lambda at, names: [n for n in names if f"{Path(at).name}/{n}" in kept])
    for own in (copy, *copy.rglob("*")):
        own.chmod(own.stat().st_mode | 0o600)
    for name in kept:
        (copy / name).symlink_to((path / name).resolve())
    return copy


def _client(path: Path) -> Client:
    # Chroma's own telemetry and any model download stay off; vectors always come from us.
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))
    return cast("Client", client)


def _collection(client: Client, name: str, create: bool) -> Collection:
    if not create:
        return client.get_collection(name, embedding_function=None)
    configuration: Any = {"hnsw": HNSW[name]}
    return client.create_collection(name, embedding_function=None, configuration=configuration)


def _chunk_ids(papers: Iterable[tuple[str, Mapping[str, int]]]) -> list[str]:
    """Returns the names of the chunks of papers, from their ids and the metadata of their abstracts."""
    return [f"{paper_id}#{n}" for paper_id, data in papers for n in range(data["chunks"])]


def _upsert(
    collection: Collection,
    ids: list[str],
    vectors: NDArray[np.float32],
    metadata: Any,  # noqa: ANN401 (chromadb's)
) -> None:
    for start in range(0, len(ids), _ADD_BATCH):
        end = start + _ADD_BATCH
        data = None if metadata is None else metadata[start:end]
        collection.upsert(ids=ids[start:end], embeddings=vectors[start:end], metadatas=data)


def _delete(collection: Collection, ids: list[str]) -> None:
    for start in range(0, len(ids), _ADD_BATCH):
        collection.delete(ids=ids[start : start + _ADD_BATCH])
