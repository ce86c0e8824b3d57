"""How fast the packaged embedding model is, and how near `embed_papers` comes to the bare session.

    python eval/benchmarks/embedding.py --corpus FILES --json report.json

Three measurements in one process, on the same papers:

- the curve: abstracts a second of the bare onnxruntime session, by threads a run and texts a batch, on
  length-sorted batches tokenised beforehand, and with several runs side by side;
- the ratio: `MiniLM.embed_papers`, with tokenising, pooling and sentence chunks, to the bare session with
  the batches that it uses itself, and to the fastest point of the curve. The rounds are interleaved, and
  the median of the rounds' ratios is reported, so that a busy machine disturbs both sides alike;
- one text by its length: the packaged graph, which is what the bare session runs, and the one in use, by turns.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from pathlib import Path

import numpy as np
import onnxruntime
from citewell.chunking import sentence_spans
from citewell.embedding import Passages
from citewell.embedding.base import with_title
from citewell.embedding.minilm import MiniLM, packaged_model, packaged_tokenizer, session_of
from citewell.embedding.unpadded import unpadded
from report import conclude, options_of, seconds, usable_cpus
from tokenizers import Tokenizer

WINDOW_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Point:
    """One set-up of the bare session and its speed; `runs` is the number of runs side by side."""

    threads: int
    runs: int
    batch: int
    abstracts_per_second: float


@dataclass(frozen=True, slots=True)
class Length:
    """Milliseconds of one run over one text, on one thread; medians."""

    tokens: int
    packaged_ms: float
    in_use_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured; latencies in milliseconds, `cold_start` in seconds."""

    papers: int
    mean_tokens: float
    curve: list[Point]
    lengths: list[Length]
    abstracts_per_second: float
    ratio_same_batches: float
    ratio_best_of_curve: float
    query_ms: float
    cold_start: float


