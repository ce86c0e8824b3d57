"""A collection: the library and the vector store of one data directory, kept in step.

Reading never waits for writing. A writer holds the lock file, embeds first, commits batch by batch to the
library, then publishes a new vector generation; a kill at any point leaves the last published state, and what
was embedded so far is kept.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Protocol, TypeVar

import numpy as np
from filelock import FileLock, Timeout

from citewell.chunking import CHUNKER_VERSION, chunk_spans
from citewell.embedding import Embedder, open_embedder
from citewell.embedding.base import Passages, TokenEmbedder
from citewell.errors import CitewellError, CollectionBusyError, CollectionError
from citewell.library import Library, LibraryWriter, Manifest, create
from citewell.settings import Settings
from citewell.store import Generation, PaperVectors, VectorStore
from citewell.types import Entry, IngestReport, Paper, Rejection

_EMBED_SLICE = 32
_CHECKED_AT_OPEN = 3
_CHECKED_AT_BUILD = 16


class Progress(Protocol):
    """Told about long work: a stage opens with its total, then advances to it."""

    def start(self, stage: str, total: int) -> None: ...

    def advance(self, amount: float) -> None: ...

    def papers(self, count: int) -> None: ...


class SilentProgress:
    """Shows nothing."""

    def start(self, stage: str, total: int) -> None:
        """Ignores the stage."""

    def advance(self, amount: float) -> None:
        """Ignores the advance."""

    def papers(self, count: int) -> None:
        """Ignores the count."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the collection; `generation` is None when only the library can be searched."""

    manifest: Manifest
    generation: Generation | None


