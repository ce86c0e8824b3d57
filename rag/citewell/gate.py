"""The gate: a calibrated, query-dependent relevance below which a question is not answered.

Raw cosines cannot be compared between questions. As "Relevance Filtering for Embedding-based Retrieval" maps
them to an interpretable score by the query and then applies one global threshold, a logistic model here maps
the evidence of one question to the probability that the collection answers it. Its features say how near the
best paper is, how far it stands out, which words of the question it leaves unmet, and whether a number that is
asked for is there. The model is fitted by `python -m citewell_eval.fit`; docs/gate.md shows its risk-coverage curve.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from textwrap import shorten

import numpy as np
from numpy.typing import NDArray

from citewell.embedding.base import TokenEmbedder
from citewell.evidence import Evidence, SentenceEvidence, coverage, spelt_out
from citewell.interaction import Interaction, interact
from citewell.linear import LinearModel, load_model, sigmoid
from citewell.question import Question
from citewell.retriever import Retrieval
from citewell.text import is_number, stem, words
from citewell.types import Abstention, AbstentionKind, SearchResult

READ = 1  # best sentences of the best paper that the question's words are matched with; two or three tell no more
_ABOUT = 0.25  # coverage of the question by its best paper from which the collection is about it
_NEAR = 0.4  # cosine of the best chunk that is needed as well
_COINED = re.compile(r"[A-Z](?=.*[a-z]).*[A-Z]|[a-z].*[A-Z]")  # capitals inside, and small letters too
_INITIALS = 2  # letters of a part of a name that is too short to know or not to know
_AHEAD = 0.35  # of fused score; among a few papers every one is far ahead, which tells nothing
_APART = 5.0  # logits between the best sentences of two papers, of which one has none
_STRANGER = 0.02  # confidence where a name is not known
_SPELT_OUT = 0.95  # confidence where an abbreviation is asked for and written out
_TOLD = 120  # characters of a part of a question that are repeated
_RARE = 0.5  # rarity of a name that alone says so

FEATURES = (
    "best_chunk", "best_abstract", "coverage", "names_missing", "unknown", "margin", "weight", "met", "met_least",
    "met_two_least", "sentence_met", "sentence_met_least", "focus_least", "focus_mean", "has_focus", "asks_number",
    "number_met", "number_focus", "own_met", "own_met_least", "words", "poorly_met", "own_chunk", "closeness",
    "all_met", "sentence_score", "definition_met", "list", "number_beside_focus", "fused", "ahead", "apart",
    "names_held",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the gate decides.

    Attributes:
        confidence: calibrated probability, 0..1, that the collection answers the question.
        refusal: the kind of refusal, or None to go on.
        opposite: the sentence that contradicts the question's premise, for `reports_opposite`.
    """

    confidence: float
    refusal: AbstentionKind | None
    opposite: SentenceEvidence | None = None


@lru_cache(maxsize=2)
def gate_model(name: str) -> LinearModel:
    """Returns the fitted model: "gate" for embedders with token vectors, "gate-lexical" for others."""
    return load_model(name)


def judge(
    question: Question,
    retrieval: Retrieval,
    evidence: Evidence,
    embedder: TokenEmbedder | None,
    threshold: float,
) -> Ruling:
    """Returns whether the question is to be answered from this evidence."""
    if not evidence.sentences or not question.stems:
        return Ruling(0.0, "nothing_relevant")
    found = interact(question, evidence, 0, READ, embedder)
    model = gate_model("gate" if embedder is not None else "gate-lexical")
    row = dict(zip(FEATURES, gate_features(question, retrieval, evidence, found), strict=True))
    confidence = sigmoid(float(model.decision(np.array([row[name] for name in model.features]))))
    if names_a_stranger(question, evidence):
        confidence = min(confidence, _STRANGER)
    if spelt_out(question, evidence) is not None:
        confidence = max(confidence, _SPELT_OUT)
    if confidence < threshold:
        return Ruling(confidence, "not_reported" if _about(question, evidence, row) else "nothing_relevant")
    opposite = contradiction(question, evidence)
    return Ruling(confidence, "reports_opposite" if opposite else None, opposite)


def names_a_stranger(question: Question, evidence: Evidence) -> bool:
    """Returns whether the question is about a coined name, such as "AlphaFold", that no paper holds.

    None of the 315 answerable questions of the development and held-out sets is; 11 of the near-topic ones are.
    """
    coined = (name for name in question.names if " " not in name and _COINED.search(name))
    return any(
        stem(word) in evidence.unknown for name in coined for word in words(name) if len(word) > _INITIALS
    )


