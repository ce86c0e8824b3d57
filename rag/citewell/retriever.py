"""Retrieval: dense and lexical candidates, scored exactly, fused, one row a paper.

Candidates come from three lists: nearest abstract vectors, nearest chunk vectors, and BM25. Their dense scores
are then computed exactly from the library's vectors, so an approximate index can only miss a candidate, never
misjudge one. The cosine is added to BM25 as a share of the most that any paper could reach with these words: where the
best paper holds few of them, words tell little, and the share is small for all. On the development sets and SciFact
this beats min-max normalisation, on Cranfield it is as good (docs/decisions/0017). Filters that leave few papers skip
the index altogether. A reranker, where one is set, orders the best of them anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from citewell.corpus.clean import search_form
from citewell.embedding.base import with_title
from citewell.errors import CollectionError, UsageError
from citewell.index import Collection, Snapshot
from citewell.library import Filters, Manifest, StoredPassages
from citewell.library.lexical import LEAST_IDF
from citewell.reranking import Reranker, open_reranker
from citewell.settings import Settings
from citewell.text import STOPWORDS, words

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Query:
    """A question as retrieval sees it: its text, its words that carry content, its unit vector (dim,)."""

    text: str
    terms: tuple[str, ...]
    vector: Vector


@dataclass(frozen=True, slots=True)
class Candidate:
    """A paper found, with the parts of its score.

    Attributes:
        row: the paper's row in the library.
        paper_id: its id.
        score: fused score, 0..1; comparable between questions.
        abstract_cosine: cosine of question and abstract vector; nan when the paper has no vectors yet.
        chunk_cosine: best cosine of question and chunk vectors.
        bm25: BM25 score, 0 when no word of the question occurs.
    """

    row: int
    paper_id: str
    score: float
    abstract_cosine: float
    chunk_cosine: float
    bm25: float


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Candidates, best first, the vectors they were scored by, and how many papers were searched and matched.

    `candidates` are in the order of their fused scores, which the gate judges by; `reranked` are the same in the order
    of a reranker, in which they are shown and read. It is empty where there is none.
    """

    query: Query
    candidates: tuple[Candidate, ...]
    passages: StoredPassages
    searched: int
    matched: int
    snapshot: Snapshot
    reranked: tuple[Candidate, ...] = ()

    def in_order(self) -> Retrieval:
        """Returns this with its candidates in the order in which they are shown and read."""
        return replace(self, candidates=self.reranked, reranked=()) if self.reranked else self


