"""The assistant: retrieve, gate, draft, verify, answer."""

from __future__ import annotations

import asyncio
import queue
import shutil
import tempfile
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from citewell import gate, quotes
from citewell.citations import Draft, Numbering, cited_papers
from citewell.corpus import ReaderLimits, read_corpus, total_bytes
from citewell.embedding.base import Embedder, TokenEmbedder
from citewell.errors import CorpusError, NoCollectionError, UsageError
from citewell.evidence import Evidence, gather
from citewell.gate import Ruling
from citewell.index import Collection, Consumed, Progress
from citewell.library import Filters
from citewell.question import Question, analyse
from citewell.retriever import Candidate, HybridRetriever, Retrieval, check_question
from citewell.settings import Settings, load_settings
from citewell.spelling import correct
from citewell.types import (
    Abstention,
    Answer,
    Citation,
    Coverage,
    Done,
    EngineInfo,
    Entry,
    Event,
    IngestReport,
    Paper,
    Rejected,
    Retrieved,
    SearchResult,
    Sentence,
    SentenceReady,
    SentenceRejected,
)

ENGINE = "quotes"
_NEAREST = 3  # papers named by an abstention


class Assistant:
    """Answers questions about one collection; share it between threads, close it when done.

    Open one with `Assistant.open(data_dir)` or `Assistant.from_papers([...])`.
    """

    def __init__(self, collection: Collection, settings: Settings) -> None:
        self.collection = collection
        self.settings = settings
        self._retriever = HybridRetriever(collection, settings)
        self._delete: Callable[[], object] | None = None

    @classmethod
    def open(
        cls,
        data_dir: str | Path | None = None,
        *,
        create: bool = True,
        embedder: Embedder | None = None,
        notify: Callable[[str], None] = lambda message: None,
        **settings: Any,  # noqa: ANN401 (checked by Settings)
    ) -> Assistant:
        """Opens the collection in a data directory, making an empty one if there is none.

        Args:
            data_dir: the folder; by default the setting `data_dir`.
            create: whether a missing collection is made.
            embedder: an embedding model to use instead of the one that the settings name.
            notify: told in one line about repairs and degraded states.
            settings: values for `Settings`.

        Raises:
            NoCollectionError: there is none and `create` is False.
            UsageError: a setting does not fit.
        """
        directory = None if data_dir is None else Path(data_dir)
        chosen = load_settings({"data_dir": directory, **settings})
        return cls(Collection(chosen, embedder, notify, create), chosen)

    @classmethod
    def from_papers(
        cls,
        papers: Sequence[Paper],
        *,
        embedder: Embedder | None = None,
        **settings: Any,  # noqa: ANN401 (checked by Settings)
    ) -> Assistant:
        """Opens a collection of the given papers in a temporary folder, deleted when the assistant is closed."""
        folder = tempfile.mkdtemp(prefix="citewell-")
        try:
            assistant = cls.open(folder, embedder=embedder, **settings)
            assistant.add(papers)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        assistant._delete = weakref.finalize(assistant, shutil.rmtree, folder, ignore_errors=True)
        return assistant

    # --- asking ----------------------------------------------------------------------------------------

    def ask(self, question: str, filters: Filters | None = None) -> Answer:
        """Returns the answer to a question, or the reason for giving none.

        Raises:
            UsageError: the question is empty or too long, or a filter cannot be read.
            NoCollectionError: the collection holds no paper.
        """
        for event in self.stream(question, filters):
            if isinstance(event, Done):
                return event.answer
        raise AssertionError("a stream ends with Done")

    def stream(self, question: str, filters: Filters | None = None) -> Iterator[Event]:
        """Yields what happens while a question is answered; the last event holds the whole answer."""
        clock = _Clock()
        question = check_question(question, self.settings.max_question_chars)
        asked = analyse(correct(question, self.collection.library, self.token_embedder()))
        retrieval = self._retrieve(asked.text, filters)
        clock.lap("retrieve")
        evidence = gather(asked, retrieval, self.collection.library, self.settings.similarity_top_k)
        yield Retrieved(question, tuple(self._results(retrieval, self.settings.similarity_top_k)))
        ruling = gate.judge(asked, retrieval, evidence, self.token_embedder(), self.settings.gate_threshold)
        clock.lap("gate")
        drafts = [] if ruling.refusal else quotes.draft(asked, evidence, self.settings.max_sentences)
        clock.lap("draft")
        sentences: list[Sentence] = []
        citations: list[Citation] = []
        rejected: list[Rejected] = []
        for event in verified(drafts):
            yield event
            if isinstance(event, SentenceReady):
                sentences.append(event.sentence)
                citations += event.citations
            else:
                rejected.append(event.rejected)
        clock.lap("verify")
        yield Done(
            self._answer(question, asked, retrieval, evidence, ruling, sentences, citations, rejected, clock)
        )

    async def aask(self, question: str, filters: Filters | None = None) -> Answer:
        """Does what `ask` does without blocking the event loop."""
        return await asyncio.to_thread(self.ask, question, filters)

    async def astream(self, question: str, filters: Filters | None = None) -> AsyncIterator[Event]:
        """Yields what `stream` yields without blocking the event loop."""
        events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
        stop = threading.Event()

        def run() -> None:
            try:
                for event in self.stream(question, filters):
                    if stop.is_set():
                        return
                    events.put(event)
                events.put(None)
            except BaseException as error:  # handed to the consumer, who raises it
                events.put(error)

        worker = asyncio.create_task(asyncio.to_thread(run))
        try:
            while (item := await asyncio.to_thread(events.get)) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            await worker

    def search(self, query: str, k: int = 10, filters: Filters | None = None) -> list[SearchResult]:
        """Returns the `k` papers nearest to a query, best first.

        Raises:
            UsageError: the query is empty or too long, `k` is not positive, or a filter cannot be read.
        """
        if k < 1:
            raise UsageError(f"Cannot return {k} results: ask for one or more.")
        return self._results(self._retrieve(query, filters), k)

    def show(self, paper_id: str) -> Paper:
        """Returns a paper as it was ingested.

        Raises:
            UsageError: there is no such paper.
        """
        paper = self.collection.library.paper(paper_id)
        if paper is None:
            raise UsageError(f"No paper {paper_id!r} in this collection. `citewell search` prints the ids.")
        return paper

    def stats(self) -> dict[str, object]:
        """Returns what the collection holds and what it was made with."""
        library = self.collection.library
        manifest = library.manifest()
        listings = [{"source": s, "date": d, "papers": n} for s, d, n in library.listings()]
        return {
            "papers": manifest.papers,
            "listings": listings,
            "embedding": manifest.embedding or self.settings.embedding,
            "collection": manifest.digest,
            "data_dir": str(self.settings.data_dir),
            "bytes": {"library": library.path.stat().st_size, "vectors": self.collection.store.size()},
        }

    # --- changing the collection -----------------------------------------------------------------------

    def ingest(self, paths: Sequence[str | Path], progress: Progress | None = None) -> IngestReport:
        """Reads files and folders into the collection.

        Raises:
            UsageError: a path does not exist.
            CorpusError: nothing at all could be read.
            CollectionBusyError: another process is writing.
        """
        files = [Path(path) for path in paths]
        consumed = Consumed()
        if progress is not None:
            progress.start("reading and embedding", total_bytes(files))
        report = self.collection.ingest(read_corpus(files, self._limits(), consumed.add), progress, consumed)
        if report.entries == 0:
            first = report.rejected[0] if report.rejected else None
            why = f"{first.file}: {first.reason}" if first else "the folder holds no file"
            error = CorpusError(
                f"Nothing could be read: {why}. Give listing pages, JSONL, CSV, TSV or an arXiv dump."
            )
            error.report = report
            raise error
        return report

    def add(self, papers: Sequence[Paper]) -> IngestReport:
        """Adds papers that are in memory already.

        Raises:
            UsageError: a paper lacks a title or an abstract.
        """
        for number, paper in enumerate(papers, 1):
            if not paper.title.strip() or not paper.abstract.strip():
                raise UsageError(f"Paper {number} ({paper.title!r}) lacks a title or an abstract.")
        return self.collection.ingest(Entry(paper, "", number) for number, paper in enumerate(papers, 1))

    def remove(self, paper_ids: Sequence[str]) -> int:
        """Removes papers by id; returns how many there were."""
        return self.collection.remove(paper_ids)

    def close(self) -> None:
        """Releases files; a collection made by `from_papers` is deleted."""
        self.collection.close()
        if self._delete is not None:
            self._delete()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- parts -----------------------------------------------------------------------------------------

    def _retrieve(self, question: str, filters: Filters | None) -> Retrieval:
        retrieval = self._retriever.retrieve(question, filters)
        if retrieval.snapshot.manifest.papers == 0:
            raise NoCollectionError(
                f"The collection at {self.settings.data_dir} is empty. Fill it with `citewell ingest FILES`."
            )
        return retrieval

    def _results(self, retrieval: Retrieval, k: int) -> list[SearchResult]:
        best: Sequence[Candidate] = retrieval.candidates[:k]
        papers = self.collection.library.papers([candidate.row for candidate in best])
        known = [candidate for candidate in best if candidate.row in papers]
        return [
            SearchResult(candidate.paper_id, papers[candidate.row].title, round(candidate.score, 6), rank)
            for rank, candidate in enumerate(known, 1)
        ]

    def token_embedder(self) -> TokenEmbedder | None:
        """Returns the embedding model in use if it has token vectors."""
        embedder = self.collection.embedder(self.collection.snapshot().manifest)
        return embedder if isinstance(embedder, TokenEmbedder) else None

    def _limits(self) -> ReaderLimits:
        settings = self.settings
        return replace(
            ReaderLimits(),
            max_line_bytes=settings.max_line_bytes,
            max_title_chars=settings.max_title_chars,
            max_abstract_chars=settings.max_abstract_chars,
            max_expanded_bytes=settings.max_expanded_bytes,
            max_expansion_ratio=settings.max_expansion_ratio,
        )

    def _answer(
        self,
        question: str,
        asked: Question,
        retrieval: Retrieval,
        evidence: Evidence,
        ruling: Ruling,
        sentences: Sequence[Sentence],
        citations: Sequence[Citation],
        rejected: Sequence[Rejected],
        clock: _Clock,
    ) -> Answer:
        manifest = retrieval.snapshot.manifest
        abstention = None
        if not sentences:
            nearest = tuple(self._results(retrieval, _NEAREST))
            abstention = abstain(ruling, retrieval.searched, evidence, nearest)
        return Answer(
            question=question,
            standalone_question=question,
            sentences=tuple(sentences),
            citations=tuple(citations),
            rejected=tuple(rejected),
            abstention=abstention,
            coverage=Coverage(
                retrieval.searched,
                max(retrieval.matched, len(evidence.papers)),
                len(evidence.papers),
                cited_papers(citations),
            ),
            engine=EngineInfo(ENGINE, manifest.embedding, None, None, manifest.digest),
            confidence=round(ruling.confidence, 4),
            timings=clock.laps(),
        )


