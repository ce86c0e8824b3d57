"""Writing to the library: one process at a time, one transaction a batch."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from citewell.corpus.clean import search_form
from citewell.corpus.identity import normalise_arxiv_id, normalise_doi, paper_slug, title_key
from citewell.library.filters import date_key
from citewell.library.passages import pack
from citewell.library.reader import Library, Manifest, Recipe, content_hash, placeholders
from citewell.types import Listing, Paper, Span

Outcome = Literal["added", "updated", "unchanged", "duplicate"]
_DIGEST_MODULUS = 2**128
_NEXT_REVISION = "(SELECT revision + 1 FROM manifest)"
_LACKING = (
    "NOT EXISTS (SELECT 1 FROM passages "
    "WHERE passages.content_hash = papers.content_hash AND passages.fingerprint = ?)"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one entry: the paper's row, and whether anything about it changed."""

    row: int
    outcome: Outcome


def digest_with(digest: str, paper_id: str, content: bytes, sign: int = 1) -> str:
    """Returns the digest of a collection with one paper more, or with `sign` -1 one less, in any order."""
    part = int.from_bytes(hashlib.sha256(paper_id.encode() + b"\0" + content).digest()[:16])
    return f"{(int(digest, 16) + sign * part) % _DIGEST_MODULUS:032x}"


def identity_keys(paper: Paper) -> list[str]:
    """Returns the keys that identify a paper, strongest first; the last is always the title's."""
    arxiv_id = normalise_arxiv_id(paper.arxiv_id) if paper.arxiv_id else None
    doi = normalise_doi(paper.doi) if paper.doi else None
    keys = [f"arxiv:{arxiv_id}"] if arxiv_id else []
    keys += [f"doi:{doi}"] if doi else []
    title = title_key(paper.title)
    # A number such as BEIR's "12" means nothing outside its own file: it counts together with the title.
    keys += [f"id:{paper.paper_id}\n{title}"] if paper.paper_id else []
    return [*keys, f"title:{title}"]


