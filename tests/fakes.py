"""Stand-ins for what is slow or paid for, and papers made by number. Stores are never faked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from citewell.embedding.base import PaperVectors, Passages, embed_apart, unit_rows
from citewell.llm.base import Message, Usage
from citewell.text import stems
from citewell.types import Entry, Listing, Paper
from numpy.typing import NDArray


class HashEmbedder:
    """Bags of hashed stems as unit vectors; a text without a word is a row of zeros.

    Args:
        salt: embedders with different salts are different models.
        dim: the length of a vector.
        before: called with each batch of papers before it is embedded; what it raises is raised.
    """

    def __init__(
        self, salt: str = "", dim: int = 32, before: Callable[[Sequence[Passages]], None] | None = None
    ) -> None:
        self.salt = salt
        self.embedded = 0
        self._dim = dim
        self._before = before

    @property
    def fingerprint(self) -> str:
        return f"hash-{self._dim}-{self.salt}"

    @property
    def name(self) -> str:
        return f"HashEmbedder{self.salt}"

    @property
    def dim(self) -> int:
        return self._dim

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embed(list(texts))

    def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        if self._before is not None:
            self._before(batch)
        self.embedded += len(batch)
        return embed_apart(batch, self._embed)

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        rows = [sum((self._word(stem) for stem in stems(text)), np.zeros(self._dim)) for text in texts]
        return unit_rows(np.array(rows).reshape(-1, self._dim))

    def _word(self, stem: str) -> NDArray[np.float64]:
        return _hashed(f"{self.salt}\n{stem}", self._dim)


@lru_cache(maxsize=100_000)
def _hashed(text: str, dim: int) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    return np.random.default_rng(seed).normal(size=dim)


def word(number: int) -> str:
    """A word of its own for every number, which stemming leaves as it is."""
    consonants, vowels = "bdfgklmnprstvz", "aeiou"
    syllables = []
    for _ in range(4):
        number, rest = divmod(number, len(consonants) * len(vowels))
        syllables.append(consonants[rest // len(vowels)] + vowels[rest % len(vowels)])
    return "".join(syllables) + "q"


def paper(number: int, version: int = 0) -> Paper:
    """A paper that alone holds `word(number)`, and `word(10_000 * version + number)` in this version."""
    own, changed = word(number), word(10_000 * version + number)
    topic = ("coral", "glacier", "violin", "pollen", "granite")[number % 5]
    return Paper(
        title=f"On the {own} of {topic}",
        abstract=f"We measured the {own} of {topic} in {number + 2} places. "
        f"In version {version} it depends on {changed} more than on the season. "
        f"The {topic} was kept for {number % 7 + 1} years.",
        paper_id=f"p{number}",
        listings=(Listing(f"page{number % 3}.txt", f"Aug {number % 28 + 1}"),),
    )


def words_of(number: int, version: int = 0) -> str:
    """All that a paper says, as a question that nothing but the paper answers best."""
    asked = paper(number, version)
    return f"{asked.title} {asked.abstract}"


def entries(papers: Sequence[Paper]) -> list[Entry]:
    """The papers as if read from a file, one a line."""
    return [Entry(item, "papers.jsonl", line) for line, item in enumerate(papers, 1)]


class ScriptedModel:
    """A language model that gives the replies of a list in turn; an error in the list is raised instead.

    A reply is a text, or a list of pieces that may hold an error. `asked` keeps the messages of every request.
    """

    def __init__(self, *replies: str | Exception | Sequence[str | Exception], name: str = "scripted") -> None:
        self.name = name
        self.context_tokens: int | None = None
        self.asked: list[str] = []
        self.closed = 0
        self._replies = list(replies)

    def stream(self, messages: Sequence[Message], **_: object) -> ScriptedReply:
        self.asked.append("\n\n".join(message.content for message in messages))
        reply = self._replies.pop(0)
        return ScriptedReply([reply] if isinstance(reply, str | Exception) else reply)

    def close(self) -> None:
        self.closed += 1


class ScriptedReply:
    def __init__(self, pieces: Sequence[str | Exception]) -> None:
        self._pieces = pieces
        self.finish_reason: str | None = None
        self.usage = Usage(100, 10, 1)

    def __iter__(self) -> Iterator[str]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece
        self.finish_reason = "stop"

    def close(self) -> None:
        """There is nothing to close."""

    def __enter__(self) -> ScriptedReply:
        return self

    def __exit__(self, *_: object) -> None: ...
