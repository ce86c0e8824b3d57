"""What every system is that `citewell eval compare` runs on the same cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from citewell.types import Answer, Paper


class System(Protocol):
    """Finds papers and answers questions; `name` stands in the table."""

    name: str

    def search(self, question: str, k: int) -> list[str]:
        """Returns the ids of at most `k` papers, best first."""

    def ask(self, question: str, history: Sequence[Answer] = ()) -> Answer:
        """Returns the answer or the refusal, as Citewell writes it; `history` holds the earlier turns, oldest first."""

    def paper(self, paper_id: str) -> Paper:
        """Returns a paper, to compare quotes with its abstract."""

    def close(self) -> None:
        """Releases what the system has opened for itself."""
