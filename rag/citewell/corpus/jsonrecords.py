"""Papers out of JSON: one record a line, or records in one array or one after the other."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Never

from .limits import ReaderLimits
from .lines import Line, not_utf8
from .record import Fault, Found, RecordError, paper_from

_BETWEEN_RECORDS = re.compile(r"[\s,\[\]]*")
_NEXT_RECORD = re.compile(r"\}[\s,]*(?=\{)")
_ANY_RECORD = re.compile(r"(?=\{)")
_RAW_BYTE = re.compile("[\udc80-\udcff]")
# An error this near to the end of what was read may only mean that the record goes on.
_NEAR_END_CHARS = 16
# How far apart the end of one record and the start of the next may be, where the reader is looking for both.
_NEXT_RECORD_CHARS = 1000


class _NotJsonError(ValueError):
    """A value that Python's parser lets through although JSON has no such thing."""


def _refuse(name: str) -> Never:
    raise _NotJsonError(f"{name} is not a JSON value; use null")


_decoder = json.JSONDecoder(parse_constant=_refuse)


def read_json_lines(lines: Iterator[Line], source: str, limits: ReaderLimits) -> Iterator[Found | Fault]:
    """A paper or a fault for every line that is not blank."""
    for line in lines:
        if line.fault:
            yield Fault(line.number, line.fault)
        elif line.text.strip():
            yield _from_line(line, source, limits)


def _from_line(line: Line, source: str, limits: ReaderLimits) -> Found | Fault:
    text = line.text.strip()
    try:
        value, end = _decoder.raw_decode(text)
        if end < len(text):
            raise json.JSONDecodeError("Extra data", text, end)
    except json.JSONDecodeError as error:
        if not line.ended and _may_go_on(error, text):
            return Fault(line.number, "file ends in the middle of a JSON record")
        return Fault(line.number, f"{_reason(error)} at column {error.pos + 1}")
    except (ValueError, RecursionError) as error:
        return Fault(line.number, _reason(error))
    return _from_value(value, line.number, source, limits)


def _from_value(value: object, line: int, source: str, limits: ReaderLimits) -> Found | Fault:
    if not isinstance(value, dict):
        return Fault(line, f"record is not a JSON object but of type {type(value).__name__}", misfit=True)
    try:
        return Found(line, paper_from(value, source, limits))
    except RecordError as error:
        return Fault(line, str(error), error.misfit)


def _may_go_on(error: json.JSONDecodeError, text: str) -> bool:
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - _NEAR_END_CHARS


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg[0].lower()}{error.msg[1:]}"
    if isinstance(error, RecursionError):
        return "not read: JSON nested too deeply"
    if isinstance(error, _NotJsonError):
        return f"not JSON: {error}"
    return "not read: a number with too many digits"


def read_json_stream(chunks: Iterator[bytes], source: str, limits: ReaderLimits) -> Iterator[Found | Fault]:
    """Papers from one array of records, or from records that follow each other over several lines.

    Only the record being read is held in memory. After a broken record reading goes on at the next place
    where one record ends and another begins.
    """
    yield from _JsonStream(chunks, source, limits).read()


class _BrokenRecordError(Exception):
    """Text that cannot be parsed as a record; `at_end` tells that the file ends within it."""

    def __init__(self, reason: str, *, at_end: bool = False) -> None:
        super().__init__(reason)
        self.at_end = at_end


class _JsonStream:
    """A window over the text that moves from record to record."""

    def __init__(self, chunks: Iterator[bytes], source: str, limits: ReaderLimits) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._texts = (decode(chunk) for chunk in chunks)
        self._source = source
        self._limits = limits
        self._window = ""
        self._at = 0
        self._line = 1
        self._open = False  # within an array
        self._lost = False  # since a record was broken: what follows may be a piece of it

    def read(self) -> Iterator[Found | Fault]:
        while self._skip_to_value():
            line, is_record = self._line, self._window[self._at] == "{"
            try:
                result = self._value()
            except _BrokenRecordError as error:
                if not self._lost or (is_record and not error.at_end):
                    yield Fault(line, str(error))
                if not self._resynchronise():
                    return
                continue
            if not (self._lost and isinstance(result, Fault) and result.misfit):
                yield result
            self._lost = self._lost and isinstance(result, Fault)
        if self._open and not self._lost:
            yield Fault(self._line, "file ends before the JSON array is closed")

    def _skip_to_value(self) -> bool:
        while True:
            match = _BETWEEN_RECORDS.match(self._window, self._at)
            if match is not None:
                brackets = match[0].strip(" \t\r\n,")
                self._open = brackets.endswith("[") if brackets else self._open
                self._advance(match.end())
            if self._at < len(self._window):
                return True
            if not self._more():
                return False

    def _value(self) -> Found | Fault:
        while True:
            try:
                value, end = _decoder.raw_decode(self._window, self._at)
                break
            except json.JSONDecodeError as error:
                if not _may_go_on(error, self._window):
                    raise _BrokenRecordError(_reason(error)) from error
                self._read_on(error)
            except (ValueError, RecursionError) as error:
                raise _BrokenRecordError(_reason(error)) from error
        line, start = self._line, self._at
        self._advance(end)
        if raw := _RAW_BYTE.search(self._window, start, end):
            return Fault(line, not_utf8(ord(raw[0]) - 0xDC00))
        return _from_value(value, line, self._source, self._limits)

    def _read_on(self, error: json.JSONDecodeError) -> None:
        held = len(self._window) - self._at
        if held > self._limits.max_line_bytes:
            raise _BrokenRecordError(f"record longer than {self._limits.max_line_bytes:,} bytes") from error
        # Doubling what is held keeps the repeated parsing of one long record linear.
        if not self._more(held):
            raise _BrokenRecordError("file ends in the middle of a JSON record", at_end=True) from error

    def _resynchronise(self) -> bool:
        """Moves past the broken record to the start of the next; False if there is none."""
        start = self._at + 1
        # Inside a record, braces open its parts too; only between records does any brace open the next.
        inside = self._lost or self._window[self._at] == "{"
        boundary = _NEXT_RECORD if inside else _ANY_RECORD
        self._lost = True
        while True:
            match = boundary.search(self._window, start)
            if match is not None:
                self._advance(match.end())
                return True
            self._advance(max(start, len(self._window) - _NEXT_RECORD_CHARS))
            if not self._more():
                return False
            start = self._at

    def _more(self, at_least: int = 1) -> bool:
        """Reads on by about `at_least` characters; False at the end of the file."""
        added: list[str] = []
        while sum(map(len, added)) < at_least and (text := next(self._texts, None)) is not None:
            added.append(text)
        self._window = "".join([self._window[self._at :], *added])
        self._at = 0
        return bool(added)

    def _advance(self, position: int) -> None:
        self._line += self._window.count("\n", self._at, position)
        self._at = position
