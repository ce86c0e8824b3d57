"""A language model that writes what a case says, so that enforcement is measured without any real model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from citewell.llm.base import Message, Usage

from citewell_eval.cases import Written

_SOURCE = re.compile(r"^\[(\d+)\] (.+)$", re.MULTILINE)
_NO_SOURCE = 99


class ScriptedModel:
    """Writes the sentences once, then nothing: what is rejected is not repaired.

    A sentence cites the number under which the prompt lists its paper, or one that does not exist.
    """

    name = "scripted"
    context_tokens: int | None = None

    def __init__(self, writes: Sequence[Written]) -> None:
        self._writes = list(writes)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        schema: Mapping[str, object] | None = None,
        deadline: float | None = None,
    ) -> ScriptedReply:
        """Begins the reply."""
        numbers = {title: int(number) for number, title in _SOURCE.findall(messages[-1].content)}
        writes, self._writes = self._writes, []
        return ScriptedReply("".join(_line(written, numbers) for written in writes))

    def close(self) -> None:
        """There is nothing to close."""


class ScriptedReply:
    """A reply that is there at once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.finish_reason: str | None = None
        self.usage = Usage(requests=1)

    def __iter__(self) -> Iterator[str]:
        yield self._text
        self.finish_reason = "stop"

    def close(self) -> None:
        """There is nothing to stop."""

    def __enter__(self) -> ScriptedReply:
        return self

    def __exit__(self, *_: object) -> None: ...


def _line(written: Written, numbers: Mapping[str, int]) -> str:
    source = numbers.get(" ".join(written.paper.split()), _NO_SOURCE)
    citation = {"source": source, "quote": written.quote}
    return json.dumps({"sentence": written.sentence, "citations": [citation]}) + "\n"
