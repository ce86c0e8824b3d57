"""Citewell beside the bare embedding model and beside stock LlamaIndex: how fast papers go in and are found.

    python eval/benchmarks/peers.py --corpus FILES --json report.json --html report.html

All run in one process by turns: every round ingests the same papers once with each, every question is asked of each,
and the medians of the ratios are reported, so that a busy machine disturbs all alike. Each has the same embedding model
loaded for itself, because a shared one would remember the questions that another has asked.
LlamaIndex is `VectorStoreIndex.from_documents` with its default splitter, over `llama-index-vector-stores-chroma` with
a Chroma collection on disk. It stands here twice: with the model as its own integration of fastembed runs it, nothing
set, and with Citewell's code for the model lent to it, which shows what all but the embedding takes.

What they do is not the same. Citewell writes a library and an index to disk, stores a vector of every sentence chunk
beside that of the abstract, and ranks by words too. LlamaIndex stores one vector an abstract.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from citewell.assistant import Assistant
from citewell.corpus import read_corpus
from citewell.embedding import Embedder, Passages
from citewell.embedding.minilm import MiniLM
from citewell.types import Entry, Paper
from citewell_eval.systems.llama_parts import SameEmbedding
from embedding import BareSession, token_ids
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.node_parser import SentenceSplitter
from on_disk import ChromaOnDisk, stock_embedding
from questions import Asked, questions_about, spread
from report import (
    Machine,
    Table,
    conclude,
    machine,
    options_of,
    percentile,
    plot,
    seconds,
    shown,
    timed,
    usable_cpus,
    write_html,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CITEWELL, BARE = "Citewell", "bare onnxruntime session"
STOCK, LENT = "LlamaIndex, Chroma", "LlamaIndex, Chroma, our embedder"
_FOUND = 10  # papers returned for a question

Search = Callable[[str], list[str]]
"""Returns titles of papers for a question, best first."""


@dataclass(frozen=True, slots=True)
class System:
    """What one system needs.

    Attributes:
        name: of the system; the bare session embeds papers and questions and does nothing else.
        ingest_seconds: to take all papers in, median of the rounds.
        citewell_ingest_speed: Citewell's speed in units of this one's, median of the rounds; above 1 Citewell is the
            faster.
        citewell_ingest_lowest: the least of the rounds; far from the highest, the machine was too busy to tell.
        citewell_ingest_highest: the most of the rounds.
        query_ms: to find ten papers for a question, median.
        query_p95_ms: the 95th percentile.
        citewell_query_speed: as for ingest.
        first: share of the questions whose paper is the first found; None for the bare session.
    """

    name: str
    ingest_seconds: float
    citewell_ingest_speed: float
    citewell_ingest_lowest: float
    citewell_ingest_highest: float
    query_ms: float
    query_p95_ms: float
    citewell_query_speed: float
    first: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured."""

    machine: Machine
    papers: int
    rounds: int
    questions: int
    systems: list[System]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the report; returns the exit status."""
    parser = options_of(__doc__)
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write tables and plots to this file")
    options = parser.parse_args(arguments)
    found = {e.paper.title: e.paper for e in read_corpus(options.corpus) if isinstance(e, Entry)}
    with tempfile.TemporaryDirectory() as folder:
        stock = stock_embedding(Path(folder))
        report = measure(list(found.values()), options.rounds, options.questions, MiniLM, stock)
    if options.html:
        parts = [told(report), table(report), *plots(report)]
        write_html(options.html, "Citewell beside its peers", parts)
    return conclude(report, options.json, f"{told(report)}\n\n{table(report).text()}")


def measure(
    papers: Sequence[Paper],
    rounds: int,
    questions: int,
    new_embedder: Callable[[], Embedder],
    stock: BaseEmbedding,
) -> Report:
    """Returns the report for some papers; every system but the stock one gets a new embedder."""
    asked = questions_about([papers[n] for n in spread(len(papers), questions)])
    with ExitStack() as stack:
        ingests, searches = _ingests(papers, rounds, builders(new_embedder, stock), stack)
        queries, firsts = _queries(asked, searches)
    systems = [
        _system(name, ingests[name], ingests[CITEWELL], queries[name], queries[CITEWELL], firsts.get(name))
        for name in ingests
    ]
    return Report(machine(), len(papers), rounds, questions, systems)


def _system(
    name: str,
    ingests: Sequence[float],
    our_ingests: Sequence[float],
    queries: Sequence[float],
    our_queries: Sequence[float],
    first: float | None,
) -> System:
    speed, lowest, highest = spread_of(ratios(ingests, our_ingests))
    return System(
        name=name,
        ingest_seconds=round(statistics.median(ingests), 3),
        citewell_ingest_speed=round(speed, 3),
        citewell_ingest_lowest=round(lowest, 3),
        citewell_ingest_highest=round(highest, 3),
        query_ms=round(1000 * statistics.median(queries), 2),
        query_p95_ms=round(1000 * percentile(queries), 2),
        citewell_query_speed=round(statistics.median(ratios(queries, our_queries)), 3),
        first=first,
    )


def ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """Returns the ratios of measurements that were made side by side."""
    return [one / other for one, other in zip(of, to, strict=True)]


def spread_of(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns the median, the lowest and the highest."""
    return statistics.median(values), min(values), max(values)


