"""Ways to rank, each a change of one thing in the score that Citewell ranks by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from citewell.embedding.base import unit_rows
from citewell.settings import Settings
from citewell.text import STOPWORDS, fold, stem, words
from numpy.typing import NDArray
from ranking_expand import Expander, expanded, pairs, within
from ranking_sets import Judged, Question, Scores

_DEEP = 100  # papers whose texts are read once more
_CLAUSE = re.compile(r"[,;:]|\b(?:and|or|but|when|while|which|that|whose|if|because|after|before|than|versus)\b")
_STOP_ROOTS = frozenset(stem(word) for word in STOPWORDS)


class Shared:
    """What the views of one set have in common."""

    def __init__(self, judged: Judged, settings: Settings) -> None:
        self.judged, self.settings, self.lexicon = judged, settings, judged.lexicon
        self.expander = Expander(self.lexicon, judged.texts, judged.questions)

    @cached_property
    def mean(self) -> NDArray[np.float32]:
        """The mean of all abstracts' vectors, shape (dim,)."""
        mean: NDArray[np.float32] = self.judged.abstracts.mean(axis=0)
        return mean

    @cached_property
    def centred(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The vectors of abstracts and passages, seen from their mean."""
        return unit_rows(self.judged.abstracts - self.mean), unit_rows(self.judged.chunks - self.mean)

    @cached_property
    def clauses(self) -> Mapping[str, NDArray[np.float32]]:
        """The vectors of the clauses of each question that has several, by its text."""
        split = {q.text: found for q in self.judged.questions if len(found := clauses(q.text)) > 1}
        texts = [clause for found in split.values() for clause in found]
        if not texts:
            return {}
        ends = np.cumsum([len(found) for found in split.values()])
        return dict(zip(split, np.split(self.judged.embed(texts), ends[:-1]), strict=True))


@dataclass(frozen=True)
class View:
    """A set as one question sees it: the parts of the present score, and the score itself."""

    shared: Shared
    question: Question

    @cached_property
    def passages(self) -> NDArray[np.float32]:
        """The cosine of every passage."""
        cosines: NDArray[np.float32] = self.shared.judged.chunks @ self.question.vector
        return cosines

    @cached_property
    def abstract(self) -> Scores:
        """The cosine of every abstract."""
        return (self.shared.judged.abstracts @ self.question.vector).astype(float)

    @cached_property
    def chunk(self) -> Scores:
        """The best cosine of each paper's vectors, the abstract's among them, as the library takes it."""
        return np.maximum(self.shared.judged.best_chunk(self.passages), self.abstract)

    @cached_property
    def bm25(self) -> Scores:
        """The BM25 score of every paper."""
        return self.bm25_with(self.shared.settings.title_weight)

    @property
    def most(self) -> float:
        """The BM25 score that no paper can exceed; a word that is there in two forms counts twice."""
        return self.shared.lexicon.most([stem(term) for term in self.question.terms])

    @cached_property
    def score(self) -> Scores:
        """The present score of every paper."""
        return self.fused(self.dense(self.abstract, self.chunk), self.bm25)

    @cached_property
    def order(self) -> NDArray[np.int_]:
        """Every paper, the present best first."""
        return np.argsort(-self.score, kind="stable")

    def bm25_with(self, title_weight: float) -> Scores:
        """Returns BM25 scores with another weight of the title."""
        terms = self.question.terms
        scores = [self.shared.lexicon.bm25(stem(term), title_weight) for term in terms]
        return np.sum(scores, axis=0) if scores else np.zeros(self.shared.lexicon.papers)

    def dense(self, abstract: Scores, chunk: Scores, chunk_weight: float | None = None) -> Scores:
        """Returns the cosine of a paper: its abstract's and its chunk's, weighted."""
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

    def seen_from(self, vector: NDArray[np.float32]) -> Scores:
        """Returns the fused score with another vector of the question."""
        judged = self.shared.judged
        abstract = (judged.abstracts @ vector).astype(float)
        chunk = np.maximum(judged.best_chunk(judged.chunks @ vector), abstract)
        return self.fused(self.dense(abstract, chunk), self.bm25)


class Variant(NamedTuple):
    """A way to rank: what it changes, the value tried, and the score of every paper."""

    name: str
    value: str
    score: Callable[[View], Scores]


# --- pseudo-relevance feedback --------------------------------------------------------------------------


def rocchio(view: View, papers: int, weight: float) -> Scores:
    """The question's vector is moved towards the mean of the best papers' (Rocchio 1971)."""
    best = view.shared.judged.abstracts[view.order[:papers]].mean(axis=0)
    moved = (1 - weight) * view.question.vector + weight * best / np.linalg.norm(best)
    return view.seen_from(unit_rows(moved[None, :])[0])


def relevance_model(view: View, terms: int, weight: float) -> Scores:
    """Words frequent in the five best papers are asked for as well (RM3, Abdul-Jaleel et al. 2004)."""
    lexicon, best = view.shared.lexicon, view.order[:5]
    mass = view.score[best] / max(view.score[best].sum(), 1e-9)
    chances: Counter[str] = Counter()
    for share, place in zip(mass, best, strict=True):
        for root, times in lexicon.counts[place].items():
            chances[root] += share * times / lexicon.lengths[place]
    return _with_words(view, {root: chance * lexicon.idf(root) for root, chance in chances.items()}, terms, weight)


def bo1(view: View, terms: int, weight: float) -> Scores:
    """Words that the five best papers hold more than chance would are asked for as well (Bo1, Amati 2003)."""
    lexicon = view.shared.lexicon
    times = sum((lexicon.counts[place] for place in view.order[:5]), Counter[str]())
    weights = {}
    for root, count in times.items():
        rate = lexicon.vocabulary[root][:, 1:].sum() / lexicon.papers
        weights[root] = float(count * np.log2((1 + rate) / rate) + np.log2(1 + rate))
    return _with_words(view, weights, terms, weight)


def _with_words(view: View, weights: Mapping[str, float], terms: int, weight: float) -> Scores:
    """Returns the fused score with a share of BM25 from the heaviest of some words."""
    lexicon, title = view.shared.lexicon, view.shared.settings.title_weight
    usable = {r: w for r, w in weights.items() if len(r) > 2 and not r.isdigit() and r not in _STOP_ROOTS}
    chosen = sorted(usable, key=lambda root: (-usable[root], root))[:terms]
    if not chosen:
        return view.score
    found = np.sum([usable[root] * lexicon.bm25(root, title) for root in chosen], axis=0)
    most = sum(usable[root] * lexicon.most([root]) for root in chosen)
    return view.fused(view.dense(view.abstract, view.chunk), (1 - weight) * view.bm25 + weight * view.most * found / most)


def neighbours(view: View, weight: float) -> Scores:
    """A paper's score is drawn to that of the five papers most like it among the best fifty (Diaz 2005)."""
    best = view.order[:50]
    vectors = view.shared.judged.abstracts[best]
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -1.0)
    nearest = np.argsort(-alike, axis=1)[:, :5]
    near = np.clip(np.take_along_axis(alike, nearest, axis=1), 1e-6, None)
    drawn = (near * view.score[best][nearest]).sum(axis=1) / near.sum(axis=1)
    score = view.score.copy()
    score[best] = (1 - weight) * score[best] + weight * drawn
    return score


