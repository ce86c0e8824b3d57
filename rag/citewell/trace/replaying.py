"""Reading a trace, and giving the recorded replies again."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

from citewell.cache import answer_from_dict
from citewell.citations import Draft, Source
from citewell.errors import CitewellError, Failure, GenerationError, UsageError
from citewell.library import Filters
from citewell.llm.base import Message, Usage
from citewell.sources import Shown
from citewell.trace.document import FORMAT
from citewell.trace.values import array, plain
from citewell.types import Answer, Paper, Span

_EXCERPT = 30  # characters shown of what differs

RecordedAnswer = Annotated[Answer, PlainValidator(answer_from_dict)]
RecordedVectors = Annotated[NDArray[np.float32] | None, BeforeValidator(array)]


class ReplayError(CitewellError):
    """A replay that does not come to what was recorded."""

    exit_status = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)


class RecordedFailure(_Part):
    """How a language model failed."""

    message: str
    failure: Failure
    retryable: bool


class RecordedReply(_Part):
    """A reply: its text, and for each piece the seconds until it arrived and its length in characters.

    `complete` is False where a piece was the last that anybody read, or the model failed after it.
    """

    text: str
    pieces: tuple[tuple[float, Annotated[int, Field(ge=0)]], ...]
    complete: bool
    finish_reason: str | None
    usage: Usage | None
    failure: RecordedFailure | None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if sum(length for _, length in self.pieces) != len(self.text):
            raise ValueError("the pieces are not as long as the text")
        return self


class RecordedRequest(_Part):
    """What a language model was asked, and its reply."""

    messages: tuple[Message, ...]
    max_tokens: int
    structure: dict[str, object] | None = Field(alias="schema")
    reply: RecordedReply


class RecordedModel(_Part):
    """The language model that was asked."""

    name: str
    endpoint: str
    context_tokens: int | None


class _RecordedSource(_Part):
    number: int
    paper: Paper
    spans: tuple[Span, ...]
    vectors: RecordedVectors


class _RecordedShown(_Part):
    source: _RecordedSource
    text: str


class Recorded(_Part):
    """A trace as far as it takes to compute the answer again; docs/trace.md describes the fields."""

    format: Literal["citewell-trace/1"]
    settings: dict[str, object]
    question: str
    standalone_question: str | None = None
    history: tuple[RecordedAnswer, ...] = ()
    filters: Filters | None = None
    collection: str | None = None
    fence: str | None = None
    model: RecordedModel | None = None
    quotes: tuple[Draft, ...] = ()
    requests: tuple[RecordedRequest, ...]
    answer: RecordedAnswer | None = None
    given: tuple[_RecordedShown, ...] = Field((), alias="sources")

    @property
    def sources(self) -> tuple[Shown, ...]:
        """What the model was given to read."""
        return tuple(
            Shown(Source(s.number, s.paper, s.spans, s.vectors), shown.text)
            for shown in self.given
            for s in [shown.source]
        )


def read_trace(path: Path) -> Recorded:
    """Returns what a trace file holds.

    Raises:
        UsageError: it cannot be read, or is no trace of this format.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"Cannot read the trace {path}: {error.strerror}. Give a file that exists."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no trace: it holds no JSON. Write one with --trace.") from error
    return parse_trace(document, str(path))


def parse_trace(document: object, name: str = "The document") -> Recorded:
    """Returns what the document of a trace holds; `name` names it in errors.

    Raises:
        UsageError: it is no trace of this format.
    """
    found = document.get("format") if isinstance(document, Mapping) else None
    if found != FORMAT:
        raise UsageError(
            f"{name} is no trace: its format is {found!r}, this Citewell reads {FORMAT!r}. Write one with --trace."
        )
    try:
        return Recorded.model_validate(document)
    except (ValidationError, RecursionError) as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) if isinstance(error, ValidationError) else "it"
        raise UsageError(f"{name} is a damaged trace, see {where}. Write it again with --trace.") from error


def replay(trace: Path | str | Mapping[str, object] | Recorded) -> ReplayModel:
    """Returns a language model that gives the replies of a trace again, of its file, its document or as read.

    Raises:
        UsageError: it cannot be read, is no trace, or no language model was asked.
    """
    if isinstance(trace, Mapping):
        recorded = parse_trace(trace)
    elif isinstance(trace, Recorded):
        recorded = trace
    else:
        recorded = read_trace(Path(trace))
    if recorded.model is None:
        raise UsageError("This trace is of an answer without a language model. Ask the question again.")
    return ReplayModel(recorded, recorded.model)


