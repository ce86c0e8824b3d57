"""How much of the bare model's speed a whole ingest keeps, and how fast questions are answered afterwards.

    python eval/benchmarks/ingest.py --corpus FILES --json report.json

Each round ingests the same papers into a new collection (reading, chunking, embedding, library, vector index) and
runs the bare onnxruntime session over the same texts; the median of the rounds' ratios is reported, so that a busy
machine disturbs both alike. Then questions made from the titles are asked warm, and `citewell ask` is run as a fresh
process, beside a fresh Python that only imports numpy.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from citewell.assistant import Assistant
from citewell.corpus import read_corpus
from citewell.embedding import Passages
from citewell.types import Entry, Paper
from embedding import BareSession, token_ids
from report import conclude, options_of, percentile, seconds, usable_cpus


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured: times in seconds, latencies in milliseconds, ratios to the bare session."""

    papers: int
    ingest_seconds: float
    ratio_to_bare_session: float
    unchanged_seconds: float
    ask_ms: float
    ask_p95_ms: float
    fresh_process_seconds: float
    numpy_process_seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the report; returns the exit status."""
    parser = options_of(__doc__)
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=60)
    options = parser.parse_args(arguments)
    found = {e.paper.title: e.paper for e in read_corpus(options.corpus) if isinstance(e, Entry)}
    report = measure(list(found.values()), options.rounds, options.questions)
    return conclude(report, options.json)


def measure(papers: Sequence[Paper], rounds: int, questions: int) -> Report:
    """Returns the report for some papers."""
    tokens = token_ids([Passages(paper.title, paper.abstract) for paper in papers])
    bare = BareSession(1)
    ingests, ratios = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, Assistant.open(folder) as assistant:
            ingests.append(seconds(lambda: assistant.add(papers)))
        ratios.append(seconds(lambda: bare.run_all(tokens, 1, usable_cpus())) / ingests[-1])
    with tempfile.TemporaryDirectory() as folder, Assistant.open(folder) as assistant:
        assistant.add(papers)
        unchanged = seconds(lambda: assistant.add(papers))
        asked = [f"What does {paper.title} report?" for paper in papers[:: max(1, len(papers) // questions)]]
        assistant.ask(asked[0])
        latencies = [1000 * seconds(partial(assistant.ask, question)) for question in asked]
        fresh = statistics.median(seconds(lambda: _fresh(folder, asked[0])) for _ in range(5))
    numpy = statistics.median(
        seconds(lambda: subprocess.run([sys.executable, "-c", "import numpy"], check=True)) for _ in range(5)
    )
    return Report(
        papers=len(papers),
        ingest_seconds=round(statistics.median(ingests), 2),
        ratio_to_bare_session=round(statistics.median(ratios), 3),
        unchanged_seconds=round(unchanged, 3),
        ask_ms=round(statistics.median(latencies), 1),
        ask_p95_ms=round(percentile(latencies), 1),
        fresh_process_seconds=round(fresh, 3),
        numpy_process_seconds=round(numpy, 3),
    )


def _fresh(data_dir: str, question: str) -> None:
    command = [sys.executable, "-m", "citewell", "ask", question, "--data-dir", data_dir, "--json"]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
