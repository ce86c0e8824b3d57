"""BM25 by SQLite's FTS5, one word at a time.

The BM25 score of a paper is the sum of the scores of the question's words (Robertson & Zaragoza 2009, doi
10.1561/1500000019), so the scores of a word serve every question that holds it. They are kept while the library does
not change: the frequent words, which cost most, are read once, and no posting has to be left out.

FTS5's own bm25() reads the length of every paper that holds a word from the disk, each time. Here all lengths are read
once, and of a word only where it stands: the scores are the same to the last bit, in a fifth of the time.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citewell.library.schema import Connection, damaged, snapshot
from citewell.text import stems

_KEPT_POSTINGS = 8_000_000  # of 12 bytes each
_K1, _B = 1.2, 0.75  # of FTS5's bm25()
LEAST_IDF = 1e-6  # that of a word in more than half of the papers


class LexicalScores(NamedTuple):
    """Papers that hold any of some words.

    Attributes:
        rows: their rows in ascending order, of shape (n,).
        scores: their BM25 scores, of shape (n,).
        most: the score that no paper can exceed, be each word ever so often in it.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    most: float

    def within(self, allowed: Sequence[int]) -> LexicalScores:
        """Returns those of the papers whose rows are in `allowed`."""
        kept = np.isin(self.rows, np.asarray(allowed, dtype=np.int64))
        return self._replace(rows=self.rows[kept], scores=self.scores[kept])

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


