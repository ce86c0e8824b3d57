"""Which files a list of paths stands for, and why one of them cannot be opened."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from citewell.errors import UsageError
from citewell.types import Rejection

_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "symbolic link loop",
    errno.EIO: "read error on the disk",
}


_OWN_FILES = {"library.db", "write.lock"}


def discover(paths: Sequence[Path]) -> list[Path]:
    """The files to read: folders are searched in sorted order, hidden names inside them are skipped.

    A file that is reached twice is listed once.

    Raises:
        UsageError: a path does not exist.
    """
    return [item for item in walk(paths) if isinstance(item, Path)]


def total_bytes(paths: Sequence[Path]) -> int:
    """Sum of the on-disk sizes, in bytes, of the files that `read_corpus` will visit."""
    return sum(on_disk_bytes(path) for path in discover(paths))


def walk(paths: Sequence[Path]) -> list[Path | Rejection]:
    """Like `discover`, with a rejection in the place of each folder that cannot be listed."""
    found: list[Path | Rejection] = []
    seen: set[str] = set()
    for path in map(Path, paths):
        if not os.path.lexists(path):
            raise UsageError(f"No such file or folder: {printable(path)}. Check the path.")
        _visit(path, seen, found)
    return found


def _visit(start: Path, seen: set[str], found: list[Path | Rejection]) -> None:
    waiting = [start]
    while waiting:
        path = waiting.pop()
        real = os.path.realpath(path)
        if _is_loop(path, real):
            found.append(Rejection(printable(path), None, "folder loop: it links to a folder around it"))
            continue
        if real in seen:
            continue
        seen.add(real)
        if not os.path.isdir(path):
            found.append(path)
            continue
        try:
            names = sorted(name for name in os.listdir(path) if not name.startswith("."))
        except OSError as error:
            found.append(Rejection(printable(path), None, f"folder cannot be listed: {os_reason(error)}"))
            continue
        if path != start and _OWN_FILES <= set(names):
            continue  # a collection inside a folder of files is no input
        waiting.extend(path / name for name in reversed(names))


def _is_loop(path: Path, real: str) -> bool:
    return path.is_symlink() and Path(os.path.realpath(path.parent)).is_relative_to(real)


def on_disk_bytes(path: Path) -> int:
    """Size of a regular file in bytes; 0 for anything else, or when it cannot be told."""
    try:
        status = path.stat()
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def why_unreadable(path: Path) -> str | None:
    """The reason why a path cannot be opened as a file, as far as its status tells; None if it can.

    Looking first matters: opening a named pipe would wait for a writer for ever.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return "broken symbolic link" if path.is_symlink() else "file is gone"
    except OSError as error:
        return os_reason(error)
    return None if stat.S_ISREG(status.st_mode) else "not a regular file"


def os_reason(error: OSError) -> str:
    """A short lower-case reason for an operating-system error."""
    known = _REASONS.get(error.errno) if error.errno is not None else None
    return known or (error.strerror or str(error)).lower()


def printable(path: Path) -> str:
    """The path as given, with bytes that are not UTF-8 replaced so that it can be printed and stored."""
    return os.fsencode(path).decode("utf-8", "replace")
