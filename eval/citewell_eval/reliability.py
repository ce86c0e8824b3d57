"""Reliability: whether what is given a probability of p is true with a frequency of p (DeGroot and Fienberg 1983)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from citewell.chunking import sentence_spans
from citewell.citations import Source
from citewell.embedding.base import Embedder, Passages
from citewell.types import Paper
from citewell.verification.support import observe, probability

from citewell_eval.outcomes import Outcome

BINS = 10


class Bin(NamedTuple):
    """Probabilities between `low` and `high`: how many, their mean, and how often it was true."""

    low: float
    high: float
    number: int
    mean: float
    true: float


def bins(scored: Sequence[tuple[float, bool]]) -> list[Bin]:
    """Returns the reliability of probabilities in ten bins of one width; empty bins are left out."""
    found = []
    for number in range(BINS):
        own = [(p, true) for p, true in scored if min(int(p * BINS), BINS - 1) == number]
        if own:
            mean = sum(p for p, _ in own) / len(own)
            share = sum(true for _, true in own) / len(own)
            found.append(Bin(number / BINS, (number + 1) / BINS, len(own), mean, share))
    return found


def of_confidence(outcomes: Sequence[Outcome]) -> list[Bin]:
    """Returns the reliability of the gate's confidence that the collection answers a question."""
    return bins(
        [
            (o.answer.confidence, o.case.answerable)
            for o in outcomes
            if o.answer is not None and not o.case.writes
        ]
    )


def of_support(outcomes: Sequence[Outcome], papers: dict[str, Paper], embedder: Embedder) -> list[Bin]:
    """Returns the reliability of the content check's probability that what is quoted says the scripted sentence.

    Only sentences that quote a paper of the collection word for word count: the others never reach the check.
    """
    scored = []
    for outcome in outcomes:
        for written in outcome.case.writes:
            paper = papers.get(written.paper)
            if paper is not None and written.quote and written.quote in paper.abstract:
                scored.append((_score(written.sentence, written.quote, paper, embedder), written.faithful))
    return bins(scored)


def _score(sentence: str, quote: str, paper: Paper, embedder: Embedder) -> float:
    spans = tuple(sentence_spans(paper.abstract))
    (vectors,) = embedder.embed_papers([Passages(paper.title, paper.abstract, spans)])
    seen = observe(sentence, [quote], [Source(1, paper, spans, vectors.chunks)], embedder)
    return probability("support" if seen.by_vectors else "support-lexical", seen.content)