class BareSession:
    """The model without anything around it: one session, padded batches, no pooling."""

    def __init__(self, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(packaged_model(), options)

    def run(self, batch: Sequence[Sequence[int]]) -> None:
        """Run one batch, padded to its longest text."""
        width = max(map(len, batch))
        ids = np.zeros((len(batch), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        self._session.run(
            None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        )

    def run_all(self, texts: Sequence[Sequence[int]], batch: int, runs: int) -> None:
        """Run the texts in batches of their order, several runs side by side."""
        batches = [texts[low : low + batch] for low in range(0, len(texts), batch)]
        if runs == 1:
            for each in batches:
                self.run(each)
            return
        with ThreadPoolExecutor(runs) as pool:
            list(pool.map(self.run, batches))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write the report; returns the exit status."""
    options = _parse(arguments)
    papers = list(islice(_read(options.corpus), options.papers))
    if not papers:
        print(f"No paper in {', '.join(map(str, options.corpus))}. Name files that hold abstracts.")
        return 2
    cold_start = seconds(lambda: MiniLM().embed_queries(["a question"]))
    tokens = token_ids(papers)
    cpus = usable_cpus()
    curve = _curve(tokens, cpus, options.batches)
    best = max(curve, key=lambda point: point.abstracts_per_second)
    speed, same, to_best = _ratios(papers, tokens, cpus, best, options.rounds)
    report = Report(
        papers=len(papers),
        mean_tokens=statistics.fmean(map(len, tokens)),
        curve=curve,
        lengths=_lengths(options.rounds),
        abstracts_per_second=speed,
        ratio_same_batches=same,
        ratio_best_of_curve=to_best,
        query_ms=_query_ms(),
        cold_start=cold_start,
    )
    return conclude(report, options.json, _table(report))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = options_of(__doc__)
    parser.add_argument("--corpus", type=Path, nargs="+", required=True, help="files or folders of abstracts")
    parser.add_argument("--papers", type=int, default=128, help="papers to embed (default 128)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32], help="batch sizes")
    return parser.parse_args(arguments)


def _read(paths: Sequence[Path]) -> Iterator[Passages]:
    from citewell.corpus import read_corpus
    from citewell.types import Entry

    for entry in read_corpus(paths):
        if isinstance(entry, Entry) and entry.paper.abstract:
            paper = entry.paper
            yield Passages(paper.title, paper.abstract, tuple(sentence_spans(paper.abstract)))


def token_ids(papers: Sequence[Passages]) -> list[list[int]]:
    """Return the token ids of every paper, longest first, cut to the model's window."""
    tokenizer = Tokenizer.from_buffer(packaged_tokenizer())
    tokenizer.no_padding()
    tokenizer.enable_truncation(WINDOW_TOKENS)
    encodings = [tokenizer.encode(with_title(paper.title, paper.text)) for paper in papers]
    return sorted((encoding.ids for encoding in encodings), key=len, reverse=True)


def _curve(tokens: Sequence[Sequence[int]], cpus: int, batches: Sequence[int]) -> list[Point]:
    """Return the speed of every set-up, the better of two passes that lie far apart in time."""
    setups = sorted({(1, 1), (cpus, 1), (1, cpus)})
    sessions = {threads: BareSession(threads) for threads in {1, cpus}}
    best: dict[tuple[int, int, int], float] = {}
    for _ in range(2):
        for (threads, runs), batch in product(setups, batches):
            took = seconds(partial(sessions[threads].run_all, tokens, batch, runs))
            best[threads, runs, batch] = min(took, best.get((threads, runs, batch), took))
    return [Point(*setup, len(tokens) / took) for setup, took in best.items()]


def _ratios(
    papers: Sequence[Passages], tokens: Sequence[Sequence[int]], cpus: int, best: Point, rounds: int
) -> tuple[float, float, float]:
    """Return abstracts a second, and the median ratios to the same batches and to the best of the curve."""
    minilm = MiniLM()
    minilm.embed_papers(papers[:1])
    same, fastest = BareSession(1), BareSession(best.threads)
    speeds, to_same, to_best = [], [], []
    for _ in range(rounds):
        ours = seconds(lambda: minilm.embed_papers(papers))
        speeds.append(len(papers) / ours)
        to_same.append(seconds(lambda: same.run_all(tokens, 1, cpus)) / ours)
        to_best.append(seconds(lambda: fastest.run_all(tokens, best.batch, best.runs)) / ours)
    return statistics.median(speeds), statistics.median(to_same), statistics.median(to_best)


def _lengths(rounds: int) -> list[Length]:
    """Return what texts of made-up tokens take with either graph."""
    bare, in_use = BareSession(1), session_of(unpadded(packaged_model()))
    lengths = []
    for tokens in (8, 16, 32, 64, 128, 256, WINDOW_TOKENS):
        ids = np.random.default_rng(tokens).integers(1_000, 20_000, tokens)
        feeds = {"input_ids": ids[None], "token_type_ids": np.zeros_like(ids[None])}
        took = [
            (seconds(lambda: bare.run([ids.tolist()])), seconds(lambda: in_use.run(None, feeds)))  # noqa: B023
            for _ in range(4 * rounds)
        ]
        lengths.append(
            Length(tokens, *(1000 * statistics.median(column) for column in zip(*took, strict=True)))
        )
    return lengths


def _query_ms() -> float:
    minilm = MiniLM()
    minilm.embed_queries(["a question"])
    # Each is another one: the model remembers the vectors of the last.
    questions = [[f"does vitamin D prevent bone fractures in {n} patients?"] for n in range(100, 130)]
    return statistics.median(seconds(partial(minilm.embed_queries, each)) for each in questions) * 1000


def _table(report: Report) -> str:
    lines = [f"{report.papers} papers of {report.mean_tokens:.0f} tokens on average", ""]
    lines.append("threads a run  runs side by side  batch  abstracts/s")
    lines += [
        f"{p.threads:13}  {p.runs:17}  {p.batch:5}  {p.abstracts_per_second:11.1f}" for p in report.curve
    ]
    lines += ["", "tokens  packaged graph, ms  in use, ms  times as fast"]
    lines += [
        f"{one.tokens:6}  {one.packaged_ms:18.1f}  {one.in_use_ms:10.1f}  {one.packaged_ms / one.in_use_ms:13.2f}"
        for one in report.lengths
    ]
    lines += [
        "",
        f"embed_papers                     {report.abstracts_per_second:8.1f} abstracts/s",
        f"  to the session, same batches   {report.ratio_same_batches:8.2f}",
        f"  to the session, best of curve  {report.ratio_best_of_curve:8.2f}",
        f"one query                        {report.query_ms:8.1f} ms",
        f"load and first query             {report.cold_start:8.2f} s",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
