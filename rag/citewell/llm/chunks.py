"""The events and chunks of a streamed chat completion, as far as they matter here.

Servers add, leave out and null what they like; what is not read here is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

DONE = "[DONE]"  # the event that ends a stream

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_Tokens = Annotated[int, Field(ge=0)]


class Delta(BaseModel, extra="allow"):
    """What a chunk adds. Reasoning, refusals and tool calls are no text of the reply and stay in the extras."""

    content: Any = None

    @property
    def text(self) -> str:
        """The text it adds to the reply."""
        return self.content if isinstance(self.content, str) else ""

    @property
    def is_progress(self) -> bool:
        """Whether the model has written anything, be it hidden reasoning."""
        extras = self.model_extra or {}
        return bool(self.content) or any(value for name, value in extras.items() if name != "role")


class Choice(BaseModel):
    """One of the alternative replies; only that with index 0 was asked for."""

    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None


class ReportedUsage(BaseModel):
    """The tokens that the server counted."""

    prompt_tokens: _Tokens
    completion_tokens: _Tokens


class Chunk(BaseModel):
    """One event of the stream; `error`, or `object` "error", is how a server reports that it broke off."""

    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None
    object: Any = None

    @property
    def choice(self) -> Choice | None:
        """The choice that was asked for, if the chunk has it."""
        return next((choice for choice in self.choices or () if choice.index == 0), None)

    @property
    def reported_usage(self) -> ReportedUsage | None:
        """The usage, None where there is none that can be read."""
        try:
            return ReportedUsage.model_validate(self.usage)
        except ValidationError:
            return None


class ModelList(BaseModel):
    """What `GET /models` answers."""

    class Entry(BaseModel):
        """One model."""

        id: str

    data: list[Entry]


class EventDecoder:
    """Takes the data of server-sent events out of bytes (WHATWG HTML, section 9.2.6).

    That of the openai package is a chain of asynchronous generators, which stay open after an error until
    some thread's garbage collection meets them, and then break.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._after_return = False

    def feed(self, received: bytes) -> Iterator[str]:
        """Yield the data of every event that the bytes complete.

        Raises:
            UnicodeDecodeError: It is not UTF-8.
        """
        if self._after_return:
            received = received.removeprefix(b"\n")  # the other half of a CRLF
        self._after_return = received.endswith(b"\r")
        *ends, rest = _LINE_END.split(received)
        for end in ends:
            line = bytes(self._line + end).removeprefix(_BYTE_ORDER_MARK)
            self._line.clear()
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                data = b"\n".join(self._data).decode()
                self._data.clear()
                yield data
        self._line += rest


class SurrogateJoiner:
    """Joins halves of a character that arrive in two chunks, as from servers that cut UTF-16 text."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """Return the text that is complete, with a replacement character for halves that stay alone."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
