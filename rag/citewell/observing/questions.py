"""One question, watched from its first step to its end."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from time import perf_counter, time_ns
from typing import Literal, Protocol

from citewell.errors import CitewellError, UsageError
from citewell.observing.requests import current_id, enter, new_id, request
from citewell.types import Answer, Done, Event

Outcome = Literal[
    "answered", "nothing_relevant", "not_reported", "reports_opposite", "incomplete", "stopped", "invalid", "failed",
]  # fmt: skip
STAGES = ("understand", "retrieve", "gate", "recall", "draft", "verify")  # in the order in which they come

_log = logging.getLogger("citewell.observing")
_log.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Observation:
    """How a question ended.

    Attributes:
        request_id: of the request that it was part of.
        question: what was asked.
        started: nanoseconds since 1970.
        seconds: from there to the end.
        outcome: what became of it.
        answer: what it was answered with, None where it ended before.
        error: what ended it, by its name; what it says only where it is meant for people.
        context: the context in which it was asked.
    """

    request_id: str
    question: str
    started: int
    seconds: float
    outcome: Outcome
    answer: Answer | None = None
    error: str | None = None
    context: Context = field(default_factory=Context, repr=False)

    @property
    def stages(self) -> list[tuple[str, float]]:
        """The steps in their order, with their seconds."""
        timings = self.answer.timings if self.answer is not None else {}
        return [(name, timings[name]) for name in STAGES if name in timings]

    @property
    def cached(self) -> bool:
        """Whether the answer had been given before."""
        return self.answer is not None and bool(self.answer.usage.get("cached"))


class Observer(Protocol):
    """Told of every question when it has ended."""

    def ended(self, seen: Observation) -> None:
        """Takes note of it."""


def watch(events: Generator[Event], question: str, observers: Iterable[Observer]) -> Iterator[Event]:
    """Returns the events of a question, and tells the observers how it ended.

    What runs for the question runs in a context of its own, whoever takes the events: in it `current_id` is the id of
    the request in which this was called, or a new one.
    """
    return _watched(events, question, tuple(observers), current_id() or new_id(), copy_context())


def _watched(
    events: Generator[Event],
    question: str,
    observers: tuple[Observer, ...],
    request_id: str,
    context: Context,
) -> Iterator[Event]:
    started, clock = time_ns(), perf_counter()

    def tell(outcome: Outcome, answer: Answer | None = None, error: str | None = None) -> None:
        seconds = round(perf_counter() - clock, 6)
        seen = Observation(request_id, question, started, seconds, outcome, answer, error, context)
        with request(request_id):
            _tell(observers, seen)

    context.run(enter, request_id)
    ended = False
    try:
        while (event := context.run(next, events, None)) is not None:
            if isinstance(event, Done):
                ended = True
                tell(_outcome(event.answer), event.answer)
            yield event
    except GeneratorExit:
        if not ended:
            tell("stopped")
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}" if _is_tellable(error) else type(error).__name__
        tell("invalid" if isinstance(error, UsageError) else "failed", error=told)
        raise
    finally:
        context.run(events.close)


def _outcome(answer: Answer) -> Outcome:
    if answer.incomplete:
        return "incomplete"
    return answer.abstention.kind if answer.abstention is not None else "answered"


def _is_tellable(error: Exception) -> bool:
    """Returns whether the text of an error holds nothing of the question."""
    return isinstance(error, CitewellError) and not isinstance(error, UsageError)


def _tell(observers: tuple[Observer, ...], seen: Observation) -> None:
    for observer in observers:
        try:
            observer.ended(seen)
        except Exception:  # a question is answered, whoever fails to take note of it
            _log.exception("observer.failed")
