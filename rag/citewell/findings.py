"""What is found for a question, and for each of its parts where these have different papers.

A question is read as a whole first. Only where its best paper lacks words that tell its parts apart are the parts
looked up too, each as a question of its own: with its own candidates, gate and quotes, so that no part crowds out
another, and one that the collection does not hold is told by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, zip_longest

from citewell import gate
from citewell.embedding.base import TokenEmbedder
from citewell.evidence import Evidence, PaperEvidence, SentenceEvidence, coverage, gather, reread
from citewell.gate import Ruling
from citewell.library import Library
from citewell.parts import parts
from citewell.question import Question, analyse
from citewell.retriever import Retrieval
from citewell.settings import Settings
from citewell.spelling import correct

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


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads questions, and what there is for them; `retrieve` finds the papers nearest to a text."""

    library: Library
    embedder: TokenEmbedder | None
    settings: Settings
    retrieve: Callable[[str], Retrieval]

    def look_up(self, text: str) -> Finding:
        """Returns what there is for a text."""
        asked = self.asked(text)
        return self.read(asked, self.retrieve(asked.text))

    def asked(self, text: str) -> Question:
        """Returns what a text asks, misspelt words taken for what a paper holds."""
        return analyse(correct(text, self.library, self.embedder))

    def read(self, asked: Question, retrieval: Retrieval) -> Finding:
        """Returns the evidence in what was retrieved, and what the gate decides on it."""
        evidence = gather(asked, retrieval, self.library, self.settings.similarity_top_k)
        ruling = gate.judge(asked, retrieval, evidence, self.embedder, self.settings.gate_threshold)
        if ruling.refusal is None:
            evidence = reread(asked, retrieval, evidence, self.library)
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
    own = _own([analyse(part.text) for part in proposed])
    if whole.ruling.opposite or not all(own) or all(stems <= whole.evidence.papers[0].stems for stems in own):
        return one
    found = [look_up(part.text) for part in proposed]
    own = _own([finding.asked for finding in found])  # as understood, slips mended
    if not all(finding.evidence.papers for finding in found):
        return one
    looked_up = [_LookedUp(*each, whole.told) for each in zip(found, own, strict=True)]
    told = [part for part in looked_up if part.told]
    missing = [part for part in looked_up if part.missing(told)]
    if len(told) + len(missing) < len(looked_up) or not told or not (missing or _have_papers_each(told)):
        return one
    answered = tuple(part.narrowed() for part in told)
    subjects = tuple(part.subject for part, each in zip(proposed, looked_up, strict=True) if each in missing)
    return Findings(_together(whole, answered), answered, subjects)


def _own(asked: Sequence[Question]) -> list[frozenset[str]]:
    """Returns for each part the stems that no other part has."""
    return [
        frozenset(part.stems).difference(*(other.stems for other in asked if other is not part))
        for part in asked
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _LookedUp:
    """A part that was looked up, the words that only it has, and whether the whole question is to be answered."""

    finding: Finding
    own: frozenset[str]
    whole_is_told: bool

    @property
    def best(self) -> PaperEvidence:
        return self.finding.evidence.papers[0]

    def share(self, paper: PaperEvidence) -> float:
        """Returns the share, by weight, of its own words that a paper holds."""
        return coverage(sorted(self.own), paper.stems, self.finding.evidence.weights)

    def _is_held_by(self, paper: PaperEvidence) -> bool:
        return self.share(paper) >= _HELD

    @property
    def told(self) -> bool:
        """True when it is to be answered: against a refusal of the whole only from a paper that holds its words."""
        return self.finding.told and (self.whole_is_told or self._is_held_by(self.best))

    def missing(self, told: Sequence[_LookedUp]) -> bool:
        """Returns whether the collection does not hold it, nor do the papers of the parts that are told.

        Where the whole is to be answered, the collection must be about something else, and lack the words of the part:
        the gate, which refuses it alone, might have misjudged it.
        """
        refusal = self.finding.ruling.refusal
        if self.whole_is_told and (refusal != "nothing_relevant" or self._is_held_by(self.best)):
            return False
        denied = refusal == "reports_opposite"
        return not (self.told or denied or any(self._is_held_by(part.best) for part in told))

    def narrowed(self) -> Finding:
        """Returns its finding without the sentences of papers that hold less of its own words than its best does."""
        evidence, least = self.finding.evidence, self.share(self.best)
        about = {i for i, paper in enumerate(evidence.papers) if self.share(paper) >= least}
        kept = tuple(sentence for sentence in evidence.sentences if sentence.paper in about)
        return replace(self.finding, evidence=replace(evidence, sentences=kept))


def _have_papers_each(told: Sequence[_LookedUp]) -> bool:
    """Returns whether two parts have a best paper each that holds more of the part's own words than the other's."""
    return any(
        one.share(one.best) > one.share(other.best) and other.share(other.best) > other.share(one.best)
        for one, other in combinations(told, 2)
    )


def _together(whole: Finding, answered: Sequence[Finding]) -> Finding:
    """Returns the whole question with what the parts were answered from, the best paper of each part first."""
    read = [[(paper, one.evidence.of(i)) for i, paper in enumerate(one.evidence.papers)] for one in answered]
    in_turn = (each for row in zip_longest(*read) for each in row if each is not None)
    papers: list[PaperEvidence] = []
    sentences: list[SentenceEvidence] = []
    for paper, own in in_turn:
        if all(paper.candidate.row != other.candidate.row for other in papers):
            sentences += [replace(sentence, paper=len(papers)) for sentence in own]
            papers.append(paper)
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