# --- other words for the question's ---------------------------------------------------------------------


def other_words(view: View, kind: str, weight: float) -> Scores:
    """Compounds, abbreviations or words of one family count as the question's own words."""
    found = view.shared.expander.alternatives(view.question, kind)
    if not found:
        return view.score
    added = expanded(view.shared.lexicon, found, view.shared.settings.title_weight, weight)
    return view.fused(view.dense(view.abstract, view.chunk), view.bm25 + added)


def phrases(view: View, weight: float) -> Scores:
    """A bonus for words side by side as in the question (the ordered part of Metzler and Croft 2005)."""
    asked = pairs(view.question)
    lexicon = view.shared.lexicon
    held = [np.isin(np.arange(lexicon.papers), sorted(view.shared.expander.phrase(pair))) for pair in asked]
    return view.score + weight * _share(view, held, [lexicon.idf(a) + lexicon.idf(b) for a, b in asked])


def proximity(view: View, weight: float) -> Scores:
    """A bonus for words of the question within eight words of one another, in any order (their unordered part)."""
    asked, lexicon = pairs(view.question), view.shared.lexicon
    held = [np.zeros(lexicon.papers) for _ in asked]
    for place in view.order[:_DEEP]:
        for pair, found in zip(asked, held, strict=True):
            if all(root in lexicon.counts[place] for root in pair):
                found[place] = within(lexicon.bodies[place], pair, 8)
    return view.score + weight * _share(view, held, [lexicon.idf(a) + lexicon.idf(b) for a, b in asked])


