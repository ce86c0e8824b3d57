"""Live sources to entries, in the shape in which `corpus.read_corpus` hands on files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from citewell.corpus import ReaderLimits
from citewell.corpus.record import RecordError, paper_from
from citewell.types import Entry, Listing, Paper, Rejection

from .faults import Failed, one_line
from .fetching import Fetcher, Web
from .page import Lacking, Page, Record
from .shelf import Shelf
from .spec import Spec

FOLDER = "live"  # of the data directory
MAXIMUM = 1_000  # papers of a search, where the user names no number
_EXPLICIT = 10**9  # no limit: the papers were named one by one


class LiveReader:
    """Fetches live sources one after the other; close it when done.

    A source that fails is reported as a rejection, `failures` holds it, and the next one is read.

    Args:
        specs: what to fetch.
        maximum: most papers of each source, one or more; None for all that are named, and 1,000 of a search.
        fetcher: how to fetch it.
        limits: longest title and abstract.
        data_dir: where pages are kept until `finish`.
        notify: told in one line where a search found more than was taken.
    """

    def __init__(
        self,
        specs: Sequence[Spec],
        maximum: int | None,
        fetcher: Fetcher,
        limits: ReaderLimits,
        data_dir: Path,
        notify: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.failures: list[tuple[Spec, Failed]] = []
        self._specs = specs
        self._maximum = maximum
        self._fetcher = fetcher
        self._limits = limits
        self._root = data_dir / FOLDER
        self._notify = notify
        self._complete: list[Shelf] = []

    def read(
        self, on_start: Callable[[str, int], None], on_record: Callable[[int], None]
    ) -> Iterator[Entry | Rejection]:
        """Yields every paper, and a rejection for everything that is none.

        Args:
            on_start: hears the name of the service and the number of papers to come, once for each source.
            on_record: hears 1 for each record that was read.
        """
        for spec in self._specs:
            shelf = Shelf(self._root, f"{spec.text}\n{self._maximum}", self._fetcher.clock.now)
            taken = 0
            try:
                for page in self._pages(spec, shelf, on_start):
                    for record in page.records:
                        taken += 1
                        yield self._result(record, spec, page, taken)
                        on_record(1)
                self._complete.append(shelf)
            except Failed as failure:
                self.failures.append((spec, failure))
                if failure.permanent:  # nor would these pages lead further the next time
                    shelf.discard()
                yield Rejection(spec.text, None, f"broke off after {taken:,} papers: {failure}")

    def finish(self) -> None:
        """Deletes the pages of the sources that were read to their end; their papers must be stored by now."""
        for shelf in self._complete:
            shelf.discard()

    def close(self) -> None:
        """Closes connections."""
        self._fetcher.close()

    def _pages(self, spec: Spec, shelf: Shelf, on_start: Callable[[str, int], None]) -> Iterator[Page]:
        """Yields the pages of a source, the last one cut to what is wanted."""
        source = spec.source
        wanted = self._maximum or (MAXIMUM if source.is_search else _EXPLICIT)
        taken = total = 0
        for number, page in enumerate(source.pages(Web(self._fetcher, shelf), wanted)):
            if not number:
                on_start(source.service, min(wanted, page.total) or 1)
            total = page.total
            page = page._replace(records=page.records[: wanted - taken])
            taken += len(page.records)
            yield page
            if taken >= wanted:
                break
        if not taken:
            yield Page((Lacking(f"{source.service} found nothing"),), 0, "")
        if total > taken and source.is_search and (self._maximum is None or taken < self._maximum):
            self._notify(
                f"{spec.text}: took {taken:,} of {total:,} papers. --max N takes more, a narrower search finds less."
            )

    def _result(self, record: Record, spec: Spec, page: Page, number: int) -> Entry | Rejection:
        try:
            paper = self._paper(record, spec)
        except RecordError as error:
            return Rejection(spec.text, None, one_line(str(error)))
        return Entry(replace(paper, listings=(Listing(spec.text, page.date),)), spec.text, number)

    def _paper(self, record: Record, spec: Spec) -> Paper:
        if isinstance(record, Lacking):
            raise RecordError(record.reason)
        if not record["abstract"]:
            title = f" ({str(record['title'])[:80]})" if record["title"] else ""
            raise RecordError(f"{spec.source.service} has no abstract of {record['name']}{title}")
        try:
            return paper_from(record, spec.text, self._limits)
        except RecordError as error:
            raise RecordError(f"{record['name']}: {error}") from error
