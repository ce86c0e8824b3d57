"""Papers out of CSV and TSV files with a header row."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .limits import ReaderLimits
from .lines import Line
from .record import ABSTRACT, TITLE, Fault, Found, RecordError, paper_from

_DELIMITERS = "\t,;"
_MAX_COLUMN_NAME_CHARS = 60


def table_delimiter(head: Sequence[str]) -> str | None:
    """The delimiter of a table whose first lines are `head`; None if they are no table.

    A header that names a title and an abstract is enough. Any other table must show itself by short
    column names and rows of the same width, because a title may hold commas too.
    """
    for delimiter in _DELIMITERS:
        if not _missing_columns(_cells(head[:1], delimiter)[0]):
            return delimiter
    return next((delimiter for delimiter in _DELIMITERS if _is_regular(head, delimiter)), None)


def _cells(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=delimiter)) or [[]]
    except csv.Error:
        return [[]]


def _missing_columns(header: Sequence[str]) -> list[str]:
    names = {name.strip().casefold() for name in header}
    wanted = (("title", TITLE), ("abstract", ABSTRACT))
    return [name for name, synonyms in wanted if names.isdisjoint(synonyms)]


def _is_regular(head: Sequence[str], delimiter: str) -> bool:
    # The last line of a head may be cut, and so may its last row.
    rows = _cells("\n".join(head[:20]).rstrip("\n").splitlines(keepends=True), delimiter)
    names, body = rows[0], rows[1:4]
    return (
        len(names) > 1
        and len(body) >= (1 if delimiter == "\t" else 2)
        and all(name == name.strip() and len(name) <= _MAX_COLUMN_NAME_CHARS for name in names)
        and all(len(row) == len(names) for row in body)
    )


def read_table(
    lines: Iterator[Line], delimiter: str, source: str, limits: ReaderLimits
) -> Iterator[Found | Fault]:
    """A paper or a fault for every row that is not blank; one fault if columns are missing."""
    rows = _Rows(lines, delimiter, limits).read()
    header: list[str] | None = None
    for row in rows:
        if isinstance(row, Fault):
            yield row
        elif header is None:
            header = row.cells
            if missing := _missing_columns(header):
                found = ", ".join(name for name in header if name)
                yield Fault(None, f"no column named {' and '.join(missing)} (found: {found[:200]})")
                return
        else:
            yield _from_row(row, header, source, limits)


def _from_row(row: _Row, header: Sequence[str], source: str, limits: ReaderLimits) -> Found | Fault:
    record = dict(zip(header, row.cells, strict=True))
    try:
        return Found(row.line, paper_from(record, source, limits, ids_are_arxiv=True))
    except RecordError as error:
        return Fault(row.line, str(error))


class _Row(NamedTuple):
    line: int
    cells: list[str]


class _RowTooLongError(Exception):
    """A row that passes the limit, most likely because a quote in it is never closed."""


class _Rows:
    """Rows of as many cells as the header has.

    A quote that is never closed swallows the lines after it. So where a row of several lines is bad, only
    its first line is given up, and reading starts again at the second.
    """

    def __init__(self, lines: Iterator[Line], delimiter: str, limits: ReaderLimits) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._limits = limits
        self._again: deque[Line] = deque()
        self._row: list[Line] = []
        self._at_end = False
        self._width = 0

    def read(self) -> Iterator[_Row | Fault]:
        while not self._at_end or self._again:
            self._at_end = False
            yield from self._until_fault()

    def _until_fault(self) -> Iterator[_Row | Fault]:
        self._row = []
        reader = csv.reader(self._feed(), delimiter=self._delimiter)
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield self._give_up(f"row cannot be read: {error}; is a quote left open?")
                return
            except _RowTooLongError:
                yield self._give_up(f"row longer than {self._limits.max_line_bytes:,} characters")
                return
            if cells is None:
                return
            fault = self._fault(cells)
            if fault is not None:
                yield fault
                return
            if cells:
                self._width = self._width or len(cells)
                yield _Row(self._row[0].number, cells)
            self._row = []

    def _feed(self) -> Iterator[str]:
        size = 0
        while (line := self._next_line()) is not None:
            size = len(line.text) + (size if self._row else 0)
            self._row.append(line)
            if size > self._limits.max_line_bytes:
                raise _RowTooLongError
            yield f"{line.text}\n"
        self._at_end = True

    def _next_line(self) -> Line | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def _fault(self, cells: list[str]) -> Fault | None:
        for line in self._row:
            if line.fault:
                fault, self._row = Fault(line.number, line.fault), []
                return fault
        if self._at_end:  # the reader asked for more and there was none
            return self._give_up("file ends inside a quoted cell")
        if cells and self._width and len(cells) != self._width:
            return self._give_up(f"row has {len(cells)} cells, the header has {self._width}")
        return None

    def _give_up(self, reason: str) -> Fault:
        first, *rest = self._row
        self._again.extendleft(reversed(rest))
        self._row = []
        return Fault(first.number, reason)
