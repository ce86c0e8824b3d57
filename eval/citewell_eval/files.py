"""Writing files so that a failure leaves the old one."""

from __future__ import annotations

from pathlib import Path

from citewell.durable import put_in_place, sync_file
from citewell.errors import UsageError


def write_text(path: Path, text: str) -> None:
    """Writes a file beside the one of that name, then swaps.

    Raises:
        UsageError: it cannot be written.
    """
    beside = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            sync_file(file)
        put_in_place(beside, path)
    except OSError as error:
        raise UsageError(
            f"Cannot write {path}: {error.strerror}. Name a file in a folder you may write to."
        ) from error
