"""Support: whether what is quoted says what a sentence says.

Two logistic models look at a sentence and its evidence, and it has to pass both. The check "content" tells a sentence
that an abstract bears out from one that it does not: by vectors of whole sentences, by late interaction of their
tokens (see interaction.py), and by the words, numbers and word pairs that they share. The check "polarity" tells a
statement from its opposite, by polarity.py. Both are fitted by `python -m citewell_eval.support fit`;
docs/verifier.md has the table and the curves and says what they can and cannot see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from citewell.citations import Source
from citewell.embedding.base import Embedder, TokenEmbedder, TokenVectors, title_sentence
from citewell.linear import LinearModel, load_model, sigmoid
from citewell.text import numbers
from citewell.verification import polarity
from citewell.verification.polarity import Reading

# The least probability a sentence needs: with both, at most 8 % of SciFact's supported claims are withheld, whether
# their evidence is quoted or not; docs/verifier.md has the curve.
CONTENT_THRESHOLD = 0.15
POLARITY_THRESHOLD = 0.2
CONTENT = (
    "best_cosine", "mean_cosine", "evidence_cosine", "least_known", "low_met", "least_met", "close", "close_back",
    "covered", "known", "numbers_missing", "pairs",
)  # fmt: skip
LEXICAL = ("covered", "known", "numbers_missing", "pairs")
POLARITY = (
    "parity",
    "denies",
    "denied",
    "opposing",
    "most_opposing",
    "negated",
    "negative",
    "overstated",
    "antonyms",
)
_READ = 2  # sentences of the abstract that are compared token by token
_LONGEST = 1_200  # characters of each
_SHARPNESS, _SHARED = 8.0, 4.0  # how much nearness and common words draw attention to a sentence
_ATTENDED = 0.08
_TOLD = 5  # words named that the evidence lacks
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")


@dataclass(frozen=True, slots=True)
class Support:
    """Whether a sentence is supported.

    Attributes:
        supported: the verdict.
        score: probability by the check that decided, 0..1.
        check: that check; "content" where it is supported.
        reason: why not, in words that a sentence can be repaired from.
    """

    supported: bool
    score: float
    check: Literal["content", "polarity"] = "content"
    reason: str | None = None


def judge(
    sentence: str,
    quotes: Sequence[str],
    sources: Sequence[Source],
    embedder: Embedder | None,
    threshold: float | None = None,
) -> Support:
    """Returns whether the quotes, and the abstracts they are from, support a sentence.

    Args:
        sentence: the sentence.
        quotes: the sentences of the sources it rests on; by default the nearest of each source.
        sources: the sources cited.
        embedder: the model that made the sources' vectors; without token vectors words alone are compared.
        threshold: the least probability of the content, 0..1; by default the fitted one.
    """
    read = observe(sentence, quotes, sources, embedder)
    if (contradiction := polarity.contradiction(sentence, read.evidence)) is not None:
        return Support(False, 0.0, "polarity", contradiction)
    turned = probability("polarity", read.polarity)
    if turned < POLARITY_THRESHOLD:
        return Support(False, turned, "polarity", "The source seems to say the opposite; keep its meaning.")
    content = probability("support" if read.by_vectors else "support-lexical", read.content)
    if content >= (CONTENT_THRESHOLD if threshold is None else threshold):
        return Support(True, content)
    missing = read.missing[:_TOLD]
    told = f" (they do not mention {', '.join(missing)})" if missing else ""
    return Support(False, content, "content", f"The quotes do not say this{told}. Stay with what they say.")


def prepare(
    sources: Sequence[Source], embedder: Embedder | None, ended: Callable[[], bool] = lambda: False
) -> None:
    """Reads the sentences of the sources, so that they need not be read while a sentence waits for its verdict.

    It ends early when `ended` says so.
    """
    tokenizer = _token_model(embedder)
    if tokenizer is None:
        return
    for source in sources:
        spans = [source.paper.abstract[start : min(end, start + _LONGEST)] for start, end in source.spans]
        for text in (title_sentence(source.paper.title), *spans):
            if ended():
                return
            tokenizer.embed_tokens(text)


@dataclass(frozen=True, slots=True)
class Observed:
    """What the models see of a sentence and its evidence; `missing` are words that the evidence does not have."""

    content: dict[str, float]
    polarity: dict[str, float]
    evidence: tuple[str, ...]
    missing: tuple[str, ...]
    by_vectors: bool


@lru_cache(maxsize=4)
def support_model(name: str) -> LinearModel:
    """Returns a fitted model: "support", "support-lexical" or "polarity"."""
    return load_model(name)


def probability(name: str, features: dict[str, float]) -> float:
    """Returns what a fitted model makes of the features."""
    model = support_model(name)
    return sigmoid(float(model.decision(np.array([features[feature] for feature in model.features]))))


def observe(
    sentence: str, quotes: Sequence[str], sources: Sequence[Source], embedder: Embedder | None
) -> Observed:
    """Returns the features of a sentence; those that need vectors are left out where there are none."""
    texts = [s.paper.abstract[span.start : span.end] for s in sources for span in s.spans]
    claim = polarity.read(sentence)
    readings = [polarity.read(text) for text in texts]
    shared = np.array([_share(claim.about, reading.about) for reading in readings])
    vectors = [source.vectors for source in sources if source.vectors is not None]
    tokenizer = _token_model(embedder) if len(vectors) == len(sources) and texts else None
    if tokenizer is not None and not len(tokenizer.embed_tokens(sentence).vectors):
        tokenizer = None
    cosines = np.zeros(len(texts))
    if tokenizer is not None and embedder is not None:
        cosines = np.concatenate(vectors) @ embedder.embed_queries([sentence])[0]
    quoted = [any(text in quote for quote in quotes) for text in texts]
    evidence = _evidence(texts, quotes, np.where(quoted, 2.0, 0.0) + cosines + 1e-3 * shared)
    titles = [title_sentence(source.paper.title) for source in sources]
    title = " ".join(titles)
    known = claim.about & polarity.read(f"{title} {' '.join(texts)}").about
    held = polarity.read(f"{title} {' '.join(evidence)}")
    content = {
        "covered": _share(claim.about, held.about),
        "known": _share(claim.about, known),
        "numbers_missing": float(len(set(numbers(sentence)) - set(numbers(" ".join(evidence))))),
        "pairs": _pairs(claim, readings),
    }
    if tokenizer is not None:
        near = cosines[quoted] if any(quoted) else cosines
        content["best_cosine"] = float(near.max())
        content["mean_cosine"] = float(np.sort(cosines)[::-1][:3].mean())
        read = [tokenizer.embed_tokens(text).vectors for text in (*titles, *_whole(evidence, texts))]
        theirs = np.concatenate(read)
        content |= _interaction(sentence, claim, held.about, known, tokenizer.embed_tokens(sentence), theirs)
    missing = [claim.words[place] for place in claim.content if claim.stems[place] not in held.about]
    return Observed(
        content,
        _polarity(sentence, claim, texts, readings, cosines, shared),
        tuple(evidence),
        tuple(dict.fromkeys(missing)),
        tokenizer is not None,
    )


def _token_model(embedder: object) -> TokenEmbedder | None:
    return embedder if isinstance(embedder, TokenEmbedder) else None


def _evidence(texts: Sequence[str], quotes: Sequence[str], order: NDArray[np.float64]) -> list[str]:
    """Returns what is read closely: the quotes, or else the best sentences in the order of the abstract."""
    if quotes:
        return [quote[:_LONGEST] for quote in quotes]
    best = sorted(np.argsort(-order, kind="stable")[:_READ])
    return [texts[place][:_LONGEST] for place in best]


def _whole(evidence: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Returns the sentences that the evidence is from, which `prepare` has read already."""
    found = {
        text: None
        for piece in evidence
        for text in ([text for text in texts if piece in text or text in piece] or [piece])
    }
    return [text[:_LONGEST] for text in found]


