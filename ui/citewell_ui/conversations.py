"""Conversations kept on this machine, each visible to its owner alone.

Every call opens the file anew, so that threads and processes can share it without knowing of each other. It has a
rollback journal, not a write-ahead log: a conversation is written once a question, and one file is easily moved.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from citewell import Answer
from citewell.cache import answer_from_dict
from citewell.errors import CollectionError, UsageError
from filelock import FileLock

_APPLICATION = 0x4357434F  # "CWCO", the file's type in its header
_SCHEMA = 1
_BUSY = 10.0  # seconds to wait for somebody else's transaction, which takes milliseconds
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_CONVERSATION = re.compile(r"[0-9a-f]{32}")
_LONGEST_TITLE = 120
_TABLES = """
CREATE TABLE conversations(
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, owner BLOB NOT NULL, title TEXT NOT NULL,
    named INTEGER NOT NULL, used INTEGER NOT NULL, updated REAL NOT NULL
);
CREATE INDEX conversations_owner ON conversations(owner, used);
CREATE TABLE turns(
    conversation INTEGER NOT NULL REFERENCES conversations(row) ON DELETE CASCADE,
    number INTEGER NOT NULL, document TEXT NOT NULL, UNIQUE(conversation, number)
);
"""
_NEXT_USE = "(SELECT ifnull(max(used), 0) + 1 FROM conversations)"

Answers = list[Answer]  # named here, since `list` is a method of the store
T = TypeVar("T")


class _ForeignError(sqlite3.DatabaseError):
    """A database that holds no conversations."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation in a list of them: when it was last continued (UTC), and how many turns it has."""

    id: str
    title: str
    updated: datetime
    turns: int


