"""One run of ingest: entries are embedded, stored batch by batch, and counted.

Vectors are stored before the papers they belong to, so that a kill leaves no paper without them, and what was
embedded is not embedded again. While one batch is stored and the one after next is read, the next is being embedded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from citewell.chunking import chunk_spans
from citewell.embedding import Embedder
from citewell.embedding.base import Passages, SpreadEmbedder
from citewell.errors import CitewellError
from citewell.library import Library, LibraryWriter, Recipe
from citewell.settings import Settings
from citewell.types import Entry, IngestReport, Paper, Rejection, Span


class Progress(Protocol):
    """Told about long work: a stage opens with its total, then advances to it."""

    def start(self, stage: str, total: int) -> None:
        """Opens a stage; the one before it is over."""

    def advance(self, amount: float) -> None:
        """Moves on by an amount of the stage's total."""

    def papers(self, count: int) -> None:
        """Takes note of papers stored."""


class SilentProgress:
    """Shows nothing."""

    def start(self, stage: str, total: int) -> None:
        """Ignores the stage."""

    def advance(self, amount: float) -> None:
        """Ignores the advance."""

    def papers(self, count: int) -> None:
        """Ignores the count."""


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


@contextmanager
def workers(embedder: Embedder, given: Embedder | None, settings: Settings) -> Iterator[Embedder]:
    """Yields what embeds papers: the model itself, or a cluster of it where one is set.

    One `given` in code cannot be opened by a cluster and stays here.
    """
    if not settings.ray or embedder is given:
        yield embedder
        return
    from citewell.embedding.cluster import cluster

    with cluster(settings.ray, settings.embedding) as spread:
        yield spread


class _Given(Sequence[Passages]):
    """Passages to embed until the ingest has ended: who interrupts it does not wait for the rest of a batch."""

    def __init__(self, passages: Sequence[Passages], ended: threading.Event) -> None:
        self._passages = passages
        self._ended = ended

    @overload
    def __getitem__(self, place: int) -> Passages: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Passages]: ...
    def __getitem__(self, place: int | slice) -> Passages | Sequence[Passages]:
        if self._ended.is_set():
            raise CancelledError
        return self._passages[place]

    def __len__(self) -> int:
        return len(self._passages)


