"""Citations: numbers by first mention, quotes checked against the abstract they are taken from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from citewell.types import Citation, Paper, Rejected, Sentence, Span, Verdict


@dataclass(frozen=True, slots=True)
class Source:
    """A paper that a language model is given to answer from.

    Attributes:
        number: its number in the prompt, from 1.
        paper: the paper, as ingested.
        spans: the sentences of its abstract.
        vectors: their unit vectors (title and sentence), shape (len(spans), dim); None where none are stored.
    """

    number: int
    paper: Paper
    spans: tuple[Span, ...]
    vectors: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Cited:
    """What a language model says it relies on: a source's number, and words of it, None if it gave none."""

    source: int
    quote: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence as a language model wrote it; nothing about it is true yet."""

    text: str
    cited: tuple[Cited, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A sentence that wants to be shown, and the quotes it rests on."""

    text: str
    quotes: tuple[Quote, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Quote:
    """A range of a paper's abstract, with the words that are claimed to stand there."""

    paper: Paper
    span: Span
    text: str


def verify_quote(quote: Quote) -> str | None:
    """Returns why the quote is not verbatim, or None when it is."""
    start, end = quote.span
    if not 0 <= start < end <= len(quote.paper.abstract):
        return f"the range {start}:{end} lies outside the abstract of {quote.paper.paper_id}"
    if quote.paper.abstract[start:end] != quote.text:
        return f"the quote does not stand at {start}:{end} of {quote.paper.paper_id}"
    return None


class Numbering:
    """Gives citations their numbers: 1, 2, 3 … by first mention, the same number for the same quote."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, Span], int] = {}

    def cite(self, draft: Draft) -> tuple[Sentence, tuple[Citation, ...]] | Rejected:
        """Returns the sentence and the citations it introduces, or why it is withheld."""
        if not draft.quotes:
            return Rejected(draft.text, "the sentence cites nothing", "citation")
        for quote in draft.quotes:
            if (reason := verify_quote(quote)) is not None:
                return Rejected(draft.text, reason, "quote")
        fresh = []
        numbers = []
        for quote in draft.quotes:
            key = (quote.paper.paper_id, quote.span)
            if key not in self._numbers:
                self._numbers[key] = len(self._numbers) + 1
                fresh.append(_citation(self._numbers[key], quote))
            numbers.append(self._numbers[key])
        return Sentence(draft.text, tuple(numbers), draft.verdict), tuple(fresh)


def cited_papers(citations: Sequence[Citation]) -> int:
    """Returns how many distinct papers are cited."""
    return len({citation.paper_id for citation in citations})


def _citation(number: int, quote: Quote) -> Citation:
    paper = quote.paper
    return Citation(number, paper.paper_id, paper.title, paper.url, quote.text, *quote.span)
