"""The write lock of a data directory: one process writes at a time."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from citewell.errors import CollectionBusyError, CollectionError


@contextmanager
def write_lock(data_dir: Path) -> Iterator[None]:
    """Holds the lock; the operating system frees it when the process ends, however it ends.

    Raises:
        CollectionBusyError: somebody else holds it; the message names the process.
        CollectionError: the data directory cannot be written to.
    """
    lock = FileLock(data_dir / "write.lock", blocking=False)
    owner = data_dir / "writer.json"
    try:
        lock.acquire()
    except Timeout as error:
        raise CollectionBusyError(
            f"{data_dir} is being written to by {_describe(owner)}. Try again when it is done."
        ) from error
    except OSError as error:
        raise CollectionError(
            f"Cannot write to {data_dir}: {error.strerror}. Make it writable, or choose another --data-dir."
        ) from error
    try:
        with suppress(OSError):  # it only serves the message that others get
            owner.write_text(_self_description())
        yield
    finally:
        with suppress(OSError):
            owner.unlink()
        lock.release()


def _self_description() -> str:
    now = datetime.now().strftime("%H:%M:%S")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now})


def _describe(owner: Path) -> str:
    try:
        known = json.loads(owner.read_text())
        return f"process {known['pid']} on {known['host']} since {known['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
