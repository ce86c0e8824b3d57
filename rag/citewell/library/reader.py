"""Reading the library: papers, lexical search, stored vectors. Any thread, any number of processes."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citewell.errors import NoCollectionError
from citewell.library.filters import Filters, to_sql
from citewell.library.lexical import LexicalIndex, LexicalScores
from citewell.library.schema import Connection, connect, damaged
from citewell.library.soundness import find_damage
from citewell.types import Listing, Paper, Span

_LONGEST = 1.1  # square of the length of a unit vector, rounded to float16
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


class Passages(NamedTuple):
    """The chunks of one paper: ranges of its abstract, and unit vectors of shapes (dim,) and (n, dim)."""

    spans: tuple[Span, ...]
    abstract: NDArray[np.float32]
    chunks: NDArray[np.float32]


class StoredPaper(NamedTuple):
    """A paper with the number of its row."""

    row: int
    paper: Paper


def content_hash(title: str, abstract: str) -> bytes:
    """Returns the key under which the passages of a text are stored, by which damage to the text is noticed too."""
    return hashlib.sha256(f"{title}\0{abstract}".encode()).digest()[:16]


def pack(spans: Sequence[Span], vectors: NDArray[np.float32]) -> tuple[bytes, bytes]:
    """Returns ranges as int32 and vectors (abstract first) as float16, at less than 1e-3 of a cosine."""
    return np.asarray(spans, dtype="<i4").tobytes(), vectors.astype("<f2").tobytes()


class StoredPassages(Mapping[int, Passages]):
    """The passages of several papers by row, in one matrix, so that a question meets them all at once.

    Args:
        stored: rows, ranges and vectors, as `pack` makes them.
        dim: the length of a vector.

    Raises:
        ValueError: they are damaged, as one can see: no whole vectors, or longer ones than a unit vector.
    """

    def __init__(self, stored: Sequence[tuple[int, bytes, bytes]], dim: int) -> None:
        self._places = {row: place for place, (row, _, _) in enumerate(stored)}
        self._spans = [spans for _, spans, _ in stored]
        if any(len(vectors) * 4 != (len(spans) + 8) * dim or len(spans) % 8 for _, spans, vectors in stored):
            raise ValueError("there are not as many vectors as passages")
        sizes = [len(vectors) // (2 * dim) for _, _, vectors in stored]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        joined = b"".join(vectors for _, _, vectors in stored)
        self._matrix = np.frombuffer(joined, dtype="<f2").reshape(-1, max(dim, 1)).astype(np.float32)
        lengths = np.einsum("ij,ij->i", self._matrix, self._matrix)
        if not (lengths < _LONGEST).all():  # nor is nan shorter
            raise ValueError("a vector in it is longer than any that is stored")

    def __getitem__(self, row: int) -> Passages:
        place = self._places[row]
        own = self._matrix[self._starts[place] : self._starts[place + 1]]
        ranges = np.frombuffer(self._spans[place], dtype="<i4").reshape(-1, 2).tolist()
        return Passages(tuple(Span(a, b) for a, b in ranges), own[0], own[1:])

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def cosines(
        self, query: NDArray[np.float32], rows: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the query's cosine with the abstract and with the best passage of each row, nan without vectors."""
        abstract, best = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        places = [self._places.get(row, -1) for row in rows]
        held = [i for i, place in enumerate(places) if place >= 0]
        if held:
            similarity = self._matrix @ query
            starts = self._starts[:-1]
            chosen = [places[i] for i in held]
            abstract[held] = similarity[starts][chosen]
            best[held] = np.maximum.reduceat(similarity, starts)[chosen]
        return abstract, best


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

    def matching(self, filters: Filters) -> list[int]:
        """Returns the rows that a filter leaves, in order."""
        condition, parameters = to_sql(filters)
        # Sorted here: SQLite would read all papers in order rather than the rows in an index.
        query = f"SELECT row FROM papers WHERE {condition}"
        return sorted(row for (row,) in self.connection().execute(query, parameters).fetchall())

    def lexical(self, terms: Sequence[str], title_weight: float) -> LexicalScores:
        """Returns the papers with any of the words and their BM25 scores."""
        return self._lexical.scores(terms, title_weight)

    def document_frequencies(self, stems: Sequence[str]) -> dict[str, int]:
        """Returns in how many papers each stem occurs; absent stems are left out."""
        found: dict[str, int] = {}
        for start in range(0, len(stems), _IN_LIMIT):
            part = stems[start : start + _IN_LIMIT]
            query = f"SELECT term, doc FROM papers_vocabulary WHERE term IN ({placeholders(part)})"
            found.update(self.connection().execute(query, part))
        return found

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
