"""Pages fetched and not yet stored for good, so that an interrupted run goes on where it stopped.

Why files, and not a cursor: a page that was fetched is not yet in the collection (papers are embedded and
committed in batches of a few hundred), so that a cursor alone would lose papers when the process is killed in
between. Pages kept as they came lose nothing; what is in the collection already is not embedded again. They are
deleted when the run is complete, and count for nothing a day after it began: by then a search finds other papers.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

_LASTING = timedelta(days=1)
_STARTED = "started"


class Kept(NamedTuple):
    """A page as the service sent it, and when."""

    body: bytes
    fetched: datetime


class Shelf:
    """The pages of one run, in a folder of its own below `root`; the folder is made for the first page.

    Args:
        root: the folder of all shelves.
        name: what is fetched; the same name means the same shelf.
        now: tells the time.
    """

    def __init__(self, root: Path, name: str, now: Callable[[], datetime]) -> None:
        self._now = now
        self._folder = root / _digest(name)
        for folder in [*root.iterdir()] if root.is_dir() else []:
            if not _is_fresh(folder, now()):  # also those that nobody came back for
                shutil.rmtree(folder, ignore_errors=True)

    def get(self, url: str) -> Kept | None:
        """Returns the page kept for an address, None if there is none or it was damaged."""
        try:
            head, _, body = self._path(url).read_bytes().partition(b"\n")
            noted = json.loads(head)
            if noted["sha256"] != hashlib.sha256(body).hexdigest():
                return None
            return Kept(body, datetime.fromisoformat(noted["fetched"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, url: str, body: bytes) -> Kept:
        """Keeps a page; a kill leaves all of it or nothing."""
        kept = Kept(body, self._now().astimezone(UTC))
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (self._folder / _STARTED).exists():
            _write(self._folder / _STARTED, kept.fetched.isoformat().encode())
        sha256 = hashlib.sha256(body).hexdigest()
        head = json.dumps({"url": url, "fetched": kept.fetched.isoformat(), "sha256": sha256})
        _write(self._path(url), head.encode() + b"\n" + body)
        return kept

    def discard(self) -> None:
        """Deletes all pages."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, url: str) -> Path:
        return self._folder / f"{_digest(url)}.page"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _is_fresh(folder: Path, now: datetime) -> bool:
    try:
        age = now - datetime.fromisoformat((folder / _STARTED).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return timedelta(0) <= age < _LASTING  # a clock set back must not keep pages for years


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    os.replace(part, path)