# --- the systems ----------------------------------------------------------------------------------------


@contextmanager
def citewell(embedder: Embedder, papers: Sequence[Paper]) -> Iterator[Search]:
    """Yields the search of a new collection on disk, deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder, Assistant.open(folder, embedder=embedder) as assistant:
        assistant.add(papers)
        yield lambda question: [result.title for result in assistant.search(question, _FOUND)]


@contextmanager
def llama_index(embedding: BaseEmbedding, papers: Sequence[Paper]) -> Iterator[Search]:
    """Yields the retriever of a new index over Chroma on disk, deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder, closing(ChromaOnDisk(Path(folder))) as chroma:
        documents = [Document(text=paper.abstract, metadata={"title": paper.title}) for paper in papers]
        index = VectorStoreIndex.from_documents(
            documents,
            storage_context=chroma.context(),
            embed_model=embedding,
            transformations=[SentenceSplitter()],
        )
        retriever = index.as_retriever(similarity_top_k=_FOUND)
        yield lambda question: [str(found.node.metadata["title"]) for found in retriever.retrieve(question)]


Builder = Callable[[Sequence[Paper]], AbstractContextManager[Search]]


def builders(new_embedder: Callable[[], Embedder], stock: BaseEmbedding) -> dict[str, Builder]:
    """Returns the systems by name, each with a model of its own."""
    return {
        CITEWELL: partial(citewell, new_embedder()),
        STOCK: partial(llama_index, stock),
        LENT: partial(llama_index, SameEmbedding(new_embedder())),
    }


# --- measuring ------------------------------------------------------------------------------------------


def _ingests(
    papers: Sequence[Paper], rounds: int, builders: Mapping[str, Builder], stack: ExitStack
) -> tuple[dict[str, list[float]], dict[str, Search]]:
    """Returns the seconds of every round by system, and the searches of the last, open as long as the stack."""
    tokens = token_ids([Passages(paper.title, paper.abstract) for paper in papers])
    bare = BareSession(1)
    for build in builders.values():  # what loads on first use is loaded by now
        with build(papers[:2]) as search:
            search(papers[0].title)
    took: dict[str, list[float]] = {name: [] for name in (CITEWELL, BARE, *builders)}
    searches: dict[str, Search] = {}
    for number in range(rounds):
        stack.close()  # the round before
        for name in _turned([*builders, BARE], number):
            if name == BARE:
                took[name].append(seconds(lambda: bare.run_all(tokens, 1, usable_cpus())))
                continue
            searches[name], spent = timed(partial(stack.enter_context, builders[name](papers)))
            took[name].append(spent)
    return took, searches


def _queries(
    asked: Sequence[Asked], searches: Mapping[str, Search]
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Returns the seconds of every question by system, and the share whose paper was found first."""
    bare = BareSession(1)
    took: dict[str, list[float]] = {name: [] for name in (*searches, BARE)}
    firsts = dict.fromkeys(searches, 0)
    for search in searches.values():
        search(asked[0].question)
    for n, one in enumerate(asked):
        for name in _turned(list(searches), n):
            found, spent = timed(partial(searches[name], one.question))
            took[name].append(spent)
            firsts[name] += found[:1] == [one.title]
        took[BARE].append(seconds(partial(bare.run_all, token_ids([Passages("", one.question)]), 1, 1)))
    return took, {name: round(count / len(asked), 3) for name, count in firsts.items()}


def _turned(names: Sequence[str], by: int) -> Sequence[str]:
    """Returns the names in turned order, so that none always follows the same."""
    start = by % len(names)
    return [*names[start:], *names[:start]]


# --- showing --------------------------------------------------------------------------------------------


def told(report: Report) -> str:
    """Returns what was measured, in a sentence."""
    return (
        f"{report.papers:,} papers in {report.rounds} rounds and {report.questions} questions, "
        f"on {report.machine.cores} cores."
    )


def table(report: Report) -> Table:
    """Returns a row for each system."""
    head = (
        "",
        "ingest s",
        "Citewell is … times as fast",
        "range",
        "query ms",
        "p95 ms",
        "Citewell is … times as fast",
        "found first",
    )
    rows = [
        (
            s.name,
            s.ingest_seconds,
            s.citewell_ingest_speed,
            f"{shown(s.citewell_ingest_lowest)}–{shown(s.citewell_ingest_highest)}",
            s.query_ms,
            s.query_p95_ms,
            s.citewell_query_speed,
            s.first,
        )
        for s in report.systems
    ]
    return Table(head, rows)


def plots(report: Report) -> list[Figure]:
    """Returns bars of Citewell's speed in units of its peers'."""
    peers = [system for system in report.systems if system.name != CITEWELL]
    series = {
        "ingest": [peer.citewell_ingest_speed for peer in peers],
        "query": [peer.citewell_query_speed for peer in peers],
    }
    axes = ("", "times as fast")
    return [plot("Citewell's speed in units of its peers'", [p.name for p in peers], series, axes, bars=True)]


if __name__ == "__main__":
    sys.exit(main())