def _share(wanted: frozenset[str], held: frozenset[str]) -> float:
    return len(wanted & held) / len(wanted) if wanted else 0.0


def _pairs(claim: Reading, readings: Sequence[Reading]) -> float:
    """Returns the share of the claim's pairs of neighbouring content words that stand in a sentence as such."""
    ours = _neighbours(claim)
    theirs = set().union(*(_neighbours(reading) for reading in readings)) if readings else set()
    return len(ours & theirs) / len(ours) if ours else 0.0


def _neighbours(reading: Reading) -> set[tuple[str, str]]:
    stems = [reading.stems[place] for place in reading.content]
    return set(zip(stems, stems[1:], strict=False))


# --- tokens ----------------------------------------------------------------------------------------------


def _interaction(
    sentence: str,
    claim: Reading,
    held: frozenset[str],
    known: frozenset[str],
    ours: TokenVectors,
    theirs: NDArray[np.float32],
) -> dict[str, float]:
    """Returns how well the words of a sentence are met by the tokens of its evidence; a word it has is met in full."""
    similarity = np.clip(ours.vectors @ theirs.T, 0.0, 1.0)
    best = similarity.max(axis=1)
    spans = [match.span() for match in _WORD.finditer(sentence)]
    met, anywhere = [], []
    for place in claim.content:
        own = _within(ours, *spans[place]) if place < len(spans) else np.zeros(len(best), dtype=bool)
        value = float(best[own].mean()) if own.any() else 0.0
        root = claim.stems[place]
        met.append(1.0 if root in held else value)
        anywhere.append(1.0 if root in known else value)
    one, other = ours.vectors.mean(axis=0), theirs.mean(axis=0)
    return {
        "evidence_cosine": float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-9)),
        "least_known": min(anywhere, default=1.0),
        "low_met": float(np.mean(sorted(met)[:3])) if met else 1.0,
        "least_met": min(met, default=1.0),
        "close": float(best.mean()),
        "close_back": float(similarity.max(axis=0).mean()),
    }