class Ingest:
    """Puts entries into a library; hold the write lock.

    Args:
        library: where they go.
        embedder: makes the vectors.
        recipe: what the vectors are made with.
        settings: the length of a chunk and of a batch.
        progress: told how far it is.
        consumed: bytes that reading the entries takes.
        stored: called after every batch that was stored.
    """

    def __init__(
        self,
        library: Library,
        embedder: Embedder,
        recipe: Recipe,
        settings: Settings,
        progress: Progress,
        consumed: Consumed,
        stored: Callable[[], None] = lambda: None,
    ) -> None:
        self._library = library
        self._embedder = embedder
        self._recipe = recipe
        self._settings = settings
        self._progress = progress
        self._consumed = consumed
        self._stored = stored
        self._writer = LibraryWriter(library)
        self._outcomes = {"added": 0, "updated": 0, "unchanged": 0, "duplicate": 0}
        self._rejected: list[Rejection] = []
        self._embedded = 0
        self._before: _Batch | None = None

    def run(self, entries: Iterable[Entry | Rejection]) -> None:
        """Stores all entries, batch by batch; each batch is one transaction."""
        for batch in self._ahead(map(self._batch, _batches(entries, self._size))):
            self._keep(batch.passages.result())
            with self._writer.transaction():
                self._writer.adopt(self._recipe)
                for paper in batch.papers:
                    self._outcomes[self._writer.put(paper).outcome] += 1
            self._stored()
            self._progress.advance(batch.cost)
            self._progress.papers(len(batch.papers))
        self._progress.advance(self._consumed.take())

    def refresh(self) -> None:
        """Embeds stored papers that lack vectors of this recipe: after a change of it, or an interrupted one.

        The vectors in use stay as they are.
        """
        lacking = self._writer.count_without_passages(self._recipe.fingerprint)
        if not lacking:
            return
        self._progress.start("embedding again", lacking)
        for batch in self._ahead(self._lacking()):
            self._keep(batch.passages.result())
            self._progress.advance(batch.cost)

    def _lacking(self) -> Iterator[_Batch]:
        """Yields stored papers that lack vectors."""
        fingerprint = self._recipe.fingerprint
        in_use = self._library.manifest().fingerprint == fingerprint
        last = 0
        while rows := self._writer.without_passages(fingerprint, self._size(), last):
            if in_use:  # an index that was made without them must not pass for complete
                with self._writer.transaction():
                    self._writer.touch(rows)
            papers = list(self._library.papers(rows).values())
            yield _Batch(papers, self._writer.missing(papers, fingerprint), len(rows))
            last = rows[-1]

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

    def _size(self) -> int:
        """Returns how many papers the next batch may have: more where many workers embed, more again if some joined."""
        if isinstance(self._embedder, SpreadEmbedder):
            return max(self._settings.ingest_batch, self._embedder.papers_at_once)
        return self._settings.ingest_batch

    def _batch(self, items: Sequence[Entry | Rejection]) -> _Batch:
        """Returns what is to be stored of some items, and notes what is not."""
        papers = []
        for item in map(_checked, items):
            if isinstance(item, Rejection):
                self._rejected.append(item)
            else:
                papers.append(item.paper)
        return _Batch(papers, self._unknown(papers), self._consumed.take())

    def _ahead(self, batches: Iterable[_Batch]) -> Iterator[_Batch]:
        """Yields the batches while the next one is embedded already: what is stored meanwhile costs no time."""
        worker, ended = ThreadPoolExecutor(1, "citewell-ingest"), threading.Event()
        try:
            for batch in batches:
                given = _Given(self._chunked(batch.unknown), ended)
                batch.passages = worker.submit(self._embed, batch.unknown, given)
                before, self._before = self._before, batch
                if before is not None:
                    yield before
            if self._before is not None:
                yield self._before
        except CitewellError:  # a source failed: what it gave before is kept
            if self._before is not None:
                yield self._before
            raise
        finally:
            self._before = None
            ended.set()
            # Nor waits it for a batch on a cluster, which takes minutes and ends with the connection.
            worker.shutdown(wait=False, cancel_futures=True)

    def _unknown(self, papers: Sequence[Paper]) -> list[Paper]:
        """Returns the papers to embed, one a text, without the repeats whose text will not be stored."""
        fingerprint = self._recipe.fingerprint
        if not self._writer.missing(papers, fingerprint):
            return []
        before = self._before  # is embedded now and stored next
        standing = self._writer.standing(papers, before.papers if before else ())
        embedded = {(paper.title, paper.abstract) for paper in (before.unknown if before else ())}
        missing = self._writer.missing(standing, fingerprint)
        return [paper for paper in missing if (paper.title, paper.abstract) not in embedded]

    def _chunked(self, papers: Sequence[Paper]) -> list[Passages]:
        limit = self._settings.chunk_tokens
        return [Passages(p.title, p.abstract, tuple(chunk_spans(p.abstract, limit))) for p in papers]

    def _embed(self, papers: Sequence[Paper], passages: Sequence[Passages]) -> list[_Embedded]:
        """Returns chunks and vectors of papers; touches no database."""
        vectors = self._embedder.embed_papers(passages) if passages else []
        return [
            _Embedded(paper, passage.spans, np.vstack([vector.abstract[None, :], vector.chunks]))
            for paper, passage, vector in zip(papers, passages, vectors, strict=True)
        ]

    def _keep(self, embedded: Sequence[_Embedded]) -> None:
        if not embedded:
            return
        with self._writer.transaction():
            for paper, spans, vectors in embedded:
                self._writer.add_passages(paper, self._recipe.fingerprint, spans, vectors)
        self._embedded += len(embedded)


class _Embedded(NamedTuple):
    """A paper, its chunks, and its vectors of shape (1 + n, dim), that of the abstract first."""

    paper: Paper
    spans: tuple[Span, ...]
    vectors: NDArray[np.float32]


@dataclass(slots=True)
class _Batch:
    """Papers stored together, those of them to embed, their part of the progress, and then their passages."""

    papers: Sequence[Paper]
    unknown: Sequence[Paper]
    cost: float
    passages: Future[list[_Embedded]] = field(default_factory=Future)


def _checked(item: Entry | Rejection) -> Entry | Rejection:
    """Returns the item, or a rejection of an entry that no database takes."""
    if isinstance(item, Rejection):
        return item
    try:
        json.dumps(astuple(item.paper), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Rejection(item.file, item.line, "holds half a surrogate pair, which is no Unicode text")
    return item


T = TypeVar("T")


def _batches(items: Iterable[T], size: Callable[[], int]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size())):
        yield batch
