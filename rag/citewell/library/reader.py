"""Reading the library: papers, lexical search, stored vectors. Any thread, any number of processes."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from citewell.errors import NoCollectionError
from citewell.library.filters import Filters, to_sql
from citewell.library.lexical import LexicalIndex, LexicalScores
from citewell.library.passages import StoredPassages
from citewell.library.schema import Connection, connect, damaged
from citewell.library.soundness import find_damage
from citewell.types import Listing, Paper

_KEPT_FILTERS = 4
_IN_LIMIT = 900  # SQLite's historical limit on bound variables is 999


class Recipe(NamedTuple):
    """What vectors are made with: spec of the model, fingerprint of model and chunker, length of a vector."""

    embedding: str
    fingerprint: str
    dim: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the library holds and what its vectors were made with.

    Attributes:
        revision: grows by one with every committed change.
        papers: number of papers.
        digest: order-independent hash of the ids and contents of all papers.
        embedding: spec of the embedding model, as in `Settings.embedding`.
        fingerprint: embedder and chunker that made the vectors in use.
        dim: length of a vector.
        generation: name of the vector generation in use, empty before the first.
        generation_revision: the revision that generation shows.
    """

    revision: int
    papers: int
    digest: str
    embedding: str
    fingerprint: str
    dim: int
    generation: str
    generation_revision: int

    @property
    def recipe(self) -> Recipe:
        """What the vectors in use are made with."""
        return Recipe(self.embedding, self.fingerprint, self.dim)


class StoredPaper(NamedTuple):
    """A paper with the number of its row."""

    row: int
    paper: Paper


def content_hash(title: str, abstract: str) -> bytes:
    """Returns the key under which the passages of a text are stored, by which damage to the text is noticed too."""
    return hashlib.sha256(f"{title}\0{abstract}".encode()).digest()[:16]


