"""The passages of papers: ranges of their abstracts, and vectors, as they are stored and as a question meets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citewell.types import Span

_LONGEST = 1.1  # square of the length of a unit vector, rounded to float16


class Passages(NamedTuple):
    """The chunks of one paper: ranges of its abstract, and unit vectors of shapes (dim,) and (n, dim)."""

    spans: tuple[Span, ...]
    abstract: NDArray[np.float32]
    chunks: NDArray[np.float32]


def pack(spans: Sequence[Span], vectors: NDArray[np.float32]) -> tuple[bytes, bytes]:
    """Returns ranges as int32 and vectors (abstract first) as float16, at less than 1e-3 of a cosine."""
    return np.asarray(spans, dtype="<i4").tobytes(), vectors.astype("<f2").tobytes()


class StoredPassages(Mapping[int, Passages]):
    """The passages of several papers by row, in one matrix, so that a question meets them all at once.

    Args:
        stored: rows, ranges and vectors, as `pack` makes them.
        dim: the length of a vector.

    Raises:
        ValueError: they are damaged, as one can see: no whole vectors, or longer ones than a unit vector.
    """

    def __init__(self, stored: Sequence[tuple[int, bytes, bytes]], dim: int) -> None:
        self._places = {row: place for place, (row, _, _) in enumerate(stored)}
        self._spans = [spans for _, spans, _ in stored]
        if any(len(vectors) * 4 != (len(spans) + 8) * dim or len(spans) % 8 for _, spans, vectors in stored):
            raise ValueError("there are not as many vectors as passages")
        sizes = [len(vectors) // (2 * dim) for _, _, vectors in stored]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        joined = b"".join(vectors for _, _, vectors in stored)
        self._matrix = np.frombuffer(joined, dtype="<f2").reshape(-1, max(dim, 1)).astype(np.float32)
        lengths = np.einsum("ij,ij->i", self._matrix, self._matrix)
        if not (lengths < _LONGEST).all():  # nor is nan shorter
            raise ValueError("a vector in it is longer than any that is stored")

    def joined(self, others: StoredPassages) -> StoredPassages:
        """Returns these passages and those of other rows."""
        both = copy(self)
        both._places = self._places | {row: len(self) + place for row, place in others._places.items()}
        both._spans = self._spans + others._spans
        both._starts = np.concatenate([self._starts, self._starts[-1] + others._starts[1:]])
        both._matrix = np.concatenate([self._matrix, others._matrix])
        return both

    def __getitem__(self, row: int) -> Passages:
        place = self._places[row]
        own = self._matrix[self._starts[place] : self._starts[place + 1]]
        ranges = np.frombuffer(self._spans[place], dtype="<i4").reshape(-1, 2).tolist()
        return Passages(tuple(Span(a, b) for a, b in ranges), own[0], own[1:])

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def cosines(
        self, query: NDArray[np.float32], rows: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the query's cosine with the abstract and with the best passage of each row, nan without vectors."""
        abstract, best = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        places = [self._places.get(row, -1) for row in rows]
        held = [i for i, place in enumerate(places) if place >= 0]
        if held:
            # Not `@`: the threads of a BLAS spin for a while afterwards, on cores that others need.
            similarity = np.vecdot(self._matrix, query)
            starts = self._starts[:-1]
            chosen = [places[i] for i in held]
            abstract[held] = similarity[starts][chosen]
            best[held] = np.maximum.reduceat(similarity, starts)[chosen]
        return abstract, best