class _Lengths(NamedTuple):
    """How many words each paper has by row (0 where there is none), on average, and how many papers there are.

    `holding` tells in how many of them the stems stand that have been asked for.
    """

    words: NDArray[np.float64]
    average: float
    papers: int
    holding: dict[str, int]

    def idf(self, holding: int) -> float:
        """Returns the inverse document frequency of a word that so many papers hold, as FTS5 computes it."""
        return max(math.log((self.papers - holding + 0.5) / (holding + 0.5)), LEAST_IDF)


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
        self._lengths: _Lengths | None = None
        self._vocabularies: dict[str, dict[str, int]] = {}

    def scores(self, terms: Sequence[str], title_weight: float) -> LexicalScores:
        """Returns the papers with any of the words; a word that is there twice counts twice.

        Raises:
            CollectionError: the index of words is damaged.
        """
        connection = self._connection()
        with _reading(connection):
            revision = _revision(connection)
            lengths = self._at(revision, connection)
            found = [self._of(term, title_weight, revision, lengths, connection) for term in terms]
        most = (_K1 + 1) * sum(lengths.idf(len(postings.rows)) for postings in found)
        total = np.zeros(len(lengths.words))
        holds = np.zeros(len(lengths.words), dtype=bool)
        for postings in found:
            total[postings.rows] += postings.scores
            holds[postings.rows] = True
        rows = np.flatnonzero(holds)
        return LexicalScores(rows, total[rows], most)

    def frequencies(self, stems: Sequence[str]) -> dict[str, int]:
        """Returns in how many papers each stem stands, without those that stand nowhere."""
        connection = self._connection()
        query = "SELECT doc FROM papers_vocabulary WHERE term = ?"
        with _reading(connection):
            holding = self._at(_revision(connection), connection).holding
            for stem in stems:
                if stem not in holding:  # to count the papers of a frequent word takes milliseconds
                    row = connection.execute(query, (stem,)).fetchone()
                    holding[stem] = 0 if row is None else int(row[0])
        return {stem: holding[stem] for stem in stems if holding[stem]}

    def standing(self, stems: Sequence[str]) -> set[str]:
        """Returns those of the stems that stand in any paper, which takes less than to count them."""
        connection = self._connection()
        query = "SELECT 1 FROM papers_places WHERE term = ? LIMIT 1"
        with _reading(connection):
            return {stem for stem in stems if connection.execute(query, (stem,)).fetchone()}

    def vocabulary(self, first: str) -> dict[str, int]:
        """Returns the indexed stems with a first letter, and in how many papers each stands."""
        connection = self._connection()
        with _reading(connection):
            revision = _revision(connection)
            self._at(revision, connection)
            if (known := self._vocabularies.get(first)) is not None:
                return known
            query = "SELECT term, doc FROM papers_vocabulary WHERE term >= ? AND term < ?"
            found = dict(connection.execute(query, (first, first + "\U0010ffff")))
        with self._guard:
            if revision == self._revision:
                self._vocabularies[first] = found
        return found

    def _at(self, revision: int, connection: Connection) -> _Lengths:
        """Returns the lengths of all papers; every score depends on every paper, so none older are kept."""
        with self._guard:
            if revision != self._revision or self._lengths is None:
                self._lengths = _read_lengths(connection)  # first: it may fail, and then nothing has changed
                self._kept.clear()
                self._vocabularies.clear()
                self._revision, self._postings = revision, 0
            return self._lengths

    def _of(
        self, term: str, title_weight: float, revision: int, lengths: _Lengths, connection: Connection
    ) -> _Postings:
        roots = stems(term)
        key = (" ".join(roots), title_weight)  # words of one stem have the same postings
        with self._guard:
            if revision == self._revision and (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
        if len(roots) == 1 and term.isascii():  # FTS5 folds other letters in its own way
            read = _read_word(roots[0], title_weight, lengths, connection)
            lengths.holding[roots[0]] = len(read.rows)
        else:
            read = _read_phrase(term, title_weight, connection)
        with self._guard:
            if revision == self._revision and key not in self._kept:
                self._kept[key] = read
                self._postings += len(read.rows)
                while self._postings > _KEPT_POSTINGS:
                    self._postings -= len(self._kept.popitem(last=False)[1].rows)
        return read


@contextmanager
def _reading(connection: Connection) -> Iterator[None]:
    """Lets everything that is read meanwhile be of one revision, and tells of what no index of words can hold."""
    try:
        with snapshot(connection):
            yield
    except (ValueError, IndexError) as error:  # lengths or places that no library has
        raise damaged(connection.path, "its index of words cannot be read") from error


def _revision(connection: Connection) -> int:
    return int(connection.execute("SELECT revision FROM manifest").fetchone()[0])


def _read_lengths(connection: Connection) -> _Lengths:
    """Returns what FTS5 stores as two SQLite varints a paper: words of the title, and of the abstract."""
    stored = connection.execute("SELECT id, sz FROM papers_fts_docsize").fetchall()
    if not stored:
        return _Lengths(np.zeros(1), 1.0, 0, {})
    rows, sizes = zip(*stored, strict=True)
    numbers = _varints(b"".join(sizes)).reshape(len(rows), -1).sum(axis=1)
    words = np.zeros(1 + max(rows))
    words[list(rows)] = numbers
    return _Lengths(words, float(numbers.sum()) / len(rows), len(rows), {})


def _varints(stored: bytes) -> NDArray[np.int64]:
    """Returns numbers of seven bits a byte, the highest first; the last byte of each is below 128."""
    values = np.frombuffer(stored, dtype=np.uint8)
    ends = np.flatnonzero(values < 128)
    starts = np.concatenate([[0], ends[:-1] + 1])
    numbers = np.zeros(len(ends), dtype=np.int64)
    for place in range(int((ends - starts).max(initial=-1)) + 1):
        longer = starts + place <= ends
        numbers[longer] = (numbers[longer] << 7) | (values[starts[longer] + place] & 127)
    return numbers


def _read_word(root: str, title_weight: float, lengths: _Lengths, connection: Connection) -> _Postings:
    # One text of all places is read many times as fast as a row a place.
    query = "SELECT group_concat(doc * 2 + (col = 'title')) FROM papers_places WHERE term = ?"
    (places,) = connection.execute(query, (root,)).fetchone()
    if places is None:
        return _Postings(np.empty(0, dtype=np.int32), np.empty(0))
    found = np.fromstring(places, dtype=np.int64, sep=",")
    papers, in_title = found >> 1, found & 1
    firsts = np.flatnonzero(np.diff(papers, prepend=-1))
    rows = papers[firsts]
    often = np.add.reduceat(np.where(in_title, title_weight, 1.0), firsts)
    room = _K1 * (1 - _B + _B * lengths.words[rows] / lengths.average)
    scores = lengths.idf(len(rows)) * (often * (_K1 + 1) / (often + room))
    return _Postings(rows.astype(np.int32), scores)


def _read_phrase(term: str, title_weight: float, connection: Connection) -> _Postings:
    """Returns the papers that hold what is several words to the index, one after the other."""
    query = f"SELECT rowid, -bm25(papers_fts, {float(title_weight)}, 1.0) FROM papers_fts WHERE papers_fts MATCH ?"
    phrase = '"{}"'.format(term.replace("\0", " ").replace('"', '""'))  # in quotes nothing is an operator
    found = connection.execute(query, (phrase,)).fetchall()
    rows, scores = zip(*found, strict=True) if found else ((), ())
    return _Postings(np.array(rows, dtype=np.int32), np.array(scores, dtype=np.float64))
