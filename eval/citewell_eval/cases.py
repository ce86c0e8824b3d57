"""Cases: questions with what a right answer must cite and say, as JSON lines.

| field | meaning |
|---|---|
| id, question, kind | a unique id, the question, and its kind (`fact`, `number`, `near_topic`, …) |
| answerable | whether the collection answers it |
| papers | titles of the papers that answer it; of the nearest ones for an unanswerable question |
| facts | groups of alternatives; the answer is right when each group has one that stands in a quote, any case |
| why | for an unanswerable question: what is missing |
| tags | free words |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from citewell.errors import UsageError


@dataclass(frozen=True, slots=True)
class Case:
    """One question of an eval set; see the module's table."""

    id: str
    question: str
    kind: str
    answerable: bool
    papers: tuple[str, ...]
    facts: tuple[tuple[str, ...], ...]

    def states_facts(self, texts: Sequence[str]) -> bool:
        """Returns whether every group of facts has an alternative in the texts together."""
        said = "\n".join(texts).casefold()
        return all(any(fact.casefold() in said for fact in group) for group in self.facts)


def load_cases(path: Path) -> list[Case]:
    """Returns the cases of a file.

    Raises:
        UsageError: the file cannot be read, or a line is not a case.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"Cannot read the cases {path}: {error.strerror}.") from error
    cases = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            facts = tuple(tuple(group) for group in raw["facts"])
            case = Case(
                raw["id"], raw["question"], raw["kind"], bool(raw["answerable"]), tuple(raw["papers"]), facts
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path}:{number} is not a case: {error!r}. See citewell_eval.cases.") from error
        cases.append(case)
    return cases
