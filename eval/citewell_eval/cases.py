"""Cases: questions with what a right answer must cite and say, as JSON lines.

| field | meaning |
|---|---|
| id | unique in its file |
| question | what is asked |
| kind | `fact`, `number`, `which`, `follow_up`, `near_topic`, `injection`, `model`, …; measures are told by it |
| answerable | whether the collection answers it |
| papers | titles or ids of the papers that answer it; of the nearest ones for an unanswerable question |
| facts | groups of alternatives; an answer is right when each group has one that stands in what is shown, any case |
| why | for an unanswerable question: what is missing |
| history | the questions asked before it, oldest first |
| forbidden | what no sentence shown may hold: canaries of injected instructions, false values |
| writes | what a scripted model writes: each `sentence`, the `paper` and `quote` it cites, whether it is `faithful` |
| tags | free words |
| source | where the case comes from: `written`, `proposed`, `feedback` |

The first six are required. Fields beyond these are ignored, so that the chat's feedback file can be read as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from citewell.errors import UsageError
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

Text = Annotated[str, Field(min_length=1)]


class Written(BaseModel):
    """A sentence that a scripted model writes, the paper it cites, the words it claims, and whether it is true."""

    model_config = ConfigDict(frozen=True)

    sentence: Text
    paper: str
    quote: str
    faithful: StrictBool


class Case(BaseModel):
    """One question of an eval set; the module's table tells its fields."""

    model_config = ConfigDict(frozen=True)

    id: Text
    question: Text
    kind: Text
    answerable: StrictBool
    papers: tuple[Text, ...]
    facts: tuple[tuple[Text, ...], ...]
    why: str = ""
    history: tuple[Text, ...] = ()
    forbidden: tuple[Text, ...] = ()
    writes: tuple[Written, ...] = ()
    tags: tuple[str, ...] = ()
    source: str = ""

    def states_facts(self, texts: Sequence[str]) -> bool:
        """Returns whether every group of facts has an alternative in the texts together."""
        said = "\n".join(texts).casefold()
        return all(any(fact.casefold() in said for fact in group) for group in self.facts)

    def says_forbidden(self, texts: Sequence[str]) -> list[str]:
        """Returns what is forbidden and stands in the texts."""
        said = "\n".join(texts).casefold()
        return [word for word in self.forbidden if word.casefold() in said]


def load_cases(path: Path) -> list[Case]:
    """Returns the cases of a file.

    Raises:
        UsageError: the file cannot be read, holds no case, or a line is not a case.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"Cannot read the cases {path}: {why}.") from error
    cases = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            cases.append(Case.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            raise UsageError(
                f"{path}:{number} is not a case: {where}: {first['msg']}. docs/eval.md describes the fields."
            ) from error
    if not cases:
        raise UsageError(f"{path} holds no case. Write some with `citewell eval new {path}`.")
    check_ids(cases, str(path))
    return cases


def check_ids(cases: Iterable[Case], where: str) -> None:
    """Raises UsageError where two cases have one id, for then a comparison would mix them up."""
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise UsageError(f"{where} has two cases with the id {case.id!r}. Give one another id.")
        seen.add(case.id)
