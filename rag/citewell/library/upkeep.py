"""Looking after the library as a whole: one state of it to copy, and giving back the space it no longer needs."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from citewell.errors import CollectionError
from citewell.library.reader import Library, batched, placeholders
from citewell.library.schema import Connection
from citewell.library.writer import LibraryWriter

_PATIENCE = 2_000  # milliseconds that the last step waits for readers


@contextmanager
def frozen(library: Library) -> Iterator[None]:
    """Lets this thread read one state of the library inside the block, whatever others write meanwhile.

    Neither readers nor writers wait for it.
    """
    connection = library.connection()
    connection.execute("BEGIN")
    try:
        connection.execute("SELECT 1 FROM manifest").fetchone()  # the state is that of the first read
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def keys_of(library: Library, rows: Sequence[int]) -> dict[int, list[str]]:
    """Returns the identity keys of the given rows, sorted; by them a paper is recognised when it comes again."""
    found: dict[int, list[str]] = {row: [] for row in rows}
    for part in batched(rows):
        query = f"SELECT paper, key FROM aliases WHERE paper IN ({placeholders(part)}) ORDER BY key"
        for row, key in library.connection().execute(query, part):
            found[row].append(key)
    return found


def free_space(folder: Path) -> int:
    """Returns the free bytes where a folder is or would be made."""
    places = (folder.absolute(), *folder.absolute().parents)
    return shutil.disk_usage(next(place for place in places if place.exists())).free


def check_room(folder: Path, needed: int, purpose: str) -> None:
    """Raises CollectionError if there are fewer free bytes than `needed` where a folder is or would be made."""
    free = free_space(folder)
    if free < needed:
        raise CollectionError(
            f"{folder} has {free / 1e6:,.0f} MB of free space, and {purpose} takes up to {needed / 1e6:,.0f} MB. "
            "Free some space there first."
        )


def size(library: Library) -> int:
    """Returns the bytes of the library on disk, with what is not yet written back into it."""
    path = library.path
    files = [path, path.with_name(f"{path.name}-wal")]
    return sum(file.stat().st_size for file in files if file.exists())


def compact(library: Library, fingerprints: Collection[str]) -> int:
    """Drops vectors that are of no use, and rewrites the library without gaps; hold the write lock.

    Readers go on; what they still read is written over later.

    Args:
        library: the library.
        fingerprints: models and chunkers whose vectors are kept.

    Returns:
        The passages dropped.

    Raises:
        CollectionError: the disk is full, or the library is damaged.
    """
    connection = library.connection()
    (before,) = connection.execute("SELECT count(*) FROM passages").fetchone()
    writer = LibraryWriter(library)
    with writer.transaction():
        writer.prune(fingerprints)
    (after,) = connection.execute("SELECT count(*) FROM passages").fetchone()
    with writer.transaction():
        connection.execute("INSERT INTO papers_fts(papers_fts) VALUES ('optimize')")
    _rewrite(connection, library.path.parent)
    # Until all pages are in the file itself, nothing is given back. Readers may be in the way: then the next
    # writer does it.
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")
    return int(before - after)


def _rewrite(connection: Connection, folder: Path) -> None:
    # SQLite would write its copy to /var/tmp, which often lacks the room; it deletes the file as it opens it.
    quoted = str(folder.absolute()).replace("'", "''")
    connection.execute(f"PRAGMA temp_store_directory = '{quoted}'")
    try:
        connection.execute("VACUUM")
    finally:
        connection.execute("PRAGMA temp_store_directory = ''")


def sweep_unfinished(path: Path) -> None:
    """Deletes the half-made library that a killed process left beside `path`; hold the write lock."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(f"{path.name}.new{suffix}").unlink(missing_ok=True)
