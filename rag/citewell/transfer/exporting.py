"""Writing a collection to one file, while others read and write it."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from glob import escape
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import BinaryIO

from citewell.durable import put_in_place, sync_file
from citewell.errors import CollectionError, NoCollectionError, UsageError
from citewell.ingest import Progress
from citewell.library import Library, Manifest, content_hash, digest_with
from citewell.library.upkeep import frozen, keys_of
from citewell.settings import Settings
from citewell.transfer.container import FORMAT, VERSION, Header, PayloadWriter
from citewell.transfer.records import Record, to_line

if sys.platform != "win32":
    import fcntl

_BATCH = 256  # papers read at once
_NOTHING = "0" * 32


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the file, its size and checksum, and which collection is in it."""

    file: str
    papers: int
    collection: str
    embedding: str
    fingerprint: str
    bytes: int
    sha256: str
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """The JSON document that `citewell export --json` prints."""
        return asdict(self)


def export(settings: Settings, target: Path, progress: Progress, overwrite: bool = False) -> Exported:
    """Writes the collection of a data directory to one file, as it is at one moment.

    It is read in one transaction, for which nobody waits. The vector index is left out: `import` makes it again
    from the vectors. So is what removed papers left behind in the library.

    Args:
        settings: where the collection is.
        target: the file; nothing is seen there before it is complete.
        progress: told of every paper.
        overwrite: whether a file may be there already.

    Raises:
        UsageError: there is a file already, or it cannot be written there.
        NoCollectionError: there is no collection, or no paper in it.
        CollectionError: the collection is damaged, or the disk is full.
    """
    started = perf_counter()
    _check_target(target, overwrite)
    library = Library(settings.data_dir / "library.db")
    try:
        with _new_file(target) as file, frozen(library):
            header = _write(library, file, progress)
    except OSError as error:
        raise CollectionError(
            f"Cannot write {target}: {error.strerror}. Free some space, or choose another place."
        ) from error
    finally:
        library.close()
    return Exported(
        file=str(target),
        papers=header.papers,
        collection=header.collection,
        embedding=header.embedding,
        fingerprint=header.fingerprint,
        bytes=target.stat().st_size,
        sha256=header.sha256,
        seconds=round(perf_counter() - started, 3),
    )


def _check_target(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise UsageError(f"{target} is a folder: give the name of a file in it.")
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {target.parent}. Make it, or export to another place.")
    if target.exists() and not overwrite:
        raise UsageError(f"There is already a file {target}. Give --force to replace it.")


def _write(library: Library, file: BinaryIO, progress: Progress) -> Header:
    manifest = library.manifest()
    if not manifest.papers:
        raise NoCollectionError(
            f"The collection at {library.path.parent} is empty: there is nothing to export. "
            "Fill it with `citewell ingest FILES`."
        )
    progress.start("exporting", manifest.papers)
    payload, papers, digest = PayloadWriter(file), 0, _NOTHING
    for record in _records(library, manifest):
        payload.add(to_line(record))
        papers += 1
        digest = digest_with(
            digest, record.paper.paper_id, content_hash(record.paper.title, record.paper.abstract)
        )
        progress.advance(1)
    if (papers, digest) != (manifest.papers, manifest.digest):
        raise CollectionError(
            f"The library {library.path} holds {papers:,} papers with digest {digest[:8]}…, and says "
            f"{manifest.papers:,} and {manifest.digest[:8]}…. Run `citewell doctor`."
        )
    checksum = payload.finish()
    header = Header(
        format=FORMAT,
        version=VERSION,
        citewell=version("citewell"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        papers=papers,
        collection=digest,
        embedding=manifest.embedding,
        fingerprint=manifest.fingerprint,
        dim=manifest.dim,
        expanded=payload.expanded,
        stored=payload.stored,
        sha256=checksum,
    )
    file.seek(0)
    file.write(header.block())
    return header


def _records(library: Library, manifest: Manifest) -> Iterator[Record]:
    last = 0
    while rows := library.changed_since(0, limit=_BATCH, after=last):
        papers, keys = library.papers(rows), keys_of(library, rows)
        passages = library.passages(rows, manifest)
        yield from (Record(papers[row], tuple(keys[row]), passages.get(row)) for row in rows)
        last = rows[-1]


@contextmanager
def _new_file(target: Path) -> Iterator[BinaryIO]:
    """Yields a file that takes the place of the target once the block has succeeded, and is deleted if it fails.

    What killed exports to the same target left is deleted first: nobody holds the lock of those files.
    """
    for stale in target.parent.glob(f".{escape(target.name)}.*.partial"):
        with suppress(OSError), stale.open("rb") as file:
            _lock(file)
            stale.unlink()
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            with suppress(OSError):  # a file system without locks: then nothing is ever swept there
                _lock(file)
            yield file
            sync_file(file)
        put_in_place(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _lock(file: BinaryIO) -> None:
    """Locks a file for as long as it is open, or raises OSError where somebody else has."""
    if sys.platform == "win32":
        raise OSError("no lock")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
