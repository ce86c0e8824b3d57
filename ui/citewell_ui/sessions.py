"""Whose is what: which owner a Gradio session and a file of the server's temporary folder belong to."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

_DIGEST = re.compile(rb"/([0-9a-f]{64})/")  # Gradio keeps a file as FOLDER/SHA-256/NAME
_MOST = 20_000  # sessions and files remembered


class Sessions:
    """Remembers the first owner of each session, and to whom each file was given.

    Gradio itself lets whoever knows the id of a session read its answers, and whoever knows a path its files.

    Args:
        folder: where Gradio keeps uploads and downloads.
    """

    def __init__(self, folder: Path) -> None:
        self._path = re.compile(re.escape(folder.as_posix()) + r"/([0-9a-f]{64})/[^/]+")
        self._lock = threading.Lock()
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._given: OrderedDict[tuple[str, str], None] = OrderedDict()

    def belongs(self, session: str, owner: str) -> bool:
        """Returns whether a session is the owner's; one that nobody has used becomes the owner's."""
        with self._lock:
            first = self._owners.setdefault(session, owner)
            _touch(self._owners, session)
        return first == owner

    def give(self, owner: str, body: bytes) -> None:
        """Notes the files that a response to the owner names."""
        for digest in _DIGEST.findall(body):
            with self._lock:
                self._given[owner, digest.decode()] = None
                _touch(self._given, (owner, digest.decode()))

    def may_read(self, owner: str, path: str) -> bool:
        """Returns whether a path is of a file that was given to the owner."""
        found = self._path.fullmatch(path)
        return found is not None and (owner, found[1]) in self._given


def _touch(entries: OrderedDict[K, V], key: K) -> None:
    """Marks an entry as used last, and drops the one that was used longest ago where there are too many."""
    entries.move_to_end(key)
    if len(entries) > _MOST:
        entries.popitem(last=False)
