"""The file of an exported collection: one block that says what is in it, then the papers as lines of JSON, packed.

The first 4,096 bytes are one JSON line, filled up with spaces: format, version, what the collection is, and length
and SHA-256 of the rest. The rest is gzip, so that `tail -c +4097 FILE | zcat` shows the papers. There are no file
names in it that could lead anywhere, and nothing in it is run or opened as a database.

gzip at level 1: nine tenths of a line are vectors, which hardly shrink. On the packaged sample level 6 saved 2.6 % and
took a third longer, xz saved 5.7 % and took sixteen times as long.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from citewell.errors import UsageError

FORMAT, VERSION = "citewell-collection", 1
LEVEL = 1
_BLOCK = 4_096  # bytes of the header
_LONGEST_LINE = 64 * 2**20  # bytes; the longest abstract with vectors of 4,096 dimensions stays below it
_ROOM = 64 * 2**20  # expanded bytes within which the ratio is not looked at


class Header(BaseModel):
    """What an exported file says about itself.

    Attributes:
        format: always "citewell-collection".
        version: of the format; a newer one is refused.
        citewell: the Citewell that wrote it.
        created: when, in UTC, as ISO 8601.
        papers: number of papers.
        collection: their digest.
        embedding: spec of the model that made the vectors, empty where there are none.
        fingerprint: model and chunker that made them.
        dim: length of a vector.
        expanded: bytes of the papers before packing.
        stored: bytes after it.
        sha256: of those.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    format: str = Field(pattern=f"^{FORMAT}$")
    version: int
    citewell: str = Field(max_length=100)
    created: str = Field(max_length=40)
    papers: int = Field(ge=0)
    collection: str = Field(pattern="^[0-9a-f]{32}$")
    embedding: str = Field(max_length=500)
    fingerprint: str = Field(max_length=500)
    dim: int = Field(ge=0, le=65_536)
    expanded: int = Field(ge=0)
    stored: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    def block(self) -> bytes:
        """Returns the header as the first bytes of a file."""
        line = self.model_dump_json().encode()
        return line.ljust(_BLOCK - 1) + b"\n"


class PayloadWriter(io.RawIOBase):
    """Packs lines behind the block of the header and counts them; a context manager.

    Args:
        file: where they go, at its beginning.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.expanded = self.stored = 0
        self._sha256 = hashlib.sha256()
        self._file = file
        file.write(b"\0" * _BLOCK)  # a file that is not finished has no header
        # Without name and time the same papers make the same bytes.
        self._gzip = gzip.GzipFile("", "wb", compresslevel=LEVEL, fileobj=self, mtime=0)

    def add(self, line: bytes) -> None:
        """Packs one line."""
        self.expanded += len(line) + 1
        self._gzip.write(line + b"\n")

    def finish(self) -> str:
        """Writes what is still held back; returns the SHA-256 of all that was stored."""
        self._gzip.close()
        return self._sha256.hexdigest()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Takes packed bytes from gzip."""
        self.stored += len(data)
        self._sha256.update(data)
        return self._file.write(data)

    def writable(self) -> bool:
        """True, as gzip asks."""
        return True


class ExportedFile:
    """An exported file, open for reading, whose header has been read; a context manager.

    Args:
        path: the file.
        most_expanded: most bytes it may expand to.
        most_ratio: most times it may expand.

    Raises:
        UsageError: it cannot be read, is none, is of a newer Citewell, or says it would expand without measure.
    """

    def __init__(self, path: Path, most_expanded: int, most_ratio: int) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
        try:
            self.header = self._read_header()
            self._check_sizes(most_expanded, most_ratio)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def fault(self, what: str) -> UsageError:
        """Returns the error of a file that is not as it was written."""
        return UsageError(f"{self.path} {what}. Nothing was imported. Export it again, or copy it again.")

    def check_sum(self) -> None:
        """Reads the whole file once.

        Raises:
            UsageError: it is not the one that was written.
        """
        self._file.seek(_BLOCK)
        digest = hashlib.sha256()
        while block := self._file.read(2**20):
            digest.update(block)
        if digest.hexdigest() != self.header.sha256:
            raise self.fault("is damaged: its contents do not have the checksum that it names")

    def lines(self) -> Iterator[bytes]:
        """Yields the lines, never more than the header says and never one without measure.

        Raises:
            UsageError: they cannot be unpacked, or are more or fewer than that.
        """
        self._file.seek(_BLOCK)
        left = self.header.expanded
        try:
            with gzip.GzipFile(fileobj=self._file, mode="rb") as unpacked:
                while line := unpacked.readline(min(left, _LONGEST_LINE) + 1):
                    left -= len(line)
                    if left < 0 or not line.endswith(b"\n"):
                        raise self.fault("is damaged: it holds more than it says, or a line without an end")
                    yield line
        except (OSError, EOFError, zlib.error) as error:
            raise self.fault(f"is damaged: {error}") from error
        if left:
            raise self.fault(f"is damaged: {left:,} bytes of its papers are missing")

    def _read_header(self) -> Header:
        try:
            document = json.loads(self._file.read(_BLOCK))
            found = (document["format"], document["version"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            found = ("", 0)
        if found[0] != FORMAT or type(found[1]) is not int:
            raise UsageError(
                f"{self.path} is no exported collection. `citewell export FILE` writes one; papers in other formats "
                "are read by `citewell ingest`."
            )
        if found[1] > VERSION:
            raise UsageError(
                f"{self.path} has version {found[1]} of the format, this Citewell reads {VERSION}. Upgrade Citewell."
            )
        try:
            return Header.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            raise self.fault(f"has a damaged header: {'.'.join(map(str, first['loc']))}") from error

    def _check_sizes(self, most_expanded: int, most_ratio: int) -> None:
        header, held = self.header, self._file.seek(0, io.SEEK_END) - _BLOCK
        if held != header.stored:
            raise self.fault(f"is damaged: it holds {held:,} bytes of papers, and says {header.stored:,}")
        if header.expanded > most_expanded:
            raise UsageError(
                f"{self.path} expands to {header.expanded:,} bytes, more than CITEWELL_MAX_EXPANDED_BYTES allows "
                f"({most_expanded:,}). Nothing was imported."
            )
        if header.expanded > _ROOM and header.expanded > most_ratio * header.stored:
            raise UsageError(
                f"{self.path} expands more than {most_ratio} times (CITEWELL_MAX_EXPANSION_RATIO), as no "
                "collection does. Nothing was imported."
            )
