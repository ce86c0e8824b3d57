"""Papers made up by number and version, and vectors of them without a model: what the trials of faults.py store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from citewell.embedding.base import PaperVectors, Passages, embed_apart, unit_rows
from citewell.text import stems
from citewell.types import Entry, Listing, Paper
from numpy.typing import NDArray

Numbered = tuple[int, int]  # the number of a paper, and its version

RANKED = (
    "order"  # begins what is said of a paper that is not found first, as opposed to one that is shown wrong
)
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprtvz" for vowel in "aeiou"]
_TOPICS = ("coral", "glaciers", "violins", "pollen", "granite", "lichen", "tides")
_VERSION = re.compile(r"In version (\d+) ")


class WordVectors:
    """An embedding model: every stem has a direction drawn by its hash, and a text is the sum of its stems'."""

    name, fingerprint, dim = "WordVectors", "word-vectors-32", 32

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns unit vectors of shape (n, dim)."""
        rows = [sum((_direction(stem) for stem in stems(text)), np.zeros(self.dim)) for text in texts]
        return unit_rows(np.array(rows).reshape(-1, self.dim))

    def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Returns the vectors of each paper's abstract and chunks."""
        return embed_apart(batch, self.embed_queries)


@lru_cache(maxsize=100_000)
def _direction(stem: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(stem.encode()).digest()[:8])
    return np.random.default_rng(seed).normal(size=WordVectors.dim)


def word(number: int) -> str:
    """Returns a word of its own for every number, which stemming leaves as it is."""
    made = ""
    for _ in range(4):
        number, rest = divmod(number, len(_SYLLABLES))
        made += _SYLLABLES[rest]
    return f"{made}x"


def paper(number: int, version: int) -> Paper:
    """Returns a paper that alone holds `word(number)`, and a word of its own in each version."""
    own, changed, topic = word(number), word(10_000 * (version + 1) + number), _TOPICS[number % len(_TOPICS)]
    return Paper(
        title=f"The {own} of {topic}",
        abstract=f"We counted the {own} of {topic} at {number + 2} places. "
        f"In version {version} the count follows the {changed} and not the season. "
        f"Samples of {topic} with {own} were stored for {number % 9 + 1} years.",
        paper_id=f"p{number}",
        listings=(Listing(f"page{number % 3}.txt", f"Aug {number % 28 + 1}"),),
    )


def words_of(number: int, version: int) -> str:
    """Returns all that a paper says: a query that nothing but the paper answers best."""
    made = paper(number, version)
    return f"{made.title} {made.abstract}"


def entries(papers: Sequence[Numbered]) -> list[Entry]:
    """Returns the papers as if read from a file, one a line."""
    return [Entry(paper(*one), "papers.jsonl", line) for line, one in enumerate(papers, 1)]


def number_of(paper_id: str) -> int:
    """Returns the number of a paper by its id."""
    return int(paper_id.removeprefix("p"))


def version_of(held: Paper) -> int | None:
    """Returns which version a stored paper is, to the letter; None if it is none that was ever made."""
    found = _VERSION.search(held.abstract)
    if found is None or not re.fullmatch(r"p\d+", held.paper_id):
        return None
    made = paper(number_of(held.paper_id), int(found[1]))
    same = (held.title, held.abstract) == (made.title, made.abstract)
    return int(found[1]) if same else None
