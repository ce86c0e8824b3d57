"""Answers kept in the data directory, so that the same question is not put to a language model twice.

The cache is a convenience: whatever is wrong with its file, a question is answered as if there were none, and the
person is told in one line. Every call opens the file anew, so that threads and processes can share it, and may
delete it, without knowing of each other.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from citewell.types import Answer

_APPLICATION = 0x43574143  # "CWAC", the file's type in its header
_SCHEMA = 1  # a file with another one is begun anew
_BUSY = 2.0  # seconds to wait for somebody else's transaction, which takes milliseconds
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_CURE = "Free space there, make it writable, or set answer_cache to 0."

T = TypeVar("T")


class _ForeignError(sqlite3.DatabaseError):
    """A database that is not an answer cache."""


def key(question: str, collection: str, prompt_sha256: str | None, model: str, **rest: object) -> str:
    """Returns the SHA-256 under which an answer is kept.

    Args:
        question: the question as asked.
        collection: the digest of the collection.
        prompt_sha256: the hash of the prompts.
        model: the model's name.
        rest: whatever else an answer depends on: filters, settings, versions. JSON values, dataclasses and paths.
    """
    parts = {"question": question, "collection": collection, "prompt": prompt_sha256, "model": model}
    text = json.dumps([parts, rest], sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def answer_from_dict(document: Mapping[str, object]) -> Answer:
    """Returns the answer that `Answer.to_dict` made the document from.

    Raises:
        ValueError: the document is no answer.
    """
    answer = _answers().validate_python(dict(document))
    # Validation has made floats of the whole numbers among these.
    usage, timings = document.get("usage"), document.get("timings")
    return replace(answer, usage=_as_given(answer.usage, usage), timings=_as_given(answer.timings, timings))


class AnswerCache:
    """The answers last used, at most `limit` of them; with 0 there is no cache.

    Args:
        path: the file, made when the first answer is kept.
        limit: how many answers are kept.
        notify: told in one line, once, why answers are not kept.
    """

    def __init__(self, path: Path, limit: int, notify: Callable[[str], None] = lambda message: None) -> None:
        self._path = path
        self._limit = limit
        self._notify = notify
        self._told: set[str] = set()

    def get(self, key: str) -> Answer | None:
        """Returns the answer kept under the key, as it was."""
        if self._limit == 0 or not os.path.exists(self._path):
            return None
        return self._attempt(lambda connection: _get(connection, key))

    def put(self, key: str, answer: Answer) -> None:
        """Keeps an answer, unless the language model failed while it was written."""
        if self._limit and answer.error is None:
            self._attempt(lambda connection: _put(connection, key, answer, self._limit))

    def compact(self) -> int:
        """Rewrites the file without gaps; returns its bytes, 0 where there is none."""
        if os.path.exists(self._path):
            self._attempt(lambda connection: connection.execute("VACUUM"))
        files = [Path(f"{self._path}{suffix}") for suffix in ("", "-wal")]
        return sum(file.stat().st_size for file in files if file.exists())

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Returns what `work` returns; None where the file cannot be used. A damaged one is replaced."""
        for _ in range(2):
            opened = _identity(self._path)
            try:
                with closing(_open(self._path)) as connection:
                    return work(connection)
            except sqlite3.Error as error:
                if not _is_damage(error):
                    self._tell(f"No answers are cached in {self._path}: {error}. {_CURE}")
                    return None
                if opened is not None and opened == _identity(self._path) and not self._set_aside(error):
                    return None
        return None

    def _set_aside(self, why: sqlite3.Error) -> bool:
        """Returns whether the file could be moved out of the way, with what belongs to it."""
        aside = self._path.with_name(f"{self._path.name}.damaged")
        try:
            for suffix in ("", "-wal", "-shm", "-journal"):
                with suppress(FileNotFoundError):
                    os.replace(f"{self._path}{suffix}", f"{aside}{suffix}")
        except OSError as error:
            self._tell(f"No answers are cached in {self._path}: {why}; {error.strerror}. Delete the file.")
            return False
        self._tell(f"The answer cache {self._path} begins anew: {why}. The old file is {aside.name}.")
        return True

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._notify(message)


@lru_cache(maxsize=1)
def _answers() -> TypeAdapter[Answer]:
    return TypeAdapter(Answer)


def _as_given(numbers: Mapping[str, float], given: object) -> Mapping[str, float]:
    if not isinstance(given, Mapping):
        return numbers
    return {name: given[name] if type(given[name]) is int else number for name, number in numbers.items()}


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"A cache key cannot depend on a {type(value).__name__}: {value!r}.")


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the details that extended codes add
    return isinstance(error, _ForeignError) or code in _DAMAGED


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _open(path: Path) -> sqlite3.Connection:
    """Returns a connection to a cache of this schema, made where there is none.

    Raises:
        sqlite3.Error: the file cannot be used.
    """
    connection = sqlite3.connect(path, timeout=_BUSY, isolation_level="IMMEDIATE")
    try:
        if _stamp(connection) != (_APPLICATION, _SCHEMA):
            _create(connection)
        with suppress(sqlite3.OperationalError):  # somebody else has it open, who will have done the same
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        stamp = _stamp(connection)
        if stamp == (_APPLICATION, _SCHEMA):
            return  # another process was faster
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if stamp[0] != _APPLICATION and (tables or stamp != (0, 0)):
            raise _ForeignError("it is another program's database")
        connection.execute("DROP TABLE IF EXISTS answers")
        connection.execute(
            "CREATE TABLE answers(key TEXT PRIMARY KEY, document BLOB NOT NULL, sha256 BLOB NOT NULL, "
            "used INTEGER NOT NULL)"
        )
        connection.execute("CREATE INDEX answers_used ON answers(used)")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_SCHEMA}")


def _stamp(connection: sqlite3.Connection) -> tuple[int, int]:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    return application, connection.execute("PRAGMA user_version").fetchone()[0]


def _get(connection: sqlite3.Connection, key: str) -> Answer | None:
    row = connection.execute("SELECT document, sha256 FROM answers WHERE key = ?", (key,)).fetchone()
    if row is None or _checksum(key, row[0]) != row[1]:
        return None
    with suppress(sqlite3.OperationalError), connection:  # an answer is one even if its use cannot be noted
        connection.execute(
            "UPDATE answers SET used = (SELECT max(used) + 1 FROM answers) WHERE key = ?", (key,)
        )
    try:
        return answer_from_dict(json.loads(row[0]))
    except ValueError:  # written by a Citewell whose answers are different
        return None


def _put(connection: sqlite3.Connection, key: str, answer: Answer, limit: int) -> None:
    document = json.dumps(answer.to_dict(), separators=(",", ":")).encode()
    with connection:
        connection.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, (SELECT ifnull(max(used), 0) + 1 FROM answers))",
            (key, document, _checksum(key, document)),
        )
        connection.execute(
            "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY used "
            "LIMIT (SELECT max(0, count(*) - ?) FROM answers))",
            (limit,),
        )


def _checksum(key: str, document: object) -> bytes:
    """Returns a hash that a page of the file gone bad does not keep, where SQLite itself would not notice."""
    return hashlib.sha256(key.encode() + (document if isinstance(document, bytes) else b"")).digest()
