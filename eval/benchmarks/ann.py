"""What the vector index misses: recall against exact search and latency, for several settings of its graph.

    python eval/benchmarks/ann.py --existing DATA_DIR --json F --html F

The graphs are made anew from the vectors of a collection, each in a folder of its own, and asked questions made from
its papers. Recall is the share of the truly nearest abstracts that the graph returns. Then the collection itself is
asked with filters that keep ever fewer papers, and its ten best are compared with those of a search that scores every
paper that the filter leaves.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromadb
import numpy as np
from chromadb.config import Settings as ChromaSettings
from citewell.assistant import Assistant
from citewell.embedding.minilm import MiniLM
from citewell.errors import CitewellError
from citewell.library import Filters, Library
from citewell.library.reader import batched
from citewell.retriever import HybridRetriever
from numpy.typing import NDArray
from questions import questions_about, spread
from report import Machine, Table, conclude, machine, options_of, percentile, seconds, timed, write_html

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

_ADD, _READ, _NEAREST, _TOP = 5_000, 500, 400, 10
_FILTERS = [
    ("since 2010", Filters(years=(2010, None))),
    ("2015 to 2017", Filters(years=(2015, 2017))),
    ("of 2012", Filters(years=(2012, 2012))),
    ("cs.IR", Filters(categories=("cs.IR",))),
    ("cs.DL since 2018", Filters(categories=("cs.DL",), years=(2018, None))),
]


@dataclass(frozen=True, slots=True)
class Graph:
    """One graph of the abstracts and how it answers for the 400 nearest; times in seconds and milliseconds."""

    max_neighbors: int
    ef_construction: int
    ef_search: int
    build_seconds: float
    recall_10: float
    recall_400: float
    query_ms: float
    query_p95_ms: float


@dataclass(frozen=True, slots=True)
class Filtered:
    """A filter: the share of papers that it keeps, the ten best found of the exact ten best, milliseconds."""

    filter: str
    share: float
    recall_10: float
    search_ms: float
    search_p95_ms: float
    exact_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured at one collection."""

    machine: Machine
    papers: int
    exact_ms: float
    graphs: list[Graph]
    filtered: list[Filtered]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the report; returns the exit status."""
    options = _parse(arguments)
    try:
        with Assistant.open(options.existing, create=False) as assistant:
            report = measure(assistant, options)
    except CitewellError as error:
        print(error, file=sys.stderr)
        return 2
    tables = _tables(report)
    if options.html:
        write_html(options.html, f"The vector index at {report.papers:,} abstracts", tables)
    return conclude(report, options.json, "\n\n".join(table.text() for table in tables))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = options_of(__doc__)
    parser.add_argument("--existing", type=Path, required=True, metavar="DATA_DIR")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--neighbors", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--construction", type=int, nargs="+", default=[100, 200])
    parser.add_argument("--search", type=int, nargs="+", default=[400, 800])
    parser.add_argument("--filtered", type=int, default=30, help="questions asked with each filter")
    parser.add_argument("--html", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


def measure(assistant: Assistant, options: argparse.Namespace) -> Report:
    """Returns the report for an open collection."""
    library = assistant.collection.library
    papers = [library.page(place, 1)[0] for place in spread(library.manifest().papers, options.questions)]
    asked = [one.question for one in questions_about(papers)]
    vectors = abstract_vectors(library)
    queries = MiniLM().embed_queries(asked)
    nearest = [timed(partial(exact, vectors, query)) for query in queries]
    truth = [places for places, _ in nearest]
    graphs = []
    for setting in product(options.neighbors, options.construction):
        graphs += curve(vectors, queries, truth, setting, options.search)
    filtered = [with_filter(assistant, asked[: options.filtered], *each) for each in _FILTERS]
    exact_ms = round(1000 * statistics.median(took for _, took in nearest), 2)
    return Report(machine(), len(vectors), exact_ms, graphs, filtered)


def abstract_vectors(library: Library) -> NDArray[np.float32]:
    """Returns the vectors of all abstracts, one a row."""
    manifest, blocks = library.manifest(), list[NDArray[np.float32]]()
    for rows in batched(library.matching(Filters()), _READ):
        blocks += [passages.abstract[None, :] for passages in library.passages(rows, manifest).values()]
    return np.concatenate(blocks)


def exact(vectors: NDArray[np.float32], query: NDArray[np.float32]) -> list[int]:
    """Returns the places of the nearest vectors, best first."""
    products = vectors @ query
    limit = min(_NEAREST, len(products))
    best = np.argpartition(products, -limit)[-limit:]
    return [int(place) for place in best[np.argsort(-products[best])]]


def curve(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    truth: Sequence[Sequence[int]],
    setting: tuple[int, int],
    depths: Sequence[int],
) -> list[Graph]:
    """Returns what one graph finds at several depths of search; `setting` is its neighbours and construction depth."""
    with tempfile.TemporaryDirectory() as folder:
        client: Any = chromadb.PersistentClient(folder, settings=ChromaSettings(anonymized_telemetry=False))
        graph: Any = {"space": "cosine", "max_neighbors": setting[0], "ef_construction": setting[1]}
        made = client.create_collection("abstracts", embedding_function=None, configuration={"hnsw": graph})
        build = seconds(lambda: _fill(made, vectors))
        points = []
        for depth in depths:
            deeper: Any = {"hnsw": {"ef_search": depth}}
            made.modify(configuration=deeper)
            collection = client.get_collection("abstracts", embedding_function=None)
            _ask(collection, queries[0])  # loads it
            answers = [timed(partial(_ask, collection, query)) for query in queries]
            points.append(_point(setting, depth, build, answers, truth))
        client.close()
    return points


def _fill(collection: Collection, vectors: NDArray[np.float32]) -> None:
    for low in range(0, len(vectors), _ADD):
        part = vectors[low : low + _ADD]
        collection.add(ids=[str(low + n) for n in range(len(part))], embeddings=part)


def _ask(collection: Collection, query: NDArray[np.float32]) -> list[int]:
    found = collection.query(query_embeddings=query[None, :], n_results=_NEAREST, include=[])
    return [int(name) for name in found["ids"][0]]


def _point(
    setting: tuple[int, int],
    depth: int,
    build: float,
    answers: Sequence[tuple[list[int], float]],
    truth: Sequence[Sequence[int]],
) -> Graph:
    found, took = [each for each, _ in answers], [1000 * each for _, each in answers]
    return Graph(
        *setting,
        ef_search=depth,
        build_seconds=round(build, 1),
        recall_10=round(_recall(found, truth, _TOP), 4),
        recall_400=round(_recall(found, truth, _NEAREST), 4),
        query_ms=round(statistics.median(took), 2),
        query_p95_ms=round(percentile(took), 2),
    )


def _recall(found: Sequence[Sequence[object]], truth: Sequence[Sequence[object]], depth: int) -> float:
    """Returns the mean share of the first `depth` true ones that are among the first `depth` found."""
    pairs = [(set(f[:depth]), set(t[:depth])) for f, t in zip(found, truth, strict=True) if t]
    return statistics.fmean(len(f & t) / len(t) for f, t in pairs)


# --- filters --------------------------------------------------------------------------------------------


def with_filter(assistant: Assistant, asked: Sequence[str], name: str, filters: Filters) -> Filtered:
    """Returns how a filtered search of the collection compares with one that scores all that the filter leaves."""
    collection = assistant.collection
    left = len(collection.library.matching(filters))
    everything = assistant.settings.model_copy(update={"exact_limit": left})
    usual = HybridRetriever(collection, assistant.settings)
    whole = HybridRetriever(collection, everything)
    usual.retrieve(asked[0], filters)
    found, truth, took, exact_took = [], [], [], []
    for question in asked:
        got, usual_seconds = timed(partial(usual.retrieve, question, filters))
        best, exact_seconds = timed(partial(whole.retrieve, question, filters))
        found.append([one.paper_id for one in got.candidates])
        truth.append([one.paper_id for one in best.candidates])
        took.append(1000 * usual_seconds)
        exact_took.append(1000 * exact_seconds)
    return Filtered(
        name,
        round(left / collection.library.manifest().papers, 4),
        round(_recall(found, truth, _TOP), 4),
        round(statistics.median(took), 1),
        round(percentile(took), 1),
        round(statistics.median(exact_took), 1),
    )


def _tables(report: Report) -> list[Table]:
    return [
        Table(
            (
                "neighbours/construction/search",
                "build s",
                "recall@10",
                "recall@400",
                "ms",
                "p95 ms",
                "ms / exact",
            ),
            [
                (
                    f"{g.max_neighbors}/{g.ef_construction}/{g.ef_search}",
                    g.build_seconds,
                    g.recall_10,
                    g.recall_400,
                    g.query_ms,
                    g.query_p95_ms,
                    g.query_ms / report.exact_ms,
                )
                for g in report.graphs
            ],
        ),
        Table(
            ("filter", "share kept", "recall@10", "ms", "p95 ms", "ms, all scored"),
            [
                (f.filter, f.share, f.recall_10, f.search_ms, f.search_p95_ms, f.exact_ms)
                for f in report.filtered
            ],
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