class HybridRetriever:
    """Finds papers for a question in one collection.

    Args:
        collection: where it looks.
        settings: how much it looks at, and how scores are fused.
        reranker: a model to use instead of the one that the settings name, if they name one.

    Raises:
        MissingExtraError: the reranker that is named needs a package that is not installed.
        UsageError: there is no such reranker.
    """

    def __init__(self, collection: Collection, settings: Settings, reranker: Reranker | None = None) -> None:
        self._collection = collection
        self._settings = settings
        named = settings.reranker
        self._reranker = reranker if reranker is not None or not named else open_reranker(named)

    def retrieve(
        self, question: str, filters: Filters | None = None, carried: Sequence[str] = ()
    ) -> Retrieval:
        """Returns the papers nearest to the question.

        Papers `carried` forward from earlier turns are candidates whatever the question's words are, and stand among
        the first `similarity_top_k`, behind the better ones, if they pass the filters.

        Raises:
            UsageError: the question is empty or too long.
            ModelError: a model cannot be loaded or reached.
        """
        filters = filters or Filters()
        question = check_question(question, self._settings.max_question_chars)
        snapshot = self._collection.snapshot()
        library, limit = self._collection.library, self._settings.candidates
        # The model reads the question, and the index is asked, while its words are looked up.
        beside = self._collection.beside
        vector = beside.submit(self._vector, question, snapshot.manifest)
        allowed = library.matching(filters) if filters else None
        near = beside.submit(self._nearest, vector, snapshot, allowed)
        terms = query_terms(question)
        words_found = library.lexical(terms, self._settings.title_weight)
        if allowed is not None:
            words_found = words_found.within(allowed)
        lexical = dict(words_found.best(limit))
        known = set(library.rows_of(carried).values())
        known = known if allowed is None else known.intersection(allowed)
        ids = library.ids(sorted({*lexical, *known}))
        passages = self._passages(ids, snapshot.manifest)
        query = Query(question, terms, vector.result())
        ids |= self._dense_ids(near.result(), snapshot.manifest, allowed)
        passages = self._passages(ids, snapshot.manifest, passages)
        found = self._fuse(query, ids, passages, lexical, words_found.most)
        candidates = keep(found, known, self._settings.similarity_top_k, limit)
        reranked = keep(self._reranked(query, found), known, self._settings.similarity_top_k, limit)
        searched = snapshot.manifest.papers if allowed is None else len(allowed)
        matched = min(len(words_found.rows), searched)
        return Retrieval(query, tuple(candidates), passages, searched, matched, snapshot, tuple(reranked))

    def _vector(self, question: str, manifest: Manifest) -> Vector:
        if not manifest.dim:
            return np.zeros(0, dtype=np.float32)
        vector: Vector = self._collection.embedder(manifest).embed_queries([question])[0]
        return vector

    def _nearest(
        self, vector: Future[Vector], snapshot: Snapshot, allowed: Sequence[int] | None
    ) -> list[str] | None:
        """Returns the ids of the index's nearest papers; None where it cannot be asked, or need not be."""
        limit = self._settings.candidates
        if snapshot.generation is None or (allowed is not None and self._are_few(len(allowed))):
            return None
        if allowed is not None:
            # A filter that keeps a share of all papers keeps about that share of the nearest ones: ask for more.
            limit += int(limit * snapshot.manifest.papers / len(allowed))
        try:
            found = snapshot.generation.nearest_papers(vector.result(), limit)
            return [*found, *snapshot.generation.nearest_by_chunk(vector.result(), limit)]
        except CollectionError:  # one that has just been damaged is repaired with the next question
            return None

    def _dense_ids(
        self, near: Sequence[str] | None, manifest: Manifest, allowed: Sequence[int] | None
    ) -> dict[int, str]:
        """Returns rows and ids of dense candidates: the index's nearest, or all that are left where they are few."""
        library = self._collection.library
        if near is not None:
            found = {row: paper_id for paper_id, row in library.rows_of(list(dict.fromkeys(near))).items()}
            return found if allowed is None else {row: found[row] for row in found.keys() & set(allowed)}
        if not self._are_few(manifest.papers if allowed is None else len(allowed)):
            return {}
        return library.ids(library.matching(Filters()) if allowed is None else allowed)

    def _are_few(self, papers: int) -> bool:
        return papers <= self._settings.exact_limit

    def _passages(
        self, rows: Iterable[int], manifest: Manifest, held: StoredPassages | None = None
    ) -> StoredPassages:
        """Returns the passages of the rows, beside those that are `held`; small collections stay in memory."""
        if self._are_few(manifest.papers):
            return self._collection.passages(manifest)
        if held is None:
            return self._collection.library.passages(sorted(rows), manifest)
        others = [row for row in sorted(rows) if row not in held]
        return held.joined(self._collection.library.passages(others, manifest))

    def _fuse(
        self,
        query: Query,
        ids: Mapping[int, str],
        passages: StoredPassages,
        lexical: Mapping[int, float],
        most: float,
    ) -> list[Candidate]:
        """Returns the papers of `ids` by row with their scores, best first."""
        settings, rows = self._settings, sorted(ids)
        abstract, chunk = passages.cosines(query.vector, rows)
        bm25 = np.array([lexical.get(row, 0.0) for row in rows])
        words_score = np.clip(bm25 / max(most, LEAST_IDF), 0.0, 1.0)
        cosine = (1 - settings.chunk_weight) * abstract + settings.chunk_weight * chunk
        # A paper that has no vectors yet is judged by its words alone.
        dense = np.where(np.isnan(cosine), words_score, np.clip(cosine, 0.0, 1.0))
        score = settings.dense_weight * dense + (1 - settings.dense_weight) * words_score
        parts = (part.tolist() for part in (score, abstract, chunk, bm25))
        found = [Candidate(row, ids[row], *values) for row, *values in zip(rows, *parts, strict=True)]
        return sorted(found, key=_place)

    def _reranked(self, query: Query, found: Sequence[Candidate]) -> list[Candidate]:
        """Returns the candidates in the reranker's order, none where there is no reranker."""
        if self._reranker is None:
            return []
        papers = self._collection.library.papers(
            [candidate.row for candidate in found[: self._settings.rerank_candidates]]
        )
        read = [candidate for candidate in found if candidate.row in papers]  # others were removed meanwhile
        texts = [with_title(papers[one.row].title, papers[one.row].abstract) for one in read]
        left = found[self._settings.rerank_candidates :]
        return [*reorder(read, self._reranker.scores(query.text, texts)), *left]


def reorder(candidates: Sequence[Candidate], scores: NDArray[np.floating]) -> list[Candidate]:
    """Returns the candidates, given best first, in the order of `scores`; equals stay as they were.

    The fused scores stay where they are: the first paper gets the highest, the second the next. So a list that is
    sorted by score keeps this order, and what was fitted on scores by place still meets the scores it knows.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    return [replace(candidates[i], score=place.score) for i, place in zip(order, candidates, strict=True)]


def keep(found: Sequence[Candidate], carried: Set[int], top_k: int, limit: int) -> list[Candidate]:
    """Returns the first `limit` candidates, best first, but with the rows `carried` forward among the first `top_k`."""
    lifted = [candidate for candidate in found if candidate.row in carried][:top_k]
    others = [candidate for candidate in found if candidate not in lifted]
    room = top_k - len(lifted)
    first = {candidate.row for candidate in (*others[:room], *lifted)}
    return [*(one for one in found if one.row in first), *others[room : limit - len(lifted)]]


def _place(candidate: Candidate) -> tuple[float, str]:
    return -round(candidate.score, 9), candidate.paper_id


def query_terms(question: str) -> tuple[str, ...]:
    """Returns the words that carry content, once each; all words where none does."""
    everything = tuple(dict.fromkeys(words(search_form(question))))
    return tuple(word for word in everything if word not in STOPWORDS) or everything


def check_question(question: str, limit: int) -> str:
    """Returns the question without surrounding white space and characters that cannot be stored.

    Raises:
        UsageError: it is empty or longer than `limit` characters.
    """
    cleaned = question.encode("utf-8", "replace").decode("utf-8").replace("\0", " ").strip()
    if not cleaned:
        raise UsageError("The question is empty. Ask something about the abstracts.")
    if len(cleaned) > limit:
        raise UsageError(f"The question has {len(cleaned):,} characters, the limit is {limit:,}. Shorten it.")
    return cleaned
