"""The quotes engine: answers made of verbatim sentences, chosen by the shape of the question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from citewell.citations import Draft, Quote
from citewell.evidence import Evidence, SentenceEvidence
from citewell.question import Question
from citewell.text import stem, words

LISTED = 6  # most papers of a list
_SAME = 0.8  # share of common stems from which two sentences say the same
_PER_PAPER = 3  # sentences of one paper while another is worth a look
_LIST_SCORE = 0.3  # fused score, relative to the best paper, down to which papers are listed


def draft(question: Question, evidence: Evidence, limit: int) -> list[Draft]:
    """Returns one to `limit` verbatim sentences, best first; a list has one for each of up to six papers."""
    chosen = select(question, evidence, limit)
    return [
        Draft(s.text, (Quote(evidence.papers[s.paper].paper, s.span, s.text),), "quoted") for s in chosen
    ]


def select(question: Question, evidence: Evidence, limit: int) -> list[SentenceEvidence]:
    """Returns the sentences that answer, best first."""
    ranked = sorted(evidence.sentences, key=lambda s: (-s.score, s.paper, s.span))
    if question.shape == "list":
        return _one_each(evidence, ranked)
    sides = named_sides(question, evidence)
    if len(sides) > 1:
        return _both_sides(evidence, sides, ranked, limit)
    return _best(ranked, limit)


def named_sides(question: Question, evidence: Evidence) -> list[tuple[int, frozenset[str]]]:
    """Returns the read papers that the question's names point to, each with the stems of its name.

    A name points to the first paper whose title holds it, else to the first whose abstract does.
    """
    sides: dict[int, frozenset[str]] = {}
    for name in question.names:
        roots = frozenset(stem(word) for word in words(name))
        if not roots or roots <= evidence.unknown:
            continue
        holders = [i for i, paper in enumerate(evidence.papers) if roots <= paper.title_stems]
        holders += [i for i, paper in enumerate(evidence.papers) if roots <= paper.stems]
        if holders and holders[0] not in sides:
            sides[holders[0]] = roots
    return list(sides.items())


def _best(ranked: Sequence[SentenceEvidence], limit: int) -> list[SentenceEvidence]:
    chosen: list[SentenceEvidence] = []
    for sentence in ranked:
        if len(chosen) == limit:
            break
        crowded = sum(other.paper == sentence.paper for other in chosen) >= _PER_PAPER
        if not crowded and not _repeats(sentence, chosen):
            chosen.append(sentence)
    return chosen


def _one_each(evidence: Evidence, ranked: Sequence[SentenceEvidence]) -> list[SentenceEvidence]:
    floor = _LIST_SCORE * evidence.papers[0].candidate.score
    chosen: list[SentenceEvidence] = []
    for index, paper in enumerate(evidence.papers):
        if len(chosen) == LISTED or paper.candidate.score < floor:
            break
        own = (sentence for sentence in ranked if sentence.paper == index)
        chosen += _first(sentence for sentence in own if not _repeats(sentence, chosen))
    return chosen


def _both_sides(
    evidence: Evidence, sides: Sequence[tuple[int, frozenset[str]]], ranked: Sequence[SentenceEvidence], limit: int
) -> list[SentenceEvidence]:
    """Returns the best sentence of each side first, then the next best of any side."""
    papers = {paper for paper, _ in sides}
    chosen: list[SentenceEvidence] = []
    for paper, _ in sides[:limit]:
        chosen += _first(s for s in ranked if s.paper == paper and not _repeats(s, chosen))
    for sentence in ranked:
        if len(chosen) >= limit:
            break
        if sentence.paper in papers and sentence not in chosen and not _repeats(sentence, chosen):
            chosen.append(sentence)
    return chosen


def _first(sentences: Iterable[SentenceEvidence]) -> list[SentenceEvidence]:
    found = next(iter(sentences), None)
    return [] if found is None else [found]


def _repeats(sentence: SentenceEvidence, chosen: Iterable[SentenceEvidence]) -> bool:
    return any(
        len(sentence.stems & other.stems) > _SAME * max(1, len(sentence.stems | other.stems)) for other in chosen
    )
