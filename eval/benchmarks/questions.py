"""Questions made from papers, so that it is known which paper each is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from citewell.chunking import sentence_spans
from citewell.types import Paper

_WORDS = 20  # of a sentence; people ask nothing longer


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the title of the paper that it is about."""

    question: str
    title: str


def questions_about(papers: Sequence[Paper]) -> list[Asked]:
    """Returns a question about each paper, by turns made from its title and from the middle of its abstract."""
    return [
        Asked(_from_abstract(paper) if n % 2 else f"What does {paper.title} report?", paper.title)
        for n, paper in enumerate(papers)
    ]


def _from_abstract(paper: Paper) -> str:
    spans = sentence_spans(paper.abstract)
    start, end = spans[len(spans) // 2]
    return f"Which study tells that {' '.join(paper.abstract[start:end].split()[:_WORDS]).rstrip('.')}?"


def spread(of: int, count: int) -> list[int]:
    """Returns `count` places spread evenly over the places 0 to `of`; they repeat where there are fewer."""
    return [n * of // count for n in range(count)]
