"""One question on its way to an answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.metadata import version
from time import perf_counter

from citewell import cache, gate
from citewell.answering import notice
from citewell.author import PROMPTS, Author
from citewell.citations import cited_papers
from citewell.conversation import Standalone
from citewell.evidence import Evidence
from citewell.findings import Findings
from citewell.gate import Ruling
from citewell.library import Filters
from citewell.prompts import load_prompt
from citewell.retriever import Retrieval
from citewell.settings import Settings
from citewell.trace import Recorder
from citewell.types import (
    Abstention,
    Answer,
    Citation,
    Coverage,
    EngineInfo,
    Failed,
    Rejected,
    SearchResult,
    Sentence,
    SentenceReady,
    SentenceRejected,
)

QUOTES = "quotes"
# Settings that an answer depends on.
_SHAPING = {
    "similarity_top_k", "candidates", "dense_weight", "chunk_weight", "title_weight", "gate_threshold",
    "max_sentences", "verify", "max_answer_tokens", "source_tokens", "reranker", "rerank_candidates",
}  # fmt: skip


class Clock:
    """Measures steps, in seconds."""

    def __init__(self) -> None:
        self._start = self._last = perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Ends a step that began where the one before it ended."""
        now = perf_counter()
        self._laps[name] = round(now - self._last, 6)
        self._last = now

    def mark(self, name: str) -> None:
        """Notes how long it has been since the start."""
        self._laps[name] = round(perf_counter() - self._start, 6)

    def laps(self, verifying: float | None = None) -> dict[str, float]:
        """Returns the steps; a model drafts while `verify` is measured, so what was not verifying was drafting."""
        laps = {**self._laps, "total": round(perf_counter() - self._start, 6)}
        if verifying is not None:
            laps["draft"] = round(laps["draft"] + laps["verify"] - verifying, 6)
            laps["verify"] = round(verifying, 6)
        return laps


@dataclass
class Turn:
    """A question, what was found for it, and what has been said so far; `author` is None where quotes answer."""

    question: str
    alone: Standalone
    found: Findings
    author: Author | None
    clock: Clock
    sentences: list[Sentence] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    error: str | None = None

    @property
    def retrieval(self) -> Retrieval:
        """What was retrieved."""
        return self.found.whole.retrieval

    @property
    def evidence(self) -> Evidence:
        """What was read."""
        return self.found.whole.evidence

    @property
    def ruling(self) -> Ruling:
        """What the gate decided."""
        return self.found.whole.ruling

    def keep(self, event: SentenceReady | SentenceRejected | Failed) -> None:
        """Adds what an event brings."""
        if isinstance(event, SentenceReady):
            if not self.sentences:
                self.clock.mark("first_sentence")
            self.sentences.append(event.sentence)
            self.citations += event.citations
        elif isinstance(event, SentenceRejected):
            self.rejected.append(event.rejected)
        else:
            self.error = event.message

    def answer(self, nearest: tuple[SearchResult, ...]) -> Answer:
        """Returns the answer, or the refusal that names the `nearest` papers."""
        author = self.author
        return Answer(
            question=self.question,
            standalone_question=self.alone.text,
            sentences=tuple(self.sentences),
            citations=tuple(self.citations),
            rejected=tuple(self.rejected),
            abstention=None if self.sentences else self._abstention(nearest),
            coverage=Coverage(
                self.retrieval.searched,
                max(self.retrieval.matched, len(self.evidence.papers)),
                len(self.evidence.papers),
                cited_papers(self.citations),
            ),
            engine=self._engine(),
            confidence=round(self.ruling.confidence, 4),
            usage={} if author is None else author.bill(),
            timings=self.clock.laps(None if author is None else author.verifying),
            error=self.error,
            notice=self._notice(),
        )

    def note(self, recorder: Recorder) -> None:
        """Records what was found and decided before anything is written."""
        recorder.record("standalone_question", self.alone.text)
        recorder.record("collection", self.retrieval.snapshot.manifest.digest)
        recorder.record("candidates", self.retrieval.in_order().candidates)
        recorder.record("ruling", self.ruling)
        prompts = [] if self.author is None else [load_prompt(name) for name in PROMPTS]
        recorder.record(
            "prompts", [{"name": p.name, "version": p.version, "sha256": p.sha256} for p in prompts]
        )

    def key(self, filters: Filters | None, settings: Settings) -> str | None:
        """Returns what the answer is kept under; None where no model is asked or nothing is kept."""
        if self.author is None or self.ruling.refusal or not settings.answer_cache:
            return None
        return cache.key(
            self.alone.text,
            self.retrieval.snapshot.manifest.digest,
            " ".join(load_prompt(name).sha256 for name in PROMPTS),
            self.author.name,
            endpoint=self.author.endpoint,
            version=version("citewell"),
            papers=self.alone.papers,
            filters=filters or Filters(),
            settings=settings.model_dump(include=_SHAPING, mode="json"),
        )

    def repeated(self, kept: Answer) -> Answer:
        """Returns an answer that was given before, as one to this question; it has cost nothing."""
        self.clock.lap("recall")
        return replace(
            kept,
            question=self.question,
            standalone_question=self.alone.text,
            usage={"prompt_tokens": 0, "completion_tokens": 0, "requests": 0, "cached": 1},
            timings=self.clock.laps(),
        )

    def _notice(self) -> str | None:
        if self.author is not None:
            return notice(self.author, self.sentences, self.error)
        return gate.unanswered(self.found.missing, self.retrieval.searched)

    def _abstention(self, nearest: tuple[SearchResult, ...]) -> Abstention:
        ruling = self.ruling
        if ruling.refusal is None:  # the model, asked, found that the abstracts do not say
            ruling = replace(ruling, refusal="not_reported")
        return gate.abstain(ruling, self.retrieval.searched, self.evidence, nearest)

    def _engine(self) -> EngineInfo:
        manifest = self.retrieval.snapshot.manifest
        if self.author is None:
            return EngineInfo(QUOTES, manifest.embedding, None, None, manifest.digest)
        prompt = load_prompt("answer")
        name = f"{prompt.name}/{prompt.version}"
        return EngineInfo(self.author.name, manifest.embedding, name, prompt.sha256, manifest.digest)