class ReplayModel:
    """A language model that replies as one did before, if it is asked the same.

    Attributes:
        recorded: the trace that it replies from.
    """

    def __init__(self, recorded: Recorded, model: RecordedModel) -> None:
        self.recorded = recorded
        self._model = model
        self._asked = 0
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name of the model that was asked."""
        return self._model.name

    @property
    def endpoint(self) -> str:
        """Where that model ran, empty where that is not known."""
        return self._model.endpoint

    @property
    def context_tokens(self) -> int | None:
        """How many tokens that model could hold."""
        return self._model.context_tokens

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        schema: Mapping[str, object] | None = None,
        deadline: float | None = None,
    ) -> ReplayReply:
        """Begins the next recorded reply; the deadline plays no part.

        Raises:
            ReplayError: the request is not the one that was recorded.
        """
        with self._lock:
            number = self._asked
            self._asked += 1
        requests = self.recorded.requests
        if number >= len(requests):
            raise ReplayError(
                f"Request {number + 1} was not recorded: the trace has {len(requests)}.{_CHANGED}"
            )
        request = requests[number]
        difference = _difference(request, messages, max_tokens, schema)
        if difference is not None:
            raise ReplayError(f"Request {number + 1} is not the recorded one: {difference}.{_CHANGED}")
        return ReplayReply(request.reply, number + 1)

    def check(self, answer: Answer) -> None:
        """Makes sure that an answer is the recorded one in all but its timings.

        Raises:
            ReplayError: it is not, or fewer requests were made for it.
        """
        missing = len(self.recorded.requests) - self._asked
        if missing > 0:
            raise ReplayError(f"{missing} recorded requests were not made again.{_CHANGED}")
        recorded = self.recorded.answer
        if recorded is None:
            raise ReplayError("The trace ends before an answer. There is nothing to compare with.")
        names = [field.name for field in fields(Answer) if field.name != "timings"]
        different = [name for name in names if getattr(answer, name) != getattr(recorded, name)]
        if different:
            raise ReplayError(f"The answer is not the recorded one: {', '.join(different)} differ.{_CHANGED}")

    def close(self) -> None:
        """Does nothing; there is nothing to release."""


class ReplayReply:
    """A recorded reply, in the pieces in which it arrived, without the waiting."""

    def __init__(self, reply: RecordedReply, number: int) -> None:
        self._reply = reply
        self._number = number
        self._read = 0
        self._closed = False

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped; None until all pieces were read."""
        return self._reply.finish_reason if self._read == len(self._reply.pieces) else None

    @property
    def usage(self) -> Usage:
        """What the reply consumed when it was recorded."""
        return self._reply.usage or Usage()

    def __iter__(self) -> Iterator[str]:
        reply, start = self._reply, 0
        for _, length in reply.pieces:
            if self._closed:
                raise GenerationError("The reply was cancelled.", "cancelled")
            self._read += 1
            yield reply.text[start : start + length]
            start += length
        if reply.failure is not None:
            failure = reply.failure
            raise GenerationError(failure.message, failure.failure, failure.retryable)
        if not reply.complete:
            raise ReplayError(f"Reply {self._number} was not read this far when it was recorded.{_CHANGED}")

    def close(self) -> None:
        """Stops the reply."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_CHANGED = " The prompts, the sources, the settings or Citewell have changed since the trace was made."


def _difference(
    recorded: RecordedRequest,
    messages: Sequence[Message],
    max_tokens: int,
    schema: Mapping[str, object] | None,
) -> str | None:
    """Returns in words how a request differs from the recorded one; None where it does not."""
    if len(messages) != len(recorded.messages):
        return f"it has {len(messages)} messages in place of {len(recorded.messages)}"
    for number, (old, new) in enumerate(zip(recorded.messages, messages, strict=True), 1):
        if old.role != new.role:
            return f"message {number} is of the {new.role} in place of the {old.role}"
        if old.content != new.content:
            at = len(os.path.commonprefix([old.content, new.content]))
            was, now = (repr(text[at : at + _EXCERPT]) for text in (old.content, new.content))
            return f"message {number} ({old.role}) has {now} in place of {was} at character {at}"
    if max_tokens != recorded.max_tokens:
        return f"it allows {max_tokens} tokens in place of {recorded.max_tokens}"
    return None if plain(schema) == recorded.structure else "it asks for another structure"