# --- titles and rare words ------------------------------------------------------------------------------


def title_weighted(view: View, title_weight: float) -> Scores:
    """Another weight of a title's words in BM25."""
    return view.fused(view.dense(view.abstract, view.chunk), view.bm25_with(title_weight))


def coverage(view: View, weight: float, power: float, in_title: bool = False) -> Scores:
    """A bonus for the share of the question's words held, each counted by its idf to a power."""
    lexicon, roots = view.shared.lexicon, view.question.roots
    held = [lexicon.holds(root, in_title) for root in roots]
    return view.score + weight * _share(view, held, [lexicon.idf(root) ** power for root in roots])


def rarest(view: View, weight: float) -> Scores:
    """A bonus for the rarest of the question's words that any paper holds."""
    lexicon = view.shared.lexicon
    known = [root for root in view.question.roots if lexicon.frequency(root)]
    if not known:
        return view.score
    return view.score + weight * lexicon.holds(min(known, key=lexicon.frequency))


def rare_first(view: View, share: float) -> Scores:
    """A share of BM25 in which each word counts by its idf once more."""
    lexicon, title = view.shared.lexicon, view.shared.settings.title_weight
    roots = view.question.roots
    weights = [lexicon.idf(root) for root in roots]
    found = np.sum([w * lexicon.bm25(r, title) for w, r in zip(weights, roots, strict=True)], axis=0)
    most = sum(w * lexicon.most([r]) for w, r in zip(weights, roots, strict=True))
    return view.fused(
        view.dense(view.abstract, view.chunk), (1 - share) * view.bm25 + share * view.most * found / most
    )


def _share(view: View, held: Sequence[NDArray[np.generic]], weights: Sequence[float]) -> Scores:
    """Returns the weighted share of what is held, 0 where there is nothing to hold."""
    total = sum(weights)
    if not held or total <= 0:
        return np.zeros(view.shared.lexicon.papers)
    return np.asarray(np.array(weights) @ np.array(held, dtype=float) / total)


# --- vectors --------------------------------------------------------------------------------------------


def best_chunks(view: View, count: int) -> Scores:
    """The mean of a paper's best passages instead of the best alone."""
    ends = [*view.shared.judged.starts[1:], len(view.passages)]
    means = [
        np.sort(view.passages[a:b])[-count:].mean() for a, b in zip(view.shared.judged.starts, ends, strict=True)
    ]
    return view.fused(view.dense(view.abstract, np.array(means, dtype=float)), view.bm25)


def soft_chunks(view: View, temperature: float) -> Scores:
    """All of a paper's passages, the nearer the heavier (softmax)."""
    starts = view.shared.judged.starts
    weights = np.exp(view.passages.astype(float) / temperature)
    chunk = np.add.reduceat(weights * view.passages, starts) / np.add.reduceat(weights, starts)
    return view.fused(view.dense(view.abstract, chunk), view.bm25)


def by_clause(view: View, weight: float) -> Scores:
    """Each clause of a question finds its own passage; the mean over clauses is a share of the chunk's part."""
    vectors = view.shared.clauses.get(view.question.text)
    if vectors is None:
        return view.score
    return _interacting(view, vectors, weight)


def by_token(view: View, weight: float) -> Scores:
    """Each token of a question finds its own passage (the sum of maxima of Khattab and Zaharia 2020)."""
    if view.shared.judged.tokens is None:
        return view.score
    found = view.shared.judged.tokens.embed_tokens(view.question.text)
    told = [fold(view.question.text[start:end]) not in STOPWORDS for start, end in found.offsets.tolist()]
    kept = found.vectors[np.array(told, dtype=bool)] if any(told) else found.vectors
    return _interacting(view, kept, weight)


def _interacting(view: View, vectors: NDArray[np.float32], weight: float) -> Scores:
    judged = view.shared.judged
    cosines = judged.chunks @ vectors.T
    each = np.maximum.reduceat(cosines, judged.starts, axis=0).mean(axis=1).astype(float)
    return view.fused(view.dense(view.abstract, (1 - weight) * view.chunk + weight * each), view.bm25)


