"""The tables of the library, and how a connection to them is opened.

| table | holds |
|---|---|
| papers | one row a paper: title and abstract as given, metadata, the revision of its last change |
| aliases | the identity keys of a paper (arXiv id, DOI, own id, title) |
| listings | every page and date a paper was listed on |
| papers_fts | FTS5 over the search form of title and abstract; rowid is the paper's |
| papers_vocabulary, papers_places | its words: in how many papers each stands, and where |
| passages | the embedding cache: chunk offsets and vectors of a text under one embedder and chunker |
| tombstones | papers removed, by revision, so that a vector generation can follow |
| manifest | one row: versions, counters, what the vectors were made with |
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from citewell.durable import put_in_place
from citewell.errors import CollectionError

if TYPE_CHECKING:
    from sqlite3 import _Parameters

SCHEMA_VERSION = 1

_SCHEMA = f"""
CREATE TABLE papers(
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    paper_id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    abstract TEXT NOT NULL,
    content_hash BLOB NOT NULL,
    authors TEXT NOT NULL,
    year INTEGER,
    url TEXT,
    doi TEXT,
    arxiv_id TEXT,
    categories TEXT NOT NULL,
    revision INTEGER NOT NULL
);
CREATE INDEX papers_revision ON papers(revision);
CREATE INDEX papers_year ON papers(year);
CREATE INDEX papers_content ON papers(content_hash);
CREATE TABLE aliases(key TEXT PRIMARY KEY, paper INTEGER NOT NULL REFERENCES papers(row) ON DELETE CASCADE)
    WITHOUT ROWID;