def _within(tokens: TokenVectors, start: int, end: int) -> NDArray[np.bool_]:
    first, last = tokens.offsets[:, 0], tokens.offsets[:, 1]
    inside: NDArray[np.bool_] = (last > first) & (first >= start) & (last <= end)
    return inside


# --- polarity --------------------------------------------------------------------------------------------


def _polarity(
    sentence: str,
    claim: Reading,
    texts: Sequence[str],
    readings: Sequence[Reading],
    cosines: NDArray[np.float64],
    shared: NDArray[np.float64],
) -> dict[str, float]:
    """Returns how the sentence is turned against those of the abstract, each weighted by how near it is."""
    if not texts:
        return dict.fromkeys(POLARITY, 0.0)
    clauses = [(clause, place) for place, text in enumerate(texts) for clause in polarity.clauses(text)]
    common = np.array([_share(claim.about, clause.about) for clause, _ in clauses])
    by_clause = _attention(cosines[[place for _, place in clauses]], common)
    weight = _attention(cosines, shared)
    opposing = np.array([polarity.disputes(claim, reading)[1] for reading in readings])
    negative = np.array([bool(reading.negations) for reading in readings], dtype=float)
    no_effect = float(weight @ np.array([reading.no_effect for reading in readings], dtype=float))
    nearest = np.argsort(-weight, kind="stable")[:_READ]
    stems = frozenset[str]().union(*(readings[place].stems for place in nearest))
    denied = bool(claim.negations)
    return {
        "parity": float(by_clause @ np.array([polarity.agreement(claim, clause) for clause, _ in clauses])),
        "denies": float(claim.no_effect) * (1 - no_effect),
        "denied": no_effect * (not denied),
        "opposing": float(weight @ opposing),
        "most_opposing": float((opposing * (weight > _ATTENDED)).max()),
        "negated": float(weight @ np.abs(negative - denied)),
        "negative": float(weight @ negative) * (not denied),
        "overstated": float(
            polarity.claims_all(sentence) and not any(polarity.claims_all(texts[p]) for p in nearest)
        ),
        "antonyms": float(polarity.antonyms(claim, stems)),
    }


def _attention(cosines: NDArray[np.float64], shared: NDArray[np.float64]) -> NDArray[np.float64]:
    logits = _SHARPNESS * cosines + _SHARED * shared
    powers = np.exp(logits - logits.max())
    weight: NDArray[np.float64] = powers / powers.sum()
    return weight
