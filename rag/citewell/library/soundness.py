"""Looks for damage that no question may ever meet, or none would notice: in every page, word, text and vector."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable

from citewell.errors import CollectionError
from citewell.library.schema import Connection

# 1 compares the index of words with the texts it was made from, too.
_COMPARE_WORDS = "INSERT INTO papers_fts(papers_fts, rank) VALUES ('integrity-check', 1)"
_ELSEWHERE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})


def find_damage(connection: Connection, *readings: Iterable[object]) -> str | None:
    """Returns what is wrong with a library, or None.

    Args:
        connection: to the library. The index of words can only be compared where one may write and nobody else does.
        readings: read to their ends; what tells of damage raises CollectionError.
    """
    try:
        (verdict,) = sqlite3.Connection.execute(connection, "PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            return str(verdict)
        for reading in readings:
            deque(reading, maxlen=0)
    except (sqlite3.DatabaseError, CollectionError) as error:
        return str(error)
    return _words_damaged(connection)


def _words_damaged(connection: Connection) -> str | None:
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    try:
        connection.execute("PRAGMA busy_timeout = 0")
        sqlite3.Connection.execute(connection, "BEGIN IMMEDIATE")
        sqlite3.Connection.execute(connection, _COMPARE_WORDS)
    except sqlite3.DatabaseError as error:
        code = error.sqlite_errorcode & 0xFF
        return None if code in _ELSEWHERE else f"the index of words is damaged: {error}"
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute(f"PRAGMA busy_timeout = {patience}")
    return None
