"""The bytes of one file, expanded where they are compressed, in chunks of bounded size."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from .files import os_reason
from .limits import ReaderLimits

CHUNK_BYTES = 256 * 1024
_READ_BYTES = 32 * 1024  # what is read ahead of the papers counts as progress, so little is
# A stream made by `xz -9` needs 65 MiB to expand; hostile ones ask for gigabytes.
_XZ_MEMORY_BYTES = 256 * 1024 * 1024


class StreamError(Exception):
    """The rest of a file cannot be read; the text is the reason, `line` where it broke off, if known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipDecoder:
    """zlib behind the interface that bz2 and lzma share."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        # A full answer may have more behind it although all input has been taken in.
        return not self._zlib.unconsumed_tail and not self._full

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        expanded = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self._full = len(expanded) == max_length
        return expanded


def _xz_decoder() -> _Decoder:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


_CODECS: dict[bytes, Callable[[], _Decoder]] = {
    b"\x1f\x8b\x08": _GzipDecoder,
    b"\xfd7zXZ\x00": _xz_decoder,
    b"BZh": bz2.BZ2Decompressor,
}


def compression_magic(head: bytes) -> bytes | None:
    """The magic number that `head` starts with, if it is one of gzip, xz or bzip2."""
    return next((magic for magic in _CODECS if head.startswith(magic)), None)


def read_chunks(handle: BinaryIO, on_read: Callable[[int], None]) -> Iterator[bytes]:
    """Chunks as they are on disk; `on_read` hears the size of each.

    Raises:
        StreamError: the disk or file system fails.
    """
    while True:
        try:
            chunk = handle.read(_READ_BYTES)
        except OSError as error:
            raise StreamError(os_reason(error)) from error
        if not chunk:
            return
        on_read(len(chunk))
        yield chunk


def expand(chunks: Iterator[bytes], limits: ReaderLimits) -> Iterator[bytes]:
    """The chunks themselves, or what they expand to when they begin with a known magic number.

    Raises:
        StreamError: the compressed data are cut off, damaged or a bomb; what came before is yielded first.
    """
    first = next(chunks, b"")
    magic = compression_magic(first)
    if magic is None:
        if first:
            yield first
        yield from chunks
        return
    expander = _Expander(magic, limits)
    yield from expander.feed(first)
    for chunk in chunks:
        yield from expander.feed(chunk)
    expander.finish()


class _Expander:
    """Expands one or several compressed members that follow each other, within the limits."""

    def __init__(self, magic: bytes, limits: ReaderLimits) -> None:
        self._magic = magic
        self._limits = limits
        self._decoder: _Decoder | None = None
        self._waiting = b""  # bytes after the end of a member, too few to tell what they are
        self._taken = 0
        self._made = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._taken += len(chunk)
        data = chunk
        while data:
            if self._decoder is None:
                data = self._next_member(data)
            if self._decoder is not None:
                yield from self._member(self._decoder, data)
                data = self._after_member(self._decoder)

    def finish(self) -> None:
        if self._decoder is not None:
            raise StreamError("file ends in the middle of the compressed stream")
        if self._waiting:
            raise StreamError("unknown data after the end of the compressed stream")

    def _next_member(self, data: bytes) -> bytes:
        # Both gzip and xz allow padding with zero bytes between and after members.
        self._waiting = (self._waiting + data).lstrip(b"\0")
        if len(self._waiting) < len(self._magic) and self._magic.startswith(self._waiting):
            return b""
        if not self._waiting.startswith(self._magic):
            raise StreamError("unknown data after the end of the compressed stream")
        data, self._waiting = self._waiting, b""
        self._decoder = _CODECS[self._magic]()
        return data

    def _member(self, decoder: _Decoder, data: bytes) -> Iterator[bytes]:
        try:
            while (data or not decoder.needs_input) and not decoder.eof:
                expanded = decoder.decompress(data, CHUNK_BYTES)
                data = b""
                self._count(len(expanded))
                if expanded:
                    yield expanded
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            # Checksums come after the data: some of what was yielded before may be damaged already.
            reason = f"damaged compressed data, read with care what came before: {str(error).lower()}"
            raise StreamError(reason) from error

    def _after_member(self, decoder: _Decoder) -> bytes:
        if not decoder.eof:
            return b""
        self._decoder = None
        return decoder.unused_data

    def _count(self, expanded: int) -> None:
        self._made += expanded
        limits = self._limits
        if self._made > limits.max_expanded_bytes:
            raise StreamError(f"expands to more than {limits.max_expanded_bytes:,} bytes: split the file")
        past_grace = self._made > limits.expansion_grace_bytes
        if past_grace and self._made > limits.max_expansion_ratio * self._taken:
            raise StreamError(
                f"expands more than {limits.max_expansion_ratio} times, like a zip bomb: unpack it first"
            )


def peek(chunks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The first `size` bytes or more, and an iterator over all chunks from the beginning.

    An error met while looking ahead is raised again by the iterator, after the bytes before it.
    """
    taken: list[bytes] = []
    failure: StreamError | None = None
    try:
        while sum(map(len, taken)) < size:
            chunk = next(chunks, b"")
            if not chunk:
                break
            taken.append(chunk)
    except StreamError as error:
        failure = error

    def everything() -> Iterator[bytes]:
        yield from taken
        taken.clear()
        if failure is not None:
            raise failure
        yield from chunks

    return b"".join(taken), everything()
