"""Citewell as a system: the assistant, behind the protocol."""

from __future__ import annotations

from collections.abc import Sequence

from citewell.assistant import Assistant
from citewell.types import Answer, Paper


class CitewellSystem:
    """An assistant as it is.

    Args:
        assistant: what answers.
        name: what it is called in the table.
        owned: whether the assistant is closed with the system.
    """

    def __init__(self, assistant: Assistant, name: str = "citewell quotes", owned: bool = False) -> None:
        self.name = name
        self._assistant = assistant
        self._owned = owned

    def search(self, question: str, k: int) -> list[str]:
        """Returns the ids of at most `k` papers, best first."""
        return [result.paper_id for result in self._assistant.search(question, k)]

    def ask(self, question: str, history: Sequence[Answer] = ()) -> Answer:
        """Returns the assistant's answer; a question among earlier ones is understood as in the chat."""
        return self._assistant.ask(question, history=history)

    def paper(self, paper_id: str) -> Paper:
        """Returns a paper."""
        return self._assistant.show(paper_id)

    def close(self) -> None:
        """Closes the assistant if it is owned."""
        if self._owned:
            self._assistant.close()