def centred(view: View, share: float) -> Scores:
    """A share of the cosines taken from the mean of all papers, which takes out what all have in common."""
    judged, (abstracts, chunks) = view.shared.judged, view.shared.centred
    vector = unit_rows((view.question.vector - view.shared.mean)[None, :])[0]
    abstract = (abstracts @ vector).astype(float)
    far = view.dense(abstract, np.maximum(judged.best_chunk(chunks @ vector), abstract))
    return view.fused((1 - share) * view.dense(view.abstract, view.chunk) + share * far, view.bm25)


# --- weights --------------------------------------------------------------------------------------------


def weighted(view: View, dense_weight: float | None = None, chunk_weight: float | None = None) -> Scores:
    """Other weights of the parts."""
    return view.fused(view.dense(view.abstract, view.chunk, chunk_weight), view.bm25, dense_weight)


def every_word(view: View) -> Scores:
    """BM25 of every candidate, not only of those that BM25 puts first."""
    share = view.shared.settings.dense_weight
    words_score = np.clip(view.bm25 / view.most, 0.0, 1.0)
    return share * view.dense(view.abstract, view.chunk) + (1 - share) * words_score


def clauses(text: str) -> list[str]:
    """Returns the clauses of a question that hold two words or more that carry content."""
    parts = [part.strip() for part in _CLAUSE.split(text)]
    return [part for part in parts if sum(word not in STOPWORDS for word in words(part)) > 1]


def variants() -> list[Variant]:
    """Returns every way to rank that is tried."""
    tried: list[Variant] = []

    def add(name: str, method: Callable[..., Scores], values: Mapping[str, Mapping[str, object]]) -> None:
        tried.extend(Variant(name, value, partial(method, **given)) for value, given in values.items())

    feedback = {f"{n} papers, {w}": {"papers": n, "weight": w} for n, w in ((3, 0.1), (3, 0.3), (5, 0.2), (5, 0.4))}
    add("Rocchio", rocchio, feedback)
    by_words = {f"{n} words, {w}": {"terms": n, "weight": w} for n, w in ((5, 0.1), (5, 0.3), (10, 0.1), (10, 0.3))}
    add("RM3", relevance_model, by_words)
    add("Bo1", bo1, by_words)
    add("neighbours", neighbours, {str(w): {"weight": w} for w in (0.1, 0.2, 0.4)})
    for kind in ("compounds", "acronyms", "families"):
        add(kind, other_words, {str(w): {"kind": kind, "weight": w} for w in (0.5, 0.8)})
    add("phrases", phrases, {str(w): {"weight": w} for w in (0.02, 0.05, 0.1)})
    add("proximity", proximity, {str(w): {"weight": w} for w in (0.02, 0.05, 0.1)})
    add("title weight", title_weighted, {str(w): {"title_weight": w} for w in (1.0, 1.5, 4.0, 5.0)})
    add("words held", coverage, {str(w): {"weight": w, "power": 0.0} for w in (0.02, 0.05, 0.1)})
    add("idf held", coverage, {str(w): {"weight": w, "power": 1.0} for w in (0.02, 0.05, 0.1)})
    add("idf² held", coverage, {str(w): {"weight": w, "power": 2.0} for w in (0.02, 0.05, 0.1)})
    in_title = {str(w): {"weight": w, "power": 1.0, "in_title": True} for w in (0.02, 0.05, 0.1)}
    add("idf held in title", coverage, in_title)
    add("rarest word", rarest, {str(w): {"weight": w} for w in (0.02, 0.05, 0.1)})
    add("BM25 · idf", rare_first, {str(w): {"share": w} for w in (0.5, 1.0)})
    add("mean of chunks", best_chunks, {f"best {n}": {"count": n} for n in (1, 2, 3)})
    add("softmax of chunks", soft_chunks, {str(t): {"temperature": t} for t in (0.02, 0.05, 0.1)})
    add("clauses", by_clause, {str(w): {"weight": w} for w in (0.3, 0.6)})
    add("token interaction", by_token, {str(w): {"weight": w} for w in (0.1, 0.2, 0.4)})
    add("centred vectors", centred, {str(w): {"share": w} for w in (0.5, 1.0)})
    add("chunk weight", weighted, {str(w): {"chunk_weight": w} for w in (0.5, 0.6, 0.8, 1.0)})
    add("dense weight", weighted, {str(w): {"dense_weight": w} for w in (0.4, 0.45, 0.55, 0.6)})
    add("BM25 of all", every_word, {"": {}})
    return tried