class Collection:
    """Opens, reads and changes one data directory.

    Args:
        settings: where it is and how it is made.
        embedder: a model to use instead of the one that the settings name.
        notify: told in one line about repairs and degraded states.
        create: make an empty collection where there is none.
    """

    def __init__(
        self,
        settings: Settings,
        embedder: Embedder | None = None,
        notify: Callable[[str], None] = lambda message: None,
        create: bool = False,
    ) -> None:
        self.settings = settings
        self._given = embedder
        self._notify = notify
        self._embedders: dict[str, Embedder] = {}
        self._snapshot: Snapshot | None = None
        self._guard = threading.Lock()
        self.store = VectorStore(settings.data_dir / "vectors")
        library_path = settings.data_dir / "library.db"
        if create and not library_path.exists():
            _make_data_dir(settings.data_dir)
            with self._writing():
                if not library_path.exists():
                    _create(library_path)
        self.library = Library(library_path)

    # --- reading ---------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Returns the published state as of now; the vector index is opened, and repaired, on first use."""
        manifest = self.library.manifest()
        with self._guard:
            known = self._snapshot
            if known is None or known.manifest.generation != manifest.generation:
                generation = self._open_generation(manifest)
                if known is not None and known.generation is not None:
                    known.generation.close()
                manifest = self.library.manifest()
                self._snapshot = Snapshot(manifest, generation)
            elif known.manifest != manifest:
                self._snapshot = replace(known, manifest=manifest)
            snapshot = self._snapshot
        assert snapshot is not None  # set above on every path
        return snapshot

    def embedder(self, manifest: Manifest) -> Embedder:
        """Returns the model that made the vectors in use, whatever the settings ask for."""
        if self._given is not None and self._fingerprint(self._given) == manifest.fingerprint:
            return self._given
        return self._embedder(manifest.embedding or self.settings.embedding)

    def warm(self) -> None:
        """Starts to load a local embedding model, to have it ready once the vector index is open."""
        embedder = self.embedder(self.library.manifest())
        if isinstance(embedder, TokenEmbedder):  # others would send a request, which may cost money
            # Not a daemon: a thread that is loading native code must not outlive the interpreter.
            threading.Thread(target=_load, args=(embedder,), name="citewell-warm").start()

    def close(self) -> None:
        """Releases the vector index and this thread's database connection."""
        with self._guard:
            if self._snapshot is not None and self._snapshot.generation is not None:
                self._snapshot.generation.close()
            self._snapshot = None
        self.library.close()

    # --- writing ---------------------------------------------------------------------------------------

    def ingest(
        self,
        entries: Iterable[Entry | Rejection],
        progress: Progress | None = None,
        consumed: Consumed | None = None,
    ) -> IngestReport:
        """Adds entries to the collection and returns what became of them.

        Raises:
            CollectionBusyError: another process is writing.
        """
        started = perf_counter()
        progress = progress or SilentProgress()
        with self._writing():
            ingest = _Ingest(self, progress, consumed or Consumed())
            ingest.refresh()
            ingest.run(entries)
            report = ingest.report()
            self._sync(ingest.embedder, ingest.fingerprint, progress)
        return replace(report, seconds=round(perf_counter() - started, 3))

    def remove(self, paper_ids: Sequence[str]) -> int:
        """Removes papers; returns how many there were."""
        with self._writing():
            writer = LibraryWriter(self.library)
            with writer.transaction():
                removed = sum(writer.remove(paper_id) for paper_id in paper_ids)
            if removed:
                self._sync_current(SilentProgress())
        return removed

    def check_writable(self) -> None:
        """Takes the write lock and gives it back.

        Raises:
            CollectionBusyError: another process is writing.
            CollectionError: the data directory cannot be written to.
        """
        with self._writing():
            pass

    def rebuild(self, progress: Progress | None = None) -> None:
        """Makes the vector index again from the library, embedding nothing that is stored already."""
        progress = progress or SilentProgress()
        with self._writing():
            ingest = _Ingest(self, progress, Consumed())
            ingest.refresh()
            self._publish(ingest.embedder, ingest.fingerprint, progress, base="")

    # --- the vector index ------------------------------------------------------------------------------

    def _open_generation(self, manifest: Manifest) -> Generation | None:
        if manifest.papers == 0:
            return None
        generation = self._healthy(manifest)
        if generation is not None and not self._stale(manifest):
            return generation
        why = "is behind the library" if generation is not None else "is missing or damaged"
        try:
            with self._writing():
                self._notify(f"The vector index {why}; bringing it up to date from the library.")
                if generation is not None:
                    self._sync_current(SilentProgress())
                    generation.close()
                elif manifest.fingerprint:
                    self._publish(self.embedder(manifest), manifest.fingerprint, SilentProgress(), base="")
                return self._healthy(self.library.manifest())
        except CollectionBusyError:
            return generation
        except (CitewellError, OSError) as error:
            self._notify(f"Answering without the vector index, which {why}: {error}")
            return generation

    def _healthy(self, manifest: Manifest) -> Generation | None:
        if not manifest.generation:
            return None
        generation: Generation | None = None
        try:
            generation = self.store.open(manifest.generation)
            if self._verified(generation, manifest, _CHECKED_AT_OPEN):
                return generation
        except CollectionError:
            pass
        if generation is not None:
            generation.close()
        return None

    def _verified(self, generation: Generation, manifest: Manifest, samples: int) -> bool:
        """Asks the index for papers it must hold: a count can be right while vectors are unsearchable."""
        rows = self.library.sample(manifest.generation_revision, samples)
        return all(generation.finds(paper) for paper in self._vectors(rows, manifest))

    def _stale(self, manifest: Manifest) -> bool:
        since = manifest.generation_revision
        return bool(self.library.changed_since(since, limit=1) or self.library.removed_since(since))

    def _sync_current(self, progress: Progress) -> None:
        manifest = self.library.manifest()
        if manifest.fingerprint:
            self._sync(self.embedder(manifest), manifest.fingerprint, progress)

    def _sync(self, embedder: Embedder, fingerprint: str, progress: Progress) -> None:
        """Publishes a generation that shows the library as it is now, unless the one in use does."""
        manifest = self.library.manifest()
        same = manifest.fingerprint == fingerprint
        if same and manifest.generation and not self._stale(manifest):
            return
        base = manifest.generation if same and (self.store.folder / manifest.generation).is_dir() else ""
        try:
            self._publish(embedder, fingerprint, progress, base)
        except CollectionError:
            if not base:
                raise
            self._notify("The vector index was damaged; building it again from the library.")
            self._publish(embedder, fingerprint, progress, base="")

    def _publish(self, embedder: Embedder, fingerprint: str, progress: Progress, base: str) -> None:
        old = self.library.manifest()
        new = replace(
            old,
            embedding=self._spec(embedder),
            fingerprint=fingerprint,
            dim=embedder.dim,
            generation_revision=old.revision,
        )
        since = old.generation_revision if base else 0

        def change(generation: Generation) -> None:
            removed = self.library.removed_since(since) if base else []
            generation.remove(removed)
            progress.start("indexing", self.library.count_changed(since))
            for rows in self._changed_rows(since):
                generation.add(self._vectors(rows, new))
                progress.advance(len(rows))
            if not self._verified(generation, new, _CHECKED_AT_BUILD):
                raise CollectionError("The new vector index does not find papers it holds.")

        name = self.store.build(base, change)
        writer = LibraryWriter(self.library)
        with writer.transaction():
            writer.publish(replace(new, generation=name))
            writer.prune(fingerprint)
        self.store.sweep(keep=[name, old.generation])

    def _changed_rows(self, since: int) -> Iterator[list[int]]:
        last = 0
        while rows := self.library.changed_since(since, limit=500, after=last):
            yield rows
            last = rows[-1]

    def _vectors(self, rows: Sequence[int], manifest: Manifest) -> list[PaperVectors]:
        ids = self.library.ids(rows)
        passages = self.library.passages(rows, manifest)
        return [
            PaperVectors(ids[row], passages[row].abstract, passages[row].chunks)
            for row in rows
            if row in passages
        ]

    # --- models and the lock ---------------------------------------------------------------------------

    def wanted_embedder(self) -> tuple[Embedder, str]:
        """Returns the model that new papers are embedded with, and the fingerprint of what it makes."""
        embedder = self._given or self._embedder(self.settings.embedding)
        return embedder, self._fingerprint(embedder)

    def _embedder(self, spec: str) -> Embedder:
        if spec not in self._embedders:
            self._embedders[spec] = open_embedder(spec)
        return self._embedders[spec]

    def _fingerprint(self, embedder: Embedder) -> str:
        return f"{embedder.fingerprint}|{CHUNKER_VERSION}-{self.settings.chunk_tokens}"

    def _spec(self, embedder: Embedder) -> str:
        return f"given:{embedder.name}" if embedder is self._given else self.settings.embedding

    @contextmanager
    def _writing(self) -> Iterator[None]:
        lock = FileLock(self.settings.data_dir / "write.lock", blocking=False)
        owner = self.settings.data_dir / "writer.json"
        try:
            lock.acquire()
        except Timeout as error:
            raise CollectionBusyError(
                f"{self.settings.data_dir} is being written to by {_describe(owner)}. Try again when it is done."
            ) from error
        except OSError as error:
            raise CollectionError(f"Cannot write to {self.settings.data_dir}: {error.strerror}.") from error
        try:
            now = datetime.now().strftime("%H:%M:%S")
            owner.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}))
            yield
        finally:
            with suppress(OSError):
                owner.unlink()
            lock.release()


