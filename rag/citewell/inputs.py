"""What an ingest is given, files and live sources together, as one stream of entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from citewell.corpus import ReaderLimits, discover, read_corpus, total_bytes
from citewell.errors import CorpusError, SourceError, UsageError
from citewell.ingest import Consumed, Progress
from citewell.live import Clock, Fetcher, LiveReader, separate
from citewell.settings import Settings
from citewell.types import Entry, IngestReport, Rejection


def check_inputs(paths: Sequence[str | Path], maximum: int | None = None) -> None:
    """Looks at what is to be ingested without reading any of it.

    Raises:
        UsageError: a path does not exist, a live source makes no sense, or a maximum is below one or given
            without a source.
    """
    files, specs = separate(paths)
    discover(files)
    if maximum is not None and maximum < 1:
        raise UsageError(f"Cannot take {maximum} papers: --max is one or more.")
    if maximum is not None and not specs:
        raise UsageError(
            f"--max {maximum} limits live sources such as arxiv:cat:cs.IR; files are read whole."
        )


class Inputs:
    """Files, folders and live sources to ingest; use it as a context manager.

    Args:
        paths: files and folders, and specs such as `arxiv:2508.01234` (as `str`).
        settings: what to accept from a file, and how to fetch.
        maximum: most papers of each live source; None for all that are named, and 1,000 of a search.
        notify: told in one line about waits and about searches that found more.
        clock: where the time comes from.

    Raises:
        UsageError: as `check_inputs`.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        settings: Settings,
        maximum: int | None = None,
        notify: Callable[[str], None] = lambda message: None,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        check_inputs(paths, maximum)
        self.consumed = Consumed()
        self._files, self._specs = separate(paths)
        self._limits = _limits(settings)
        fetcher = Fetcher(settings, notify, clock)
        self._live = LiveReader(self._specs, maximum, fetcher, self._limits, settings.data_dir, notify)

    def read(self, progress: Progress) -> Iterator[Entry | Rejection]:
        """Yields all entries; every live source opens a stage, counted in papers."""
        if self._files or not self._specs:
            progress.start("reading and embedding", total_bytes(self._files))
            yield from read_corpus(self._files, self._limits, self.consumed.add)

        def start(service: str, papers: int) -> None:
            self.consumed.take()  # what is not stored yet belongs to the stage before
            progress.start(f"fetching from {service} and embedding", papers)

        yield from self._live.read(start, self.consumed.add)

    def finish(self, report: IngestReport) -> None:
        """Takes note that everything read is stored.

        Raises:
            SourceError: a live source failed; what came of it is in the collection.
            CorpusError: nothing at all could be read.
        """
        self._live.finish()
        error: CorpusError
        if self._live.failures:
            spec, failure = self._live.failures[0]
            kept = " What came is in the collection." if report.entries else ""
            cure = (
                "Correct it."
                if failure.permanent
                else "Repeat the command later: it goes on where it stopped."
            )
            error = SourceError(f"{spec.text}: {str(failure).rstrip('.')}.{kept} {cure}")
        elif report.entries == 0:
            first = report.rejected[0] if report.rejected else None
            why = f"{first.file}: {first.reason}" if first else "the folder holds no file"
            error = CorpusError(
                f"Nothing could be read: {why}. Give listing pages, JSONL, CSV, TSV, an arXiv dump "
                "or a live source like arxiv:2508.01234."
            )
        else:
            return
        error.report = report
        raise error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.close()


def _limits(settings: Settings) -> ReaderLimits:
    return replace(
        ReaderLimits(),
        max_line_bytes=settings.max_line_bytes,
        max_title_chars=settings.max_title_chars,
        max_abstract_chars=settings.max_abstract_chars,
        max_expanded_bytes=settings.max_expanded_bytes,
        max_expansion_ratio=settings.max_expansion_ratio,
    )
