"""What programs may call: `ask`, `ask_stream`, `search` and `show`, over HTTP and as tools of an MCP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import gradio as gr
from anyio import to_thread
from citewell import Assistant, Filters, observing
from citewell.author import Stop
from citewell.cli import paper_document
from citewell.errors import UsageError
from citewell.library.filters import parse_years
from citewell.types import Done, Event, Failed, Retrieved, SentenceReady, SentenceRejected
from gradio.events import api

from citewell_ui.host import Host
from citewell_ui.limits import AT_ONCE, MAX_QUEUED, QUESTIONS_A_MINUTE, Limiter
from citewell_ui.observed import request_id_of
from citewell_ui.security import caller_of, explain
from citewell_ui.telling import told

TOOLS = frozenset({"ask", "search", "show"})  # an MCP tool returns one result: it cannot stream
_MOST_RESULTS = 100
_MOST_SOURCES = 20


Document = dict[str, Any]


def add_api(host: Host, questions: Limiter | None = None) -> None:
    """Adds the public functions to the Blocks that is being built.

    Args:
        host: the collection that they ask.
        questions: counts the questions of each session, with those of the page where it shares the limiter.
    """
    service = _Service(host, questions or Limiter(QUESTIONS_A_MINUTE))
    # Without Gradio's queue an MCP call is answered in this process, not by a request of the server to itself.
    api(service.ask, api_name="ask", queue=False)
    api(service.search, api_name="search", queue=False)
    api(service.show, api_name="show", queue=False)
    api(service.ask_stream, api_name="ask_stream", concurrency_limit=None)


class _Service:
    """The public functions; Gradio makes their documentation from the signatures and docstrings."""

    def __init__(self, host: Host, questions: Limiter) -> None:
        self._host, self._questions = host, questions
        self._slots, self._waiting = asyncio.Semaphore(AT_ONCE), 0

    async def ask(
        self,
        question: str,
        llm: str = "",
        sources: int = 0,
        listing: str = "",
        since: str = "",
        until: str = "",
        years: str = "",
        category: str = "",
        author: str = "",
        request: gr.Request | None = None,
    ) -> Document:
        """Answers a question from the paper abstracts of this collection; every sentence carries verbatim quotes.

        Args:
            question: what is asked, in plain words
            llm: what words the answer: one of the engines of this server; by default the first
            sources: how many papers are read, 1 to 20; by default what the server is set to
            listing: only papers listed on pages whose name contains this
            since: only papers listed on or after this date, such as 2025-08-22 or Aug 22
            until: only papers listed on or before this date
            years: only papers published in these years: 2019, 2015-2019, 2015- or -2019
            category: only papers of this category, such as cs.IR, or cs for all of it
            author: only papers with an author whose name contains this
            request: who asks, which the server fills in

        Returns:
            The answer: sentences with citations and verbatim quotes, or an abstention; what was withheld; coverage
        """
        with self._explained():
            filters = _filters(listing, since, until, years, category, author)
            async for event in self._events(question, llm, sources, filters, request):
                if isinstance(event, Done):
                    return event.answer.to_dict()
            raise RuntimeError("a stream ends with Done")

    async def ask_stream(
        self, question: str, llm: str = "", sources: int = 0, request: gr.Request | None = None
    ) -> AsyncIterator[Document]:
        """Answers as `ask` does, and tells each verified sentence as soon as there is one.

        Args:
            question: what is asked, in plain words
            llm: what words the answer: one of the engines of this server; by default the first
            sources: how many papers are read, 1 to 20; by default what the server is set to
            request: who asks, which the server fills in

        Returns:
            Events, told apart by "event": retrieved, sentence, withheld, failed and, last, done with the answer
        """
        with self._explained():
            async for event in self._events(question, llm, sources, Filters(), request):
                yield event_document(event)

    async def search(self, query: str, k: int = 10, request: gr.Request | None = None) -> Document:
        """Finds the papers nearest to a query.

        Args:
            query: what they should be about
            k: how many, 1 to 100
            request: who asks, which the server fills in

        Returns:
            The papers, best first, with paper_id, title, score (0 to 1) and rank
        """
        with self._explained():
            self._admit(request)
            _require(isinstance(query, str), "query", query, "text")
            _require(_whole(k, _MOST_RESULTS), "k", k, f"a whole number from 1 to {_MOST_RESULTS}")
            async with self._slot():
                found = await to_thread.run_sync(lambda: self._host.assistant.search(query, k))
            return {"query": query, "results": [result.to_dict() for result in found]}

    async def show(self, paper_id: str) -> Document:
        """Returns one paper with its whole abstract.

        Args:
            paper_id: as search and ask return it

        Returns:
            The paper: title, abstract, listings, authors, year, url, doi, arxiv_id, categories
        """
        with self._explained():
            _require(isinstance(paper_id, str), "paper_id", paper_id, "text")
            return paper_document(await to_thread.run_sync(lambda: self._host.assistant.show(paper_id)))

    # --- parts -----------------------------------------------------------------------------------------

    async def _events(
        self, question: str, llm: str, sources: int, filters: Filters, request: gr.Request | None
    ) -> AsyncIterator[Event]:
        """Yields the events of an answer; leaving it ends the answer, also while a model is silent."""
        self._admit(request)
        _require(isinstance(question, str), "question", question, "text")
        stop = Stop()
        async with self._slot():
            assistant = await to_thread.run_sync(self._assistant, llm, sources)
            with observing.request(request_id_of(request)):
                events = assistant.stream(question, filters, stop=stop)
            try:
                while (
                    event := await to_thread.run_sync(next, events, None, abandon_on_cancel=True)
                ) is not None:
                    yield told(event, self._host.local)
            finally:
                stop.set()

    def _admit(self, request: gr.Request | None) -> None:
        wait = self._questions.take(caller_of(request))
        if wait:
            raise UsageError(f"Too many questions: ask again in {wait:.0f} s.")

    def _assistant(self, llm: str, sources: int) -> Assistant:
        names = [engine.llm for engine in self._host.engines]
        chosen = llm or names[0]
        _require(chosen in names, "llm", llm, f"one of {', '.join(names)}")
        _require(
            sources == 0 or _whole(sources, _MOST_SOURCES),
            "sources",
            sources,
            f"a whole number from 1 to {_MOST_SOURCES}",
        )
        assistant = self._host.engine(chosen)
        return assistant.using(similarity_top_k=sources) if sources else assistant

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Waits until few enough questions are being answered; where too many wait, says so instead."""
        if self._waiting >= MAX_QUEUED:
            raise UsageError("The server is busy: ask again in a minute.")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise gr.Error(explain(error, self._host.local), print_exception=False) from error