def verified(drafts: Sequence[Draft]) -> Iterator[SentenceReady | SentenceRejected]:
    """Yields each drafted sentence as ready, with its citations, or as rejected, with the reason."""
    numbering = Numbering()
    for draft in drafts:
        outcome = numbering.cite(draft)
        yield SentenceRejected(outcome) if isinstance(outcome, Rejected) else SentenceReady(*outcome)


def abstain(
    ruling: Ruling, searched: int, evidence: Evidence, nearest: tuple[SearchResult, ...]
) -> Abstention:
    """Returns the refusal in words that say what was searched and claim nothing more."""
    if searched == 0:
        return Abstention("nothing_relevant", "No abstract passes the filters. Widen them.", nearest)
    if ruling.refusal == "reports_opposite" and ruling.opposite is not None:
        title = evidence.papers[ruling.opposite.paper].paper.title
        said = f"“{title}” says: “{ruling.opposite.text}”"
        message = f"The question takes for granted what an abstract seems to deny. {said}"
        return Abstention("reports_opposite", message, nearest)
    if ruling.refusal == "not_reported":
        message = (
            f"None of the {searched:,} abstracts searched reports this, though some are about the subject."
        )
        return Abstention("not_reported", message, nearest)
    return Abstention(
        "nothing_relevant", f"Nothing in the {searched:,} abstracts searched is about this.", nearest
    )


class _Clock:
    """Measures steps, in seconds."""

    def __init__(self) -> None:
        self._start = self._last = perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = perf_counter()
        self._laps[name] = round(now - self._last, 6)
        self._last = now

    def laps(self) -> dict[str, float]:
        return {**self._laps, "total": round(perf_counter() - self._start, 6)}
