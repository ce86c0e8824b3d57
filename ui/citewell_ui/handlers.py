"""What the events of the page do; every handler returns the parts of the page that it changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import gradio as gr
from citewell import Answer, Assistant, Paper
from citewell.author import Stop
from citewell.chat import describe, example_questions
from citewell.library import Filters

from citewell_ui import render
from citewell_ui.asking import MOST_SOURCES, Choices, Running, Session, ask, papers_of, refused, reopened
from citewell_ui.controls import options
from citewell_ui.export import MEDIA_TYPES, Kind, export
from citewell_ui.history import listing
from citewell_ui.host import Host
from citewell_ui.limits import Limiter
from citewell_ui.observed import request_id_of
from citewell_ui.records import Records
from citewell_ui.security import caller_of, explain, owner_of
from citewell_ui.turns import Turn

_THUMBS = ("up", "down")
_LONGEST_COMMENT = 2_000

Update = dict[Any, Any]  # by component, as Gradio takes it


@dataclass(frozen=True)
class Parts:
    """The components of the page that handlers change."""

    session: gr.State
    selection: gr.State
    lit: gr.State
    header: gr.HTML
    welcome: gr.HTML
    earlier: gr.HTML
    latest: gr.HTML
    before: gr.HTML
    evidence: gr.HTML
    channel: gr.HTML
    fresh: gr.Button
    kept: gr.HTML
    title: gr.Textbox
    delete: gr.Button
    sure: gr.Button
    box: gr.Textbox
    listings: gr.Dropdown
    since: gr.Dropdown
    until: gr.Dropdown
    categories: gr.Dropdown
    sources: gr.Slider
    strictness: gr.Dropdown
    engine: gr.Dropdown

    @property
    def view(self) -> list[gr.State | gr.HTML]:
        """What shows the conversation."""
        turns = [self.welcome, self.earlier, self.latest, self.before, self.evidence]
        return [self.session, *turns, self.channel, self.lit]

    @property
    def drawer(self) -> list[gr.HTML | gr.Textbox | gr.Button]:
        """What shows the conversations that were kept."""
        return [self.kept, self.title, self.delete, self.sure]

    @property
    def settings(self) -> list[gr.Dropdown | gr.Slider]:
        """The controls, in the order in which `Handlers.ask` takes their values."""
        return [
            self.engine, self.sources, self.strictness, self.listings, self.since, self.until, self.categories,
        ]  # fmt: skip


class Handlers:
    """The handlers of one page.

    Args:
        host: the collection, the engines and the files.
        parts: the components of the page.
        questions: counts the questions of each person.
    """

    def __init__(self, host: Host, parts: Parts, questions: Limiter) -> None:
        self._host, self._parts, self._questions = host, parts, questions
        self._records = Records(host.home)
        self._running = Running()
        self._examples: tuple[str, ...] = ()
        self._examples_of = ""  # the digest of the collection that they were found in
        self._lock = threading.Lock()

    # --- opening -----------------------------------------------------------------------------------------

    def opened(self, request: gr.Request) -> Iterator[Update]:
        """Shows the conversation that the address names, or what can be asked; the page does not wait for it."""
        parts = self._parts
        if not self._host.ready:
            yield {parts.welcome: render.empty("", (), self._host.engines[0].name, False)}
        session = self._addressed(request)
        # Somebody may have asked by now: without a conversation to show, the one that has begun is left alone.
        shown = self._view(session) if session.turns else {parts.welcome: self._empty()}
        yield {**shown, **self._drawer(session, request), **self._offered()}
        if self._collection() is not None:
            self._find_examples()
            yield {parts.welcome: self._empty()}

    def grown(self) -> Update:
        """Shows what the collection holds after papers were added."""
        shown = self._offered()
        self._find_examples()
        return {**shown, self._parts.welcome: self._empty()}

    def _offered(self) -> Update:
        """Returns what the header and the filters say about the collection; waits until it is open."""
        parts, assistant = self._parts, self._collection()
        if assistant is None:
            return {parts.header: render.header("")}
        offered = options(assistant)
        dates = gr.update(choices=[("any", ""), *offered.dates], visible=len(offered.dates) > 1)
        return {
            parts.header: render.header(describe(assistant)),
            parts.sources: gr.update(value=min(assistant.settings.similarity_top_k, MOST_SOURCES)),
            parts.listings: gr.update(choices=list(offered.listings), visible=len(offered.listings) > 1),
            parts.since: dates,
            parts.until: dates,
            parts.categories: gr.update(
                choices=list(offered.categories), visible=len(offered.categories) > 1
            ),
        }

    # --- asking ------------------------------------------------------------------------------------------

    def ask(
        self,
        typed: str,
        session: Session,
        papers: tuple[str, ...],
        llm: str,
        sources: float,
        strictness: str,
        listings: list[str],
        since: str,
        until: str,
        categories: list[str],
        event: gr.EventData,
        request: gr.Request,
    ) -> Iterator[Update]:
        """Answers what was typed, or what a button of the page asks: an example, a turn again or in other words."""
        box = self._parts.box
        detail = _detail(event)
        if not session.turns:  # a server that was restarted has forgotten what the page shows
            session = self._addressed(request)
        session, question = _wanted(session, typed, detail)
        if not question.strip():
            yield {box: gr.update()}
            return
        filters = Filters(
            listings=tuple(listings),
            since=since or None,
            until=until or None,
            categories=tuple(categories),
            papers=tuple(papers),
        )
        waiting: dict[str, Any] = {"submit_btn": False, "stop_btn": True}
        yield {box: gr.update(**waiting) if detail else gr.update(value="", **waiting)}
        with self._running.watch(str(request.session_hash)) as stop:
            chosen = Choices(llm, int(sources), strictness, filters)
            yield from self._answered(session, question.strip(), chosen, stop, request)
        yield {box: gr.update(submit_btn=True, stop_btn=False)}

    def _answered(
        self, session: Session, question: str, chosen: Choices, stop: Stop, request: gr.Request
    ) -> Iterator[Update]:
        wait = self._questions.take(caller_of(request))
        if wait:
            why = f"That is a lot of questions. Ask again in {ceil(wait)} seconds."
            yield self._view(refused(session, question, why))
            return
        now = session
        asked = ask(self._host, session, question, chosen, stop, request_id_of(request))
        for number, now in enumerate(asked):
            if now.turns[-1].answer is not None:
                self._records.save(owner_of(request), now.conversation, now.answers)
            yield self._last(now) if number else self._view(now)
        yield self._drawer(now, request)

    def stop(self, request: gr.Request) -> None:
        """Ends the answer that this tab waits for."""
        self._running.stop(str(request.session_hash))

    def left(self, request: gr.Request) -> None:
        """Ends what a tab that was closed still waits for."""
        self.stop(request)

    # --- what the buttons inside the conversation do -------------------------------------------------------

    def act(self, session: Session, event: gr.EventData) -> dict[str, Any]:
        """Does what a button of a turn asks for; returns what the script of the page is to do."""
        detail = _detail(event)
        action, value, turn = (
            detail.get("action"),
            detail.get("value", ""),
            session.turn(detail.get("turn", "")),
        )
        answer = turn.answer if turn else None
        kind = next((kind for kind in MEDIA_TYPES if kind == value), None)
        if action == "export-conversation" and kind and session.answers:
            papers = {key: paper for turn in session.turns for key, paper in self._papers(turn).items()}
            return _told(file=_file(kind, session.answers, papers))
        if turn is None or answer is None:
            return _told()
        if action == "export" and kind:
            return _told(file=_file(kind, (answer,), self._papers(turn)))
        if action == "feedback" and value in _THUMBS:
            self._records.judge(answer, value)
        elif action == "comment":
            thumb = detail.get("thumb", "")
            self._records.judge(answer, thumb if thumb in _THUMBS else "", value[:_LONGEST_COMMENT])
        return _told()

    # --- conversations -----------------------------------------------------------------------------------

    def reopen(self, event: gr.EventData, request: gr.Request) -> Update:
        """Shows a conversation that was kept."""
        self.stop(request)
        return self._show(self._kept(_detail(event).get("value", ""), request), request)

    def fresh(self, request: gr.Request) -> Update:
        """Begins a new conversation."""
        self.stop(request)
        return self._show(Session(), request)

    def rename(self, session: Session, title: str, request: gr.Request) -> Update:
        """Names the conversation."""
        self._records.rename(owner_of(request), session.conversation, title)
        return self._drawer(session, request)

    def delete(self, session: Session, request: gr.Request) -> Update:
        """Deletes the conversation and begins a new one."""
        self._records.delete(owner_of(request), session.conversation)
        return self.fresh(request)

    def _addressed(self, request: gr.Request) -> Session:
        """Returns the conversation that the address of the page names."""
        return self._kept(str(request.query_params.get("c", "")), request)

    def _kept(self, conversation: str, request: gr.Request) -> Session:
        """Returns a conversation of this person, or a new one where there is none of that id."""
        answers = self._records.load(owner_of(request), conversation) if conversation else ()
        return reopened(conversation, tuple(answers)) if answers else Session()

    # --- views -------------------------------------------------------------------------------------------

    def _show(self, session: Session, request: gr.Request) -> Update:
        box = gr.update(submit_btn=True, stop_btn=False)
        return {**self._view(session), **self._drawer(session, request), self._parts.box: box}

    def _view(self, session: Session) -> Update:
        """Returns everything that shows a conversation."""
        parts = self._parts
        shown: Update = {parts.session: session, parts.channel: _told(conversation=session.conversation)}
        if not session.turns:
            nothing = dict.fromkeys((parts.earlier, parts.latest, parts.before, parts.evidence), "")
            return {**shown, **nothing, parts.welcome: self._empty(), parts.lit: ()}
        *before, last = [(turn, self._papers(turn)) for turn in session.turns]
        shown[parts.earlier] = "".join(render.turn(turn, papers) for turn, papers in before)
        shown[parts.before] = "".join(render.evidence(turn, papers) for turn, papers in before)
        return {**shown, **self._last(session)}

    def _last(self, session: Session) -> Update:
        """Returns what changes while the last turn of a conversation is answered."""
        parts, last = self._parts, session.turns[-1]
        papers = self._papers(last)
        return {
            parts.session: session,
            parts.latest: render.turn(last, papers),
            parts.evidence: render.evidence(last, papers),
            parts.lit: tuple(dict.fromkeys(citation.paper_id for citation in last.citations)),
        }

    def _empty(self) -> str:
        """Returns what is shown before the first question, with the examples if they are known by now."""
        try:
            about = describe(self._host.assistant)
        except Exception as error:
            return render.trouble(explain(error, self._host.local))
        empty = not self._host.assistant.collection.library.manifest().papers
        return render.empty("" if empty else about, self._examples, self._host.engines[0].name, True)

    def _find_examples(self) -> None:
        """Finds questions that the collection answers, once for each state of it."""
        assistant = self._host.assistant
        digest = assistant.collection.library.manifest().digest
        with self._lock:
            if digest != self._examples_of:
                # Trying a question out must not cost anything.
                found = self._host.questions or example_questions(assistant.using(llm="quotes"))
                self._examples, self._examples_of = tuple(found), digest

    def _collection(self) -> Assistant | None:
        """Returns the collection, or None if it could not be opened; waits until that is known."""
        try:
            return self._host.assistant
        except Exception:
            return None

    def _drawer(self, session: Session, request: gr.Request) -> Update:
        parts, kept = self._parts, self._records.list(owner_of(request))
        here = next((entry for entry in kept if entry.id == session.conversation), None)
        return {
            parts.kept: listing(kept, session.conversation),
            parts.title: gr.update(value=here.title if here else "", visible=here is not None),
            parts.delete: gr.update(visible=here is not None),
            parts.sure: gr.update(visible=False),
        }

    def _papers(self, turn: Turn) -> Mapping[str, Paper]:
        assistant = self._collection() if turn.answer or turn.reading else None
        return papers_of(assistant, turn) if assistant else {}


def _file(kind: Kind, answers: Sequence[Answer], papers: Mapping[str, Paper]) -> dict[str, str]:
    name, text = export(kind, answers, papers)
    return {"name": name, "type": MEDIA_TYPES[kind], "text": text}


def _told(**what: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Returns what the script of the page is to do; the time makes it differ from what it was told before."""
    return {**what, "at": time.time_ns()}


def _detail(event: gr.EventData) -> dict[str, str]:
    """Returns what a button of the page said, {} for an event that has no such thing; a page can say anything."""
    data = event._data
    return {str(name): str(value) for name, value in data.items()} if isinstance(data, dict) else {}


def _wanted(session: Session, typed: str, detail: Mapping[str, str]) -> tuple[Session, str]:
    """Returns the conversation that a question continues, and the question."""
    action, turn = detail.get("action"), session.turn(detail.get("turn", ""))
    if action == "ask":
        return session, detail.get("value", "")
    if action == "retry":
        return (session.before(turn.key), turn.question) if turn else (session, "")
    if action == "edit":
        return (session.before(turn.key), detail.get("value", "")) if turn else (session, "")
    return session, typed
