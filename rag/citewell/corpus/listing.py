"""Papers out of the text of listing pages, where titles and abstracts alternate.

Two layouts are known. One has a header with "Daily Papers" and a date, and a blank line between any two
lines. The other begins with "Get trending papers …", glues "Subscribe" to the first title and has no blank
lines. Pages whose lines were wrapped are read paragraph by paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from citewell.types import Listing, Paper

from .bytestream import StreamError
from .limits import ReaderLimits
from .lines import Line
from .record import Fault, Found, RecordError, title_and_abstract

_SUBSCRIBE = "Subscribe"
_BOILERPLATE = re.compile(
    r"new|Subscribe|Daily Papers|Get trending papers in your email inbox\b.*"
    r"|by ?AK and the research community"
)
_PAGE_MARK = re.compile(r"^(?:Daily Papers|Get trending papers in your email inbox\b.*)\s*$", re.MULTILINE)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_DATE = re.compile(rf"{_MONTH} \d{{1,2}}(?:, \d{{4}})?|\d{{1,2}} {_MONTH}(?: \d{{4}})?|\d{{4}}-\d\d-\d\d")

# No title of arXiv is longer than 300 characters, and few abstracts are shorter.
_LONG_CHARS = 300
_PROSE_CHARS = 200
_WRAP_COLUMNS = 200
_NOT, _PERHAPS, _SURELY = 0, 1, 2
_SENTENCE_END = re.compile(r"\.[\"')\]]*$")
_SENTENCE_BREAK = re.compile(r"[.!?][\"')\]]* +(?=[A-Z\"'(])")


class _Unit(NamedTuple):
    """A title or an abstract: one line, or one paragraph of a wrapped page."""

    line: int
    text: str
    fault: str | None = None


def is_wrapped(head: Sequence[str]) -> bool:
    """Whether paragraphs, not lines, are the units of a page that begins with these lines."""
    text = "\n".join(map(str.strip, head)).strip("\n")
    paragraphs = [part.split("\n") for part in re.split(r"\n{2,}", text)]
    longest = max((len(line) for line in head), default=0)
    broken = [lines for lines in paragraphs if len(lines) > 2]
    evenly = all(2 * len(line) > longest for lines in broken for line in lines[:-1])
    return longest <= _WRAP_COLUMNS and 4 * len(broken) >= len(paragraphs) > 1 and evenly


def looks_like_listing(head: Sequence[str]) -> bool:
    """Whether these first lines of a file are a listing page.

    They are if the words of a known page are there, or if most of them pair up, short line with long.
    """
    if _PAGE_MARK.search("\n".join(head[:40])):
        return True
    numbered = [Line(number, text) for number, text in enumerate(head, 1)]
    units = _units(numbered, is_wrapped(head), ReaderLimits())
    results = list(_Pairing(certain=True).pair(units))
    pairs = sum(isinstance(result, _Pair) for result in results)
    return pairs > 0 and 2 * pairs >= len(results)


def read_listing(
    lines: Iterable[Line], head: Sequence[str], source: str, limits: ReaderLimits
) -> Iterator[Found | Fault]:
    """A paper for every title with its abstract, a fault for either without the other."""
    certain = any(len(line) > _LONG_CHARS for line in head) or is_wrapped(head)
    for result in _Pairing(certain).pair(_units(lines, is_wrapped(head), limits)):
        yield result if isinstance(result, Fault) else _paper(result, source, limits)


def _paper(pair: _Pair, source: str, limits: ReaderLimits) -> Found | Fault:
    for unit in (pair.title, pair.abstract):
        if unit.fault:
            return Fault(unit.line, unit.fault)
    try:
        title, abstract = title_and_abstract(pair.title.text.replace("\n", " "), pair.abstract.text, limits)
    except RecordError as error:
        return Fault(pair.title.line, str(error))
    return Found(pair.title.line, Paper(title, abstract, listings=(Listing(source, pair.date),)))


def _units(lines: Iterable[Line], wrapped: bool, limits: ReaderLimits) -> Iterator[_Unit]:
    if wrapped:
        yield from _paragraphs(lines, limits.max_abstract_chars)
        return
    for line in lines:
        if line.fault or line.text.strip():
            yield _Unit(line.number, line.text.strip(), line.fault)


def _paragraphs(lines: Iterable[Line], max_chars: int) -> Iterator[_Unit]:
    first, text, fault = 0, "", None
    for line in lines:
        if not line.fault and not line.text.strip():
            if text or fault:
                yield _Unit(first, text, fault)
            first, text, fault = 0, "", None
            continue
        first = first or line.number
        fault = fault or line.fault
        if len(text) > max_chars:
            fault = fault or f"paragraph longer than {max_chars:,} characters"
        else:
            text += f"\n{line.text.rstrip()}" if text else line.text.strip()
    if text or fault:
        yield _Unit(first, text, fault)


class _Pair(NamedTuple):
    title: _Unit
    abstract: _Unit
    date: str | None


class _Pairing:
    """Pairs titles with abstracts by position, and by length and form where a page is out of step.

    A long unit after a title is its abstract. A short one may be an abstract or the next title; it waits
    until the unit after it shows which.
    """

    def __init__(self, certain: bool) -> None:
        # Whether abstracts of this page can be told by their looks. If not, position alone decides.
        self._certain = certain
        self._title: _Unit | None = None
        self._short: _Unit | None = None
        self._date: str | None = None
        self._in_header = True

    def pair(self, units: Iterable[_Unit]) -> Iterator[_Pair | Fault]:
        try:
            for unit in units:
                paper_unit = self._without_header(unit)
                if paper_unit is not None:
                    yield from self._take(paper_unit)
        except StreamError:
            # What was cut off is reported once, by the reader of the file.
            yield from (result for result in self._end() if isinstance(result, _Pair))
            raise
        yield from self._end()

    def _without_header(self, unit: _Unit) -> _Unit | None:
        if _BOILERPLATE.fullmatch(unit.text):
            self._in_header = True
            return None
        if self._in_header and _DATE.fullmatch(unit.text):
            self._date = unit.text
            return None
        glued = self._in_header and unit.line > 1 and re.match(rf"{_SUBSCRIBE}(?=\S)", unit.text)
        self._in_header = False
        return unit._replace(text=unit.text[len(_SUBSCRIBE) :]) if glued else unit

    def _take(self, unit: _Unit) -> Iterator[_Pair | Fault]:
        if self._title is not None and self._short is not None:
            yield from self._settle(self._title, self._short, _likeness(unit) > 0)
        if self._title is None:
            if _likeness(unit) == _SURELY:
                yield _lone(unit)
            else:
                self._title = unit
        elif _likeness(unit) == _SURELY:
            yield self._joined(self._title, unit)
        else:
            self._short = unit

    def _settle(self, title: _Unit, short: _Unit, abstract_follows: bool) -> Iterator[_Pair | Fault]:
        """Decides whether `short` is the abstract of `title` or the next title."""
        if _likeness(short) > 0 or not (self._certain or abstract_follows):
            yield self._joined(title, short)
        else:
            yield _lone(title)
            self._title, self._short = short, None

    def _joined(self, title: _Unit, abstract: _Unit) -> _Pair:
        self._title = self._short = None
        return _Pair(title, abstract, self._date)

    def _end(self) -> Iterator[_Pair | Fault]:
        if self._title is not None and self._short is not None:
            yield from self._settle(self._title, self._short, abstract_follows=False)
        if self._title is not None:
            yield _lone(self._title)


def _lone(unit: _Unit) -> Fault:
    is_abstract = _likeness(unit) == _SURELY or _sentences(unit.text) > 1
    return Fault(
        unit.line, unit.fault or ("abstract without a title" if is_abstract else "title without an abstract")
    )


def _likeness(unit: _Unit) -> int:
    """How much a unit looks like an abstract: not, perhaps (prose) or surely (long)."""
    text = unit.text
    if len(text) > _LONG_CHARS or not text:  # no text: a line too long to hold
        return _SURELY
    breaks = _sentences(text) > 1
    ends = _SENTENCE_END.search(text) is not None and text.count(" ") >= 4
    return _PERHAPS if ends or len(text) > _PROSE_CHARS or (breaks and len(text) > _LONG_CHARS // 3) else _NOT


def _sentences(text: str) -> int:
    """A count of sentences that is 2 or more only for text with a full sentence before another."""
    return len(_SENTENCE_BREAK.findall(text)) + (1 if _SENTENCE_END.search(text) else 0)
