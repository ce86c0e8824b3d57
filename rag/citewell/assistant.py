"""The assistant: understand, retrieve, gate, draft and verify, answer."""

from __future__ import annotations

import asyncio
import queue
import shutil
import tempfile
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, aclosing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from citewell import cache, observing, quotes
from citewell.answering import again, compose, understand, write
from citewell.author import Author, Stop, Written
from citewell.embedding.base import Embedder, TokenEmbedder
from citewell.errors import NoCollectionError, UsageError
from citewell.findings import Reader, divide
from citewell.index import Collection, Progress, SilentProgress
from citewell.inputs import Inputs
from citewell.library import Filters
from citewell.llm import LanguageModel, Models
from citewell.retriever import Candidate, HybridRetriever, Retrieval, check_question
from citewell.served import collection_of
from citewell.settings import Settings, load_settings
from citewell.sources import build
from citewell.spelling import correct
from citewell.trace import Recorder, Trace
from citewell.turn import QUOTES, Clock, Turn
from citewell.types import (
    Answer,
    Done,
    Entry,
    Event,
    IngestReport,
    Paper,
    Retrieved,
    SearchResult,
)

_NEAREST = 3  # papers named by an abstention


class Assistant:
    """Answers questions about one collection; share it between threads, close it when done.

    Open one with `Assistant.open(data_dir)` or `Assistant.from_papers([...])`.
    """

    def __init__(
        self,
        collection: Collection,
        settings: Settings,
        model: LanguageModel | None = None,
        notify: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.collection = collection
        self.settings = settings
        self._retriever = HybridRetriever(collection, settings)
        self._model, self._models, self._notify = model, Models(), notify
        self._cache = cache.AnswerCache(settings.data_dir / "answers.db", settings.answer_cache, notify)
        self._observers = observing.begin(settings, notify)
        self._closing = ExitStack()
        self._is_view = False

    @classmethod
    def open(
        cls,
        data_dir: str | Path | None = None,
        *,
        create: bool = True,
        embedder: Embedder | None = None,
        model: LanguageModel | None = None,
        notify: Callable[[str], None] = lambda message: None,
        **settings: Any,  # noqa: ANN401 (checked by Settings)
    ) -> Assistant:
        """Opens the collection in a data directory, making an empty one if there is none.

        Args:
            data_dir: the folder; by default the setting `data_dir`.
            create: whether a missing collection is made.
            embedder: an embedding model to use instead of the one that the settings name.
            model: a language model to use instead of the one that the setting `llm` names.
            notify: told in one line about repairs and degraded states.
            settings: values for `Settings`.

        Raises:
            NoCollectionError: there is none and `create` is False.
            UsageError: a setting does not fit.
        """
        directory = None if data_dir is None else Path(data_dir)
        chosen = load_settings({"data_dir": directory, **settings})
        return cls(collection_of(chosen, embedder, notify, create), chosen, model, notify)

    @classmethod
    def from_papers(
        cls,
        papers: Sequence[Paper],
        *,
        embedder: Embedder | None = None,
        model: LanguageModel | None = None,
        **settings: Any,  # noqa: ANN401 (checked by Settings)
    ) -> Assistant:
        """Opens a collection of the given papers in a temporary folder, deleted when the assistant is closed."""
        folder = tempfile.mkdtemp(prefix="citewell-")
        try:
            # Papers of a moment, whatever server the environment names.
            assistant = cls.open(folder, embedder=embedder, model=model, **{"chroma_url": "", **settings})
            assistant.add(papers)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        assistant._closing.callback(weakref.finalize(assistant, shutil.rmtree, folder, ignore_errors=True))
        return assistant

    def using(self, **settings: Any) -> Assistant:  # noqa: ANN401 (checked by Settings)
        """Returns an assistant of the same open collection with other settings, such as `llm` or `gate_threshold`.

        It shares the language models, each loaded once, and lives as long as this one: closing it does nothing.

        Raises:
            UsageError: a setting does not fit.
        """
        # What nobody has set may follow from another setting, so it is left open.
        chosen = load_settings({**self.settings.model_dump(exclude_unset=True), **settings})
        other = Assistant(self.collection, chosen, self._model if chosen.llm == self.settings.llm else None)
        other._models, other._is_view = self._models, True
        return other

    # --- asking ----------------------------------------------------------------------------------------

    def ask(
        self,
        question: str,
        filters: Filters | None = None,
        history: Sequence[Answer] = (),
        recorder: Recorder | None = None,
    ) -> Answer:
        """Returns the answer to a question, or the reason for giving none.

        Args:
            question: what is asked; a follow-up may lean on earlier turns.
            filters: which papers may be used.
            history: the answers of the earlier turns, oldest first.
            recorder: a `citewell.trace.Trace` that is to hold every step.

        Raises:
            UsageError: the question is empty or too long, or a filter cannot be read.
            NoCollectionError: the collection holds no paper.
            ModelError: the language model cannot be set up. One that fails later leaves `Answer.error`.
        """
        for event in self.stream(question, filters, history, recorder):
            if isinstance(event, Done):
                return event.answer
        raise AssertionError("a stream ends with Done")

    def stream(
        self,
        question: str,
        filters: Filters | None = None,
        history: Sequence[Answer] = (),
        recorder: Recorder | None = None,
        stop: Stop | None = None,
    ) -> Iterator[Event]:
        """Yields what happens while a question is answered; the last event holds the whole answer.

        `stop` ends it from another thread, also while a language model is silent.
        """
        events = self._stream(question, filters, history, recorder or Recorder(), stop or Stop())
        return observing.watch(events, question, self._observers)

    def _stream(
        self,
        question: str,
        filters: Filters | None,
        history: Sequence[Answer],
        recorder: Recorder,
        stop: Stop,
    ) -> Generator[Event]:
        clock = Clock()
        question = check_question(question, self.settings.max_question_chars)
        recorder.record("question", question)
        recorder.record("history", [answer.to_dict() for answer in history])
        recorder.record("filters", filters)
        author = self._author(stop, recorder)
        with recorder.step("understand"):
            alone = understand(question, history, author, self.settings.history_tokens)
        retrieve = partial(self._retrieve, filters=filters, carried=alone.papers)
        reader = Reader(self.collection.library, self.token_embedder(), self.settings, retrieve)
        asked = reader.asked(alone.text)
        clock.lap("understand")
        retrieval = reader.retrieve(asked.text)
        clock.lap("retrieve")
        yield Retrieved(alone.text, tuple(self._results(retrieval, self.settings.similarity_top_k)))
        found = divide(alone.text, reader.read(asked, retrieval), reader.look_up)
        clock.lap("gate")
        turn = Turn(question, alone, found, author, clock)
        turn.note(recorder)
        # A trace is to show how an answer came about, which one given before does not.
        key = None if isinstance(recorder, Trace) else turn.key(filters, self.settings)
        if key is not None and (kept := self._cache.get(key)) is not None:
            yield from again(kept)
            yield Done(turn.repeated(kept))
            return
        drafts = () if turn.ruling.refusal else self._drafts(turn, recorder)
        clock.lap("draft")
        for event in compose(drafts):
            turn.keep(event)
            yield event
        clock.lap("verify")
        answer = turn.answer(tuple(self._results(retrieval, _NEAREST)))
        recorder.record("answer", answer.to_dict())
        if key is not None and not answer.rejected and answer.notice is None:
            self._cache.put(key, answer)
        yield Done(answer)

    async def aask(
        self, question: str, filters: Filters | None = None, history: Sequence[Answer] = ()
    ) -> Answer:
        """Does what `ask` does without blocking the event loop; cancelling it ends the model's reply."""
        async with aclosing(self.astream(question, filters, history)) as events:
            async for event in events:
                if isinstance(event, Done):
                    return event.answer
        raise AssertionError("a stream ends with Done")

    async def astream(
        self, question: str, filters: Filters | None = None, history: Sequence[Answer] = ()
    ) -> AsyncGenerator[Event, None]:
        """Yields what `stream` yields without blocking the event loop; leaving it ends the model's reply."""
        events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
        stop = Stop()

        def run() -> None:
            try:
                for event in self.stream(question, filters, history, stop=stop):
                    events.put(event)
                    if stop.is_set:
                        return
            except BaseException as error:  # handed to the consumer, who raises it
                events.put(error)
            finally:
                events.put(None)

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
        """Returns the `k` papers nearest to a query, best first; misspelt words are taken for what a paper holds.

        Raises:
            UsageError: the query is empty or too long, `k` is not positive, or a filter cannot be read.
        """
        if k < 1:
            raise UsageError(f"Cannot return {k} results: ask for one or more.")
        meant = correct(query, self.collection.library, self.token_embedder())
        return self._results(self._retrieve(meant, filters), k)

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

    def ingest(
        self, paths: Sequence[str | Path], progress: Progress | None = None, maximum: int | None = None
    ) -> IngestReport:
        """Reads files, folders and live sources into the collection.

        Args:
            paths: files and folders; as `str` also live sources such as `arxiv:2508.01234`.
            progress: told how far it is.
            maximum: most papers of each live source; None for all that are named, and 1,000 of a search.

        Raises:
            UsageError: a path does not exist, or a live source makes no sense.
            CorpusError: nothing at all could be read, or a live source failed (`SourceError`).
            CollectionBusyError: another process is writing.
        """
        progress = progress or SilentProgress()
        with Inputs(paths, self.settings, maximum, self._notify) as inputs:
            report = self.collection.ingest(inputs.read(progress), progress, inputs.consumed)
            inputs.finish(report)
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
        if self._is_view:
            return
        self._models.close()
        self.collection.close()
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- parts -----------------------------------------------------------------------------------------

    def _retrieve(self, question: str, filters: Filters | None, carried: Sequence[str] = ()) -> Retrieval:
        retrieval = self._retriever.retrieve(question, filters, carried)
        if retrieval.snapshot.manifest.papers == 0:
            raise NoCollectionError(
                f"The collection at {self.settings.data_dir} is empty. Fill it with `citewell ingest FILES`."
            )
        return retrieval

    def _results(self, retrieval: Retrieval, k: int) -> list[SearchResult]:
        best: Sequence[Candidate] = retrieval.in_order().candidates[:k]
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

    # --- answering -------------------------------------------------------------------------------------

    def _author(self, stop: Stop, recorder: Recorder) -> Author | None:
        """Returns the language model, ready for one question; None where quotes answer.

        Raises:
            ModelError: it cannot be set up.
        """
        if self._model is None and self.settings.llm == QUOTES:
            return None
        model = self._model or self._models.get(self.settings)
        embedder = self.collection.embedder(self.collection.snapshot().manifest)
        return Author(model, self.settings, embedder, stop, recorder)

    def _drafts(self, turn: Turn, recorder: Recorder) -> Iterable[Written]:
        """Returns what wants to be said: quotes, or what a model writes."""
        parts = [(part.asked, part.evidence) for part in turn.found.parts]
        quoted = partial(quotes.draft_parts, parts, self.settings.max_sentences)
        if turn.author is None:
            return quoted()
        shown = build(turn.evidence, turn.retrieval, turn.author.room)
        recorder.record("sources", shown)
        recorder.record("quotes", quoted())
        return write(turn.author, turn.alone.text, shown, quoted)
