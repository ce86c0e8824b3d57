"""What every embedder takes and returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from citewell.types import Span


@dataclass(frozen=True, slots=True)
class Passages:
    """What is embedded for one paper.

    `spans` are the chunks: ascending character ranges of `text`, the abstract, that may leave gaps of
    white space between them.
    """

    title: str
    text: str
    spans: tuple[Span, ...] = ()


class PaperVectors(NamedTuple):
    """The vectors of one paper, all of unit length.

    `abstract` has shape (dim,) and stands for title and abstract together; `chunks` has shape
    (len(spans), dim).
    """

    abstract: NDArray[np.float32]
    chunks: NDArray[np.float32]


class TokenVectors(NamedTuple):
    """Unit vectors of a text's tokens, shape (n, dim), and the characters they stand for, shape (n, 2)."""

    vectors: NDArray[np.float32]
    offsets: NDArray[np.int64]


class Embedder(Protocol):
    """Turns questions and papers into unit vectors of one space.

    Two embedders with the same `fingerprint` give the same vectors for the same text; the library
    re-embeds when it changes.
    """

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vector of any text could change."""

    @property
    def name(self) -> str:
        """The model's name, fit for a person."""

    @property
    def dim(self) -> int:
        """The length of every vector."""

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of `texts`, shape (len(texts), dim)."""

    def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Return the vectors of every paper, in the order given."""


@runtime_checkable
class SpreadEmbedder(Protocol):
    """An embedder with many workers, which it tells how to keep busy."""

    @property
    def papers_at_once(self) -> int:
        """How many papers keep every worker busy now."""


@runtime_checkable
class TokenEmbedder(Protocol):
    """An embedder that also gives the vectors of single tokens, and so has a vocabulary."""

    def knows(self, word: str) -> bool:
        """Return whether a word is one token of the vocabulary."""

    def embed_tokens(self, text: str) -> TokenVectors:
        """Return the token vectors of one text."""


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the rows scaled to length 1; a row of zeros stays zero."""
    wide = np.asarray(rows, dtype=np.float64)
    norms = np.linalg.norm(wide, axis=-1, keepdims=True)
    return (wide / np.where(norms > 0, norms, 1.0)).astype(np.float32)


def with_title(title: str, text: str) -> str:
    """Return `title. text`, the form in which a passage is embedded."""
    return f"{title_sentence(title)} {text}".strip()


def title_sentence(title: str) -> str:
    """Return the title closed by a full stop, unless it already ends a sentence or is empty."""
    title = title.strip()
    return title if not title or title[-1] in ".?!" else title + "."


def well_formed(text: str) -> str:
    """Return the text with `?` for every lone surrogate, which no tokenizer and no JSON takes.

    They come from file names and command lines that are not UTF-8. The length stays the same.
    """
    return text.encode(errors="replace").decode()


def usable_cpus() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def embed_apart(
    batch: Sequence[Passages], embed: Callable[[list[str]], NDArray[np.float32]]
) -> list[PaperVectors]:
    """Return the vectors of every paper from a model that gives one vector a text.

    Args:
        batch: The papers.
        embed: Returns the unit vectors of texts, shape (n, dim); called once, with `title. abstract` and
            `title. chunk` for every chunk of every paper.
    """
    texts = [text for paper in batch for text in _texts(paper)]
    if not texts:
        return []
    vectors = embed(texts)
    ends = np.cumsum([1 + len(paper.spans) for paper in batch])
    return [PaperVectors(own[0], own[1:]) for own in np.split(vectors, ends[:-1])]


def _texts(paper: Passages) -> list[str]:
    chunks = [with_title(paper.title, paper.text[start:end]) for start, end in paper.spans]
    return [with_title(paper.title, paper.text), *chunks]
