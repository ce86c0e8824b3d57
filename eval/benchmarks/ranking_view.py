"""A judged set as one of its questions sees it: the parts of the present score, which variants put together anew.

The present score is that of every paper. What a variant measures anew, it measures of the papers that are best by the
present score, as the product would; the others keep what they have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from citewell.embedding.base import unit_rows
from citewell.settings import Settings
from citewell.text import STOPWORDS, fold, stem, words
from numpy.typing import NDArray
from ranking_expand import Expander, pairs, within
from ranking_sets import Judged, Question, Scores

_READ = 300  # papers that are measured anew
_DEEP = 100  # papers whose texts are read once more
_WINDOW = 8  # words
_CLAUSE = re.compile(
    r"[,;:]|\b(?:and|or|but|when|while|which|that|whose|if|because|after|before|than|versus)\b"
)

Vector = NDArray[np.float32]


class Read(NamedTuple):
    """The papers that are measured anew.

    Attributes:
        places: of the papers in their set, ascending.
        chunks: where the passages of these papers are in the set's matrix, paper after paper.
        starts: where those of each paper begin in `chunks`.
    """

    places: NDArray[np.int_]
    chunks: NDArray[np.int_]
    starts: NDArray[np.int_]


class Shared:
    """What the views of one set have in common."""

    def __init__(self, judged: Judged, settings: Settings) -> None:
        self.judged, self.settings, self.lexicon = judged, settings, judged.lexicon
        self.expander = Expander(self.lexicon, judged.texts, judged.questions)

    @cached_property
    def mean(self) -> Vector:
        """The mean of all abstracts' vectors, shape (dim,)."""
        mean: Vector = self.judged.abstracts.mean(axis=0)
        return mean

    @cached_property
    def clauses(self) -> Mapping[str, Vector]:
        """The vectors of the clauses of each question that has several, by its text."""
        split = {q.text: found for q in self.judged.questions if len(found := clauses(q.text)) > 1}
        texts = [clause for found in split.values() for clause in found]
        if not texts:
            return {}
        ends = np.cumsum([len(found) for found in split.values()])
        return dict(zip(split, np.split(self.judged.embed(texts), ends[:-1]), strict=True))


