"""The quotes engine: answers made of verbatim sentences, chosen by the shape of the question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from citewell.citations import Draft, Quote
from citewell.evidence import Evidence, SentenceEvidence
from citewell.question import Question
from citewell.text import stem, words

LISTED = 6  # most papers of a list
_SAME = 0.8  # share of common stems from which two sentences say the same
_RIVAL = 0.8  # fused score, relative to the best paper, from which a second one gets a sentence
_PER_PAPER = 3  # most sentences of one paper then
_NAMING = 0.5  # least rarity of a name that points to a paper: in 3 of 100, about
_WORTH = 5.0  # logits below the best sentence down to which another is worth its line
_FRESH = 2.0  # logits for telling of all words of the question that were not told of
_LIST_SCORE = 0.3  # fused score, relative to the best paper, down to which papers are listed


def draft(question: Question, evidence: Evidence, limit: int) -> list[Draft]:
    """Returns one to `limit` verbatim sentences, best first; a list has one for each of up to six papers."""
    chosen = select(question, evidence, limit)
    return [Draft(s.text, (Quote(evidence.papers[s.paper].paper, s.span, s.text),), "quoted") for s in chosen]


def select(question: Question, evidence: Evidence, limit: int) -> list[SentenceEvidence]:
    """Returns the sentences that answer, best first."""
    ranked = sorted(evidence.sentences, key=lambda s: (-s.score, s.paper, s.span))
    if question.shape == "list":
        return _one_each(question, evidence, ranked)
    sides = named_sides(question, evidence)
    if len(sides) > 1:
        return _both_sides(sides, ranked, limit)
    return _best(evidence, ranked, limit)


def named_sides(question: Question, evidence: Evidence) -> list[tuple[int, frozenset[str]]]:
    """Returns the read papers that the question's names point to, each with the stems of its name.

    A name points to the first paper whose title holds it, else to the first whose abstract does.
    """
    sides: dict[int, frozenset[str]] = {}
    for name in question.names:
        roots = frozenset(stem(word) for word in words(name))
        # A name in many papers ("Adam", "ImageNet") points to none of them.
        if (
            not roots
            or roots <= evidence.unknown
            or max(evidence.weights.get(r, 0.0) for r in roots) < _NAMING
        ):
            continue
        holders = [i for i, paper in enumerate(evidence.papers) if roots <= paper.title_stems]
        holders += [i for i, paper in enumerate(evidence.papers) if roots <= paper.stems]
        if holders and holders[0] not in sides:
            sides[holders[0]] = roots
    return list(sides.items())


def _best(evidence: Evidence, ranked: Sequence[SentenceEvidence], limit: int) -> list[SentenceEvidence]:
    """Returns the best sentences, each preferred that tells of words of the question not yet told of."""
    rival = evidence.papers[1].candidate.score if len(evidence.papers) > 1 else 0.0
    most = _PER_PAPER if rival > _RIVAL * evidence.papers[0].candidate.score else limit
    chosen: list[SentenceEvidence] = []
    told: frozenset[str] = frozenset()
    left = [sentence for sentence in ranked if sentence.score >= ranked[0].score - _WORTH]
    while left and len(chosen) < limit:
        fresh = [stem for stem in evidence.weights if stem not in told]
        best = max(left, key=lambda s: s.score + _FRESH * _share(fresh, s, evidence))
        left.remove(best)
        if sum(other.paper == best.paper for other in chosen) < most and not _repeats(best, chosen):
            chosen.append(best)
            told |= best.stems | evidence.papers[best.paper].title_stems
    return chosen


def _share(stems: Sequence[str], sentence: SentenceEvidence, evidence: Evidence) -> float:
    held = sentence.stems | evidence.papers[sentence.paper].title_stems
    total = sum(evidence.weights.values()) or 1.0
    return sum(evidence.weights[stem] for stem in stems if stem in held) / total


def _one_each(
    question: Question, evidence: Evidence, ranked: Sequence[SentenceEvidence]
) -> list[SentenceEvidence]:
    """Returns a sentence for each paper close to the best that holds a rare name of the question, if it has any."""
    rare = {
        root for root in question.name_stems - evidence.unknown if evidence.weights.get(root, 0.0) >= _NAMING
    }
    floor = _LIST_SCORE * evidence.papers[0].candidate.score
    chosen: list[SentenceEvidence] = []
    for index, paper in enumerate(evidence.papers):
        if len(chosen) == LISTED or paper.candidate.score < floor:
            break
        if rare and rare.isdisjoint(paper.stems):
            continue
        own = (sentence for sentence in ranked if sentence.paper == index)
        chosen += _first(sentence for sentence in own if not _repeats(sentence, chosen))
    return chosen


def _both_sides(
    sides: Sequence[tuple[int, frozenset[str]]], ranked: Sequence[SentenceEvidence], limit: int
) -> list[SentenceEvidence]:
    """Returns the best sentence of each side, then the second best of each, and so on."""
    queues = [iter([s for s in ranked if s.paper == paper]) for paper, _ in sides]
    chosen: list[SentenceEvidence] = []
    for _ in range(limit):
        for own in queues:
            if len(chosen) < limit:
                chosen += _first(s for s in own if not _repeats(s, chosen))
    return chosen


def _first(sentences: Iterable[SentenceEvidence]) -> list[SentenceEvidence]:
    found = next(iter(sentences), None)
    return [] if found is None else [found]


def _repeats(sentence: SentenceEvidence, chosen: Iterable[SentenceEvidence]) -> bool:
    return any(
        len(sentence.stems & other.stems) > _SAME * max(1, len(sentence.stems | other.stems))
        for other in chosen
    )
