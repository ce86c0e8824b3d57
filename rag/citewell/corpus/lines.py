"""Numbered lines of text out of chunks of bytes; a line that cannot be decoded costs only itself."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import NamedTuple

from .bytestream import StreamError

_BYTE_ORDER_MARKS = {  # the longer first: the mark of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF8: "utf-8",
}


class Line(NamedTuple):
    """A line without its end, its 1-based number, and what is wrong with it, if anything.

    A line with undecodable bytes carries them as lone surrogates, so that its length and its
    separators can still be seen; a line that is too long carries no text.
    """

    number: int
    text: str
    fault: str | None = None
    ended: bool = True


def encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding that a byte order mark announces, else UTF-8, and the length of the mark in bytes."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding, len(mark)
    return "utf-8", 0


def as_utf8(chunks: Iterator[bytes], head: bytes) -> Iterator[bytes]:
    """The same text as UTF-8 without a byte order mark and, if it has only those, with CR as line ends."""
    encoding, skip = encoding_of(head)
    recoded = _without_mark(chunks, skip)
    if encoding != "utf-8":
        recoded = _recode(recoded, encoding)
    if b"\r" in head and b"\n" not in head:
        recoded = (chunk.replace(b"\r", b"\n") for chunk in recoded)
    return recoded


def _without_mark(chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[skip:]
        skip = max(0, skip - len(chunk))


def _recode(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise StreamError(f"not {encoding[:6].upper()} as its first bytes say: save it as UTF-8") from error


def read_lines(chunks: Iterator[bytes], max_line_bytes: int) -> Iterator[Line]:
    r"""Lines of UTF-8 text; `\n` and `\r\n` end a line, and nothing else does.

    Raises:
        StreamError: the chunks break off; the line that was not complete is dropped.
    """
    number = 0
    start: list[bytes] = []  # of a line whose end has not been seen
    skipping = False  # within a line that is too long
    try:
        for chunk in chunks:
            cut = chunk.rfind(b"\n")
            if cut < 0:
                start.append(b"" if skipping else chunk)
            else:
                block = b"".join([*start, chunk[:cut]])
                for line in _block_lines(block, number, max_line_bytes, skipping):
                    number = line.number
                    yield line
                start, skipping = [chunk[cut + 1 :]], False
            if sum(map(len, start)) > max_line_bytes:
                start, skipping = [], True
    except StreamError as error:
        raise StreamError(str(error), number + 1) from error
    rest = b"".join(start)
    if rest or skipping:
        yield _line(rest, number + 1, max_line_bytes, skipping)._replace(ended=False)


def _block_lines(block: bytes, number: int, max_line_bytes: int, skipping: bool) -> Iterator[Line]:
    if not skipping and len(block) <= max_line_bytes:
        try:
            texts = block.decode("utf-8").split("\n")
        except UnicodeDecodeError:
            pass  # find the bad lines one by one below
        else:
            for offset, text in enumerate(texts, 1):
                yield Line(number + offset, text.removesuffix("\r"))
            return
    for offset, raw in enumerate(block.split(b"\n"), 1):
        yield _line(raw, number + offset, max_line_bytes, skipping and offset == 1)


def _line(raw: bytes, number: int, max_line_bytes: int, skipping: bool) -> Line:
    if skipping or len(raw) > max_line_bytes:
        return Line(number, "", f"line longer than {max_line_bytes:,} bytes")
    raw = raw.removesuffix(b"\r")
    try:
        return Line(number, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        column = len(raw[: error.start].decode("utf-8")) + 1
        fault = not_utf8(raw[error.start], column)
        return Line(number, raw.decode("utf-8", "surrogateescape"), fault)


def not_utf8(byte: int, column: int | None = None) -> str:
    """The reason for rejecting text with this byte; `column` is in characters, from 1."""
    where = f" at column {column}" if column else ""
    return f"not UTF-8: byte 0x{byte:02x}{where}; save the file as UTF-8"
