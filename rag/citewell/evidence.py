"""Evidence: the sentences of the best papers, each with what speaks for it as an answer.

Everything here is arithmetic over vectors that retrieval already holds and stems of the sentences; no model
runs. Weights of the features are fitted by `python -m citewell_eval.fit` and stored in `data/sentences.json`. Sentences
that speak to a reading assistant are no evidence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from citewell.library import Library
from citewell.linear import LinearModel, load_model
from citewell.planted import unplanted
from citewell.question import Question
from citewell.retriever import Candidate, Retrieval
from citewell.text import NUMBER_WORDS, STOPWORDS, content_stems, words
from citewell.types import Paper, Span

_DIGIT = re.compile(r"\d")
_DEFINES = re.compile(
    r"\b(we\s+(introduce|present|propose|develop|design|define|call|term)|this\s+(paper|work|article)\s+(introduces"
    r"|presents|proposes)|is\s+an?|are\s+(an?\s+)?\w+\s+(that|which)|called|named|dubbed|termed|defined\s+as|refers?\s+to)\b",
    re.IGNORECASE,
)
_CAUSES = re.compile(
    r"\b(due\s+to|because|caus\w+|since|stems?\s+from|leads?\s+to|lack\s+of|owing|attribut\w+|results?\s+(in|from)"
    r"|explain\w*|reason\w*|aris\w+)\b",
    re.IGNORECASE,
)
_MEANS = re.compile(
    r"\b(by|via|through|using|uses?|leverag\w+|based\s+on|instead\s+of|rather\s+than|with)\b", re.IGNORECASE
)
_ASKS_CAUSE = re.compile(r"\b(why|how\s+come|caused?|reason|blame|explain\w*|where\s+do)\b", re.IGNORECASE)
_ASKS_MEANS = re.compile(
    r"^\W*(and\s+)?how\b(?!\s+(many|much|\w+er\b|fast|large|big|long|far|often))", re.IGNORECASE
)
_POINTS_ELSEWHERE = re.compile(
    r"https?://|www\.|\b(code|data|samples|models|videos?)\b.{0,40}\bavailable\b", re.IGNORECASE
)
_ASKS_ELSEWHERE = re.compile(
    r"\b(code|available|download|repository|website|url|link|open[- ]source\w*|released?)\b", re.IGNORECASE
)
_ASKS_FULL_NAME = re.compile(
    r"\b(stands?\s+for|abbreviat\w+|acronym|spel(t|led)\s+out|short\s+for|full\s+(name|form))\b",
    re.IGNORECASE,
)
FEATURES = (
    "cosine", "coverage", "own_coverage", "paper", "behind", "number", "digits", "definition", "position", "length",
    "points_elsewhere", "focus", "cause", "means", "neighbours",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SentenceEvidence:
    """One sentence of a read paper.

    Attributes:
        paper: index of its paper among the papers read.
        span: its range in the abstract.
        text: the abstract's characters in that range.
        stems: its content stems.
        cosine: cosine of question and chunk vector (title and sentence), nan without vectors.
        has_number: whether a number stands in it, in digits or words.
        score: how likely it answers, as a logit; only comparable within one question.
        place: which sentence of its abstract it is, from 0; planted ones count, though they are no evidence.
    """

    paper: int
    span: Span
    text: str
    stems: frozenset[str]
    cosine: float
    has_number: bool
    score: float
    place: int = 0


@dataclass(frozen=True, slots=True)
class PaperEvidence:
    """One read paper with its candidate and the stems of title and abstract."""

    candidate: Candidate
    paper: Paper
    title_stems: frozenset[str]
    stems: frozenset[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known for a question.

    Attributes:
        papers: the papers read, best first.
        sentences: all their sentences but planted ones, in order of paper and position.
        weights: rarity of each stem of the question, 0..1; a stem of no paper has 1.
        unknown: stems of the question that occur in no paper.
    """

    papers: tuple[PaperEvidence, ...]
    sentences: tuple[SentenceEvidence, ...]
    weights: Mapping[str, float]
    unknown: frozenset[str]

    def of(self, paper: int) -> list[SentenceEvidence]:
        """Returns the sentences of one paper, but for planted ones."""
        return [sentence for sentence in self.sentences if sentence.paper == paper]


@lru_cache(maxsize=1)
def sentence_model() -> LinearModel:
    """Returns the fitted weights of the sentence features."""
    return load_model("sentences")


def gather(question: Question, retrieval: Retrieval, library: Library, top_k: int) -> Evidence:
    """Returns the evidence in the `top_k` best papers of a retrieval."""
    candidates = retrieval.candidates[:top_k]
    stored = library.papers([candidate.row for candidate in candidates])
    frequencies = library.document_frequencies(question.stems)
    weights = {
        stem: idf(frequencies.get(stem, 0), retrieval.snapshot.manifest.papers) for stem in question.stems
    }
    papers: list[PaperEvidence] = []
    sentences: list[SentenceEvidence] = []
    for candidate in candidates:
        if candidate.row not in stored:
            continue  # removed since it was retrieved
        paper = stored[candidate.row]
        title = frozenset(content_stems(paper.title))
        found = _sentences(question, retrieval, candidate, paper, len(papers))
        stems = title.union(*(sentence.stems for sentence in found))
        papers.append(PaperEvidence(candidate, paper, title, stems))
        sentences += found
    evidence = Evidence(
        tuple(papers), tuple(sentences), weights, frozenset(s for s in question.stems if s not in frequencies)
    )
    return score(question, evidence)


