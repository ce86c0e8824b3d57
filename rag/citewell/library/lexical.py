"""BM25 by SQLite's FTS5, one word at a time.

The BM25 score of a paper is the sum of the scores of the question's words (Robertson & Zaragoza 2009, doi
10.1561/1500000019), so the scores of a word serve every question that holds it. They are kept while the library does
not change: the frequent words, which cost most, are read once, and no posting has to be left out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citewell.library.schema import Connection
from citewell.text import stems

_KEPT_POSTINGS = 4_000_000  # of 12 bytes each


class LexicalScores(NamedTuple):
    """Papers that hold any of some words: rows in ascending order and BM25 scores, both of shape (n,)."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]

    def within(self, allowed: Sequence[int]) -> LexicalScores:
        """Returns those of the papers whose rows are in `allowed`."""
        kept = np.isin(self.rows, np.asarray(allowed, dtype=np.int64))
        return LexicalScores(self.rows[kept], self.scores[kept])

    def best(self, limit: int) -> list[tuple[int, float]]:
        """Returns rows and scores of the `limit` best, best first; the lower row where they are equal."""
        if limit < len(self.rows):
            least = np.partition(self.scores, -limit)[-limit]
            self = self._replace(
                rows=self.rows[self.scores >= least], scores=self.scores[self.scores >= least]
            )
        order = np.lexsort((self.rows, -self.scores))[:limit]
        return [
            (int(row), float(score)) for row, score in zip(self.rows[order], self.scores[order], strict=True)
        ]


class _Postings(NamedTuple):
    """The papers that hold one word: rows, and the BM25 score of that word in each."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float64]


class LexicalIndex:
    """Scores papers by words; safe to share between threads.

    Args:
        connection: returns the calling thread's connection to the library.
    """

    def __init__(self, connection: Callable[[], Connection]) -> None:
        self._connection = connection
        self._guard = threading.Lock()
        self._kept: OrderedDict[tuple[str, float], _Postings] = OrderedDict()
        self._postings = 0
        self._revision = -1

    def scores(self, terms: Sequence[str], title_weight: float) -> LexicalScores:
        """Returns the papers with any of the words; a word that is there twice counts twice."""
        revision = int(self._connection().execute("SELECT revision FROM manifest").fetchone()[0])
        found = [self._of(term, title_weight, revision) for term in terms]
        if not found:
            return LexicalScores(np.empty(0, dtype=np.int64), np.empty(0))
        total = np.zeros(1 + max(int(postings.rows.max(initial=0)) for postings in found))
        holds = np.zeros(len(total), dtype=bool)
        for postings in found:
            total[postings.rows] += postings.scores
            holds[postings.rows] = True
        rows = np.flatnonzero(holds)
        return LexicalScores(rows, total[rows])

    def _of(self, term: str, title_weight: float, revision: int) -> _Postings:
        key = (" ".join(stems(term)), title_weight)  # words of one stem have the same postings
        with self._guard:
            if revision != self._revision:  # every score depends on every paper
                self._kept.clear()
                self._revision, self._postings = revision, 0
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
        read = self._read(term, title_weight)
        with self._guard:
            if revision == self._revision and key not in self._kept:
                self._kept[key] = read
                self._postings += len(read.rows)
                while self._postings > _KEPT_POSTINGS:
                    self._postings -= len(self._kept.popitem(last=False)[1].rows)
        return read

    def _read(self, term: str, title_weight: float) -> _Postings:
        query = f"SELECT rowid, -bm25(papers_fts, {float(title_weight)}, 1.0) FROM papers_fts WHERE papers_fts MATCH ?"
        found = self._connection().execute(query, (_phrase(term),)).fetchall()
        rows, scores = zip(*found, strict=True) if found else ((), ())
        return _Postings(np.array(rows, dtype=np.int32), np.array(scores, dtype=np.float64))


def _phrase(term: str) -> str:
    """Returns the word in quotes, in which nothing is an operator of FTS5."""
    return '"{}"'.format(term.replace("\0", " ").replace('"', '""'))
