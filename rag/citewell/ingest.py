"""One run of ingest: entries are embedded, stored batch by batch, and counted.

Vectors are stored before the papers they belong to, so that a kill leaves no paper without them, and what was
embedded is not embedded again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np

from citewell.chunking import chunk_spans
from citewell.embedding import Embedder
from citewell.embedding.base import Passages
from citewell.library import Library, LibraryWriter, Recipe
from citewell.settings import Settings
from citewell.types import Entry, IngestReport, Paper, Rejection

_EMBED_SLICE = 128  # papers embedded and stored together; fewer leave a thread idle at the end of each slice


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


class Ingest:
    """Puts entries into a library; hold the write lock.

    Args:
        library: where they go.
        embedder: makes the vectors.
        recipe: what the vectors are made with.
        settings: the length of a chunk and of a batch.
        progress: told how far it is.
        consumed: bytes that reading the entries takes.
    """

    def __init__(
        self,
        library: Library,
        embedder: Embedder,
        recipe: Recipe,
        settings: Settings,
        progress: Progress,
        consumed: Consumed,
    ) -> None:
        self._library = library
        self._embedder = embedder
        self._recipe = recipe
        self._settings = settings
        self._progress = progress
        self._consumed = consumed
        self._writer = LibraryWriter(library)
        self._outcomes = {"added": 0, "updated": 0, "unchanged": 0, "duplicate": 0}
        self._rejected: list[Rejection] = []
        self._embedded = 0

    def run(self, entries: Iterable[Entry | Rejection]) -> None:
        """Stores all entries, batch by batch; each batch is one transaction."""
        for batch in _batches(entries, self._settings.ingest_batch):
            papers = []
            for item in map(_checked, batch):
                if isinstance(item, Rejection):
                    self._rejected.append(item)
                else:
                    papers.append(item.paper)
            self._embed(self._unknown(papers), self._consumed.take())
            with self._writer.transaction():
                self._writer.adopt(self._recipe)
                for paper in papers:
                    self._outcomes[self._writer.put(paper).outcome] += 1
            self._progress.papers(len(papers))
        self._progress.advance(self._consumed.take())

    def refresh(self) -> None:
        """Embeds stored papers that lack vectors of this recipe: after a change of it, or an interrupted one.

        The vectors in use stay as they are.
        """
        lacking = self._writer.count_without_passages(self._recipe.fingerprint)
        if not lacking:
            return
        self._progress.start("embedding again", lacking)
        fingerprint, batch = self._recipe.fingerprint, self._settings.ingest_batch
        in_use = self._library.manifest().fingerprint == fingerprint
        last = 0
        while rows := self._writer.without_passages(fingerprint, batch, last):
            if in_use:  # an index that was made without them must not pass for complete
                with self._writer.transaction():
                    self._writer.touch(rows)
            papers = self._library.papers(rows)
            self._embed(self._writer.missing(list(papers.values()), fingerprint))
            self._progress.advance(len(rows))
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

    def _unknown(self, papers: Sequence[Paper]) -> list[Paper]:
        """Returns the papers to embed, one a text, without the repeats whose text will not be stored."""
        fingerprint = self._recipe.fingerprint
        if not self._writer.missing(papers, fingerprint):
            return []
        return self._writer.missing(self._writer.standing(papers), fingerprint)

    def _embed(self, papers: Sequence[Paper], cost: int = 0) -> None:
        """Stores the passages of the papers; `cost` bytes of progress are spread over them."""
        if not papers:
            self._progress.advance(cost)
        by_length = sorted(papers, key=lambda paper: len(paper.abstract))
        for start in range(0, len(by_length), _EMBED_SLICE):
            part = by_length[start : start + _EMBED_SLICE]
            limit = self._settings.chunk_tokens
            passages = [Passages(p.title, p.abstract, tuple(chunk_spans(p.abstract, limit))) for p in part]
            vectors = self._embedder.embed_papers(passages)
            with self._writer.transaction():
                for paper, passage, vector in zip(part, passages, vectors, strict=True):
                    stacked = np.vstack([vector.abstract[None, :], vector.chunks])
                    self._writer.add_passages(paper, self._recipe.fingerprint, passage.spans, stacked)
            self._embedded += len(part)
            self._progress.advance(cost * len(part) / len(papers))


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


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
