"""The file of a trace: where it may be written, and writing it whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
from datetime import datetime
from pathlib import Path

from citewell.durable import put_in_place, sync_file
from citewell.errors import UsageError
from citewell.text import words
from citewell.trace.values import Json

FORMAT = "citewell-trace/1"

_BEGINNING = b'{"format":"citewell-trace/'
_SLUG = 40  # characters of the question in a file's name


def check_writable(path: Path) -> None:
    """Makes sure that a trace can be written to a file, or to a new file in a folder.

    Raises:
        UsageError: it cannot, or the file holds something that is no trace.
    """
    try:
        folder = path if os.path.isdir(path) else _target(path).parent
        if not folder.is_dir():
            raise UsageError(f"Cannot write the trace to {path}: there is no folder {folder}. Make it first.")
        _check_replaceable(path)
        probe = _beside(folder)
        probe.touch(exist_ok=False)
        probe.unlink()
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def write_document(document: dict[str, Json], path: Path) -> None:
    """Writes a trace to a file; what stood there stays until all of it is written.

    Raises:
        UsageError: it cannot be written.
    """
    check_writable(path)
    content = json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
    target = _target(path)
    building = _beside(target.parent)
    try:
        try:
            with building.open("xb") as file:
                file.write(content)
                sync_file(file)
            put_in_place(building, target)
        finally:
            building.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def file_in(path: Path, created: datetime, question: str) -> Path:
    """Returns the path, or for a folder a file in it that is named by the time and the question."""
    if not os.path.isdir(path):  # unlike Path's, for a name that is too long as well
        return path
    slug = "-".join(words(question))[:_SLUG].strip("-")
    return path / f"{created:%Y%m%dT%H%M%S%f}-{slug or 'question'}.json"


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))  # so that a link goes on pointing to the file


def _beside(folder: Path) -> Path:
    return folder / f".trace-{secrets.token_hex(8)}.new"


def _check_replaceable(path: Path) -> None:
    if path.is_dir() or not path.exists():
        return
    if not path.is_file():
        raise UsageError(f"Cannot write the trace to {path}: it is no regular file. Choose another name.")
    with path.open("rb") as existing:
        if existing.read(len(_BEGINNING)) not in (b"", _BEGINNING):
            raise UsageError(
                f"Cannot write the trace to {path}: it holds something else. Choose another name."
            )


def _unwritable(path: Path, error: OSError | ValueError) -> UsageError:
    why = getattr(error, "strerror", None) or str(error)
    return UsageError(f"Cannot write the trace to {path}: {why}. Choose another place.")
