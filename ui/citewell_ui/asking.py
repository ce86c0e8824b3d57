"""From a question to the turns that a page shows: what is asked, with which settings, and how it went."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from citewell import Answer, Assistant, Paper, observing
from citewell.author import Stop
from citewell.citations import cited_papers
from citewell.library import Filters
from citewell.types import Done, Event

from citewell_ui.host import Host
from citewell_ui.security import explain
from citewell_ui.telling import told
from citewell_ui.turns import Turn, advance, finished, restored

MOST_SOURCES = 20
STRICTNESS = ("Lenient", "Balanced", "Strict")
# docs/gate.md: of the questions that the abstracts answer these refuse 3 % and 16 % (the default 7 %), of those
# on the same topic that they do not answer, 35 % and 80 % (the default 60 %).
_LENIENT, _STRICT = 0.1, 0.5
STOPPED = "Stopped before the answer was complete."


@dataclass(frozen=True, slots=True)
class Session:
    """What one open tab shows.

    Attributes:
        conversation: the id under which the conversation is kept.
        turns: its questions and answers, oldest first.
        asked: how many questions the tab has asked, so that no two turns of it ever share a key.
    """

    conversation: str = ""
    turns: tuple[Turn, ...] = ()
    asked: int = 0

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers that came about, oldest first."""
        return tuple(turn.answer for turn in self.turns if turn.answer is not None)

    def turn(self, key: str) -> Turn | None:
        """Returns the turn of a key, or None if it is no longer part of the conversation."""
        return next((turn for turn in self.turns if turn.key == key), None)

    def before(self, key: str) -> Session:
        """Returns the conversation up to a turn, which is left out; all of it if there is no such turn."""
        keys = [turn.key for turn in self.turns]
        return replace(self, turns=self.turns[: keys.index(key)]) if key in keys else self

    def with_last(self, turn: Turn) -> Session:
        """Returns the conversation with another last turn."""
        return replace(self, turns=(*self.turns[:-1], turn))


def reopened(conversation: str, answers: tuple[Answer, ...]) -> Session:
    """Returns a conversation that was kept."""
    turns = tuple(restored(f"t{number}", answer) for number, answer in enumerate(answers, 1))
    return Session(conversation, turns, len(turns))


def threshold(strictness: str, default: float) -> float:
    """Returns the least relevance that a step of `STRICTNESS` asks for; "Balanced" is the setting of the server."""
    if strictness == "Lenient":
        return min(_LENIENT, default / 2)
    if strictness == "Strict":
        return _STRICT if default < _STRICT else (1 + default) / 2
    return default


@dataclass(frozen=True, slots=True)
class Choices:
    """How a question is to be answered.

    Attributes:
        llm: what words the answer, one of the engines of the host.
        sources: how many papers are read; None leaves it to the settings of the server.
        strictness: one of `STRICTNESS`.
        filters: which papers may be used.
    """

    llm: str
    sources: int | None = None
    strictness: str = "Balanced"
    filters: Filters = field(default_factory=Filters)

    def assistant(self, host: Host) -> Assistant:
        """Returns the assistant of these choices; all of them share the collection and the language models.

        Raises:
            CitewellError: the collection cannot be opened, or a setting does not fit.
            KeyError: the engine is not one of the host.
        """
        engine = host.engine(self.llm)
        sources = engine.settings.similarity_top_k if self.sources is None else self.sources
        return engine.using(
            similarity_top_k=min(max(sources, 1), MOST_SOURCES),
            gate_threshold=threshold(self.strictness, engine.settings.gate_threshold),
        )


