"""Papers by DOI: from Crossref, and from OpenAlex where Crossref has no abstract.

See https://api.crossref.org. Publishers hand abstracts in as JATS, and many hand in none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from citewell.corpus import normalise_doi
from citewell.errors import UsageError

from .faults import Absent, Trouble
from .fetching import Service, Web
from .markup import plain_text
from .openalex import work_of
from .page import Lacking, Page, Record, Source, items, mapping, read_json, text, whole

PAUSE = 0.5  # seconds
_MAX_JATS = 200_000  # characters of an abstract with its markup; a longer one is none
# A DOI may hold commas: only one before the next DOI parts two.
_BETWEEN = re.compile(r"[,\s]+(?=(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?10\.\d{4,9}/)", re.IGNORECASE)


def parse(query: str) -> Source:
    """Returns the papers named.

    Raises:
        UsageError: something is no DOI.
    """
    dois = []
    for word in filter(None, (part.strip(" ,") for part in _BETWEEN.split(query))):
        doi = normalise_doi(word)
        if doi is None or not word.lower().endswith(doi):
            raise UsageError(f"No DOI in doi:{word}. Write it like doi:10.1000/182, several with commas.")
        dois.append(doi)
    return Dois(tuple(dict.fromkeys(dois)))


@dataclass(frozen=True, slots=True)
class Dois:
    """Papers by DOI."""

    dois: tuple[str, ...]
    service: str = "Crossref"
    is_search: bool = False

    def pages(self, web: Web, wanted: int) -> Iterator[Page]:
        """Yields a page for each DOI."""
        dois = self.dois[:wanted]
        for doi in dois:
            record, day = _paper(web, doi)
            yield Page((record,), len(dois), day)


def _paper(web: Web, doi: str) -> tuple[Record, str]:
    """Returns the record from Crossref; from OpenAlex, if only that has an abstract."""
    contact = f"?{urlencode({'mailto': web.settings.contact})}" if web.settings.contact else ""
    service = Service("Crossref", web.settings.crossref_url.rstrip("/"), PAUSE)
    first: Record | None = None
    day = ""
    try:
        first, day = web.get(service, f"{service.url}/works/{quote(doi, safe='/')}{contact}", _read)
    except Absent:
        pass
    if first is not None and not isinstance(first, Lacking) and first["abstract"]:
        return first, day
    second, second_day = work_of(web, f"doi:{doi}")
    if second is not None and not isinstance(second, Lacking) and second["abstract"]:
        return {**second, "name": doi}, second_day
    if first is None and second is None:
        return Lacking(f"neither Crossref nor OpenAlex knows the DOI {doi}"), day
    return Lacking(f"neither Crossref nor OpenAlex has an abstract of {doi}"), day


def _read(body: bytes) -> Record:
    message = mapping(read_json(body)).get("message")
    if not isinstance(message, dict):
        raise Trouble("answered with JSON that holds no paper")
    doi, abstract = text(message.get("DOI")), text(message.get("abstract"))
    return {
        "name": doi,
        "title": text(next(iter(items(message.get("title"))), "")),
        "abstract": plain_text(abstract) if len(abstract) <= _MAX_JATS else "",
        "authors": [_author(mapping(author)) for author in items(message.get("author"))],
        "year": _year(message),
        "doi": doi,
        "url": f"https://doi.org/{quote(doi, safe='/')}",
        "categories": [text(subject) for subject in items(message.get("subject"))],
    }


def _author(author: Mapping[str, object]) -> str:
    person = f"{text(author.get('given'))} {text(author.get('family'))}".strip()
    return person or text(author.get("name"))


def _year(message: Mapping[str, object]) -> int | str:
    """Returns the first year that is given: a date may hold nothing but null."""
    for name in ("issued", "published", "published-online", "published-print", "created"):
        parts = items(mapping(message.get(name)).get("date-parts"))
        year = whole(next(iter(items(next(iter(parts), None))), None))
        if year:
            return year
    return ""
