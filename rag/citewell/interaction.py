"""Late interaction: how well each word of a question is met by the words of a paper's best sentences.

The idea is ColBERT's (Khattab and Zaharia 2020, arXiv:2004.12832), with the token vectors of the sentence
embedder: the similarity of a question word is its best cosine with any token of title or sentence; a word whose
stem stands there counts as met in full. An embedder without token vectors leaves only the stems.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from citewell.embedding.base import TokenEmbedder
from citewell.evidence import Evidence, SentenceEvidence
from citewell.question import Question
from citewell.text import STOPWORDS, stem, words
from citewell.types import Span

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Interaction:
    """How the words of a question (w) are met in a paper's title and in some of its sentences (s).

    Attributes:
        stems: stem of each word, in order.
        weights: its rarity, 0..1, shape (w,).
        title: similarity with the title, 0..1, shape (w,).
        sentences: similarity with each sentence, 0..1, shape (w, s).
        anywhere: best of these, 1 if the stem stands anywhere in title or abstract, shape (w,).
        numbered: whether each sentence holds a number, shape (s,).
        closeness: mean over all tokens of the question, function words too, of their best similarity.
    """

    stems: tuple[str, ...]
    weights: NDArray[np.float64]
    title: NDArray[np.float64]
    sentences: NDArray[np.float64]
    anywhere: NDArray[np.float64]
    numbered: NDArray[np.bool_]
    closeness: float


def interact(
    question: Question, evidence: Evidence, paper: int, count: int, embedder: TokenEmbedder | None
) -> Interaction:
    """Returns the interaction of a question with the `count` best sentences of one paper."""
    best = sorted(evidence.of(paper), key=lambda sentence: (-sentence.score, sentence.span))[:count]
    read = evidence.papers[paper]
    spots = [
        (m.start(), m.end(), stem(words(m.group())[0]))
        for m in _WORD.finditer(question.text)
        if _counts(m.group())
    ]
    title, sentences, closeness = _similarities(question.text, read.paper.title, best, spots, embedder)
    for i, (_, _, root) in enumerate(spots):
        if root in read.title_stems:
            title[i] = 1.0
        for j, sentence in enumerate(best):
            if root in sentence.stems:
                sentences[i, j] = 1.0
    known = np.array([float(root in read.stems) for _, _, root in spots])
    return Interaction(
        stems=tuple(root for _, _, root in spots),
        weights=np.array([evidence.weights.get(root, 0.0) for _, _, root in spots]),
        title=title,
        sentences=sentences,
        anywhere=np.maximum.reduce([known, title, sentences.max(axis=1, initial=0.0)]),
        numbered=np.array([sentence.has_number for sentence in best], dtype=bool),
        closeness=closeness,
    )


def _counts(word: str) -> bool:
    folded = words(word)
    return bool(folded) and folded[0] not in STOPWORDS


def _similarities(
    question: str,
    title: str,
    sentences: Sequence[SentenceEvidence],
    spots: Sequence[tuple[int, int, str]],
    embedder: TokenEmbedder | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    in_title, in_sentences = np.zeros(len(spots)), np.zeros((len(spots), len(sentences)))
    if embedder is None or not spots:
        return in_title, in_sentences, 0.0
    asked = embedder.embed_tokens(question)
    text, ranges = title + ".", []
    for sentence in sentences:
        ranges.append(Span(len(text) + 1, len(text) + 1 + len(sentence.text)))
        text = f"{text} {sentence.text}"
    held = embedder.embed_tokens(text)
    similarity = np.clip(asked.vectors @ held.vectors.T, 0.0, 1.0)
    starts, ends = held.offsets[:, 0], held.offsets[:, 1]
    title_tokens = (ends > starts) & (ends <= len(title))
    sentence_tokens = [(ends > starts) & (starts >= span.start) & (ends <= span.end) for span in ranges]
    for i, (start, end, _) in enumerate(spots):
        own = (asked.offsets[:, 0] >= start) & (asked.offsets[:, 1] <= end) & (asked.offsets[:, 1] > start)
        if own.any():
            rows = similarity[own]
            in_title[i] = _best(rows, title_tokens)
            in_sentences[i] = [_best(rows, tokens) for tokens in sentence_tokens]
    return in_title, in_sentences, float(similarity.max(axis=1).mean())


def _best(rows: NDArray[np.float32], columns: NDArray[np.bool_]) -> float:
    return float(rows[:, columns].max(axis=1).mean()) if columns.any() else 0.0
