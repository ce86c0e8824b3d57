"""Turns and papers for tests of the page."""

from __future__ import annotations

from citewell import Answer, Paper
from citewell.types import (
    Abstention,
    Citation,
    Coverage,
    EngineInfo,
    Rejected,
    SearchResult,
    Sentence,
    Span,
)
from citewell_ui.turns import Turn

ABSTRACT = "Cats sleep most of the day. They need $16^h$ of sleep. Dogs do not. Nobody knows why."


def paper(abstract: str = ABSTRACT, paper_id: str = "cats", title: str = "On cats", **given: object) -> Paper:
    """Returns a paper."""
    return Paper(title=title, abstract=abstract, paper_id=paper_id, **given)  # type: ignore[arg-type]


def citation(number: int, of: Paper, span: Span) -> Citation:
    """Returns a citation of a paper."""
    return Citation(number, of.paper_id, of.title, of.url, of.abstract[span.start : span.end], *span)


def quoting(of: Paper, number: int, words: str) -> Citation:
    """Returns a citation of some words of a paper."""
    start = of.abstract.index(words)
    return citation(number, of, Span(start, start + len(words)))


def answer(
    sentences: tuple[Sentence, ...] = (),
    citations: tuple[Citation, ...] = (),
    question: str = "How long do cats sleep?",
    rejected: tuple[Rejected, ...] = (),
    abstention: Abstention | None = None,
    standalone: str | None = None,
    error: str | None = None,
    notice: str | None = None,
    llm: str = "quotes",
    usage: dict[str, float] | None = None,
    timings: dict[str, float] | None = None,
) -> Answer:
    """Returns an answer."""
    return Answer(
        question=question,
        standalone_question=question if standalone is None else standalone,
        sentences=sentences,
        citations=citations,
        coverage=Coverage(1532, 31, 6, len({c.paper_id for c in citations})),
        engine=EngineInfo(llm, "minilm", None, None, "c"),
        confidence=0.9,
        abstention=abstention,
        rejected=rejected,
        error=error,
        notice=notice,
        usage=usage or {},
        timings=timings or {},
    )


def result(paper_id: str, title: str, rank: int = 1) -> SearchResult:
    """Returns a paper that was found."""
    return SearchResult(paper_id, title, 0.5, rank)


def asked(key: str = "t3", question: str = "How long do cats sleep?") -> Turn:
    """Returns a turn that has just begun."""
    return Turn(key, question, 1532)
