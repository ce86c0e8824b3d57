"""What every language model takes and returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, NamedTuple, Protocol, Self

Role = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """One turn of what a model is given."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What replies consumed; sums with `+`.

    Attributes:
        prompt_tokens: tokens read.
        completion_tokens: tokens written, those of hidden reasoning included where the endpoint reports them.
        requests: requests sent, those that failed included.
        estimated: whether any of the tokens were counted with cl100k_base, as the endpoint reported none.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.requests + other.requests,
            self.estimated or other.estimated,
        )


class Reply(Protocol):
    """A reply that is being written; iterate it once for its text, piece by piece as it arrives.

    Iterating raises `GenerationError` for whatever goes wrong, a text that breaks off included; what was
    yielded before stays valid. Leaving the `with` block, or `close`, cancels what has not arrived.
    """

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped: "stop", "length", "content_filter" …; None until the reply has ended well."""

    @property
    def usage(self) -> Usage:
        """What the reply has consumed; final once the iteration has ended, by an error too."""

    def __iter__(self) -> Iterator[str]: ...

    def close(self) -> None:
        """Stop the reply at once, from whichever thread; iterating then raises, failure "cancelled"."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LanguageModel(Protocol):
    """Writes replies to messages. Every method may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The model's name, fit for a person."""

    @property
    def context_tokens(self) -> int | None:
        """How many tokens of prompt and reply the model can hold, None where that is unknown."""

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        schema: Mapping[str, object] | None = None,
        deadline: float | None = None,
    ) -> Reply:
        """Begin a reply and return it at once; whatever goes wrong is raised by iterating it.

        Args:
            messages: The conversation so far.
            max_tokens: The longest reply; a longer one ends with the finish reason "length".
            schema: A JSON schema for the reply. A hint: an endpoint without structured output ignores it.
            deadline: When the reply must have ended, retries included, on the clock of `time.monotonic`;
                by default after `Settings.answer_timeout`.
        """

    def close(self) -> None:
        """Cancel all replies and release connections and threads; may be called twice."""
