"""A turn of a conversation as the page shows it: a question, and what is known of its answer so far."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from citewell import Answer
from citewell.types import (
    Citation,
    Done,
    Event,
    Failed,
    Rejected,
    Retrieved,
    SearchResult,
    Sentence,
    SentenceReady,
    SentenceRejected,
)

Phase = Literal["searching", "reading", "answering", "done", "stopped", "failed"]
LIVE = frozenset({"searching", "reading", "answering"})


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer.

    Attributes:
        key: what tells the turn from others of the page, of letters and digits, used in the ids of elements.
        question: what was asked, as typed.
        searched: how many papers the collection holds.
        phase: how far it is; "failed" means that no answer came about at all.
        standalone: the question as it was understood; empty until known.
        reading: the papers that are read for it.
        sentences: the verified sentences so far.
        citations: their citations, by number.
        rejected: what was withheld so far.
        answer: the whole answer, once it is done.
        trouble: for a turn that failed, one line for people: what happened, the id of the log, what to do.
    """

    key: str
    question: str
    searched: int
    phase: Phase = "searching"
    standalone: str = ""
    reading: tuple[SearchResult, ...] = ()
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    answer: Answer | None = None
    trouble: str = ""

    @property
    def live(self) -> bool:
        """Whether more is to come."""
        return self.phase in LIVE


def advance(turn: Turn, event: Event) -> Turn:
    """Returns the turn after an event of `Assistant.stream`."""
    match event:
        case Retrieved(standalone, results):
            return replace(turn, phase="reading", standalone=standalone, reading=results)
        case SentenceReady(sentence, citations):
            return replace(
                turn,
                phase="answering",
                sentences=(*turn.sentences, sentence),
                citations=(*turn.citations, *citations),
            )
        case SentenceRejected(rejected):
            return replace(turn, rejected=(*turn.rejected, rejected))
        case Failed():
            return turn
        case Done(answer):
            return finished(turn, answer)


def finished(turn: Turn, answer: Answer) -> Turn:
    """Returns the turn with its whole answer, which is all that is kept of it across restarts."""
    return replace(
        turn,
        phase="done",
        standalone=answer.standalone_question,
        sentences=answer.sentences,
        citations=answer.citations,
        rejected=answer.rejected,
        answer=answer,
    )


def restored(key: str, answer: Answer) -> Turn:
    """Returns the turn of an answer that was kept."""
    return finished(Turn(key, answer.question, answer.coverage.papers), answer)