def gate_features(
    question: Question, retrieval: Retrieval, evidence: Evidence, found: Interaction
) -> list[float]:
    """Returns the values of `FEATURES` for one question; all are finite."""
    candidates, best = retrieval.candidates, evidence.papers[0]
    chunk = np.nan_to_num([c.chunk_cosine for c in candidates])
    abstract = np.nan_to_num([c.abstract_cosine for c in candidates])
    ranked = np.sort(chunk)[::-1]
    missing = [stem for stem in question.name_stems if stem not in best.stems]
    total = sum(evidence.weights.values()) or 1e-9
    return [
        float(chunk.max()),
        float(abstract.max()),
        max(coverage(question.stems, paper.stems, evidence.weights) for paper in evidence.papers[:5]),
        sum(evidence.weights.get(stem, 0.0) for stem in missing) / total,
        sum(evidence.weights[stem] for stem in evidence.unknown) / total,
        float(ranked[0] - ranked[min(5, len(ranked) - 1)]),
        total / 5,
        *_interaction_features(question, found),
        float(np.nan_to_num(best.candidate.chunk_cosine)),
        found.closeness,
        float(bool(found.stems) and found.anywhere.min() >= 1.0),
        max(sentence.score for sentence in evidence.sentences),
        float(question.shape == "definition") * (float(found.anywhere.min()) if found.stems else 0.0),
        float(question.shape == "list"),
        _number_beside(question, evidence.of(0)),
        *_standing_out(question, evidence),
    ]


def _standing_out(question: Question, evidence: Evidence) -> list[float]:
    """Returns the best paper's fused score, how far it and its best sentence are ahead of all others, and the names.

    The names are the share, by weight, of the question's that it holds, 0 where there is none.
    """
    best, *others = evidence.papers
    ahead = min(best.candidate.score - (others[0].candidate.score if others else 0.0), _AHEAD)
    scores = [sentence.score for sentence in evidence.of(0)]
    rivals = [sentence.score for sentence in evidence.sentences if sentence.paper]
    apart = max(scores) - max(rivals) if scores and rivals else _APART * (bool(scores) - bool(rivals))
    named = coverage(tuple(question.name_stems), best.stems, evidence.weights)
    return [best.candidate.score, ahead, apart, named]


def _interaction_features(question: Question, found: Interaction) -> list[float]:
    if not found.stems or not found.numbered.size:
        return [0.0] * 15
    weights = np.maximum(found.weights, 1e-9)
    met = np.maximum(found.title[:, None], found.sentences)
    by_sentence = (weights @ met) / weights.sum()
    focus = [i for i, stem in enumerate(found.stems) if stem in question.focus]
    own = np.flatnonzero(found.title < 1.0)
    own_met = _weighted(weights[own], found.sentences[own])
    focus_met = found.sentences[focus].mean(axis=0) if focus else own_met
    two_least = np.sort(found.anywhere)[:2]
    return [
        float(weights @ found.anywhere / weights.sum()),
        float(found.anywhere.min()),
        float(two_least.mean()),
        float(by_sentence.max()),
        float(met.min(axis=0).max()),
        float(found.anywhere[focus].min()) if focus else 1.0,
        float(found.anywhere[focus].mean()) if focus else 1.0,
        float(bool(focus)),
        float(question.asks_number),
        _largest(by_sentence[found.numbered]) if question.asks_number else float(by_sentence.max()),
        _largest(focus_met[found.numbered]) if question.asks_number else 1.0,
        float(own_met.max()),
        float(found.sentences[own].min(axis=0).max()) if own.size else 1.0,
        float(len(found.stems)),
        float((found.anywhere < 0.5).mean()),
    ]


def _number_beside(question: Question, sentences: Sequence[SentenceEvidence]) -> float:
    """Returns 1 if a counted thing is asked for and a number stands within four words before it, -1 if none does."""
    if not question.asks_number or not question.focus:
        return 0.0
    for sentence in sentences:
        roots = [stem(word) for word in words(sentence.text)]
        for place, root in enumerate(roots):
            if root in question.focus and any(
                is_number(word) for word in roots[max(0, place - 4) : place + 5]
            ):
                return 1.0
    return -1.0


