"""The nouns of Citewell, from a paper on a listing page to a cited answer.

Everything here is a frozen dataclass: stages hand these on and never change them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Verdict = Literal["quoted", "verified"]
AbstentionKind = Literal["nothing_relevant", "not_reported", "reports_opposite"]
Check = Literal[
    "format", "citation", "quote", "number", "name", "content", "polarity", "markup", "instruction", "judge"
]


@dataclass(frozen=True, slots=True)
class Listing:
    """One place a paper was listed: the page or file, and the date printed there (as given)."""

    source: str
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper as its source gave it; title and abstract are never altered.

    `paper_id` may be left empty: the library derives it from the arXiv id, the DOI or the title.
    """

    title: str
    abstract: str
    paper_id: str = ""
    listings: tuple[Listing, ...] = ()
    authors: tuple[str, ...] = ()
    year: int | None = None
    url: str | None = None
    doi: str | None = None
    arxiv_id: str | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A paper read from a file, with the 1-based line on which its record starts."""

    paper: Paper
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something in a file that could not become a paper; `line` is None for a whole file."""

    file: str
    line: int | None
    reason: str


class Span(NamedTuple):
    """A half-open range of characters, `text[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One paper found for a query; rank runs 1, 2, 3 … and score lies in 0..1."""

    paper_id: str
    title: str
    score: float
    rank: int

    def to_dict(self) -> dict[str, object]:
        return {"paper_id": self.paper_id, "title": self.title, "score": self.score, "rank": self.rank}


@dataclass(frozen=True, slots=True)
class Citation:
    """A verbatim quote: `abstract[start:end] == quote` for the paper's abstract."""

    number: int
    paper_id: str
    title: str
    url: str | None
    quote: str
    start: int
    end: int

    def to_dict(self) -> dict[str, object]:
        return {
            "number": self.number,
            "paper_id": self.paper_id,
            "title": self.title,
            "url": self.url,
            "quote": self.quote,
            "start": self.start,
            "end": self.end,
        }


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the answer, the numbers of the citations it rests on, and its verdict."""

    text: str
    citations: tuple[int, ...]
    verdict: Verdict

    def to_dict(self) -> dict[str, object]:
        return {"text": self.text, "citations": list(self.citations), "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A drafted sentence that was withheld: the check it failed, and why in words."""

    text: str
    reason: str
    check: Check

    def to_dict(self) -> dict[str, object]:
        return {"text": self.text, "reason": self.reason, "check": self.check}


@dataclass(frozen=True, slots=True)
class Abstention:
    """A refusal to answer, with the nearest papers, which are not an answer."""

    kind: AbstentionKind
    message: str
    nearest: tuple[SearchResult, ...] = ()

    def to_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "message": self.message,
            "nearest": [result.to_dict() for result in self.nearest],
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many papers were searched, matched the question, were read, and are cited."""

    papers: int
    matched: int
    read: int
    cited: int

    def to_dict(self) -> dict[str, object]:
        return {"papers": self.papers, "matched": self.matched, "read": self.read, "cited": self.cited}


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What produced an answer, enough to tell two answers' circumstances apart."""

    llm: str
    embedding: str
    prompt: str | None
    prompt_sha256: str | None
    collection: str

    def to_dict(self) -> dict[str, object]:
        return {
            "llm": self.llm,
            "embedding": self.embedding,
            "prompt": self.prompt,
            "prompt_sha256": self.prompt_sha256,
            "collection": self.collection,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as data; the command line, the Python API and the browser show this same thing.

    `timings` are seconds by step. `confidence` is the gate's calibrated score in 0..1. `error` says in one
    line how the language model failed, and then the answer is incomplete. `notice` says in one line what a
    reader should know about how the answer came about, such as that it fell back to quotes.
    """

    question: str
    standalone_question: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    coverage: Coverage
    engine: EngineInfo
    confidence: float
    abstention: Abstention | None = None
    rejected: tuple[Rejected, ...] = ()
    usage: Mapping[str, float] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    notice: str | None = None

    @property
    def incomplete(self) -> bool:
        """True when the language model failed before it had finished."""
        return self.error is not None

    @property
    def abstained(self) -> bool:
        """True when the collection does not hold the answer."""
        return self.abstention is not None

    @property
    def text(self) -> str:
        """The answer as one plain text with `[n]` markers, or the message of the abstention."""
        if self.abstention is not None:
            return self.abstention.message
        return "\n".join(
            sentence.text + " " + "".join(f"[{number}]" for number in sentence.citations)
            for sentence in self.sentences
        )

    def to_dict(self) -> dict[str, object]:
        """The JSON document that `citewell ask --json` prints."""
        return {
            "question": self.question,
            "standalone_question": self.standalone_question,
            "text": self.text,
            "abstained": self.abstained,
            "abstention": self.abstention.to_dict() if self.abstention else None,
            "sentences": [sentence.to_dict() for sentence in self.sentences],
            "citations": [citation.to_dict() for citation in self.citations],
            "rejected": [rejected.to_dict() for rejected in self.rejected],
            "incomplete": self.incomplete,
            "error": self.error,
            "notice": self.notice,
            "coverage": self.coverage.to_dict(),
            "confidence": self.confidence,
            "engine": self.engine.to_dict(),
            "usage": dict(self.usage),
            "timings": dict(self.timings),
        }


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ingest did. `entries` counts records read; `duplicates` of them repeat a paper."""

    entries: int
    papers: int
    added: int
    updated: int
    unchanged: int
    duplicates: int
    embedded: int
    rejected: tuple[Rejection, ...]
    seconds: float

    def to_dict(self) -> dict[str, object]:
        return {
            "entries": self.entries,
            "papers": self.papers,
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "duplicates": self.duplicates,
            "embedded": self.embedded,
            "rejected": [{"file": r.file, "line": r.line, "reason": r.reason} for r in self.rejected],
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Event: retrieval is done; these papers will be read."""

    standalone_question: str
    results: tuple[SearchResult, ...]


@dataclass(frozen=True, slots=True)
class SentenceReady:
    """Event: a sentence passed every check, with the citations it introduces."""

    sentence: Sentence
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class SentenceRejected:
    """Event: a drafted sentence was withheld."""

    rejected: Rejected


@dataclass(frozen=True, slots=True)
class Failed:
    """Event: the language model failed, and how; sentences verified so far stand."""

    message: str


@dataclass(frozen=True, slots=True)
class Done:
    """Event: the stream is over; the whole answer."""

    answer: Answer


Event = Retrieved | SentenceReady | SentenceRejected | Failed | Done
