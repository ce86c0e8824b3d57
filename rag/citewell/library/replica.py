"""A library as a copy of what a Chroma server publishes: what it has taken over, and what it is ahead by.

The tables below are made beside the library's own when a server is used for the first time. `served` says for
each paper which record of the server it was made from, in the same transaction as the paper itself, so that a
killed pull goes on where it stopped and any difference to the server can be told at any time.

| table | holds |
|---|---|
| served | the record that each paper was taken from or published as |
| served_state | one row: which generation, up to which record, and the revision of the library that equals it |
| set_aside | papers changed here and not published, while records of the server take their rows |
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from citewell.library.passages import pack
from citewell.library.reader import Library, Manifest, Recipe, batched, placeholders
from citewell.library.records import (
    Changes,
    Record,
    Served,
    ServedState,
    body_hash,
    make_body,
    paper_from_json,
    paper_to_json,
    read_body,
    records_digest,
)
from citewell.library.writer import LibraryWriter

_TABLES = """
CREATE TABLE IF NOT EXISTS served(
    paper_id TEXT PRIMARY KEY, hash BLOB NOT NULL, tag TEXT NOT NULL, chunks INTEGER NOT NULL, pass TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS served_state(
    one INTEGER PRIMARY KEY CHECK(one = 1),
    lineage TEXT NOT NULL DEFAULT '',
    generation TEXT NOT NULL DEFAULT '',
    position INTEGER NOT NULL DEFAULT 0,
    pass TEXT NOT NULL DEFAULT '',
    records TEXT NOT NULL DEFAULT '',
    revision INTEGER NOT NULL DEFAULT -1
);
INSERT OR IGNORE INTO served_state(one) VALUES (1);
CREATE TABLE IF NOT EXISTS set_aside(number INTEGER PRIMARY KEY, paper TEXT NOT NULL);
"""
_PAGE = 500


class Held(NamedTuple):
    """How far this copy is.

    Attributes:
        lineage: of the state that it follows.
        generation: the one it has taken records from.
        position: the last record taken.
        pass_name: marks the records of this walk through the generation.
        records: hash of all records, once it equalled what was published; empty before.
        revision: the library's revision when it last equalled what was published, -1 before.
    """

    lineage: str
    generation: str
    position: int
    pass_name: str
    records: str
    revision: int

    def shows(self, state: ServedState) -> bool:
        """Returns whether it has taken over all of a published state."""
        mine = (self.lineage, self.generation, self.position, self.records)
        return mine == (state.lineage, state.generation, state.position, state.records)


class Replica:
    """Follows a server with one library. Hold the write lock for everything but `held` and `is_ahead`."""

    def __init__(self, library: Library) -> None:
        self._library = library

    # --- what it holds -----------------------------------------------------------------------------------

    def held(self) -> Held:
        """Returns how far the copy is."""
        if not self._has_tables():
            return Held("", "", 0, "", "", -1)
        query = "SELECT lineage, generation, position, pass, records, revision FROM served_state"
        return Held(*self._library.connection().execute(query).fetchone())

    def is_ahead(self) -> bool:
        """Returns whether the library may hold changes that are not published."""
        manifest = self._library.manifest()
        if not self._has_tables():
            return manifest.papers > 0
        aside = self._library.connection().execute("SELECT 1 FROM set_aside LIMIT 1").fetchone()
        return aside is not None or self.held().revision != manifest.revision

    def served(self) -> dict[str, Served]:
        """Returns the records that the server holds, by paper id."""
        rows = self._library.connection().execute("SELECT paper_id, tag, chunks FROM served")
        return {paper_id: Served(paper_id, tag, chunks) for paper_id, tag, chunks in rows}

    def changes(self) -> Changes:
        """Returns what the library is ahead by; it looks at every paper."""
        self._make_tables()
        known = dict(self._library.connection().execute("SELECT paper_id, hash FROM served"))
        rows = []
        for page in self._pages():
            bodies = self._bodies(page)
            rows += [
                row
                for row, (paper_id, body) in bodies.items()
                if known.pop(paper_id, None) != body_hash(body)
            ]
        return Changes(tuple(rows), tuple(known))

    def everything(self) -> Changes:
        """Returns all papers as changes, for a new generation."""
        self._make_tables()
        return Changes(tuple(row for page in self._pages() for row in page), ())

    def records(self, rows: Sequence[int], recipe: Manifest, position: int, lease: int) -> list[Record]:
        """Returns the papers of the rows that have vectors as records, numbered from `position` on."""
        passages, bodies = self._library.passages(rows, recipe), self._bodies(rows)
        found: list[Record] = []
        for row in rows:
            if row not in passages or row not in bodies:
                continue
            paper_id, body = bodies[row]
            stored = passages[row]
            spans, vectors = pack(stored.spans, np.vstack([stored.abstract[None, :], stored.chunks]))
            number = position + len(found)
            found.append(Record(number, f"{lease}.{number}", paper_id, body, spans, vectors))
        return found

    # --- publishing --------------------------------------------------------------------------------------

    def hashes_with(
        self, records: Sequence[tuple[str, bytes]], removed: Sequence[str], afresh: bool
    ) -> Iterable[bytes]:
        """Returns the hashes of all records as they will be with those published and those removed."""
        query = "SELECT paper_id, hash FROM served"
        known = {} if afresh else dict(self._library.connection().execute(query))
        known.update(records)
        for paper_id in removed:
            known.pop(paper_id, None)
        return known.values()

    def note_published(
        self, records: Sequence[tuple[str, bytes, str, int]], removed: Sequence[str], state: ServedState
    ) -> None:
        """Notes that the library, as it is, is what the server now publishes.

        Args:
            records: paper id, hash, tag and number of chunks of each record added.
            removed: ids of papers removed.
            state: what was published.
        """
        writer, db = LibraryWriter(self._library), self._library.connection()
        held = self.held()
        same = held.generation == state.generation
        pass_name = held.pass_name if same else uuid.uuid4().hex
        with writer.transaction():
            if not same:
                db.execute("DELETE FROM served")
            for values in records:
                db.execute("INSERT OR REPLACE INTO served VALUES (?, ?, ?, ?, ?)", (*values, pass_name))
            for paper_id in removed:
                db.execute("DELETE FROM served WHERE paper_id = ?", (paper_id,))
            self._note(writer, state, pass_name)

    # --- following ---------------------------------------------------------------------------------------

    def begin(self, state: ServedState, afresh: bool) -> Held:
        """Prepares to take over a state; returns from where on records are needed.

        Changes that were made here and not published are set aside, `finish` brings them back. Papers taken from
        a collection of another lineage, such as one on a server that was lost, count as made here.

        Args:
            state: what is to be taken over.
            afresh: whether to walk through all records, even if some were taken over.
        """
        self._make_tables()
        held, db, writer = self.held(), self._library.connection(), LibraryWriter(self._library)
        if held.lineage != state.lineage:
            with writer.transaction():
                db.execute("DELETE FROM served")
                db.execute("UPDATE served_state SET revision = -1")
        if self.is_ahead():
            self._set_aside(writer, self.changes().rows)
        if afresh or (held.lineage, held.generation) != (state.lineage, state.generation):
            with writer.transaction():
                db.execute(
                    "UPDATE served_state SET lineage = ?, generation = ?, position = 0, pass = ?, records = ''",
                    (state.lineage, state.generation, uuid.uuid4().hex),
                )
        return self.held()

    def apply(self, records: Sequence[Record], position: int, recipe: Recipe) -> None:
        """Takes records over, in order, and notes the position; all of them or none."""
        writer, db = LibraryWriter(self._library), self._library.connection()
        pass_name = self.held().pass_name
        with writer.transaction():
            for record in sorted(records, key=lambda one: one.position):
                self._apply(writer, record, recipe, pass_name)
            db.execute("UPDATE served_state SET position = ?", (position,))

    def finish(self, state: ServedState) -> bool:
        """Puts the copy in use if it equals what is published, and returns whether it does.

        Papers that no record told of are removed, and changes set aside are made again, but only then.
        """
        writer, db = LibraryWriter(self._library), self._library.connection()
        pass_name = self.held().pass_name
        try:
            with writer.transaction():
                query = "SELECT paper_id FROM served WHERE pass != ?"
                for (paper_id,) in db.execute(query, (pass_name,)).fetchall():
                    writer.remove(paper_id)
                db.execute("DELETE FROM served WHERE pass != ?", (pass_name,))
                if not self._equals(state):
                    raise _UnequalError
        except _UnequalError:
            return False
        with writer.transaction():
            self._note(writer, state, pass_name)
        self.bring_back()
        return True

    def bring_back(self) -> None:
        """Makes the changes again that were set aside."""
        self._make_tables()
        writer, db = LibraryWriter(self._library), self._library.connection()
        query = "SELECT number, paper FROM set_aside ORDER BY number"
        kept = [(number, paper_from_json(text)) for number, text in db.execute(query).fetchall()]
        for start in range(0, len(kept), _PAGE):
            with writer.transaction():
                for number, paper in kept[start : start + _PAGE]:
                    writer.put(paper)
                    db.execute("DELETE FROM set_aside WHERE number = ?", (number,))

    def _apply(self, writer: LibraryWriter, record: Record, recipe: Recipe, pass_name: str) -> None:
        db, paper_id = self._library.connection(), record.paper_id
        known = db.execute("SELECT hash FROM served WHERE paper_id = ?", (paper_id,)).fetchone()
        if not record.body:
            writer.remove(paper_id)
            db.execute("DELETE FROM served WHERE paper_id = ?", (paper_id,))
            return
        row, paper, keys = read_body(record.body)
        writer.add_packed(paper, recipe.fingerprint, record.spans, record.vectors)
        # A paper that was taken over and is gone was removed here; that is yet to be published.
        if known is None or self._library.row_of(paper_id) is not None:
            writer.mirror(row, paper, keys)
        values = (paper_id, record.hash(), record.tag, record.count_chunks(recipe.dim), pass_name)
        db.execute("INSERT OR REPLACE INTO served VALUES (?, ?, ?, ?, ?)", values)

    def _equals(self, state: ServedState) -> bool:
        db, manifest = self._library.connection(), self._library.manifest()
        hashes = [found for (found,) in db.execute("SELECT hash FROM served")]
        if (len(hashes), records_digest(hashes)) != (state.papers, state.records):
            return False
        query = "SELECT 1 FROM served WHERE paper_id NOT IN (SELECT paper_id FROM papers) LIMIT 1"
        removed_here = db.execute(query).fetchone() is not None
        return removed_here or (manifest.papers, manifest.digest) == (state.papers, state.digest)

    def _note(self, writer: LibraryWriter, state: ServedState, pass_name: str) -> None:
        manifest = self._library.manifest()
        shown = replace(
            manifest,
            embedding=state.embedding,
            fingerprint=state.fingerprint,
            dim=state.dim,
            generation=state.generation,
            generation_revision=manifest.revision,
        )
        writer.publish(shown)
        query = "SELECT 1 FROM served WHERE paper_id NOT IN (SELECT paper_id FROM papers) LIMIT 1"
        db = self._library.connection()
        revision = -1 if db.execute(query).fetchone() else manifest.revision
        db.execute(
            "UPDATE served_state SET lineage = ?, generation = ?, position = ?, pass = ?, records = ?, revision = ?",
            (state.lineage, state.generation, state.position, pass_name, state.records, revision),
        )

    def _set_aside(self, writer: LibraryWriter, rows: Sequence[int]) -> None:
        db = self._library.connection()
        for part in batched(rows, _PAGE):
            papers = self._library.papers(part)
            with writer.transaction():
                for paper in papers.values():
                    text = paper_to_json(paper)
                    db.execute("INSERT INTO set_aside(paper) VALUES (?)", (text,))
                    query = "SELECT 1 FROM served WHERE paper_id = ?"
                    if db.execute(query, (paper.paper_id,)).fetchone() is None:
                        writer.remove(paper.paper_id)  # its row may be needed for a paper of the server

    # --- the library ---------------------------------------------------------------------------------------

    def _has_tables(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE name = 'set_aside'"
        return self._library.connection().execute(query).fetchone() is not None

    def _make_tables(self) -> None:
        for statement in _TABLES.split(";\n"):
            if statement.strip():
                self._library.connection().execute(statement)

    def _pages(self) -> Iterator[list[int]]:
        last = 0
        while rows := self._library.changed_since(-1, _PAGE, last):
            yield rows
            last = rows[-1]

    def _bodies(self, rows: Sequence[int]) -> dict[int, tuple[str, str]]:
        """Returns paper id and body of a record of each row."""
        keys: dict[int, list[str]] = {}
        for part in batched(rows):
            query = f"SELECT paper, key FROM aliases WHERE paper IN ({placeholders(part)}) ORDER BY key"
            for row, key in self._library.connection().execute(query, part):
                keys.setdefault(row, []).append(key)
        papers = self._library.papers(rows)
        return {
            row: (paper.paper_id, make_body(row, paper, keys.get(row, []))) for row, paper in papers.items()
        }


class _UnequalError(Exception):
    """Undoes a transaction: the copy is not what is published."""
