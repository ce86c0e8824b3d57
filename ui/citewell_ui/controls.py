"""What the filters of the page offer: the listings, dates and categories of the collection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice

from citewell import Assistant
from citewell.library.filters import date_key

_MOST_OPTIONS = 300  # of one list, so that the page stays small
_PAPERS_LOOKED_AT = 5_000

Option = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Options:
    """What the filters offer: (shown, value) of the listings, the dates in order, and the categories."""

    listings: tuple[Option, ...] = ()
    dates: tuple[Option, ...] = ()
    categories: tuple[Option, ...] = ()


def options(assistant: Assistant) -> Options:
    """Returns what the papers of a collection can be narrowed by."""
    library = assistant.collection.library
    listings = library.listings()
    sources: Counter[str] = Counter()
    for source, _, papers in listings:
        sources[source] += papers
    dates = {key: date for _, date, _ in listings if date and (key := date_key(date))}
    categories = Counter(
        category
        for stored in islice(library.iterate(), _PAPERS_LOOKED_AT)
        for category in stored.paper.categories
    )
    return Options(
        tuple((f"{source} ({papers:,})", source) for source, papers in sorted(sources.items()))[
            :_MOST_OPTIONS
        ],
        tuple((dates[key], key if key[0] != "-" else dates[key]) for key in sorted(dates))[:_MOST_OPTIONS],
        tuple((name, name) for name, _ in sorted(categories.most_common(_MOST_OPTIONS))),
    )
