"""What is found for a question, and for each of its parts where these have different papers.

A question is read as a whole first. Only where its best paper lacks words that tell its parts apart are the parts
looked up too, each as a question of its own: with its own candidates, gate and quotes, so that no part crowds out
another, and one that the collection does not hold is told by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from citewell import gate
from citewell.embedding.base import TokenEmbedder
from citewell.evidence import Evidence, PaperEvidence, SentenceEvidence, coverage, gather, reread
from citewell.gate import Ruling
from citewell.library import Library
from citewell.parts import parts
from citewell.question import Question, analyse
from citewell.retriever import Retrieval
from citewell.settings import Settings

_HELD = 0.5  # share of a part's own words, by weight, from which a paper is about it


@dataclass(frozen=True, slots=True)
class Finding:
    """A question, what was retrieved and read for it, and whether it is to be answered from that."""

    asked: Question
    retrieval: Retrieval
    evidence: Evidence
    ruling: Ruling

    @property
    def told(self) -> bool:
        """True when the question is to be answered."""
        return self.ruling.refusal is None


@dataclass(frozen=True, slots=True)
class Findings:
    """What is found for a question: for the whole of it, or for each of its parts.

    Attributes:
        whole: what stands for the whole question.
        parts: the parts to answer one by one, in order; only the whole where it is one question.
        missing: the parts that the collection does not hold, in the words of the question.
    """

    whole: Finding
    parts: tuple[Finding, ...]
    missing: tuple[str, ...] = ()


def read(
    asked: Question, retrieval: Retrieval, library: Library, embedder: TokenEmbedder | None, settings: Settings
) -> Finding:
    """Returns the evidence in what was retrieved, and what the gate decides on it."""
    evidence = gather(asked, retrieval, library, settings.similarity_top_k)
    ruling = gate.judge(asked, retrieval, evidence, embedder, settings.gate_threshold)
    if ruling.refusal is None:
        evidence = reread(asked, retrieval, evidence, library)
    return Finding(asked, retrieval, evidence, ruling)


def divide(text: str, whole: Finding, look_up: Callable[[str], Finding]) -> Findings:
    """Returns the findings for the parts of a question, or for the whole where it has one subject.

    Args:
        text: the question, standing alone, as it was put.
        whole: what was found for it.
        look_up: finds what there is for the text of a part.
    """
    one = Findings(whole, (whole,))
    proposed = () if whole.asked.shape == "list" or not whole.evidence.sentences else parts(text)
    own = _own([analyse(part.text).stems for part in proposed])
    if not all(own) or all(own_stems <= whole.evidence.papers[0].stems for own_stems in own):
        return one
    found = [look_up(part.text) for part in proposed]
    own = _own([finding.asked.stems for finding in found])  # as understood, slips mended
    told = [i for i, finding in enumerate(found) if finding.told]
    missing = [i for i in range(len(found)) if i not in told and all(_lacks(found, own[i], i, j) for j in told)]
    opposed = any(finding.ruling.opposite for finding in found)
    if opposed or not (_several(found, own, told) or (missing and _stand(found, own, told))):
        return one
    answered = tuple(_narrowed(found[i], own[i]) for i in told)
    return Findings(_together(whole, answered), answered, tuple(proposed[i].subject for i in missing))


def _own(parts_: Sequence[Sequence[str]]) -> list[frozenset[str]]:
    """Returns for each part the stems that no other part has."""
    return [
        frozenset(stems).difference(*(other for j, other in enumerate(parts_) if j != i))
        for i, stems in enumerate(parts_)
    ]


def _share(finding: Finding, own: frozenset[str], paper: PaperEvidence) -> float:
    """Returns the share, by weight, of a part's own words that a paper holds."""
    return coverage(sorted(own), paper.stems, finding.evidence.weights)


def _several(found: Sequence[Finding], own: Sequence[frozenset[str]], told: Sequence[int]) -> bool:
    """Returns whether two parts have a best paper each, which holds more of the part's own words than the other's."""
    best = [finding.evidence.papers[:1] for finding in found]
    return any(
        all(_share(found[a], own[a], best[a][0]) > _share(found[a], own[a], best[b][0]) for a, b in ((i, j), (j, i)))
        for i, j in combinations(told, 2)
    )


def _lacks(found: Sequence[Finding], own: frozenset[str], part: int, other: int) -> bool:
    """Returns whether the best paper of another part is not about this part either."""
    return _share(found[part], own, found[other].evidence.papers[0]) < _HELD


def _stand(found: Sequence[Finding], own: Sequence[frozenset[str]], told: Sequence[int]) -> bool:
    """Returns whether there are parts to answer, and each has a best paper that is about it."""
    return bool(told) and all(_share(found[i], own[i], found[i].evidence.papers[0]) >= _HELD for i in told)


def _narrowed(finding: Finding, own: frozenset[str]) -> Finding:
    """Returns a part's finding without the sentences of papers that hold less of its own words than its best does."""
    evidence = finding.evidence
    least = _share(finding, own, evidence.papers[0])
    about = {i for i, paper in enumerate(evidence.papers) if _share(finding, own, paper) >= least}
    kept = tuple(sentence for sentence in evidence.sentences if sentence.paper in about)
    return replace(finding, evidence=replace(evidence, sentences=kept))


def _together(whole: Finding, answered: Sequence[Finding]) -> Finding:
    """Returns the whole question with what the parts were answered from, the best paper of each part first."""
    placed = sorted(
        ((place, part) for part, finding in enumerate(answered) for place in range(len(finding.evidence.papers)))
    )
    papers: list[PaperEvidence] = []
    sentences: list[SentenceEvidence] = []
    for place, part in placed:
        evidence = answered[part].evidence
        if any(evidence.papers[place].candidate.row == paper.candidate.row for paper in papers):
            continue
        sentences += [replace(sentence, paper=len(papers)) for sentence in evidence.of(place)]
        papers.append(evidence.papers[place])
    passages = whole.retrieval.passages
    for finding in answered:
        if (others := finding.retrieval.passages) is not passages:
            passages = passages.joined(others)
    return Finding(
        whole.asked,
        replace(whole.retrieval, passages=passages),
        replace(whole.evidence, papers=tuple(papers), sentences=tuple(sentences)),
        Ruling(min(finding.ruling.confidence for finding in answered), None),
    )
