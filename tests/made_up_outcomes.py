"""Outcomes made by hand, for measures and reports."""

from __future__ import annotations

from collections.abc import Sequence

from citewell.types import Abstention, Answer, Citation, Coverage, EngineInfo, Paper, Sentence
from citewell_eval.cases import Case
from citewell_eval.outcomes import Outcome

PAPER = Paper("BeeMap", "BeeMap finds 17% more hives. It runs on a RADAR2 set. Bees like lavender.", "bee")
OTHER = Paper("IceClock", "IceClock dates ice to 40 years. It needs no model.", "ice")
PAPERS = {paper.paper_id: paper for paper in (PAPER, OTHER)}


def case(id: str = "c", **fields: object) -> Case:
    """An answerable case about BeeMap, but for what is given."""
    given = {
        "question": "How many?",
        "kind": "fact",
        "answerable": True,
        "papers": ["BeeMap"],
        "facts": [["17%"]],
    }
    return Case.model_validate({"id": id, **given, **fields})


def quote(number: int, words: str, paper: Paper = PAPER) -> Citation:
    """A citation of words where they stand in the paper's abstract, or of 0:0 where they do not."""
    start = max(paper.abstract.find(words), 0)
    return Citation(number, paper.paper_id, paper.title, None, words, start, start + len(words))


def answer(
    sentences: Sequence[tuple[str, Sequence[int]]] = (),
    citations: Sequence[Citation] = (),
    confidence: float = 0.8,
) -> Answer:
    """An answer of sentences with the numbers they cite; without sentences a refusal."""
    return Answer(
        question="How many?",
        standalone_question="How many?",
        sentences=tuple(Sentence(text, tuple(numbers), "verified") for text, numbers in sentences),
        citations=tuple(citations),
        coverage=Coverage(2, 2, 2, len(citations)),
        engine=EngineInfo("quotes", "hash", None, None, "c0"),
        confidence=confidence,
        abstention=None if sentences else Abstention("not_reported", "None reports this."),
    )


def outcome(asked: Case | None = None, given: Answer | None = None, **fields: object) -> Outcome:
    """An outcome with the papers that the answer cites; the paper of the case is ranked second."""
    asked = asked or case()
    relevance = {"bee": 1} if asked.answerable and asked.papers else {}
    return Outcome(asked, ("ice", "bee"), relevance, given, PAPERS, **fields)  # type: ignore[arg-type]


RIGHT = answer([("BeeMap finds 17% more hives.", [1])], [quote(1, "BeeMap finds 17% more hives.")])