class Running:
    """The answers that are being written, by the tab that waits for them."""

    def __init__(self) -> None:
        self._stops: dict[str, list[Stop]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(map(len, self._stops.values()))

    @contextmanager
    def watch(self, tab: str) -> Iterator[Stop]:
        """Yields what ends an answer of a tab, and forgets it after the block."""
        stop = Stop()
        with self._lock:
            self._stops.setdefault(tab, []).append(stop)
        try:
            yield stop
        finally:
            with self._lock:
                self._stops[tab].remove(stop)
                if not self._stops[tab]:
                    del self._stops[tab]

    def stop(self, tab: str) -> None:
        """Ends the answers that a tab waits for."""
        with self._lock:
            stops = list(self._stops.get(tab, ()))
        for stop in stops:
            stop.set()


def ask(
    host: Host,
    session: Session,
    question: str,
    choices: Choices,
    stop: Stop | None = None,
    request_id: str = "",
) -> Iterator[Session]:
    """Yields the conversation as its last turn, the question, is answered.

    Whatever goes wrong ends in a turn that failed, and the next question can be asked.
    """
    stop = stop or Stop()
    session = _with_question(session, question, _searched(host))
    turn = session.turns[-1]
    yield session
    try:
        if not host.ready:
            turn = replace(turn, searched=_papers(host.assistant))
            yield session.with_last(turn)
        history = _leaning_on(session.answers, choices.filters.papers)
        assistant = choices.assistant(host)
        with observing.request(request_id):
            events = assistant.stream(question, choices.filters, history, stop=stop)
        for event in events:
            turn = _after(turn, told(event, host.local), stop)
            yield session.with_last(turn)
    except Exception as error:
        turn = replace(turn, phase="failed", trouble=explain(error, host.local))
        yield session.with_last(turn)


def _leaning_on(answers: tuple[Answer, ...], papers: tuple[str, ...]) -> tuple[Answer, ...]:
    """Returns the answers that a question may lean on: one about chosen papers, only on those that cite them."""
    if not papers:
        return answers
    return tuple(a for a in answers if any(citation.paper_id in papers for citation in a.citations))


def refused(session: Session, question: str, why: str) -> Session:
    """Returns the conversation with a question that is not even tried, and the reason."""
    session = _with_question(session, question, 0)
    return session.with_last(replace(session.turns[-1], phase="failed", trouble=why))


def _with_question(session: Session, question: str, searched: int) -> Session:
    """Returns the conversation with one more turn; the first one gives it its id."""
    turn = Turn(f"t{session.asked + 1}", question, searched)
    return Session(session.conversation or uuid.uuid4().hex, (*session.turns, turn), session.asked + 1)


def _after(turn: Turn, event: Event, stop: Stop) -> Turn:
    """Returns the turn after an event; once it was stopped nothing is added to what it shows."""
    if not stop.is_set:
        return advance(turn, event)
    if not isinstance(event, Done):
        return replace(turn, phase="stopped")
    shown = replace(
        event.answer,
        sentences=turn.sentences,
        citations=turn.citations,
        rejected=turn.rejected,
        coverage=replace(event.answer.coverage, cited=cited_papers(turn.citations)),
        abstention=None,
        error=STOPPED,
        notice=None,
    )
    return replace(finished(turn, shown), phase="stopped")


def _searched(host: Host) -> int:
    """Returns how many papers there are to search; 0 while the collection is not open."""
    try:
        return _papers(host.assistant) if host.ready else 0
    except Exception:  # asking meets it again and says so
        return 0


def _papers(assistant: Assistant) -> int:
    return assistant.collection.library.manifest().papers


def papers_of(assistant: Assistant, turn: Turn) -> Mapping[str, Paper]:
    """Returns the papers, by id, that a turn cites, reads or names as nearest; those since removed are missing."""
    ids = [citation.paper_id for citation in turn.citations] + [result.paper_id for result in turn.reading]
    if turn.answer is not None and turn.answer.abstention is not None:
        ids += [result.paper_id for result in turn.answer.abstention.nearest]
    library = assistant.collection.library
    found = library.papers(list(library.rows_of(list(dict.fromkeys(ids))).values()))
    return {paper.paper_id: paper for paper in found.values()}