def event_document(event: Event) -> Document:
    """Returns an event of an answer as JSON."""
    match event:
        case Retrieved(standalone, results):
            found = [result.to_dict() for result in results]
            return {"event": "retrieved", "standalone_question": standalone, "results": found}
        case SentenceReady(sentence, citations):
            cited = [citation.to_dict() for citation in citations]
            return {"event": "sentence", "sentence": sentence.to_dict(), "citations": cited}
        case SentenceRejected(rejected):
            return {"event": "withheld", "rejected": rejected.to_dict()}
        case Failed(message):
            return {"event": "failed", "error": message}
        case Done(answer):
            return {"event": "done", "answer": answer.to_dict()}


def _filters(listing: str, since: str, until: str, years: str, category: str, author: str) -> Filters:
    given = {"listing": listing, "since": since, "until": until, "years": years, "category": category}
    for name, value in {**given, "author": author}.items():
        _require(isinstance(value, str), name, value, "text")
    return Filters(
        listings=(listing,) if listing else (),
        since=since or None,
        until=until or None,
        years=parse_years(years) if years else (None, None),
        categories=(category,) if category else (),
        authors=(author,) if author else (),
    )


def _whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _require(fits: bool, name: str, value: object, wanted: str) -> None:
    if not fits:
        raise UsageError(f"{name} = {str(value)[:80]!r}: give {wanted}.")