def reread(question: Question, retrieval: Retrieval, evidence: Evidence, library: Library) -> Evidence:
    """Returns the evidence in the order of the reranker; the same where there is none."""
    if not retrieval.reranked:
        return evidence
    found = gather(question, retrieval.in_order(), library, len(evidence.papers))
    return found if found.sentences else evidence


def score(question: Question, evidence: Evidence) -> Evidence:
    """Returns the evidence with the score of every sentence set."""
    if not evidence.sentences:
        return evidence
    scores = sentence_model().decision(sentence_features(question, evidence))
    scored = tuple(
        replace(sentence, score=float(value))
        for sentence, value in zip(evidence.sentences, scores, strict=True)
    )
    return Evidence(evidence.papers, scored, evidence.weights, evidence.unknown)


def sentence_features(question: Question, evidence: Evidence) -> NDArray[np.float64]:
    """Returns one row of `FEATURES` a sentence, shape (n, len(FEATURES))."""
    asks_elsewhere = bool(_ASKS_ELSEWHERE.search(question.text))
    asks_cause, asks_means = bool(_ASKS_CAUSE.search(question.text)), bool(_ASKS_MEANS.search(question.text))
    describes = question.shape in ("definition", "list")
    near = _neighbour_coverage(question, evidence)
    focus = [stem for stem in question.focus if stem in evidence.weights]
    best = evidence.papers[0].candidate.score
    counts = np.bincount([sentence.paper for sentence in evidence.sentences])
    rows, place = [], 0
    for i, (before, sentence) in enumerate(
        zip((None, *evidence.sentences), evidence.sentences, strict=False)
    ):
        place = place + 1 if before is not None and before.paper == sentence.paper else 0
        paper = evidence.papers[sentence.paper]
        own = [stem for stem in question.stems if stem not in paper.title_stems]
        rows.append(
            (
                0.0 if math.isnan(sentence.cosine) else sentence.cosine,
                coverage(question.stems, sentence.stems, evidence.weights),
                coverage(own, sentence.stems, evidence.weights),
                paper.candidate.score,
                paper.candidate.score - best,
                float(question.asks_number and sentence.has_number),
                float(sentence.has_number),
                float(describes and bool(_DEFINES.search(sentence.text))),
                place / counts[sentence.paper],
                min(len(sentence.stems), 40) / 40,
                float(bool(_POINTS_ELSEWHERE.search(sentence.text)) != asks_elsewhere),
                coverage(focus, sentence.stems, evidence.weights),
                float(asks_cause and bool(_CAUSES.search(sentence.text))),
                float(asks_means and bool(_MEANS.search(sentence.text))),
                near[i],
            )
        )
    return np.array(rows, dtype=np.float64)


def _neighbour_coverage(question: Question, evidence: Evidence) -> list[float]:
    """Returns for each sentence the better coverage of the question by the sentences beside it."""
    own = [coverage(question.stems, sentence.stems, evidence.weights) for sentence in evidence.sentences]
    papers = [sentence.paper for sentence in evidence.sentences]
    return [
        max((own[j] for j in (i - 1, i + 1) if 0 <= j < len(own) and papers[j] == papers[i]), default=0.0)
        for i in range(len(own))
    ]


def coverage(wanted: Sequence[str], held: frozenset[str], weights: Mapping[str, float]) -> float:
    """Returns the share, by weight, of the wanted stems that are held; 0 when none is wanted."""
    total = sum(weights[stem] for stem in wanted)
    return sum(weights[stem] for stem in wanted if stem in held) / total if total else 0.0


def idf(frequency: int, papers: int) -> float:
    """Returns how rare a stem is, 0..1: its inverse document frequency over that of a stem of one paper, at most 1.

    The frequency is that of Robertson and Spärck Jones, kept above zero. Relative to the rarest, it means the same in
    a collection of three papers and of a million.
    """

    def weight(count: int) -> float:
        return math.log(1 + max(papers - count + 0.5, 0.5) / (count + 0.5))

    return min(1.0, weight(frequency) / weight(1))


def spelt_out(question: Question, evidence: Evidence) -> SentenceEvidence | None:
    """Returns the sentence that writes out the abbreviation asked for, None where there is none.

    "What does LN stand for?" is answered by "Long Name (LN)", however little else the question shares with it.
    """
    if not _ASKS_FULL_NAME.search(question.text):
        return None
    asked = "|".join(re.escape(word) for word in words(question.text) if word not in STOPWORDS)
    if not asked:
        return None
    written = re.compile(
        rf"\w\s\(({asked})s?[),;]|\b({asked}),?\s+(short|which\s+stands)\s+for\b", re.IGNORECASE
    )
    return next((sentence for sentence in evidence.sentences if written.search(sentence.text)), None)


def _sentences(
    question: Question, retrieval: Retrieval, candidate: Candidate, paper: Paper, index: int
) -> list[SentenceEvidence]:
    passages = retrieval.passages.get(candidate.row)
    if passages is None:  # not embedded yet: the sentences still stand
        from citewell.chunking import sentence_spans

        spans = tuple(sentence_spans(paper.abstract))
        cosines = [math.nan] * len(spans)
    else:
        spans = passages.spans
        cosines = (passages.chunks @ retrieval.query.vector).tolist()
    found = []
    for place, (whole, cosine) in enumerate(zip(spans, cosines, strict=True)):
        if (span := unplanted(paper.abstract, whole)) is None:
            continue
        text = paper.abstract[span.start : span.end]
        has_number = bool(_DIGIT.search(text)) or not NUMBER_WORDS.isdisjoint(words(text))
        found.append(
            SentenceEvidence(
                index, span, text, frozenset(content_stems(text)), cosine, has_number, 0.0, place
            )
        )
    return found
