"""Files that are still there after a power cut, once whoever wrote them has been told so.

A renamed file can be gone after a power cut, and a new one empty, although everybody had seen them: a file has to be
synced to be on the disk, and its folder for its name to be. That takes a few milliseconds each, so it is not done for
what can be made again, as the vector index.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import IO, Any

_UNABLE = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)  # file systems and folders that cannot be told so


def sync_file(file: IO[Any]) -> None:
    """Returns once all that was written to an open file is on the disk.

    Raises:
        OSError: the disk is full or fails.
    """
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Returns once the names in a folder are on the disk, where the file system can say so.

    Raises:
        OSError: the disk fails.
    """
    if sys.platform == "win32":
        return  # a folder cannot be opened there
    try:
        opened = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # one may write to it and not read it
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
    finally:
        os.close(opened)


def put_in_place(written: Path, target: Path) -> None:
    """Moves a synced file to its place, where it then stays.

    Raises:
        OSError: it cannot be moved there.
    """
    os.replace(written, target)
    sync_folder(target.parent)


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, that then stay; one that exists is left as it is.

    Raises:
        OSError: it cannot be made.
    """
    if path.is_dir():
        return
    if path.parent != path:  # else a drive that is not there
        make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Appends a line to a file, which is made if there is none, and returns once it is on the disk.

    What an interrupted write has left of a line before becomes a line of its own.

    Raises:
        OSError: the disk is full or fails.
    """
    new = not path.exists()
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = f"\n{line}"
        file.write(f"{line}\n".encode())
        sync_file(file)
    if new:
        sync_folder(path.parent)