CREATE INDEX aliases_paper ON aliases(paper);
CREATE TABLE listings(
    paper INTEGER NOT NULL REFERENCES papers(row) ON DELETE CASCADE,
    source TEXT NOT NULL,
    date TEXT,
    date_key TEXT,
    position INTEGER NOT NULL,
    UNIQUE(paper, source, date)
);
CREATE VIRTUAL TABLE papers_fts USING fts5(title, body, tokenize='porter unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE papers_vocabulary USING fts5vocab(papers_fts, row);
CREATE TABLE passages(
    content_hash BLOB NOT NULL,
    fingerprint TEXT NOT NULL,
    spans BLOB NOT NULL,
    vectors BLOB NOT NULL,
    PRIMARY KEY(content_hash, fingerprint)
);
CREATE TABLE tombstones(paper_id TEXT NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE manifest(
    one INTEGER PRIMARY KEY CHECK(one = 1),
    revision INTEGER NOT NULL DEFAULT 0,
    papers INTEGER NOT NULL DEFAULT 0,
    digest TEXT NOT NULL DEFAULT '{"0" * 32}',
    embedding TEXT NOT NULL DEFAULT '',
    fingerprint TEXT NOT NULL DEFAULT '',
    dim INTEGER NOT NULL DEFAULT 0,
    generation TEXT NOT NULL DEFAULT '',
    generation_revision INTEGER NOT NULL DEFAULT 0
);
INSERT INTO manifest(one) VALUES (1);
PRAGMA user_version = {SCHEMA_VERSION};
"""


# Not in the file: older libraries lack it, and it holds nothing itself.
_PLACES = "CREATE VIRTUAL TABLE temp.papers_places USING fts5vocab(main, papers_fts, instance)"

_RESTORE = "Import a backup into another folder: `citewell import FILE --data-dir DIR`."
_CURES = {
    sqlite3.SQLITE_CORRUPT: _RESTORE,
    sqlite3.SQLITE_NOTADB: _RESTORE,
    sqlite3.SQLITE_FULL: "Free some space there and try again.",
    sqlite3.SQLITE_READONLY: "Make it writable, or choose another --data-dir.",
    sqlite3.SQLITE_IOERR: "Is the disk full, or failing? Try again when it is not.",
}


def damaged(path: Path, what: str) -> CollectionError:
    """Returns the error that tells of a library whose content cannot be right."""
    return CollectionError(f"The library {path} is damaged: {what}. {_RESTORE}")


class _Cursor(sqlite3.Cursor):
    """Tells of damage that is met on the way through the rows as the connection does."""

    path: Path

    def execute(self, sql: str, parameters: _Parameters = (), /) -> Self:
        try:
            return super().execute(sql, parameters)
        except sqlite3.DatabaseError as error:
            raise _told(self.path, error) from error

    def fetchone(self) -> Any:  # noqa: ANN401 (a row of whatever was asked for)
        try:
            return super().fetchone()
        except sqlite3.DatabaseError as error:
            raise _told(self.path, error) from error

    def fetchall(self) -> list[Any]:
        try:
            return super().fetchall()
        except sqlite3.DatabaseError as error:
            raise _told(self.path, error) from error

    def __next__(self) -> Any:  # noqa: ANN401
        try:
            return super().__next__()
        except sqlite3.DatabaseError as error:
            raise _told(self.path, error) from error


def _told(path: Path, error: sqlite3.DatabaseError) -> Exception:
    """Returns the error that a person is to see; the same one where a program is wrong and not the file."""
    if type(error) not in (sqlite3.DatabaseError, sqlite3.OperationalError):
        return error
    if str(error).startswith("Could not decode"):  # the rest quotes the garbled text
        return damaged(path, "a text in it is not UTF-8")
    cure = _CURES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
    return CollectionError(f"Cannot use the library {path}: {error}. {cure}".rstrip())


class Connection(sqlite3.Connection):
    """A connection that tells of damage, a full disk and the like as a `CollectionError`."""

    path: Path
    fixed: tuple[int, int, bool] | None = None  # state of the files, when read as if they never changed

    def execute(self, sql: str, parameters: _Parameters = (), /) -> sqlite3.Cursor:
        """Runs one statement; reading its rows raises the same errors.

        Raises:
            CollectionError: the file is damaged, locked for too long, read-only, or has no room to grow.
        """
        cursor = self.cursor(_Cursor)
        cursor.path = self.path
        return cursor.execute(sql, parameters)

    @property
    def outdated(self) -> bool:
        """Whether what it reads may have changed without its noticing."""
        return self.fixed is not None and self.fixed != _state(self.path)


def connect(path: Path) -> Connection:
    """Returns a connection in autocommit mode with foreign keys on.

    Raises:
        CollectionError: the file is not a library of this version.
    """
    try:
        return _connect(path, path.resolve().as_uri())
    except CollectionError:
        if os.access(path.parent, os.W_OK):
            raise
    # In WAL mode reading makes files beside the library. Where none can be made, nobody here writes either.
    fixed = _state(path)
    connection = _connect(path, f"{path.resolve().as_uri()}?immutable=1")
    connection.fixed = fixed
    return connection


def _connect(path: Path, uri: str) -> Connection:
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30.0, factory=Connection)
    except sqlite3.DatabaseError as error:
        raise CollectionError(f"Cannot open the library {path}: {error}.") from error
    connection.path = path
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # NORMAL would leave the last transactions to a power cut, though they have been acknowledged.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA temp_store = MEMORY")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise CollectionError(
                f"The library {path} has schema {version}, this Citewell reads {SCHEMA_VERSION}. "
                "Ingest the files again into a new data directory."
            )
        connection.execute(_PLACES)
    except CollectionError:
        connection.close()
        raise
    return connection


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Lets everything that is read meanwhile be of one revision; inside a transaction it is so already."""
    begun = not connection.in_transaction
    if begun:
        connection.execute("BEGIN")
    try:
        yield
    finally:
        if begun and connection.in_transaction:  # damage can end it
            connection.execute("COMMIT")


def _state(path: Path) -> tuple[int, int, bool]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, path.with_name(f"{path.name}-wal").exists()


def create(path: Path) -> None:
    """Writes an empty library beside `path` and moves it into place, so that a half-made one is never seen.

    Raises:
        CollectionError: it cannot be written.
    """
    building = path.with_name(f"{path.name}.new")
    try:
        for suffix in ("", "-journal", "-wal", "-shm"):
            building.with_name(building.name + suffix).unlink(missing_ok=True)
        connection = sqlite3.connect(building, isolation_level=None)
        try:
            connection.executescript(_SCHEMA)
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        put_in_place(building, path)  # SQLite has synced it
    except (OSError, sqlite3.DatabaseError) as error:
        raise CollectionError(f"Cannot write to {path.parent}: {error}. Choose --data-dir.") from error