def _weighted(weights: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the weighted mean over words, one value a sentence; 1 when no word is left."""
    if not weights.size:
        return np.ones(rows.shape[1])
    mean: NDArray[np.float64] = weights @ rows / weights.sum()
    return mean


def _largest(values: NDArray[np.float64]) -> float:
    return float(values.max(initial=0.0))


def _about(question: Question, evidence: Evidence, row: dict[str, float]) -> bool:
    """Returns whether the collection is about the subject: by nearness, or because it knows a rare name."""
    near = row["coverage"] >= _ABOUT and row["best_chunk"] >= _NEAR
    held = question.name_stems & evidence.papers[0].stems
    return near or any(evidence.weights.get(root, 0.0) >= _RARE for root in held)


_DENIAL = (
    r"\b(?:no(?!\s+(?:more|less|fewer|later)\s+than)|not(?!\s+only)|without|never|neither|nor|free\s+of|avoid\w*|eliminat\w+|bypass\w*|remov\w+|obviat\w+)\b"
    r"[^.;:]{0,30}?\b"
)
# What a paper does away with was there before: "To address this, we …, eliminating artifacts" denies no artifacts.
_REMEDY = re.compile(
    r"^\W*to\s+(address|solve|overcome|tackle|mitigate|remedy|alleviate|fix)\b", re.IGNORECASE
)
_OPPOSITES: Sequence[tuple[str, str]] = (
    (r"slower|slow(s|ing)?\s+down", r"faster|speeds?\s+up|speed-?up|accelerat\w+"),
    (r"faster|speeds?\s+up", r"slower|slows?\s+down"),
    (
        r"worse|degrad\w+|deteriorat\w+|hurts?",
        r"without\s+\w*\s*(degrad\w+|loss)|no\s+\w*\s*(degrad\w+|loss)|preserv\w+",
    ),
    (r"doubles?|triples?", r"almost\s+zero|negligible|no\s+(additional|extra)"),
)


_TELLING = 0.15  # the rarity from which a word tells what a question is about: not "model", but "tune"


def contradiction(question: Question, evidence: Evidence) -> SentenceEvidence | None:
    """Returns a sentence of the best paper that denies what the question takes for granted, if one plainly does.

    Only questions that assert something ("Why does X need Y?") are looked at, only the best paper is read, and a
    denial counts only when it governs a telling word of the question that is not in the paper's title.
    """
    if not question.asserts:
        return None
    paper = evidence.papers[0]
    asked = [
        stem
        for stem in question.stems
        if stem not in paper.title_stems and len(stem) > 3 and evidence.weights.get(stem, 0.0) >= _TELLING
    ]
    if coverage(question.stems, paper.stems, evidence.weights) < 0.5:
        return None
    for sentence in sorted(evidence.of(0), key=lambda s: -s.score):
        if _REMEDY.search(sentence.text):
            continue
        for asked_stem in asked:
            root = re.escape(asked_stem.rstrip("i"))
            if re.search(rf"{_DENIAL}{root}|\b{root}\w*[-\s]free\b", sentence.text, re.IGNORECASE):
                return sentence
        for said, opposite in _OPPOSITES:
            if re.search(rf"\b({said})\b", question.text, re.I) and re.search(
                rf"\b({opposite})\b", sentence.text, re.I
            ):
                return sentence
    return None


def abstain(
    ruling: Ruling, searched: int, evidence: Evidence, nearest: tuple[SearchResult, ...]
) -> Abstention:
    """Returns the refusal in words that say what was searched and claim nothing more."""
    if searched == 0:
        return Abstention("nothing_relevant", "No abstract passes the filters. Widen them.", nearest)
    if ruling.refusal == "reports_opposite" and ruling.opposite is not None:
        title = evidence.papers[ruling.opposite.paper].paper.title
        said = f"“{title}” says: “{ruling.opposite.text}”"
        message = f"The question takes for granted what an abstract seems to deny. {said}"
        return Abstention("reports_opposite", message, nearest)
    if ruling.refusal == "not_reported":
        message = (
            f"None of the {searched:,} abstracts searched reports this, though some are about the subject."
        )
        return Abstention("not_reported", message, nearest)
    return Abstention(
        "nothing_relevant", f"Nothing in the {searched:,} abstracts searched is about this.", nearest
    )


def unanswered(parts: Sequence[str], searched: int) -> str | None:
    """Returns in one line which parts of an answered question have no answer; None where there is no such part."""
    if not parts:
        return None
    told = " and ".join(f"“{shorten(part, _TOLD, placeholder=' …')}”" for part in parts)
    return (
        f"This answers a part of the question. The {searched:,} abstracts searched gave no answer to {told}."
    )
