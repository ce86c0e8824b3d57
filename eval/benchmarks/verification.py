"""What verification costs a sentence, and how long a sentence waits to be shown after the model has written it.

    python eval/benchmarks/verification.py --corpus FILES --json report.json

A scripted model answers questions made from titles with sentences of the abstracts that it was given, each put a
little differently so that nothing is a plain copy. Every sentence is also run through the bare onnxruntime session,
which verification has to do once at least: the ratio tells what everything else comes to, whatever the machine does.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from citewell.assistant import Assistant
from citewell.chunking import sentence_spans
from citewell.corpus import read_corpus
from citewell.embedding import Passages
from citewell.llm.base import Message, Usage
from citewell.trace import Recorder
from citewell.types import Entry, Paper, SentenceReady, SentenceRejected
from embedding import BareSession, token_ids
from report import conclude, options_of, percentile, seconds


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured: times in milliseconds, the ratio to one run of the bare session over the sentence."""

    sentences: int
    shown: int
    verify_ms: float
    verify_p95_ms: float
    bare_run_ms: float
    ratio_to_bare_run: float
    first_sentence_wait_ms: float
    first_sentence_wait_p95_ms: float


class Script:
    """A model that writes one sentence of an abstract after the other, and when it had finished each."""

    name, context_tokens = "scripted", None

    def __init__(self, silence: float) -> None:
        self.claims: list[tuple[str, str]] = []
        self.finished: list[float] = []
        self._silence = silence

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        schema: Mapping[str, object] | None = None,
        deadline: float | None = None,
    ) -> _Reply:
        """Begins a reply that quotes the first source."""
        return _Reply(self)

    def lines(self) -> Iterator[str]:
        """Yields the lines of a reply; the first after as long as a model takes to begin."""
        time.sleep(self._silence)
        for sentence, quote in self.claims:
            line = {"sentence": sentence, "citations": [{"source": 1, "quote": quote}]}
            self.finished.append(time.perf_counter())
            yield json.dumps(line, ensure_ascii=False) + "\n"

    def close(self) -> None:
        """Has nothing to release."""


class _Reply:
    finish_reason, usage = "stop", Usage(1, 1, 1)

    def __init__(self, script: Script) -> None:
        self._lines = script.lines()

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def close(self) -> None:
        pass

    def __enter__(self) -> _Reply:
        return self

    def __exit__(self, *raised: object) -> None:
        pass


class Timer(Recorder):
    """Times the verification of every sentence, in seconds."""

    def __init__(self) -> None:
        self.verifying: list[float] = []

    def step(self, name: str, /, **data: object) -> AbstractContextManager[dict[str, object]]:
        """Returns a context that times a verification."""
        return self._timed() if name == "verify" else super().step(name, **data)

    @contextmanager
    def _timed(self) -> Iterator[dict[str, object]]:
        started = time.perf_counter()
        yield {}
        self.verifying.append(time.perf_counter() - started)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the report; returns the exit status."""
    parser = options_of(__doc__)
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    parser.add_argument("--papers", type=int, default=100)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--silence", type=float, default=0.5, help="seconds until the model's first token")
    options = parser.parse_args(arguments)
    found = {e.paper.title: e.paper for e in read_corpus(options.corpus) if isinstance(e, Entry)}
    report = measure(list(found.values())[: options.papers], options.questions, options.silence)
    return conclude(report, options.json)


def measure(papers: Sequence[Paper], questions: int, silence: float) -> Report:
    """Returns the report for some papers."""
    script, bare = Script(silence), BareSession(1)
    waits, verifying, runs, ratios, shown = [], [], [], [], 0
    with Assistant.from_papers(papers, model=script, llm="scripted", answer_cache=0) as assistant:
        for paper in papers[:questions]:
            script.claims, script.finished = claims(paper), []
            timer, first = Timer(), None
            for event in assistant.stream(f"What does {paper.title} report?", recorder=timer):
                if isinstance(event, SentenceReady | SentenceRejected):
                    first = first or time.perf_counter()
                    shown += isinstance(event, SentenceReady)
            if first is None:
                continue
            waits.append(1000 * (first - script.finished[0]))
            for took, (sentence, _) in zip(timer.verifying, script.claims, strict=False):
                verifying.append(1000 * took)
                runs.append(1000 * bare_run(bare, sentence))
                ratios.append(verifying[-1] / runs[-1])
    return Report(
        len(verifying),
        shown,
        statistics.median(verifying),
        percentile(verifying),
        statistics.median(runs),
        statistics.median(ratios),
        statistics.median(waits),
        percentile(waits),
    )


def claims(paper: Paper) -> list[tuple[str, str]]:
    """Returns sentences that the abstract bears out, with their quotes."""
    texts = [paper.abstract[slice(*span)] for span in sentence_spans(paper.abstract)]
    return [(f"The authors report: {text}", text) for text in texts[:4]]


def bare_run(session: BareSession, sentence: str) -> float:
    """Returns how long the session takes for a sentence alone, in seconds."""
    tokens = token_ids([Passages("", sentence)])
    return seconds(lambda: session.run_all(tokens, 1, 1))


if __name__ == "__main__":
    raise SystemExit(main())
