"""Metadata filters: which papers a question is asked of."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from citewell.errors import UsageError

_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y")
_YEARLESS = ("%b %d", "%B %d", "%d %b", "%d %B")
_FOUR_DIGITS = re.compile(r"\d{4}")
_TIME_OF_DAY = re.compile(r"(?<=^\d{4}-\d\d-\d\d)[T ]\d\d:\d\d.*", re.DOTALL)


class Add(Protocol):
    """Appends one condition and its parameters."""

    def __call__(self, condition: str, *values: object) -> None:
        """Appends."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Restricts retrieval; the parts are joined by "and", the values of one part by "or".

    Attributes:
        listings: parts of page or file names, any case.
        since: first listing date, as printed ("Aug 22") or ISO ("2025-08-22"); without a year, any year.
        until: last listing date, inclusive.
        years: first and last year of publication, inclusive; either may be None.
        categories: categories such as "cs.IR", or an archive such as "cs" for all of it.
        authors: parts of author names, any case.
        papers: paper ids.
    """

    listings: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    years: tuple[int | None, int | None] = (None, None)
    categories: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    papers: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Filters()


@lru_cache(maxsize=1024)
def date_key(text: str | None) -> str | None:
    """Returns "YYYY-MM-DD", or "--MM-DD" (ISO 8601) for a date without a year, or None if it is no date."""
    if not text:
        return None
    cleaned = " ".join(_TIME_OF_DAY.sub("", text.strip()).replace(".", " ").split())
    for form in _FORMATS:
        try:
            return datetime.strptime(cleaned, form).date().isoformat()
        except ValueError:
            continue
    for form in _YEARLESS:
        try:
            # A leap year, so that Feb 29 is a date.
            return "-" + datetime.strptime(f"{cleaned} 2000", f"{form} %Y").strftime("-%m-%d")
        except ValueError:
            continue
    return None


def to_sql(filters: Filters) -> tuple[str, list[object]]:
    """Returns a condition on `papers` and its parameters; the condition is "1" for no filter.

    Raises:
        UsageError: a date that cannot be read.
    """
    conditions: list[str] = []
    parameters: list[object] = []

    def add(condition: str, *values: object) -> None:
        conditions.append(condition)
        parameters.extend(values)

    _add_listing_conditions(filters, add)
    first, last = filters.years
    if first is not None:
        add("papers.year >= ?", first)
    if last is not None:
        add("papers.year <= ?", last)
    if filters.categories:
        patterns = [
            f'%"{_like(_inside_json(name))}{end}' for name in filters.categories for end in ('"%', ".%")
        ]
        # LIKE ignores the case of ASCII letters, which is all that categories need.
        add(_any_of("papers.categories LIKE ? ESCAPE '\\'", patterns), *patterns)
    if filters.authors:
        patterns = [f"%{_like(_inside_json(author.casefold()))}%" for author in filters.authors]
        add(_any_of("casefold(papers.authors) LIKE ? ESCAPE '\\'", patterns), *patterns)
    if filters.papers:
        # One parameter: SQLite limits their number.
        add("papers.paper_id IN (SELECT value FROM json_each(?))", json.dumps(filters.papers))
    return " AND ".join(conditions) or "1", parameters


def _add_listing_conditions(filters: Filters, add: Add) -> None:
    inner: list[str] = []
    values: list[object] = []
    if filters.listings:
        patterns = [f"%{_like(_storable(name).casefold())}%" for name in filters.listings]
        inner.append(_any_of("casefold(listings.source) LIKE ? ESCAPE '\\'", patterns))
        values.extend(patterns)
    for bound, compare in ((filters.since, ">="), (filters.until, "<=")):
        if bound is None:
            continue
        key = date_key(bound)
        if key is None:
            raise UsageError(f"Cannot read the date {bound!r}: write it as 2025-08-22 or Aug 22.")
        if key.startswith("--"):
            inner.append(f"substr(listings.date_key, -5) {compare} ?")
            values.append(key[-5:])
        else:
            # A listing without a year is compared by month and day: its year is not known to differ.
            inner.append(
                f"CASE WHEN listings.date_key LIKE '--%' THEN substr(listings.date_key, -5) {compare} ? "
                f"ELSE listings.date_key {compare} ? END"
            )
            values.extend([key[-5:], key])
    if inner:
        where = " AND ".join(["listings.paper = papers.row", *inner])
        add(f"EXISTS (SELECT 1 FROM listings WHERE {where})", *values)


def parse_years(text: str) -> tuple[int | None, int | None]:
    """Returns the bounds of "2019", "2015-2019", "2015-" or "-2019".

    Raises:
        UsageError: anything else.
    """
    first, dash, last = text.partition("-")
    if not all(_FOUR_DIGITS.fullmatch(part) for part in (first, last) if part) or not (first or last):
        raise UsageError(f"Cannot read the years {text!r}: write 2019, 2015-2019, 2015- or -2019.")
    bounds = (int(first) if first else None, int(last) if last else None)
    return bounds if dash else (bounds[0], bounds[0])


def _any_of(condition: str, values: list[str]) -> str:
    return "(" + " OR ".join([condition] * len(values)) + ")"


def _inside_json(text: str) -> str:
    """Returns the text as it stands in a column of JSON strings, so that it cannot match across two."""
    return json.dumps(_storable(text), ensure_ascii=False)[1:-1]


def _storable(text: str) -> str:
    # Command lines that are not UTF-8 bring half surrogate pairs, which SQLite refuses.
    return text.encode("utf-8", "replace").decode()


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
