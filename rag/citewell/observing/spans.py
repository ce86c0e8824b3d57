"""One OpenTelemetry trace a question: a span for the whole, and one below it for each step."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.types import AttributeValue

from citewell.observing.questions import Observation

_PATIENCE = 2.0  # seconds to send spans where the environment sets none: a command waits for it when it ends
# Its complaints about a collector that is away go to the log, if there is one, and not to a person's terminal.
logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
_FAILED = frozenset({"failed", "incomplete"})


class QuestionSpans:
    """Makes the spans of a question when it has ended, with the times that its steps took.

    They hold counts and names, no text. A span that is open where the question is asked is their parent.

    Args:
        provider: makes the tracer; by default one that exports as the `OTEL_` variables say.
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self.provider = provider or _provider()
        self._tracer = self.provider.get_tracer("citewell")

    def ended(self, seen: Observation) -> None:
        """Makes the spans."""
        parent = seen.context.run(trace.get_current_span)
        whole = self._tracer.start_span(
            "citewell.question",
            context=set_span_in_context(parent),
            kind=SpanKind.INTERNAL,
            attributes=_attributes(seen),
            start_time=seen.started,
        )
        if seen.outcome in _FAILED:
            whole.set_status(Status(StatusCode.ERROR, seen.error or "the language model failed"))
        at, below = seen.started, set_span_in_context(whole)
        for stage, seconds in seen.stages:
            span = self._tracer.start_span(
                f"citewell.{stage}", context=below, attributes=_of_stage(seen, stage), start_time=at
            )
            at += int(seconds * 1e9)
            span.end(at)
        whole.end(seen.started + int(seen.seconds * 1e9))


def _provider() -> trace.TracerProvider:
    """Returns the provider that the program has set up, else a new one with an exporter."""
    given = trace.get_tracer_provider()
    if isinstance(given, TracerProvider):
        return given
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": "citewell"}))
    timed = any(
        name in os.environ for name in ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")
    )
    exporter = OTLPSpanExporter(timeout=None if timed else _PATIENCE)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _attributes(seen: Observation) -> Mapping[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        "citewell.request_id": seen.request_id,
        "citewell.outcome": seen.outcome,
    }
    if seen.error is not None:
        found["error.type"] = seen.error.partition(":")[0]
    answer = seen.answer
    if answer is None:
        return found
    found |= {
        "gen_ai.request.model": answer.engine.llm,
        "citewell.collection": answer.engine.collection,
        "citewell.confidence": answer.confidence,
        "citewell.papers": answer.coverage.papers,
        "citewell.cached": seen.cached,
        "citewell.sentences": len(answer.sentences),
        "citewell.rejected": len(answer.rejected),
    }
    tokens = {"input": "prompt_tokens", "output": "completion_tokens"}
    found |= {
        f"gen_ai.usage.{kind}_tokens": int(answer.usage[name])
        for kind, name in tokens.items()
        if name in answer.usage
    }
    return found


def _of_stage(seen: Observation, stage: str) -> Mapping[str, AttributeValue]:
    answer = seen.answer
    if answer is None:
        return {}
    coverage = answer.coverage
    counts: dict[str, dict[str, AttributeValue]] = {
        "retrieve": {"citewell.papers": coverage.papers, "citewell.matched": coverage.matched},
        "gate": {"citewell.read": coverage.read, "citewell.confidence": answer.confidence},
        "draft": {"citewell.drafts": len(answer.sentences) + len(answer.rejected)},
        "verify": {"citewell.sentences": len(answer.sentences), "citewell.rejected": len(answer.rejected)},
    }
    return counts.get(stage, {})
