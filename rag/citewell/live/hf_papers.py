"""Hugging Face daily papers: what was listed there on a day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from citewell.corpus import normalise_arxiv_id
from citewell.errors import UsageError

from .faults import Absent, Trouble
from .fetching import Service, Web
from .page import Lacking, Page, Record, Source, items, mapping, read_json, text

PAUSE = 1.0  # seconds
_PAGE = 100  # papers, the most that the service gives at once


def parse(query: str) -> Source:
    """Returns the pages of the days named.

    Raises:
        UsageError: something is no date.
    """
    days = [word.strip() for word in query.split(",") if word.strip()]
    for day in days:
        try:
            known = date.fromisoformat(day).isoformat() == day
        except ValueError:
            known = False
        if not known:
            raise UsageError(f"No date in hf-papers:{day}. Write it like hf-papers:2025-08-22.")
    return DailyPapers(tuple(dict.fromkeys(days)))


@dataclass(frozen=True, slots=True)
class DailyPapers:
    """The papers listed on some days; the date of their listing is that of the page."""

    days: tuple[str, ...]
    service: str = "Hugging Face"
    is_search: bool = False

    def pages(self, web: Web, wanted: int) -> Iterator[Page]:
        """Yields the pages of each day; a day seldom has more than one."""
        total = 0
        for day in self.days:
            for records in self._day(web, day):
                total += len(records)
                yield Page(records, total, day)
                if total >= wanted:
                    return

    def _day(self, web: Web, day: str) -> Iterator[tuple[Record, ...]]:
        service = Service(self.service, web.settings.hf_url, PAUSE)
        seen: set[object] = set()
        for number in range(100):
            asked = {"date": day, "limit": _PAGE} | ({"p": number} if number else {})
            try:
                found, _ = web.get(service, f"{service.url}?{urlencode(asked)}", _read)
            except Absent:
                found = []
            new = [item for item in found if _key(item) not in seen]  # it might not know about pages
            seen |= {_key(item) for item in new}
            if not number and not new:
                yield (Lacking(f"Hugging Face lists no papers on {day}"),)
            elif new:
                yield tuple(map(_record, new))
            if len(found) < _PAGE or not new:
                return


def _read(body: bytes) -> list[object]:
    found = read_json(body)
    if not isinstance(found, list):
        raise Trouble("answered with JSON that is no list of papers")
    return found


def _key(item: object) -> str:
    return text(mapping(mapping(item).get("paper")).get("id")) or repr(item)


def _record(item: object) -> Record:
    paper = mapping(mapping(item).get("paper"))
    given = text(paper.get("id"))
    title = text(paper.get("title")) or text(mapping(item).get("title"))
    if not given and not title:
        return Lacking("a record on the page holds no paper")
    arxiv_id = normalise_arxiv_id(given)
    return {
        "name": given or title,
        "title": title,
        "abstract": paper.get("summary") or mapping(item).get("summary"),
        "authors": [text(mapping(author).get("name")) for author in items(paper.get("authors"))],
        "year": text(paper.get("publishedAt"))[:4],
        "arxiv_id": arxiv_id,
        "url": "" if arxiv_id else f"https://huggingface.co/papers/{given}",
    }