class ConversationStore:
    """The conversations of everybody; what is not the owner's does not exist for an owner.

    An owner is a secret, such as a cookie, of which only the SHA-256 is kept. What a call has changed is on the
    disk when it returns. A damaged file is set aside, and a new one begun.

    Args:
        path: the file, made when the first conversation is.
        limit: how many conversations are kept of an owner, those continued last.
        notify: told in one line about a damaged file.
        now: returns the time.

    Raises:
        CollectionError: the file cannot be used; raised by every method.
    """

    def __init__(
        self,
        path: Path,
        limit: int = 500,
        notify: Callable[[str], None] = lambda message: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path, self._limit, self._notify, self._now = path, limit, notify, now
        self._writing = threading.Lock()  # the threads of a process need not poll for each other

    def create(self, owner: str) -> str:
        """Returns the id of a new conversation, which nobody can guess; it is listed from its first turn on."""
        conversation, digest, now = secrets.token_hex(16), _digest(owner), self._now().timestamp()

        def work(connection: sqlite3.Connection) -> str:
            connection.execute(
                "INSERT INTO conversations(id, owner, title, named, used, updated) "
                f"VALUES (?, ?, '', 0, {_NEXT_USE}, ?)",
                (conversation, digest, now),
            )
            connection.execute(
                "DELETE FROM conversations WHERE row IN "
                "(SELECT row FROM conversations WHERE owner = ? ORDER BY used DESC LIMIT -1 OFFSET ?)",
                (digest, self._limit),
            )
            return conversation

        return self._write(work)

    def append(self, conversation: str, owner: str, answer: Answer) -> bool:
        """Adds a turn; returns False where there is no such conversation, perhaps because it was deleted."""

        def work(connection: sqlite3.Connection, row: int) -> bool:
            self._add(connection, row, [answer])
            return True

        return self._change(conversation, owner, work)

    def replace_from(
        self, conversation: str, owner: str, turn_index: int, answers: Sequence[Answer] = ()
    ) -> bool:
        """Puts answers in the place of the turn of that index, counted from 0, and of all after it.

        Returns False where there is no such conversation.

        Raises:
            UsageError: the conversation is shorter than the index, and nothing was changed.
        """

        def work(connection: sqlite3.Connection, row: int) -> bool:
            numbers = [number for number, _ in _turns(connection, row)]
            if not 0 <= turn_index <= len(numbers):
                raise UsageError(f"No turn {turn_index} in a conversation of {len(numbers)}. Open it again.")
            for number in numbers[turn_index:]:
                connection.execute("DELETE FROM turns WHERE conversation = ? AND number = ?", (row, number))
            self._add(connection, row, answers)
            return True

        return self._change(conversation, owner, work)

    def list(self, owner: str) -> list[Conversation]:
        """Returns the conversations of an owner that have a turn, the one continued last first."""

        def work(connection: sqlite3.Connection) -> list[Conversation]:
            rows = connection.execute(
                "SELECT id, title, updated, count(*) FROM conversations JOIN turns ON conversation = row "
                "WHERE owner = ? GROUP BY row ORDER BY used DESC",
                (_digest(owner),),
            )
            return [
                Conversation(id, title, datetime.fromtimestamp(updated, UTC), turns)
                for id, title, updated, turns in rows
            ]

        return self._read(work, [])

    def open(self, id: str, owner: str) -> Answers:
        """Returns the answers of a conversation, oldest first; none where the owner has no such one.

        A turn that another version of Citewell wrote, and this one cannot read, is left out.
        """

        def work(connection: sqlite3.Connection) -> Answers:
            row = _row(connection, id, owner)
            return [] if row is None else [answer for _, answer in _turns(connection, row)]

        return self._read(work, [])

    def rename(self, id: str, owner: str, title: str) -> bool:
        """Names a conversation for good; a title of blanks, or no such conversation, changes nothing.

        Returns whether it was named.
        """
        title = _title(title)

        def work(connection: sqlite3.Connection, row: int) -> bool:
            connection.execute("UPDATE conversations SET title = ?, named = 1 WHERE row = ?", (title, row))
            return True

        return bool(title) and self._change(id, owner, work)

    def delete(self, id: str, owner: str) -> bool:
        """Deletes a conversation, also from the free space of the file; returns whether there was one."""

        def work(connection: sqlite3.Connection, row: int) -> bool:
            connection.execute("DELETE FROM conversations WHERE row = ?", (row,))
            return True

        return self._change(id, owner, work)

    # --- parts -----------------------------------------------------------------------------------------------

    def _add(self, connection: sqlite3.Connection, row: int, answers: Sequence[Answer]) -> None:
        """Adds turns, and names a conversation that nobody has named after its first question."""
        for answer in answers:
            connection.execute(
                "INSERT INTO turns SELECT ?, ifnull(max(number), 0) + 1, ? FROM turns WHERE conversation = ?",
                (row, json.dumps(answer.to_dict(), separators=(",", ":")), row),
            )
        connection.execute(
            f"UPDATE conversations SET used = {_NEXT_USE}, updated = ? WHERE row = ?",
            (self._now().timestamp(), row),
        )
        first = next((answer for _, answer in _turns(connection, row)), None)
        connection.execute(
            "UPDATE conversations SET title = ? WHERE row = ? AND NOT named",
            (_title(first.question) if first else "", row),
        )

    def _change(self, conversation: str, owner: str, work: Callable[[sqlite3.Connection, int], bool]) -> bool:
        """Returns what `work` returns for the row of a conversation; False where the owner has no such one."""

        def found(connection: sqlite3.Connection) -> bool:
            row = _row(connection, conversation, owner)
            return row is not None and work(connection, row)

        return os.path.exists(self._path) and self._write(found)

    def _read(self, work: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        return self._attempt(work, "DEFERRED") if os.path.exists(self._path) else nothing

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._writing:
            return self._attempt(work, "IMMEDIATE")

    def _attempt(self, work: Callable[[sqlite3.Connection], T], kind: str) -> T:
        """Returns what `work` returns in one transaction of that kind. A damaged file is replaced, once."""
        for last in (False, True):
            opened = _identity(self._path)
            try:
                with _transaction(self._path, kind) as connection:
                    return work(connection)
            except (sqlite3.Error, OSError) as error:
                if last or not _is_damage(error):
                    raise self._failure(error) from error
                self._set_aside(opened, error)
        raise AssertionError("the second attempt returns or raises")

    def _set_aside(self, opened: tuple[int, int] | None, why: Exception) -> None:
        """Moves the damaged file out of the way, unless another process has done so."""
        aside = self._path.with_name(f"{self._path.name}.damaged-{secrets.token_hex(4)}")
        try:
            with FileLock(f"{self._path}.lock"):
                if opened is None or opened != _identity(self._path):
                    return
                for suffix in ("-journal", ""):
                    with suppress(FileNotFoundError):
                        os.replace(f"{self._path}{suffix}", f"{aside}{suffix}")
        except OSError as error:
            raise self._failure(error) from error
        self._notify(f"The conversations in {self._path} begin anew: {why}. The old file is {aside.name}.")

    def _failure(self, error: Exception) -> CollectionError:
        return CollectionError(
            f"Cannot keep conversations in {self._path}: {error}. Free space there, make it writable, or move it away."
        )


def _digest(owner: str) -> bytes:
    return hashlib.sha256(owner.encode("utf-8", "surrogatepass")).digest()


def _title(text: str) -> str:
    """Returns one line that is short enough, and that a database can hold."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= _LONGEST_TITLE else line[: _LONGEST_TITLE - 1].rstrip() + "…"


def _row(connection: sqlite3.Connection, conversation: str, owner: str) -> int | None:
    if not _CONVERSATION.fullmatch(conversation):
        return None
    found = connection.execute(
        "SELECT row FROM conversations WHERE id = ? AND owner = ?", (conversation, _digest(owner))
    ).fetchone()
    return found[0] if found else None


def _turns(connection: sqlite3.Connection, row: int) -> Iterator[tuple[int, Answer]]:
    """Yields the number and the answer of every turn that can be read, oldest first."""
    rows = connection.execute(
        "SELECT number, document FROM turns WHERE conversation = ? ORDER BY number", (row,)
    )
    for number, document in rows.fetchall():
        with suppress(ValueError):
            yield number, answer_from_dict(json.loads(document))


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the details that extended codes add
    return isinstance(error, _ForeignError) or code in _DAMAGED


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


@contextmanager
def _transaction(path: Path, kind: str) -> Iterator[sqlite3.Connection]:
    """Yields a connection inside a transaction, which ends with the block; the file is made where there is none."""
    if not os.path.exists(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # others have no business in it
    with closing(sqlite3.connect(path, timeout=_BUSY, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        if not _is_ours(connection):
            with _block(connection, "IMMEDIATE"):
                _create(connection)
        with _block(connection, kind):
            yield connection


@contextmanager
def _block(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):  # it may have been rolled back already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Returns whether the file holds conversations; False where it holds nothing at all.

    Raises:
        sqlite3.Error: it holds something else.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if (application, version) == (_APPLICATION, _SCHEMA):
        return True
    if application == _APPLICATION:
        raise sqlite3.DatabaseError(f"another version of Citewell wrote it (schema {version})")
    if application or version or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise _ForeignError("it is another program's database")
    return False


def _create(connection: sqlite3.Connection) -> None:
    if _is_ours(connection):
        return  # somebody else was faster
    for statement in filter(str.strip, _TABLES.split(";")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {_SCHEMA}")
