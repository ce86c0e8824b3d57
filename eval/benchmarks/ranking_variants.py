"""Ways to rank, each a change of one thing in the score that Citewell ranks by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from citewell.embedding.base import unit_rows
from citewell.text import STOPWORDS, stem
from numpy.typing import NDArray
from ranking_expand import expanded, pairs
from ranking_sets import Scores
from ranking_view import View

_STOP_ROOTS = frozenset(stem(word) for word in STOPWORDS)


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
    return view.with_dense(view.seen_from(unit_rows(moved[None, :])[0]))


def relevance_model(view: View, terms: int, weight: float) -> Scores:
    """Words likely in the five best papers are asked for as well (RM3, Abdul-Jaleel et al. 2004)."""
    return _with_words(view, view.feedback[0], terms, weight)


def bo1(view: View, terms: int, weight: float) -> Scores:
    """Words that the five best papers hold more than chance would are asked for as well (Bo1, Amati 2003)."""
    return _with_words(view, view.feedback[1], terms, weight)


def _with_words(view: View, weights: Mapping[str, float], terms: int, weight: float) -> Scores:
    """Returns the fused score with a share of BM25 from the heaviest of some words."""
    lexicon, title = view.shared.lexicon, view.shared.settings.title_weight
    usable = {r: w for r, w in weights.items() if len(r) > 2 and not r.isdigit() and r not in _STOP_ROOTS}
    chosen = sorted(usable, key=lambda root: (-usable[root], root))[:terms]
    if not chosen:
        return view.score
    found = np.sum([usable[root] * lexicon.bm25(root, title) for root in chosen], axis=0)
    most = sum(usable[root] * lexicon.most([root]) for root in chosen)
    return view.fused(view.dense, (1 - weight) * view.bm25 + weight * view.most * found / most)


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
    return view.fused(view.dense, view.bm25 + added)


def phrases(view: View, weight: float) -> Scores:
    """A bonus for words side by side as in the question (the ordered part of Metzler and Croft 2005)."""
    asked = pairs(view.question)
    lexicon = view.shared.lexicon
    held = [np.isin(np.arange(lexicon.papers), sorted(view.shared.expander.phrase(pair))) for pair in asked]
    return view.score + weight * _share(view, held, [lexicon.idf(a) + lexicon.idf(b) for a, b in asked])


def proximity(view: View, weight: float) -> Scores:
    """A bonus for words of the question within eight words of one another, in any order (their unordered part)."""
    weights = [view.shared.lexicon.idf(a) + view.shared.lexicon.idf(b) for a, b in pairs(view.question)]
    return view.score + weight * _share(view, view.near, weights)


# --- titles and rare words ------------------------------------------------------------------------------


def title_weighted(view: View, title_weight: float) -> Scores:
    """Another weight of a title's words in BM25."""
    return view.fused(view.dense, view.bm25_with(title_weight))


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
    return view.fused(view.dense, (1 - share) * view.bm25 + share * view.most * found / most)


def _share(view: View, held: Sequence[NDArray[np.generic]], weights: Sequence[float]) -> Scores:
    """Returns the weighted share of what is held, 0 where there is nothing to hold."""
    total = sum(weights)
    if not held or total <= 0:
        return np.zeros(view.shared.lexicon.papers)
    return np.asarray(np.array(weights) @ np.array(held, dtype=float) / total)


# --- vectors --------------------------------------------------------------------------------------------


def best_chunks(view: View, count: int) -> Scores:
    """The mean of a paper's best passages instead of the best vector alone."""
    starts = view.read.starts
    sizes = np.diff(np.append(starts, len(view.passages)))
    order = np.lexsort((-view.passages, np.repeat(np.arange(len(starts)), sizes)))
    ranked = np.append(view.passages[order], 0.0)
    used = np.minimum(count, sizes)
    total = sum(np.where(n < used, ranked[np.minimum(starts + n, len(order))], 0.0) for n in range(count))
    return view.with_chunk(total / used)


def soft_chunks(view: View, temperature: float) -> Scores:
    """All of a paper's passages, the nearer the heavier (softmax)."""
    weights = np.exp(view.passages / temperature)
    total = np.add.reduceat(weights, view.read.starts)
    return view.with_chunk(np.add.reduceat(weights * view.passages, view.read.starts) / total)


def by_clause(view: View, weight: float) -> Scores:
    """Each clause of a question finds its own passage; the mean over clauses is a share of the chunk's part."""
    return _shared_out(view, view.by_clause, weight)


def by_token(view: View, weight: float) -> Scores:
    """Each token of a question finds its own passage (the sum of maxima of Khattab and Zaharia 2020)."""
    return _shared_out(view, view.by_token, weight)


def _shared_out(view: View, other: Scores | None, weight: float) -> Scores:
    if other is None:
        return view.score
    return view.with_chunk((1 - weight) * view.chunk[view.read.places] + weight * other)


def centred(view: View, share: float) -> Scores:
    """A share of the cosines taken from the mean of all papers, which takes out what all have in common."""
    mean = view.shared.mean
    far = view.seen_from(unit_rows((view.question.vector - mean)[None, :])[0], mean)
    return view.with_dense((1 - share) * view.dense[view.read.places] + share * far)


# --- weights --------------------------------------------------------------------------------------------


def weighted(view: View, dense_weight: float | None = None, chunk_weight: float | None = None) -> Scores:
    """Other weights of the parts."""
    return view.fused(view.mixed(view.abstract, view.chunk, chunk_weight), view.bm25, dense_weight)


def every_word(view: View) -> Scores:
    """BM25 of every candidate, not only of those that BM25 puts first."""
    share = view.shared.settings.dense_weight
    words_score = np.clip(view.bm25 / view.most, 0.0, 1.0)
    return share * view.dense + (1 - share) * words_score


def variants() -> list[Variant]:
    """Returns every way to rank that is tried."""
    tried: list[Variant] = []

    def add(name: str, method: Callable[..., Scores], values: Mapping[str, Mapping[str, object]]) -> None:
        tried.extend(Variant(name, value, partial(method, **given)) for value, given in values.items())

    feedback = {
        f"{n} papers, {w}": {"papers": n, "weight": w} for n, w in ((3, 0.1), (3, 0.3), (5, 0.2), (5, 0.4))
    }
    add("Rocchio", rocchio, feedback)
    by_words = {
        f"{n} words, {w}": {"terms": n, "weight": w} for n, w in ((5, 0.1), (5, 0.3), (10, 0.1), (10, 0.3))
    }
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