class Consumed:
    """Bytes of input read but not yet shown as done: they count when their papers are stored."""

    def __init__(self) -> None:
        self.bytes = 0

    def add(self, amount: int) -> None:
        """Takes note of bytes read."""
        self.bytes += amount

    def take(self) -> int:
        """Returns the bytes noted since the last call."""
        amount, self.bytes = self.bytes, 0
        return amount


class _Ingest:
    """One run of ingest: embeds what is new and counts what became of each entry."""

    def __init__(self, collection: Collection, progress: Progress, consumed: Consumed) -> None:
        self._collection = collection
        self._progress = progress
        self._consumed = consumed
        self._writer = LibraryWriter(collection.library)
        self._outcomes = {"added": 0, "updated": 0, "unchanged": 0, "duplicate": 0}
        self._rejected: list[Rejection] = []
        self._embedded = 0
        self.embedder, self.fingerprint = collection.wanted_embedder()

    def refresh(self) -> None:
        """Embeds stored papers again if the model or the chunker has changed; the old vectors stay in use."""
        manifest = self._collection.library.manifest()
        if manifest.papers == 0 or manifest.fingerprint in ("", self.fingerprint):
            return
        self._progress.start("embedding again", manifest.papers)
        stored = (item.paper for item in self._collection.library.iterate())
        for batch in _batches(stored, self._collection.settings.ingest_batch):
            self._embed(batch)
            self._progress.advance(len(batch))

    def run(self, entries: Iterable[Entry | Rejection]) -> None:
        """Stores all entries, batch by batch; each batch is one transaction."""
        for batch in _batches(entries, self._collection.settings.ingest_batch):
            self._rejected += [item for item in batch if isinstance(item, Rejection)]
            papers = [item.paper for item in batch if isinstance(item, Entry)]
            self._embed(papers, self._consumed.take())
            with self._writer.transaction():
                for paper in papers:
                    self._outcomes[self._writer.put(paper).outcome] += 1
            self._progress.papers(len(papers))
        self._progress.advance(self._consumed.take())

    def report(self) -> IngestReport:
        """Returns the counts so far."""
        outcomes = self._outcomes
        return IngestReport(
            entries=sum(outcomes.values()),
            papers=self._writer.seen,
            added=outcomes["added"],
            updated=outcomes["updated"],
            unchanged=outcomes["unchanged"],
            duplicates=outcomes["duplicate"],
            embedded=self._embedded,
            rejected=tuple(self._rejected),
            seconds=0.0,
        )

    def _embed(self, papers: Sequence[Paper], cost: int = 0) -> None:
        """Stores the passages of papers that have none; `cost` bytes of progress are spread over them."""
        missing = sorted(self._writer.missing(papers, self.fingerprint), key=lambda p: len(p.abstract))
        if not missing:
            self._progress.advance(cost)
        for start in range(0, len(missing), _EMBED_SLICE):
            part = missing[start : start + _EMBED_SLICE]
            limit = self._collection.settings.chunk_tokens
            passages = [Passages(p.title, p.abstract, tuple(chunk_spans(p.abstract, limit))) for p in part]
            vectors = self.embedder.embed_papers(passages)
            with self._writer.transaction():
                for paper, passage, vector in zip(part, passages, vectors, strict=True):
                    stacked = np.vstack([vector.abstract[None, :], vector.chunks])
                    self._writer.add_passages(paper, self.fingerprint, passage.spans, stacked)
            self._embedded += len(part)
            self._progress.advance(cost * len(part) / len(missing))


def _load(embedder: TokenEmbedder) -> None:
    with suppress(CitewellError):  # the question that needs the model meets the same error and tells it
        embedder.embed_tokens("a")


T = TypeVar("T")


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _make_data_dir(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CollectionError(
            f"Cannot make the data directory {path}: {error.strerror}. Choose --data-dir."
        ) from error


def _create(path: Path) -> None:
    try:
        create(path)
    except OSError as error:
        raise CollectionError(
            f"Cannot write to {path.parent}: {error.strerror}. Choose --data-dir."
        ) from error


def _describe(owner: Path) -> str:
    try:
        known = json.loads(owner.read_text())
        return f"process {known['pid']} on {known['host']} since {known['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
