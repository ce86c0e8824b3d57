"""OpenAlex: searches, filters and works by identifier.

See https://developers.openalex.org. Abstracts come as an inverted index, each word with its positions. A free
key (OPENALEX_API_KEY) is needed for more than a few requests a day.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from citewell.corpus import normalise_arxiv_id, normalise_doi
from citewell.errors import UsageError
from citewell.settings import Settings

from .faults import Absent, Trouble
from .fetching import Service, Web
from .page import Lacking, Page, Record, Source, items, mapping, read_json, text, whole

PAUSE = 0.2  # seconds
KEY = "OPENALEX_API_KEY"
_PAGE = 100
_WORK = re.compile(r"(?:https?://(?:api\.)?openalex\.org/(?:works/)?)?([Ww]\d{1,12})")
_PARAMETERS = ("filter", "search", "sort")
_PARAMETER = re.compile(rf"(?:^|&)({'|'.join(_PARAMETERS)})=")
_FIELDS = "id,doi,title,display_name,publication_year,authorships,abstract_inverted_index,locations,topics"
_MAX_WORDS = 100_000  # of an abstract


def parse(query: str) -> Source:
    """Returns the works named, the search with parameters, or the search for a text.

    Raises:
        UsageError: a parameter is empty.
    """
    words = [word for word in re.split(r"[,\s]+", query) if word]
    works = [match[1].upper() for match in map(_WORK.fullmatch, words) if match]
    if len(works) == len(words):
        return Works(tuple(dict.fromkeys(works)))
    parts = _PARAMETER.split(query)
    if parts[0]:  # no parameter stands first
        return Search((("search", query),))
    found = tuple((name, value.strip()) for name, value in zip(parts[1::2], parts[2::2], strict=True))
    for name, value in found:
        if not value:
            raise UsageError(
                f"openalex:{query} has an empty {name}. Write openalex:filter=publication_year:2024."
            )
    return Search(found)


def service_of(settings: Settings) -> Service:
    """Returns the service, with the key if there is one."""
    key = os.environ.get(KEY, "").strip()
    headers = {"Authorization": f"Bearer {key}"} if key and key.isascii() and key.isprintable() else {}
    return Service("OpenAlex", settings.openalex_url.rstrip("/"), PAUSE, headers)


@dataclass(frozen=True, slots=True)
class Search:
    """Works that pass a filter or match a text, with cursor paging."""

    parameters: tuple[tuple[str, str], ...]
    service: str = "OpenAlex"
    is_search: bool = True

    def pages(self, web: Web, wanted: int) -> Iterator[Page]:
        """Yields pages of a hundred."""
        service = service_of(web.settings)
        shared = {**dict(self.parameters), "select": _FIELDS, "per-page": min(_PAGE, wanted)}
        cursor, seen = "*", 0
        while cursor and seen < wanted:
            url = address(service, "/works", {**shared, "cursor": cursor}, web.settings)
            found, day = web.get(service, url, _read)
            results, meta = items(found["results"]), mapping(found.get("meta"))
            seen += len(results)
            yield Page(tuple(map(record, results)), whole(meta.get("count")), day)
            following = text(meta.get("next_cursor"))
            cursor = following if results and following != cursor else ""


@dataclass(frozen=True, slots=True)
class Works:
    """Works by identifier."""

    ids: tuple[str, ...]
    service: str = "OpenAlex"
    is_search: bool = False

    def pages(self, web: Web, wanted: int) -> Iterator[Page]:
        """Yields a page for each work."""
        ids = self.ids[:wanted]
        for given in ids:
            work, day = work_of(web, given)
            yield Page((work or Lacking(f"OpenAlex has no work {given}"),), len(ids), day)


def work_of(web: Web, given: str) -> tuple[Record | None, str]:
    """Returns the record of a work and the day it was fetched, None if there is none.

    Args:
        web: where to fetch it.
        given: an OpenAlex identifier, or `doi:` and a DOI.

    Raises:
        Failed: the service did not answer, or refused.
    """
    service = service_of(web.settings)
    url = address(service, f"/works/{quote(given, safe=':/')}", {"select": _FIELDS}, web.settings)
    try:
        found, day = web.get(service, url, lambda body: mapping(read_json(body)))
    except Absent:
        return None, ""
    return record(found), day


def address(service: Service, path: str, parameters: Mapping[str, object], settings: Settings) -> str:
    """Returns an address at the service, with the contact for the polite pool if one is set."""
    contact = {"mailto": settings.contact} if settings.contact else {}
    return f"{service.url}{path}?{urlencode({**parameters, **contact})}"


def _read(body: bytes) -> Mapping[str, object]:
    found = mapping(read_json(body))
    if not isinstance(found.get("results"), list):
        raise Trouble("answered with JSON that holds no results")
    return found


def record(work: object) -> Record:
    """Returns the fields of a work."""
    fields = mapping(work)
    name = text(fields.get("id")).rpartition("/")[2]
    doi = text(fields.get("doi"))
    title = text(fields.get("title")) or text(fields.get("display_name"))
    if not name:
        return Lacking("a result of OpenAlex holds no work")
    return {
        "name": name,
        "title": title,
        "abstract": rebuilt(fields.get("abstract_inverted_index")),
        "authors": [_author(entry) for entry in items(fields.get("authorships"))],
        "year": whole(fields.get("publication_year")) or "",
        "doi": doi,
        "arxiv_id": _arxiv_id(doi, items(fields.get("locations"))),
        "url": f"https://doi.org/{normalise_doi(doi)}" if normalise_doi(doi) else text(fields.get("id")),
        "categories": [text(mapping(topic).get("display_name")) for topic in items(fields.get("topics"))],
    }


def rebuilt(index: object) -> str:
    """Returns the text of an inverted index, `{word: [positions]}`; an empty one where it makes no sense."""
    if not isinstance(index, dict):
        return ""
    found: list[tuple[int, str]] = []
    for word, positions in index.items():
        found += [(at, str(word)) for at in items(positions) if isinstance(at, int)]
        if len(found) > _MAX_WORDS:
            return ""
    return " ".join(word for _, word in sorted(found, key=lambda pair: pair[0]))


def _author(entry: object) -> str:
    fields = mapping(entry)
    return text(mapping(fields.get("author")).get("display_name")) or text(fields.get("raw_author_name"))


def _arxiv_id(doi: str, locations: list[object]) -> str | None:
    addresses = [doi, *(text(mapping(location).get("landing_page_url")) for location in locations)]
    return next(filter(None, map(normalise_arxiv_id, addresses)), None)
