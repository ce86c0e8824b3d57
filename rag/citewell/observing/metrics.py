"""Prometheus metrics of questions; `citewell chat` serves them at /metrics."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from citewell.observing.questions import Observation

# Quotes take tens of milliseconds, language models up to two minutes.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class QuestionMetrics:
    """Counts questions; the names and labels are a contract with whoever has built a dashboard."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._questions = Counter(
            "citewell_questions", "Questions by what became of them.", ["outcome"], registry=registry
        )
        self._seconds = Histogram(
            "citewell_question_seconds", "Time of a whole question.", registry=registry, buckets=_SECONDS
        )
        self._stages = Histogram(
            "citewell_stage_seconds", "Time of a step.", ["stage"], registry=registry, buckets=_SECONDS
        )
        self._sentences = Counter("citewell_sentences", "Sentences shown.", registry=registry)
        self._rejected = Counter(
            "citewell_sentences_rejected", "Sentences withheld, by check.", ["check"], registry=registry
        )
        self._tokens = Counter(
            "citewell_model_tokens", "Tokens of language models.", ["model", "kind"], registry=registry
        )
        self._cached = Counter("citewell_answers_cached", "Answers given before.", registry=registry)
        self._papers = Gauge("citewell_papers", "Papers in the collection.", registry=registry)

    def ended(self, seen: Observation) -> None:
        """Counts the question."""
        self._questions.labels(seen.outcome).inc()
        self._seconds.observe(seen.seconds)
        for stage, seconds in seen.stages:
            self._stages.labels(stage).observe(seconds)
        answer = seen.answer
        if answer is None:
            return
        self._cached.inc(seen.cached)
        for item in answer.rejected:
            self._rejected.labels(item.check).inc()
        self._sentences.inc(len(answer.sentences))
        for kind, name in (("prompt", "prompt_tokens"), ("completion", "completion_tokens")):
            if tokens := answer.usage.get(name):
                self._tokens.labels(answer.engine.llm, kind).inc(tokens)

    def count_papers(self, papers: Callable[[], int]) -> None:
        """Has the number of papers looked up when the metrics are read."""
        self._papers.set_function(papers)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Returns the metrics and their media type, in the format that an Accept header asks for."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type
