"""arXiv: searches and papers by identifier, through its Atom API.

See https://info.arxiv.org/help/api/user-manual.html. The service asks for three seconds between requests and now
and then sends an empty page although there are more results; such a page is asked for again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from citewell.corpus import normalise_arxiv_id
from citewell.settings import Settings

from .faults import Failed, Trouble
from .fetching import Service, Web
from .markup import read_xml
from .page import Lacking, Page, Record, Source

PAUSE = 3.0  # seconds
_PAGE = 100
_MOST = 30_000  # results that the service gives out for one search
_ATOM = "{http://www.w3.org/2005/Atom}"
_ARXIV = "{http://arxiv.org/schemas/atom}"
_TOTAL = "{http://a9.com/-/spec/opensearch/1.1/}totalResults"
_ERROR = "/api/errors"
_VERSION = re.compile(r"v\d+$")


def parse(query: str) -> Source:
    """Returns the papers named, if all that is asked for are identifiers; else the search."""
    words = [word for word in re.split(r"[,\s]+", query) if word]
    if all(normalise_arxiv_id(word) for word in words):
        return Papers(tuple(dict.fromkeys(map(_asked, words))))
    return Search(query)


def _asked(word: str) -> str:
    """Returns the identifier in the form that the service takes, with the version if one is given."""
    version = re.search(r"(v\d+)(?:\.pdf)?$", word)
    return f"{normalise_arxiv_id(word)}{version[1] if version else ''}"


def _service(settings: Settings) -> Service:
    return Service("arXiv", settings.arxiv_url, PAUSE)


@dataclass(frozen=True, slots=True)
class Search:
    """A search in arXiv's own language, newest papers first."""

    query: str
    service: str = "arXiv"
    is_search: bool = True

    def pages(self, web: Web, wanted: int) -> Iterator[Page]:
        """Yields pages of a hundred."""
        service, start, wanted = _service(web.settings), 0, min(wanted, _MOST)
        while start < wanted:
            asked = {
                "search_query": self.query,
                "start": start,
                "max_results": min(_PAGE, wanted - start),
                "sortBy": "submittedDate",
                "sortOrder": "descending",
            }
            url = f"{service.url}?{urlencode(asked)}"
            feed, day = web.get(service, url, partial(read_feed, start=start))
            yield Page(feed.records, feed.total, day)
            start += len(feed.records)
            if start >= feed.total:
                return


@dataclass(frozen=True, slots=True)
class Papers:
    """Papers by identifier; those without a version are the latest one."""

    ids: tuple[str, ...]
    service: str = "arXiv"
    is_search: bool = False

    def pages(self, web: Web, wanted: int) -> Iterator[Page]:
        """Yields pages of a hundred, each with what was asked for and not there."""
        service, ids = _service(web.settings), self.ids[:wanted]
        for start in range(0, len(ids), _PAGE):
            part = ids[start : start + _PAGE]
            url = f"{service.url}?{urlencode({'id_list': ','.join(part), 'max_results': len(part)})}"
            feed, day = web.get(service, url, read_feed)
            records = [_as_asked(record, part) for record in feed.records]
            yield Page((*records, *_missing(feed, part)), len(ids), day)


class Feed(NamedTuple):
    """The records of a page, the identifiers among them (with versions), and how many results there are."""

    records: tuple[Record, ...]
    ids: tuple[str, ...]
    total: int


def read_feed(body: bytes, start: int | None = None) -> Feed:
    """Returns what a page of the Atom feed holds.

    Args:
        body: the page.
        start: how many results come before it; None where none may be there.

    Raises:
        Trouble: it is no feed, or empty although more results than `start` exist.
        Failed: it says what was wrong with the request.
    """
    root = read_xml(body)
    total = (root.findtext(_TOTAL) or "").strip()
    if root.tag != f"{_ATOM}feed":
        raise Trouble("answered with something that is no feed")
    entries = root.findall(f"{_ATOM}entry")
    for entry in entries:
        if _ERROR in _text(entry, f"{_ATOM}id"):
            raise Failed(f"arXiv refused: {_text(entry, f'{_ATOM}summary')[:200]}", permanent=True)
    if not total.isdigit():
        raise Trouble("answered with a feed that does not tell how many results there are")
    if start is not None and not entries and int(total[:9]) > start:
        raise Trouble(f"sent an empty page, although it has {int(total[:9]):,} results")
    ids = tuple(_text(entry, f"{_ATOM}id").rpartition("/abs/")[2] for entry in entries)
    records = tuple(_record(entry, given) for entry, given in zip(entries, ids, strict=True))
    return Feed(records, ids, int(total[:9]))


def _record(entry: Element, given: str) -> Record:
    published = _text(entry, f"{_ATOM}published")
    if not published and not _text(
        entry, f"{_ATOM}summary"
    ):  # how it answers for some papers it does not have
        return Lacking(f"arXiv holds nothing but the number of {given or 'a paper'}")
    return {
        "name": given,
        # Line breaks within it are the feed's; those of an abstract may be the authors'.
        "title": " ".join(_text(entry, f"{_ATOM}title").split()),
        "abstract": _text(entry, f"{_ATOM}summary"),
        "authors": [_text(author, f"{_ATOM}name") for author in entry.findall(f"{_ATOM}author")],
        "year": published[:4],
        "doi": _text(entry, f"{_ARXIV}doi"),
        "arxiv_id": normalise_arxiv_id(given),
        "categories": [category.get("term", "") for category in entry.findall(f"{_ATOM}category")],
    }


def _as_asked(record: Record, asked: Sequence[str]) -> Record:
    """Returns the record with the address of its version, where that version was asked for."""
    if isinstance(record, Lacking) or record["name"] not in asked:
        return record
    return {**record, "url": f"https://arxiv.org/abs/{record['name']}"}


def _missing(feed: Feed, asked: Sequence[str]) -> list[Lacking]:
    found = {*feed.ids, *(_VERSION.sub("", given) for given in feed.ids)}
    found |= {normalise_arxiv_id(given) or given for given in feed.ids}
    return [Lacking(f"arXiv has no paper {given}") for given in asked if given not in found]


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
