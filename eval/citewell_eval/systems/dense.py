"""Dense only: ranks papers and sentences by the cosine of the collection's own vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from citewell.assistant import Assistant
from citewell.index import Snapshot
from citewell.library import StoredPassages
from citewell.types import Answer, Span
from numpy.typing import NDArray

from citewell_eval.systems.library import LibrarySystem, Scored

_ANSWERED_WITH = 3  # sentences
_ROUNDING = 1e-5  # of a cosine, between one product of all vectors and one of a few
_FEWEST = 200  # papers taken from an approximate index, and then scored exactly


class _Near(NamedTuple):
    row: int
    span: Span
    cosine: float


class DenseSystem(LibrarySystem):
    """Nearest vectors with the embedding of the collection.

    Papers are ranked by their abstract vectors, answers are the three sentences with the nearest vectors, and the
    confidence is the best of these cosines. Earlier turns are not read.

    Args:
        assistant: whose collection is searched.
        threshold: least cosine at which a question is answered.
        name: what the system is called in the table.
    """

    def __init__(self, assistant: Assistant, threshold: float, name: str = "dense only") -> None:
        super().__init__(assistant, name)
        self._threshold = threshold

    def search(self, question: str, k: int) -> list[str]:
        """Returns the ids of the `k` papers with the nearest abstract vectors, best first."""
        snapshot = self._assistant.collection.snapshot()
        vector = self._vector(self._checked(question), snapshot)
        ranked = _by_abstract(self._passages(vector, snapshot, k), vector)[:k]
        ids = self._library.ids(ranked)
        return [ids[row] for row in ranked if row in ids]

    def ask(self, question: str, history: Sequence[Answer] = ()) -> Answer:
        """Returns the three nearest sentences, or a refusal."""
        asked = self._asked(question)
        snapshot = self._assistant.collection.snapshot()
        vector = self._vector(asked.question, snapshot)
        nearest = _nearest(self._passages(vector, snapshot, _FEWEST), vector)
        papers = self._library.papers(list(dict.fromkeys(near.row for near in nearest)))
        best = [near for near in nearest if near.row in papers]
        confidence = best[0].cosine if best else 0.0
        if not best or confidence < self._threshold:
            return asked.refuse([Scored(papers[near.row], near.cosine) for near in best], confidence)
        return asked.quote([(papers[near.row], near.span) for near in best], len(papers), confidence)

    def _vector(self, question: str, snapshot: Snapshot) -> NDArray[np.float32]:
        vectors = self._assistant.collection.embedder(snapshot.manifest).embed_queries([question])
        vector: NDArray[np.float32] = vectors[0]
        return vector

    def _passages(self, vector: NDArray[np.float32], snapshot: Snapshot, k: int) -> StoredPassages:
        """Returns the vectors of all papers of a small collection, of those that the index finds in a large one."""
        collection, manifest = self._assistant.collection, snapshot.manifest
        if snapshot.generation is None or manifest.papers <= self._assistant.settings.exact_limit:
            return collection.passages(manifest)
        limit = min(max(k, _FEWEST), manifest.papers)
        found = snapshot.generation.nearest_papers(vector, limit)
        found += snapshot.generation.nearest_by_chunk(vector, limit)
        rows = self._library.rows_of(list(dict.fromkeys(found))).values()
        return self._library.passages(sorted(rows), manifest)


def _by_abstract(passages: StoredPassages, vector: NDArray[np.float32]) -> list[int]:
    rows = list(passages)
    abstracts, _ = passages.cosines(vector, rows)
    return [row for _, row in sorted(zip(-abstracts, rows, strict=True))]


def _nearest(passages: StoredPassages, vector: NDArray[np.float32]) -> list[_Near]:
    """Returns the nearest sentences; papers are opened while their best vector may still belong to one of them."""
    rows = list(passages)
    _, best = passages.cosines(vector, rows)
    nearest: list[_Near] = []
    for bound, row in sorted(zip(-best, rows, strict=True)):
        if len(nearest) == _ANSWERED_WITH and -bound < nearest[-1].cosine - _ROUNDING:
            break
        held = passages[row]
        cosines = zip(held.spans, held.chunks @ vector, strict=True)
        nearest += [_Near(row, span, float(cosine)) for span, cosine in cosines]
        nearest = sorted(nearest, key=lambda near: (-near.cosine, near.row, near.span))[:_ANSWERED_WITH]
    return nearest
