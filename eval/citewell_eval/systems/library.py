"""What the systems over one library share: its papers, and answers in Citewell's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

from citewell.assistant import Assistant
from citewell.errors import NoCollectionError
from citewell.library import Manifest
from citewell.retriever import check_question
from citewell.types import (
    Abstention,
    Answer,
    Citation,
    Coverage,
    EngineInfo,
    Paper,
    SearchResult,
    Sentence,
    Span,
)

NONE = "none"  # the name of the language model, or of the embedding, of a system without one
_REFUSAL = "Nothing found is near enough to the question."
_NO_USAGE: Mapping[str, float] = {}


class Scored(NamedTuple):
    """A paper and how well it fits, on the system's own scale."""

    paper: Paper
    score: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way to an answer.

    Attributes:
        question: what is asked, without surrounding white space.
        manifest: the collection at that moment.
        llm: name of the language model, or `NONE`.
        embedding: what questions are embedded with, or `NONE`.
        started: when it was asked, on the clock of `time.perf_counter`.
    """

    question: str
    manifest: Manifest
    llm: str
    embedding: str
    started: float

    def refuse(
        self,
        found: Sequence[Scored],
        confidence: float,
        message: str = _REFUSAL,
        usage: Mapping[str, float] = _NO_USAGE,
    ) -> Answer:
        """Returns a refusal that names the papers `found`, best first."""
        nearest = tuple(
            SearchResult(scored.paper.paper_id, scored.paper.title, min(1.0, max(0.0, scored.score)), rank)
            for rank, scored in enumerate(found, 1)
        )
        return self._answer(
            (), (), len(found), confidence, usage, Abstention("nothing_relevant", message, nearest)
        )

    def quote(self, quotes: Sequence[tuple[Paper, Span]], read: int, confidence: float) -> Answer:
        """Returns an answer of sentences of abstracts, each of which quotes itself."""
        citations = tuple(
            citation(number, paper, paper.abstract[span.start : span.end], span)
            for number, (paper, span) in enumerate(quotes, 1)
        )
        sentences = tuple(Sentence(cited.quote, (cited.number,), "quoted") for cited in citations)
        return self._answer(sentences, citations, read, confidence)

    def tell(
        self,
        sentences: Sequence[Sentence],
        citations: Sequence[Citation],
        read: int,
        confidence: float,
        usage: Mapping[str, float] = _NO_USAGE,
    ) -> Answer:
        """Returns an answer that a language model has written."""
        return self._answer(tuple(sentences), tuple(citations), read, confidence, usage)

    def fail(self, error: str, read: int, confidence: float, usage: Mapping[str, float]) -> Answer:
        """Returns an answer that holds nothing but how the language model failed."""
        return self._answer((), (), read, confidence, usage, error=error)

    def _answer(
        self,
        sentences: tuple[Sentence, ...],
        citations: tuple[Citation, ...],
        read: int,
        confidence: float,
        usage: Mapping[str, float] = _NO_USAGE,
        abstention: Abstention | None = None,
        error: str | None = None,
    ) -> Answer:
        cited = len({citation.paper_id for citation in citations})
        return Answer(
            question=self.question,
            standalone_question=self.question,
            sentences=sentences,
            citations=citations,
            coverage=Coverage(self.manifest.papers, read, read, cited),
            engine=EngineInfo(self.llm, self.embedding, None, None, self.manifest.digest),
            confidence=round(confidence, 6),
            abstention=abstention,
            usage=usage,
            timings={"total": round(perf_counter() - self.started, 6)},
            error=error,
        )


def citation(number: int, paper: Paper, quote: str, span: Span) -> Citation:
    """Returns the citation of a quote."""
    return Citation(number, paper.paper_id, paper.title, paper.url, quote, span.start, span.end)


class LibrarySystem:
    """A system over the library of an assistant, which stays open when the system is closed.

    Args:
        assistant: whose collection is searched.
        name: what the system is called in the table.
    """

    def __init__(self, assistant: Assistant, name: str) -> None:
        self.name = name
        self._assistant = assistant
        self._library = assistant.collection.library

    def paper(self, paper_id: str) -> Paper:
        """Returns a paper."""
        return self._assistant.show(paper_id)

    def close(self) -> None:
        """Does nothing: what is open belongs to the assistant."""

    def _checked(self, question: str) -> str:
        return check_question(question, self._assistant.settings.max_question_chars)

    def _asked(self, question: str, llm: str = NONE, embedding: str | None = None) -> Asked:
        """Starts the clock for a question.

        Raises:
            UsageError: the question is empty or too long.
            NoCollectionError: the collection holds no paper.
        """
        started = perf_counter()
        manifest = self._library.manifest()
        if manifest.papers == 0:
            raise NoCollectionError("The collection is empty. Fill it with `citewell ingest FILES`.")
        used = manifest.embedding if embedding is None else embedding
        return Asked(self._checked(question), manifest, llm, used, started)
