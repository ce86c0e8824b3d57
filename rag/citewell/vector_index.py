"""What a vector index is to those who ask it, wherever its vectors are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citewell.errors import CollectionError

ABSTRACTS, CHUNKS = "abstracts", "chunks"
_ASKED_FOR = 20  # nearest vectors among which a health check expects a paper
_SAME_VECTOR = 1e-4  # cosine distance


def tolerated(missed: int, asked: int) -> bool:
    """Returns whether an index is sound that does not find `missed` of the papers asked for.

    One of many may be missed: the search of a graph is approximate, and of 20,000 papers one was out of its reach. An
    index that is damaged misses more.
    """
    return missed <= min(1, asked // 16)


class PaperVectors(NamedTuple):
    """What the index holds of one paper: unit vectors of shapes (dim,) and (n, dim)."""

    paper_id: str
    abstract: NDArray[np.float32]
    chunks: NDArray[np.float32]


class VectorIndex(ABC):
    """A collection of abstract vectors and one of chunk vectors, which may be left empty; readers see no change."""

    @property
    @abstractmethod
    def has_chunks(self) -> bool:
        """Whether it holds chunk vectors."""

    @abstractmethod
    def close(self) -> None:
        """Releases files, connections and threads; the index cannot be used afterwards."""

    @abstractmethod
    def _count(self, name: str) -> int:
        """Returns the number of vectors in one of the two collections."""

    @abstractmethod
    def _nearest(self, name: str, query: NDArray[np.float32], limit: int) -> list[tuple[str, float]]:
        """Returns the owners of the nearest vectors and their cosine distances, best first."""

    def count(self) -> int:
        """Returns the number of papers.

        Raises:
            CollectionError: the index does not answer.
        """
        return self._count(ABSTRACTS)

    def nearest_papers(self, query: NDArray[np.float32], limit: int) -> list[str]:
        """Returns the ids of the papers whose abstract vectors are nearest, best first.

        Raises:
            CollectionError: the index does not answer.
        """
        return [paper_id for paper_id, _ in self._nearest(ABSTRACTS, query, limit)]

    def nearest_by_chunk(self, query: NDArray[np.float32], limit: int) -> list[str]:
        """Returns the distinct ids of the papers of the `limit` nearest chunks, best first.

        Raises:
            CollectionError: the index does not answer.
        """
        return list(dict.fromkeys(paper_id for paper_id, _ in self._nearest(CHUNKS, query, limit)))

    def missed(self, papers: Sequence[PaperVectors]) -> list[str]:
        """Returns the ids of the papers that real queries with their own vectors do not find."""
        return [paper.paper_id for paper in papers if not self.finds(paper)]

    def finds(self, paper: PaperVectors) -> bool:
        """Returns whether real queries with the paper's own vectors find it, in both collections.

        Where many papers have the same vector, finding others that are just as near is enough.
        """
        try:
            expected = paper.chunks[:1] if self.has_chunks else ()
            return self._finds(ABSTRACTS, paper.abstract, paper.paper_id) and all(
                self._finds(CHUNKS, chunk, paper.paper_id) for chunk in expected
            )
        except CollectionError:
            return False

    def _finds(self, name: str, vector: NDArray[np.float32], paper_id: str) -> bool:
        if not vector.any():
            return True  # a text without a word is near nothing
        found = self._nearest(name, vector, _ASKED_FOR)
        same = len(found) == _ASKED_FOR and found[-1][1] < _SAME_VECTOR
        return same or paper_id in (owner for owner, _ in found)