class LibraryWriter:
    """Changes the library; hold the collection's write lock while one exists.

    A paper seen before in the same run is a duplicate: its first record stands, further ones add listings and
    what the first did not say about authors, year, address, identifiers and categories.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._db = library.connection()
        self._changed = False
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS seen(row INTEGER PRIMARY KEY)")
        self._db.execute("DELETE FROM seen")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits everything done inside, or nothing; the revision grows by one if anything changed."""
        self._db.execute("BEGIN IMMEDIATE")
        self._changed = False
        try:
            yield
            if self._changed:
                self._db.execute("UPDATE manifest SET revision = revision + 1")
            self._db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        self._changed = False
        if self._db.in_transaction:  # a full disk ends it by itself
            self._db.execute("ROLLBACK")

    @property
    def seen(self) -> int:
        """How many distinct papers this run has met."""
        return int(self._db.execute("SELECT count(*) FROM seen").fetchone()[0])

    def missing(self, papers: Sequence[Paper], fingerprint: str) -> list[Paper]:
        """Returns those of the papers, one a text, whose passages are not stored yet."""
        by_hash = {content_hash(paper.title, paper.abstract): paper for paper in papers}
        query = "SELECT 1 FROM passages WHERE content_hash = ? AND fingerprint = ?"
        return [
            paper
            for key, paper in by_hash.items()
            if self._db.execute(query, (key, fingerprint)).fetchone() is None
        ]

    def standing(self, papers: Sequence[Paper], before: Sequence[Paper] = ()) -> list[Paper]:
        """Returns the papers without repeats, as `put` sees them, of one met in this run or of one `before`."""
        keys = [identity_keys(paper) for paper in (*before, *papers)]
        met = Counter(key for own in keys for key in set(own))
        alone = [all(met[key] == 1 and self._alias(key) is None for key in own) for own in keys]
        repeats = self._repeats([None if a else p for p, a in zip((*before, *papers), alone, strict=True)])
        return [paper for paper, repeat in zip(papers, repeats[len(before) :], strict=True) if not repeat]

    def _repeats(self, papers: Sequence[Paper | None]) -> list[bool]:
        """Returns which of the papers would be repeats, by putting them on trial."""
        if not any(papers):
            return [False] * len(papers)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            return [paper is not None and self.put(paper).outcome == "duplicate" for paper in papers]
        finally:
            self._roll_back()

    def count_without_passages(self, fingerprint: str) -> int:
        """Returns how many papers have no passages under a fingerprint."""
        query = f"SELECT count(*) FROM papers WHERE {_LACKING}"
        return int(self._db.execute(query, (fingerprint,)).fetchone()[0])

    def without_passages(self, fingerprint: str, limit: int, after: int = 0) -> list[int]:
        """Returns rows of papers without passages under a fingerprint, in order, from row `after` on."""
        query = f"SELECT row FROM papers WHERE {_LACKING} AND row > ? ORDER BY row LIMIT ?"
        return [row for (row,) in self._db.execute(query, (fingerprint, after, limit))]

    def touch(self, rows: Sequence[int]) -> None:
        """Marks papers as changed, so that the vector index takes them in again."""
        query = f"UPDATE papers SET revision = {_NEXT_REVISION} WHERE row = ?"
        for row in rows:
            self._db.execute(query, (row,))
        self._changed = True

    def adopt(self, recipe: Recipe) -> None:
        """Notes what vectors are made with, if none were made before."""
        query = "UPDATE manifest SET embedding = ?, fingerprint = ?, dim = ? WHERE fingerprint = ''"
        self._db.execute(query, recipe)

    def add_passages(
        self, paper: Paper, fingerprint: str, spans: Sequence[Span], vectors: NDArray[np.float32]
    ) -> None:
        """Stores ranges and vectors (abstract first, shape (1 + n, dim)) of one paper's text."""
        self.add_packed(paper, fingerprint, *pack(spans, vectors))

    def add_packed(self, paper: Paper, fingerprint: str, spans: bytes, vectors: bytes) -> None:
        """Stores ranges and vectors as `pack` returns them."""
        values = (content_hash(paper.title, paper.abstract), fingerprint, spans, vectors)
        self._db.execute("INSERT OR REPLACE INTO passages VALUES (?, ?, ?, ?)", values)

    def put(self, paper: Paper) -> Stored:
        """Adds a paper or merges it into the one it repeats; its passages must be stored already."""
        keys = identity_keys(paper)
        row = self._resolve(keys)
        if row is None:
            row = self._insert(paper, keys)
            outcome: Outcome = "added"
        elif self._db.execute("SELECT 1 FROM seen WHERE row = ?", (row,)).fetchone():
            outcome = "duplicate"
            self._update(row, _completed(self._library.papers([row])[row], paper), keys)
        else:
            outcome = "updated" if self._update(row, paper, keys) else "unchanged"
        listed = self._add_listings(row, paper.listings)
        if outcome == "unchanged" and listed:
            outcome = "updated"
        self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (row,))
        return Stored(row, outcome)

    def mirror(self, row: int, paper: Paper, keys: Sequence[str]) -> None:
        """Makes a paper just what another library holds: same id, row, listings and identity keys."""
        known_row = self._library.row_of(paper.paper_id)
        others = self._db.execute("SELECT paper_id FROM papers WHERE row = ?", (row,)).fetchone()
        if others is not None and others[0] != paper.paper_id:
            self.remove(others[0])
        if known_row is not None and known_row != row:
            self.remove(paper.paper_id)
            known_row = None
        if known_row is None:
            self._insert(paper, keys, row)
        else:
            known = self._library.papers([row])[row]
            if known.listings != paper.listings[: len(known.listings)]:
                self._db.execute("DELETE FROM listings WHERE paper = ?", (row,))
                self._changed = True
            self._overwrite(row, known, replace(paper, listings=known.listings), keys)
        self._add_listings(row, paper.listings)

    def remove(self, paper_id: str) -> bool:
        """Removes a paper with its listings and index entries; returns whether it was there."""
        row = self._library.row_of(paper_id)
        if row is None:
            return False
        self._digest(row, sign=-1)
        self._bury(row)
        self._db.execute("DELETE FROM papers_fts WHERE rowid = ?", (row,))
        self._db.execute("DELETE FROM papers WHERE row = ?", (row,))
        self._db.execute("UPDATE manifest SET papers = papers - 1")
        self._changed = True
        return True

    def restore(self, paper: Paper, keys: Sequence[str]) -> int:
        """Adds a paper with the id, the listings and the identity keys it had elsewhere; returns its row.

        Nothing is merged: a library holds every id once.
        """
        row = self._insert(paper, keys)
        self._add_listings(row, paper.listings)
        return row

    def unlist(self, rows: Sequence[int], source: str) -> None:
        """Takes the papers off a page or file, on whichever dates they were listed there."""
        for row in rows:
            self._db.execute("DELETE FROM listings WHERE paper = ? AND source = ?", (row, source))
        self._changed = self._changed or bool(rows)

    def publish(self, manifest: Manifest) -> None:
        """Makes a vector generation, and what it was made with, the one in use."""
        self._db.execute(
            "UPDATE manifest SET embedding = ?, fingerprint = ?, dim = ?, "
            "generation = ?, generation_revision = ?",
            (
                manifest.embedding,
                manifest.fingerprint,
                manifest.dim,
                manifest.generation,
                manifest.generation_revision,
            ),
        )
        self._db.execute("DELETE FROM tombstones WHERE revision <= ?", (manifest.generation_revision,))

    def prune(self, fingerprints: Collection[str]) -> None:
        """Drops cached passages of texts no paper has, and of fingerprints other than those given."""
        self._db.execute(
            f"DELETE FROM passages WHERE fingerprint NOT IN ({placeholders(fingerprints)}) OR NOT EXISTS "
            "(SELECT 1 FROM papers WHERE papers.content_hash = passages.content_hash)",
            tuple(fingerprints),
        )

    def _resolve(self, keys: Sequence[str]) -> int | None:
        *strong, weak = keys
        for key in strong:
            if (row := self._alias(key)) is not None:
                return row
        row = self._alias(weak)
        if row is None or not strong:
            return row
        # The title is known; it is another paper if both carry an identifier of the same kind.
        kinds = {key.split(":", 1)[0] for key in strong}
        query = "SELECT key FROM aliases WHERE paper = ?"
        known = {key.split(":", 1)[0] for (key,) in self._db.execute(query, (row,))}
        return None if kinds & known else row

    def _alias(self, key: str) -> int | None:
        found = self._db.execute("SELECT paper FROM aliases WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def _insert(self, paper: Paper, keys: Sequence[str], wanted_row: int | None = None) -> int:
        self._changed = True
        paper_id = self._free_id(paper, keys)
        cursor = self._db.execute(
            "INSERT INTO papers(row, paper_id, title, abstract, content_hash, authors, year, url, doi, arxiv_id, "
            "categories, revision) "
            f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {_NEXT_REVISION})",
            (wanted_row, paper_id, *_columns(paper)),
        )
        row = int(cursor.lastrowid or 0)
        self._db.execute(
            "INSERT INTO papers_fts(rowid, title, body) VALUES (?, ?, ?)",
            (row, search_form(paper.title), search_form(paper.abstract)),
        )
        self._add_aliases(row, keys)
        self._db.execute("UPDATE manifest SET papers = papers + 1")
        self._digest(row, sign=1)
        return row

    def _update(self, row: int, paper: Paper, keys: Sequence[str]) -> bool:
        known = self._library.papers([row])[row]
        merged = _completed(replace(paper, paper_id=known.paper_id, listings=known.listings), known)
        return self._overwrite(row, known, merged, keys)

    def _overwrite(self, row: int, known: Paper, merged: Paper, keys: Sequence[str]) -> bool:
        self._add_aliases(row, keys)
        if merged == known:
            return False
        self._changed = True
        if (merged.title, merged.abstract) == (known.title, known.abstract):
            self._write(row, merged, "")
            return True
        self._digest(row, sign=-1)
        self._bury(row)
        self._write(row, merged, f", revision = {_NEXT_REVISION}")
        self._db.execute(
            "UPDATE papers_fts SET title = ?, body = ? WHERE rowid = ?",
            (search_form(merged.title), search_form(merged.abstract), row),
        )
        self._digest(row, sign=1)
        return True

    def _write(self, row: int, paper: Paper, revision: str) -> None:
        self._db.execute(
            "UPDATE papers SET title = ?, abstract = ?, content_hash = ?, authors = ?, year = ?, url = ?, "
            f"doi = ?, arxiv_id = ?, categories = ?{revision} WHERE row = ?",
            (*_columns(paper), row),
        )

    def _free_id(self, paper: Paper, keys: Sequence[str]) -> str:
        wanted = paper.paper_id or (paper_slug(paper.title) if len(keys) == 1 else keys[0])
        if self._library.row_of(wanted) is None:
            return wanted
        return f"{wanted}~{hashlib.sha256(chr(10).join(keys).encode()).hexdigest()[:8]}"

    def _add_aliases(self, row: int, keys: Sequence[str]) -> None:
        for key in keys:
            self._db.execute("INSERT OR IGNORE INTO aliases VALUES (?, ?)", (key, row))

    def _add_listings(self, row: int, listings: Sequence[Listing]) -> bool:
        changed = False
        for listing in listings:
            # UNIQUE treats NULL dates as distinct, so the test is explicit.
            query = "SELECT 1 FROM listings WHERE paper = ? AND source = ? AND date IS ?"
            if self._db.execute(query, (row, listing.source, listing.date)).fetchone():
                continue
            self._db.execute(
                "INSERT INTO listings VALUES (?, ?, ?, ?, (SELECT count(*) FROM listings WHERE paper = ?))",
                (row, listing.source, listing.date, date_key(listing.date), row),
            )
            self._changed = changed = True
        return changed

    def _bury(self, row: int) -> None:
        self._db.execute(
            f"INSERT INTO tombstones SELECT paper_id, {_NEXT_REVISION} FROM papers WHERE row = ?", (row,)
        )

    def _digest(self, row: int, sign: int) -> None:
        query = "SELECT paper_id, content_hash FROM papers WHERE row = ?"
        paper_id, content = self._db.execute(query, (row,)).fetchone()
        (digest,) = self._db.execute("SELECT digest FROM manifest").fetchone()
        changed = digest_with(digest, paper_id, content, sign)
        self._db.execute("UPDATE manifest SET digest = ?", (changed,))


def _completed(paper: Paper, other: Paper) -> Paper:
    """Returns the paper with what it does not say about itself taken from another record of it."""
    return replace(
        paper,
        authors=paper.authors or other.authors,
        year=paper.year if paper.year is not None else other.year,
        url=paper.url or other.url,
        doi=paper.doi or other.doi,
        arxiv_id=paper.arxiv_id or other.arxiv_id,
        categories=paper.categories or other.categories,
    )


def _columns(paper: Paper) -> tuple[object, ...]:
    return (
        paper.title,
        paper.abstract,
        content_hash(paper.title, paper.abstract),
        json.dumps(paper.authors, ensure_ascii=False),
        paper.year,
        paper.url,
        paper.doi,
        paper.arxiv_id,
        json.dumps(paper.categories, ensure_ascii=False),
    )