def batched(values: Sequence[int], size: int = _IN_LIMIT) -> Iterator[Sequence[int]]:
    """Yields slices short enough for one `IN (…)`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def placeholders(values: Sized) -> str:
    """Returns one question mark for each value."""
    return ",".join("?" * len(values))


def casefold(text: str | None) -> str:
    """Returns the text for comparison in any case; in SQL, as its function of this name."""
    return (text or "").casefold()


class Library:
    """The SQLite library, the source of truth; opens one connection a thread."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise NoCollectionError(
                f"No collection at {path.parent}. "
                f"Build one with `citewell ingest FILES --data-dir {path.parent}`."
            )
        self.path = path
        self._local = threading.local()
        self._lexical = LexicalIndex(self.connection)
        self._matched: dict[tuple[int, Filters], Sequence[int]] = {}
        self.connection()  # fails now rather than at the first question

    def connection(self) -> Connection:
        """Returns this thread's connection."""
        existing: Connection | None = getattr(self._local, "connection", None)
        if existing is not None:
            if not existing.outdated:
                return existing
            existing.close()
        connection = connect(self.path)
        connection.create_function("casefold", 1, casefold, deterministic=True)
        self._local.connection = connection
        return connection

    def close(self) -> None:
        """Closes this thread's connection; those of other threads close when they end."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            connection.close()

    def read_ahead(self) -> None:
        """Has the file in memory before it is asked for, where there is room: a server's first questions wait less."""
        if hasattr(os, "posix_fadvise"):
            memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < memory // 2:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        self.lexical([], 1.0)

    def manifest(self) -> Manifest:
        """Returns the manifest as committed now."""
        row = (
            self.connection()
            .execute(
                "SELECT revision, papers, digest, embedding, fingerprint, dim, "
                "generation, generation_revision FROM manifest"
            )
            .fetchone()
        )
        return Manifest(*row)

    def paper(self, paper_id: str) -> Paper | None:
        """Returns a paper by id, or None."""
        row = self.row_of(paper_id)
        return None if row is None else self.papers([row])[row]

    def row_of(self, paper_id: str) -> int | None:
        """Returns the row of a paper id, or None."""
        found = self.connection().execute("SELECT row FROM papers WHERE paper_id = ?", (paper_id,)).fetchone()
        return None if found is None else int(found[0])

    def rows_of(self, paper_ids: Sequence[str]) -> dict[str, int]:
        """Returns the rows of those ids that exist."""
        rows: dict[str, int] = {}
        for start in range(0, len(paper_ids), _IN_LIMIT):
            part = paper_ids[start : start + _IN_LIMIT]
            rows.update(
                self.connection().execute(
                    f"SELECT paper_id, row FROM papers WHERE paper_id IN ({placeholders(part)})", part
                )
            )
        return rows

    def papers(self, rows: Sequence[int]) -> dict[int, Paper]:
        """Returns the papers of the given rows, by row.

        Raises:
            CollectionError: a text is not the one that was stored.
        """
        found: dict[int, Paper] = {}
        for part in batched(rows):
            listings: dict[int, list[Listing]] = {}
            query = (
                "SELECT paper, source, date FROM listings "
                f"WHERE paper IN ({placeholders(part)}) ORDER BY position"
            )
            for row, source, date in self.connection().execute(query, part):
                listings.setdefault(row, []).append(Listing(source, date))
            query = (
                "SELECT row, content_hash, paper_id, title, abstract, authors, year, url, doi, arxiv_id, categories "
                f"FROM papers WHERE row IN ({placeholders(part)})"
            )
            for row, key, *values in self.connection().execute(query, part):
                if key != content_hash(str(values[1]), str(values[2])):  # SQLite itself does not notice
                    raise damaged(self.path, f"the text of {values[0]!r} is not the one that was stored")
                try:
                    found[row] = _paper(values, tuple(listings.get(row, ())))
                except ValueError as error:  # JSON that is none
                    raise damaged(self.path, f"what it says about {values[0]!r} cannot be read") from error
        return found

    def iterate(self) -> Iterator[StoredPaper]:
        """Yields every paper in order of row, a few hundred in memory at a time."""
        last = 0
        while True:
            rows = [
                row
                for (row,) in self.connection().execute(
                    "SELECT row FROM papers WHERE row > ? ORDER BY row LIMIT 500", (last,)
                )
            ]
            if not rows:
                return
            found = self.papers(rows)
            yield from (StoredPaper(row, found[row]) for row in rows if row in found)
            last = rows[-1]

    def page(self, offset: int, limit: int) -> list[Paper]:
        """Returns `limit` papers in order of row, from the one at `offset` on."""
        query = "SELECT row FROM papers ORDER BY row LIMIT ? OFFSET ?"
        rows = [row for (row,) in self.connection().execute(query, (limit, offset))]
        found = self.papers(rows)
        return [found[row] for row in rows if row in found]

    def ids(self, rows: Iterable[int]) -> dict[int, str]:
        """Returns the paper ids of the given rows."""
        found: dict[int, str] = {}
        for part in batched(list(rows)):
            query = f"SELECT row, paper_id FROM papers WHERE row IN ({placeholders(part)})"
            found.update(self.connection().execute(query, part))
        return found

    def matching(self, filters: Filters) -> Sequence[int]:
        """Returns the rows that a filter leaves, in order; they are kept for the next questions with this filter."""
        key, changing = (self.manifest().revision, filters), self.connection().in_transaction
        if not changing and (kept := self._matched.get(key)) is not None:
            return kept
        condition, parameters = to_sql(filters)
        # Sorted here: SQLite would read all papers in order rather than the rows in an index.
        query = f"SELECT row FROM papers WHERE {condition}"
        rows = sorted(row for (row,) in self.connection().execute(query, parameters).fetchall())
        if not changing:
            self._matched = dict([*self._matched.items(), (key, rows)][-_KEPT_FILTERS:])
        return rows

    def lexical(self, terms: Sequence[str], title_weight: float) -> LexicalScores:
        """Returns the papers with any of the words and their BM25 scores."""
        return self._lexical.scores(terms, title_weight)

    def document_frequencies(self, stems: Sequence[str]) -> dict[str, int]:
        """Returns in how many papers each stem occurs; absent stems are left out."""
        return self._lexical.frequencies(stems)

    def standing(self, stems: Sequence[str]) -> set[str]:
        """Returns those of the stems that occur in any paper."""
        return self._lexical.standing(stems)

    def vocabulary(self, first: str, shortest: int, longest: int) -> dict[str, int]:
        """Returns the indexed stems with a first letter and a length in the range, with their frequencies."""
        stems = self._lexical.vocabulary(first).items()
        return {stem: papers for stem, papers in stems if shortest <= len(stem) <= longest}

    def passages(self, rows: Sequence[int], manifest: Manifest) -> StoredPassages:
        """Returns chunk ranges and vectors under the manifest's fingerprint, by row, where there are any.

        Raises:
            CollectionError: they cannot be those that were stored.
        """
        found: list[tuple[int, bytes, bytes]] = []
        for part in batched(rows):
            query = (
                "SELECT papers.row, passages.spans, passages.vectors FROM papers "
                "JOIN passages ON passages.content_hash = papers.content_hash AND passages.fingerprint = ? "
                f"WHERE papers.row IN ({placeholders(part)})"
            )
            found += self.connection().execute(query, [manifest.fingerprint, *part]).fetchall()
        try:
            return StoredPassages(found, manifest.dim)
        except ValueError as error:
            raise damaged(self.path, str(error)) from error

    def changed_since(self, revision: int, limit: int, after: int = 0) -> list[int]:
        """Returns rows added or changed after a revision, in order of row, from row `after` on."""
        query = "SELECT row FROM papers WHERE revision > ? AND row > ? ORDER BY row LIMIT ?"
        return [row for (row,) in self.connection().execute(query, (revision, after, limit))]

    def count_changed(self, revision: int) -> int:
        """Returns how many papers were added or changed after a revision."""
        query = "SELECT count(*) FROM papers WHERE revision > ?"
        return int(self.connection().execute(query, (revision,)).fetchone()[0])

    def sample(self, revision: int, count: int) -> list[int]:
        """Returns up to `count` rows spread over the papers as they were at a revision, the last included."""
        query = "SELECT max(row) FROM papers WHERE revision <= ?"
        last = self.connection().execute(query, (revision,)).fetchone()[0]
        if last is None:
            return []
        query = "SELECT row FROM papers WHERE row <= ? AND revision <= ? ORDER BY row DESC LIMIT 1"
        points = [last - (last * n) // count for n in range(count)]
        found = [self.connection().execute(query, (point, revision)).fetchone() for point in points]
        return sorted({int(row[0]) for row in found if row})

    def removed_since(self, revision: int) -> list[str]:
        """Returns ids of papers removed or replaced after a revision."""
        query = "SELECT DISTINCT paper_id FROM tombstones WHERE revision > ?"
        return [paper_id for (paper_id,) in self.connection().execute(query, (revision,))]

    def listings(self) -> list[tuple[str, str | None, int]]:
        """Returns every page and date with its number of papers, in order of first sight."""
        query = "SELECT source, date, count(*) FROM listings GROUP BY source, date ORDER BY min(rowid)"
        return [(source, date, count) for source, date, count in self.connection().execute(query)]

    def check(self) -> str | None:
        """Returns what is wrong with the file, a text, a vector or the index of words; None if nothing is.

        Everything is read: it takes some seconds for 100,000 papers.
        """
        return find_damage(self.connection(), self.iterate(), self._all_passages())

    def _all_passages(self) -> Iterator[StoredPassages]:
        manifest, last = self.manifest(), 0
        while rows := self.changed_since(-1, limit=500, after=last):
            yield self.passages(rows, manifest)
            last = rows[-1]


def _paper(values: Sequence[object], listings: tuple[Listing, ...]) -> Paper:
    paper_id, title, abstract, authors, year, url, doi, arxiv_id, categories = values
    return Paper(
        title=str(title),
        abstract=str(abstract),
        paper_id=str(paper_id),
        listings=listings,
        authors=tuple(json.loads(str(authors))),
        year=year if isinstance(year, int) else None,
        url=url if isinstance(url, str) else None,
        doi=doi if isinstance(doi, str) else None,
        arxiv_id=arxiv_id if isinstance(arxiv_id, str) else None,
        categories=tuple(json.loads(str(categories))),
    )