@dataclass(frozen=True)
class View:
    """What one question finds in its set; arrays hold one number a paper."""

    shared: Shared
    question: Question

    # --- the present score ------------------------------------------------------------------------------

    @cached_property
    def abstract(self) -> Scores:
        """The cosine of every abstract."""
        return np.asarray(self.shared.judged.abstracts @ self.question.vector, dtype=float)

    @cached_property
    def chunk(self) -> Scores:
        """The best cosine of each paper's vectors, the abstract's among them, as the library takes it."""
        judged = self.shared.judged
        best = np.maximum.reduceat(judged.chunks @ self.question.vector, judged.starts)
        return np.asarray(np.maximum(best, self.abstract))

    @cached_property
    def dense(self) -> Scores:
        """The present dense score."""
        return self.mixed(self.abstract, self.chunk)

    @cached_property
    def bm25(self) -> Scores:
        """The BM25 score of every paper."""
        return self.bm25_with(self.shared.settings.title_weight)

    @cached_property
    def most(self) -> float:
        """The BM25 score that no paper can exceed; a word that is there in two forms counts twice."""
        return self.shared.lexicon.most([stem(term) for term in self.question.terms])

    @cached_property
    def score(self) -> Scores:
        """The present score of every paper."""
        return self.fused(self.dense, self.bm25)

    @cached_property
    def order(self) -> NDArray[np.int_]:
        """Every paper, the present best first."""
        return np.argsort(-self.score, kind="stable")

    # --- its parts, put together otherwise --------------------------------------------------------------

    def bm25_with(self, title_weight: float) -> Scores:
        """Returns BM25 scores with another weight of the title."""
        scores = np.zeros(self.shared.lexicon.papers)
        for term in self.question.terms:
            scores += self.shared.lexicon.bm25(stem(term), title_weight)
        return scores

    def mixed(self, abstract: Scores, chunk: Scores, chunk_weight: float | None = None) -> Scores:
        """Returns dense scores: the cosines of abstract and chunk, weighted."""
        share = self.shared.settings.chunk_weight if chunk_weight is None else chunk_weight
        return np.clip((1 - share) * abstract + share * chunk, 0.0, 1.0)

    def lexical(self, bm25: Scores) -> Scores:
        """Returns BM25 as a share of the most, of the papers that BM25 puts first; 0 for all others."""
        limit = self.shared.settings.candidates
        if limit < len(bm25):
            bm25 = np.where(bm25 >= np.partition(bm25, -limit)[-limit], bm25, 0.0)
        return np.clip(bm25 / self.most, 0.0, 1.0)

    def fused(self, dense: Scores, bm25: Scores, dense_weight: float | None = None) -> Scores:
        """Returns the fused score from its parts."""
        share = self.shared.settings.dense_weight if dense_weight is None else dense_weight
        return share * dense + (1 - share) * self.lexical(bm25)

    # --- the best papers, measured anew -----------------------------------------------------------------

    @cached_property
    def read(self) -> Read:
        """The papers that are measured anew."""
        judged = self.shared.judged
        places = np.sort(self.order[:_READ])
        ends = np.append(judged.starts[1:], len(judged.chunks))
        ranges = [np.arange(judged.starts[place], ends[place]) for place in places]
        return Read(places, np.concatenate(ranges), np.cumsum([0, *map(len, ranges[:-1])]))

    @cached_property
    def chunks(self) -> Vector:
        """The vectors of their passages."""
        vectors: Vector = self.shared.judged.chunks[self.read.chunks]
        return vectors

    @cached_property
    def passages(self) -> Scores:
        """The cosines of their passages."""
        return np.asarray(self.chunks @ self.question.vector, dtype=float)

    def with_dense(self, dense: Scores) -> Scores:
        """Returns the fused score where the papers read have another dense score."""
        changed = self.dense.copy()
        changed[self.read.places] = dense
        return self.fused(changed, self.bm25)

    def with_chunk(self, chunk: Scores) -> Scores:
        """Returns the fused score where the papers read have another chunk cosine."""
        return self.with_dense(self.mixed(self.abstract[self.read.places], chunk))

    def seen_from(self, vector: Vector, origin: Vector | None = None) -> Scores:
        """Returns the dense scores of the papers read for another vector, all vectors taken from an origin."""
        own, chunks = self.shared.judged.abstracts[self.read.places], self.chunks
        if origin is not None:
            own, chunks = unit_rows(own - origin), unit_rows(chunks - origin)
        abstract = (own @ vector).astype(float)
        best = np.maximum.reduceat(chunks @ vector, self.read.starts)
        return self.mixed(abstract, np.maximum(best, abstract))

    @cached_property
    def by_clause(self) -> Scores | None:
        """What the clauses of the question find in the papers read; None where it has but one."""
        vectors = self.shared.clauses.get(self.question.text)
        return None if vectors is None else self._interaction(vectors)

    @cached_property
    def by_token(self) -> Scores | None:
        """What the tokens of the question find in the papers read; None without token vectors."""
        text, tokens = self.question.text, self.shared.judged.tokens
        if tokens is None:
            return None
        found = tokens.embed_tokens(text)
        told = [fold(text[start:end]) not in STOPWORDS for start, end in found.offsets.tolist()]
        return self._interaction(found.vectors[np.array(told, dtype=bool)] if any(told) else found.vectors)

    def _interaction(self, vectors: Vector) -> Scores:
        """Returns the mean, over some vectors, of the best cosine that a paper's passages have with each."""
        best = np.maximum.reduceat(self.chunks @ vectors.T, self.read.starts, axis=0)
        return np.asarray(best.mean(axis=1), dtype=float)

    @cached_property
    def feedback(self) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """The stems of the five best papers, by how likely they say them (RM1), and by surprise (Bo1)."""
        lexicon, best = self.shared.lexicon, self.order[:5]
        mass = self.score[best] / max(self.score[best].sum(), 1e-9)
        chances, times = Counter[str](), Counter[str]()
        for share, place in zip(mass.tolist(), best, strict=True):
            for root, count in lexicon.counts[place].items():
                chances[root] += share * count / lexicon.lengths[place]
                times[root] += count
        likely = {root: chance * lexicon.idf(root) for root, chance in chances.items()}
        rates = {root: lexicon.vocabulary[root][:, 1:].sum() / lexicon.papers for root in times}
        surprise = {
            r: float(n * np.log2((1 + rates[r]) / rates[r]) + np.log2(1 + rates[r])) for r, n in times.items()
        }
        return likely, surprise

    @cached_property
    def near(self) -> list[Scores]:
        """For each pair of words of the question, 1 for each of the best papers that holds both near one another."""
        asked, lexicon = pairs(self.question), self.shared.lexicon
        held = [np.zeros(lexicon.papers) for _ in asked]
        for place in self.order[:_DEEP]:
            for pair, found in zip(asked, held, strict=True):
                if all(root in lexicon.counts[place] for root in pair):
                    found[place] = within(lexicon.bodies[place], pair, _WINDOW)
        return held


def clauses(text: str) -> list[str]:
    """Returns the clauses of a question that hold two words or more that carry content."""
    parts = [part.strip() for part in _CLAUSE.split(text)]
    return [part for part in parts if sum(word not in STOPWORDS for word in words(part)) > 1]
