"""The quotes engine: answers made of verbatim sentences, chosen by the shape of the question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from citewell.citations import Draft, Quote
from citewell.evidence import Evidence, SentenceEvidence, spelt_out
from citewell.question import Question
from citewell.text import stem, words

LISTED = 6  # most papers of a list
MOST = 12  # sentences of an answer to a question of several parts
_PER_SIDE = 3  # most sentences of each paper that a question about several gets
_SAME = 0.8  # share of common stems from which two sentences say the same
_RIVAL = 0.9  # fused score, relative to the best paper, from which a second one gets a sentence
_PER_PAPER = 3  # most sentences of one paper then
_NAMING = 0.5  # least rarity of a name that points to a paper: in 3 of 100, about
_WORTH = 5.0  # logits below the best sentence down to which another is worth its line
_FRESH = 2.0  # logits for telling of all words of the question that were not told of
_LIST_SCORE = 0.65  # fused score, relative to the best paper, down to which papers are listed
_CALLED = 5.0  # logits for a sentence of a list that says what its paper calls its work
_COINED = re.compile(r"\b(?=\w*[a-z])\w+[A-Z][\w-]*|\b[A-Z]{3,}\b")


def draft(question: Question, evidence: Evidence, limit: int) -> list[Draft]:
    """Returns one to `limit` verbatim sentences, best first.

    A list has at least one for each of up to six papers, a comparison up to three for each side.
    """
    chosen = select(question, evidence, limit)
    return [Draft(s.text, (Quote(evidence.papers[s.paper].paper, s.span, s.text),), "quoted") for s in chosen]


def draft_parts(parts: Sequence[tuple[Question, Evidence]], limit: int) -> list[Draft]:
    """Returns the drafts for each part of a question, the best of each first, without repeats.

    Each part has what it would have alone, as far as there is room.
    """
    most = min(limit, max(1, MOST // len(parts)))
    queues = [draft(question, evidence, most) for question, evidence in parts]
    in_turn = (one for row in zip_longest(*queues) for one in row if one is not None)
    return list({(one.quotes[0].paper.paper_id, one.quotes[0].span): one for one in in_turn}.values())


def select(question: Question, evidence: Evidence, limit: int) -> list[SentenceEvidence]:
    """Returns the sentences that answer, best first."""
    ranked = sorted(evidence.sentences, key=lambda s: (-s.score, s.paper, s.span))
    if question.shape == "list":
        return _listed(question, evidence, ranked, limit)
    if (spelt := spelt_out(question, evidence)) is not None:
        return [spelt, *(s for s in ranked if s.paper == spelt.paper and s is not spelt)][:limit]
    sides = [paper for paper, _ in named_sides(question, evidence)]
    if len(sides) > 1:
        queues = [[s for s in ranked if s.paper == paper] for paper in sides]
        return _in_turn(queues, max(limit, _PER_SIDE * len(sides) if limit > 1 else 1))
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
    """Returns the best sentences, each preferred that tells of words of the question not yet told of.

    A paper that stands out is quoted alone: what the others could add is about something else.
    """
    best = evidence.papers[0].candidate.score
    rival = evidence.papers[1].candidate.score if len(evidence.papers) > 1 else 0.0
    alone = rival <= _RIVAL * best and any(sentence.paper == 0 for sentence in ranked)
    most = limit if alone else _PER_PAPER
    pool = [sentence for sentence in ranked if sentence.paper == 0 or not alone]
    left = [sentence for sentence in pool if sentence.score >= pool[0].score - _WORTH]
    chosen: list[SentenceEvidence] = []
    told: frozenset[str] = frozenset()
    while left and len(chosen) < limit:
        fresh = [stem for stem in evidence.weights if stem not in told]
        next_ = max(left, key=lambda s: s.score + _FRESH * _share(fresh, s, evidence))
        left.remove(next_)
        if sum(other.paper == next_.paper for other in chosen) < most and not _repeats(next_, chosen):
            chosen.append(next_)
            told |= next_.stems | evidence.papers[next_.paper].title_stems
    return chosen


def _share(stems: Sequence[str], sentence: SentenceEvidence, evidence: Evidence) -> float:
    held = sentence.stems | evidence.papers[sentence.paper].title_stems
    total = sum(evidence.weights.values()) or 1.0
    return sum(evidence.weights[stem] for stem in stems if stem in held) / total


def _listed(
    question: Question, evidence: Evidence, ranked: Sequence[SentenceEvidence], limit: int
) -> list[SentenceEvidence]:
    """Returns a sentence for each paper close to the best that holds a rare name of the question, if it has any.

    Where these are fewer than `limit`, more sentences of each follow.
    """
    rare = {
        root for root in question.name_stems - evidence.unknown if evidence.weights.get(root, 0.0) >= _NAMING
    }
    floor = _LIST_SCORE * evidence.papers[0].candidate.score
    queues: list[list[SentenceEvidence]] = []
    for index, paper in enumerate(evidence.papers):
        if len(queues) == LISTED or paper.candidate.score < floor:
            break
        if rare and rare.isdisjoint(paper.stems):
            continue
        own = [sentence for sentence in ranked if sentence.paper == index]
        called = _called(paper.paper.title)
        queues.append(sorted(own, key=lambda s: -s.score - _CALLED * _calls(s, called)))
    return _in_turn(queues, max(limit, len(queues)))


def _called(title: str) -> tuple[str, ...]:
    """Returns what a title calls its work: what stands before a colon, and coined names such as "FreeNoise"."""
    head, colon, _ = title.partition(":")
    return (*([head] if colon else []), *_COINED.findall(title))


def _calls(sentence: SentenceEvidence, called: Sequence[str]) -> float:
    """Returns 1 for a sentence that holds a name of its title; ½ for a coined name, where the title has no name."""
    if called:
        return float(any(name in sentence.text for name in called))
    return 0.5 * bool(_COINED.search(sentence.text))


def _in_turn(queues: Iterable[Sequence[SentenceEvidence]], most: int) -> list[SentenceEvidence]:
    """Returns the first sentence of each paper, then the second of each, and so on, without repeats."""
    left = [iter(queue) for queue in queues]
    chosen: list[SentenceEvidence] = []
    while left and len(chosen) < most:
        still: list[Iterator[SentenceEvidence]] = []
        for own in left:
            found = _first(s for s in own if not _repeats(s, chosen)) if len(chosen) < most else []
            still += [own] if found else []
            chosen += found
        left = still
    return chosen


def _first(sentences: Iterable[SentenceEvidence]) -> list[SentenceEvidence]:
    found = next(iter(sentences), None)
    return [] if found is None else [found]


def _repeats(sentence: SentenceEvidence, chosen: Iterable[SentenceEvidence]) -> bool:
    return any(
        len(sentence.stems & other.stems) > _SAME * max(1, len(sentence.stems | other.stems))
        for other in chosen
    )
