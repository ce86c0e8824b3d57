"""Citewell beside stock LlamaIndex over Chroma: how fast papers go in and are found, how well, in how much memory.

    python eval/benchmarks/beside.py --corpus FILES --work DIR --json F --html F
    python eval/benchmarks/beside.py --existing DATA_DIR --work DIR

Each system is a process of its own, as a user would run it. Every round takes the same papers in once with each, by
turns, every question is asked of each in turn, and medians of ratios are reported, so that a busy machine disturbs
all alike. LlamaIndex is `VectorStoreIndex.from_documents` with its default splitter over its Chroma store on disk. It
stands there twice: with the model as its own integration of fastembed runs it, nothing set, and with Citewell's code
for the same model lent to it, which shows what all but the model takes. Citewell answers with quotes; LlamaIndex
needs a language model to answer, and has its `CitationQueryEngine` and the packaged one.

What they do is not the same. Citewell writes a library and an index to disk, stores a vector of every sentence beside
that of the abstract, and ranks by words too; LlamaIndex stores one vector an abstract.

With --existing nothing is taken in, as embedding a large collection takes an hour: LlamaIndex's index is made once in
the work folder, from the abstract vectors that the collection holds.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from beside_systems import CITEWELL, FOUND, STOCK, SYSTEMS
from citewell.assistant import Assistant
from citewell.errors import CitewellError
from citewell.library import Filters
from citewell.library.reader import batched
from on_disk import ChromaOnDisk
from questions import Asked, questions_about, spread
from report import Machine, Table, conclude, machine, options_of, percentile, plot, shown, write_html

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_WARM = 20  # questions asked before any is measured
_SERVED = Path(__file__).with_name("beside_systems.py")


@dataclass(frozen=True, slots=True)
class Ratio:
    """What one system took over what Citewell took in the same round; above 1 Citewell is the faster."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class System:
    """One system at work.

    Attributes:
        name: of the system.
        ingest_seconds: to take all papers in, median of the rounds; None where nothing was taken in.
        ingest_times_citewell: over the rounds.
        search_ms: to find ten papers, median.
        search_p95_ms: the 95th percentile.
        search_times_citewell: median of the ratios to Citewell's search for the same question.
        answer_ms: to answer, median; None where none was asked for.
        answer_p95_ms: the 95th percentile.
        ndcg_10: mean over the questions; each is about one paper.
        first: share of the questions whose paper is found first.
        memory_mib: resident set after all searches; LlamaIndex's is without the language model.
    """

    name: str
    ingest_seconds: float | None
    ingest_times_citewell: Ratio | None
    search_ms: float
    search_p95_ms: float
    search_times_citewell: float
    answer_ms: float | None
    answer_p95_ms: float | None
    ndcg_10: float
    first: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured."""

    machine: Machine
    papers: int
    rounds: int
    questions: int
    answers: int
    systems: list[System]


Ingests = Mapping[str, Sequence[float]]
"""The seconds of every round, by system."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the report; returns the exit status."""
    options = _parse(arguments)
    try:
        with tempfile.TemporaryDirectory(dir=options.work) as new:
            ingests: Ingests = {}
            if options.corpus:
                ingests, folders = taken_in(options.corpus, Path(new), options.rounds)
            else:
                folders = {CITEWELL: options.existing, STOCK: options.work}
                build(options.existing, options.work)
            report = measure(folders, ingests, options.questions, options.answers)
    except CitewellError as error:
        print(error, file=sys.stderr)
        return 2
    if options.html:
        title = f"Beside LlamaIndex at {report.papers:,} abstracts"
        write_html(options.html, title, [table(report), bars(report)])
    return conclude(report, options.json, table(report).text())


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = options_of(__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--corpus", type=Path, nargs="+", metavar="FILES", help="take these papers in")
    source.add_argument("--existing", type=Path, metavar="DATA_DIR", help="use this collection")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="where indexes are made")
    parser.add_argument("--rounds", type=int, default=5, help="of taking papers in (default 5)")
    parser.add_argument("--questions", type=int, default=100, help="searched for by all (default 100)")
    parser.add_argument("--answers", type=int, default=10, help="of these, answered by all (default 10)")
    parser.add_argument("--html", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    return options


# --- taking papers in -----------------------------------------------------------------------------------


def taken_in(files: Sequence[Path], new: Path, rounds: int) -> tuple[Ingests, dict[str, Path]]:
    """Returns how long each round took each system, and the folders of the last round."""
    took: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    folders: dict[str, Path] = {}
    for number in range(rounds):
        for name in _turned(list(SYSTEMS), number):
            folders[name] = Path(tempfile.mkdtemp(dir=new))
            command = [sys.executable, str(_SERVED), name, str(folders[name]), *map(str, files)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            took[name].append(float(json.loads(done.stdout)["seconds"]))
    return took, folders


def _turned(names: Sequence[str], by: int) -> Sequence[str]:
    """Returns the names in turned order, so that none always follows the same."""
    start = by % len(names)
    return [*names[start:], *names[:start]]


def build(existing: Path, work: Path) -> None:
    """Makes LlamaIndex's index of a collection, unless it is there; one that was cut short is made anew by hand."""
    from llama_index.core.schema import TextNode

    with Assistant.open(existing, create=False) as assistant, closing(ChromaOnDisk(work)) as chroma:
        library, manifest = assistant.collection.library, assistant.collection.library.manifest()
        if chroma.count() == manifest.papers:
            return
        for rows in batched(library.matching(Filters())):
            papers, vectors = library.papers(rows), library.passages(rows, manifest)
            chroma.store.add(
                [
                    TextNode(
                        id_=paper.paper_id,
                        text=paper.abstract,
                        metadata={"title": paper.title},
                        embedding=vectors[row].abstract.tolist(),
                    )
                    for row, paper in papers.items()
                ]
            )


# --- asking ---------------------------------------------------------------------------------------------


def measure(folders: Mapping[str, Path], ingests: Ingests, questions: int, answers: int) -> Report:
    """Returns the report for the systems in some folders."""
    with Assistant.open(folders[CITEWELL], create=False) as assistant:
        library = assistant.collection.library
        count = library.manifest().papers
        places = spread(count, questions + _WARM)
        asked = questions_about([library.page(place, 1)[0] for place in places])
    with ExitStack() as stack:
        served = {name: stack.enter_context(_process(name, folder)) for name, folder in folders.items()}
        searches = _ask_all(served, "search", asked)
        answered = _ask_all(
            {CITEWELL: served[CITEWELL], STOCK: served[STOCK]}, "ask", asked[: _WARM + answers]
        )
    systems = [_system(name, ingests, searches, answered.get(name, ()), asked[_WARM:]) for name in folders]
    rounds = len(next(iter(ingests.values()), ()))
    return Report(machine(), count, rounds, questions, answers, systems)


def _ask_all(
    served: Mapping[str, _Served], what: str, asked: Sequence[Asked]
) -> dict[str, list[dict[str, Any]]]:
    """Returns the replies of each system, without those that warm up; LlamaIndex's answers warm up by themselves."""
    replies: dict[str, list[dict[str, Any]]] = {name: [] for name in served}
    for n, one in enumerate(asked):
        for name in list(served)[:: -1 if n % 2 else 1]:
            if n >= _WARM or what == "search" or name == CITEWELL:
                replies[name].append(served[name].ask(what, one.question))
    return {name: found[-(len(asked) - _WARM) :] for name, found in replies.items()}


def _system(
    name: str,
    ingests: Ingests,
    searches: Mapping[str, Sequence[dict[str, Any]]],
    answers: Sequence[dict[str, Any]],
    asked: Sequence[Asked],
) -> System:
    own, ours = searches[name], searches[CITEWELL]
    milliseconds = _milliseconds(own)
    answered = _milliseconds(answers)
    titles = [reply["titles"][:FOUND] for reply in own]
    places = [
        found.index(one.title) if one.title in found else None
        for found, one in zip(titles, asked, strict=True)
    ]
    gains = [0.0 if place is None else 1 / math.log2(2 + place) for place in places]
    took = ingests.get(name)
    return System(
        name=name,
        ingest_seconds=round(statistics.median(took), 1) if took else None,
        ingest_times_citewell=ratio(took, ingests[CITEWELL]) if took else None,
        search_ms=round(statistics.median(milliseconds), 1),
        search_p95_ms=round(percentile(milliseconds), 1),
        search_times_citewell=round(
            statistics.median(a["seconds"] / b["seconds"] for a, b in zip(own, ours, strict=True)), 3
        ),
        answer_ms=round(statistics.median(answered), 1) if answered else None,
        answer_p95_ms=round(percentile(answered), 1) if answered else None,
        ndcg_10=round(statistics.mean(gains), 3),
        first=round(sum(place == 0 for place in places) / len(places), 3),
        memory_mib=round(own[-1]["memory_mib"]),
    )


def _milliseconds(replies: Sequence[dict[str, Any]]) -> list[float]:
    return [1000 * reply["seconds"] for reply in replies]


def ratio(of: Sequence[float], to: Sequence[float]) -> Ratio:
    """Returns the ratios of measurements that were made side by side: their median, least and most."""
    ratios = [one / other for one, other in zip(of, to, strict=True)]
    return Ratio(*(round(value, 3) for value in (statistics.median(ratios), min(ratios), max(ratios))))


# --- a system in a process of its own ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Served:
    process: subprocess.Popen[str]
    into: IO[str]
    out: IO[str]

    def ask(self, what: str, question: str) -> dict[str, Any]:
        print(json.dumps([what, question]), file=self.into, flush=True)
        reply: dict[str, Any] = json.loads(self.out.readline())
        return reply


@contextmanager
def _process(name: str, folder: Path) -> Iterator[_Served]:
    command = [sys.executable, str(_SERVED), name, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout  # noqa: S101 (both are pipes)
        yield _Served(process, process.stdin, process.stdout)
        process.stdin.close()


# --- showing --------------------------------------------------------------------------------------------


def table(report: Report) -> Table:
    """Returns a row for each measure and a column for each system."""
    return Table(
        ("", *(one.name for one in report.systems)),
        [
            ("ingest, s", *(one.ingest_seconds for one in report.systems)),
            ("… times Citewell's", *(_told(one.ingest_times_citewell) for one in report.systems)),
            ("search, median ms", *(one.search_ms for one in report.systems)),
            ("search, 95th percentile", *(one.search_p95_ms for one in report.systems)),
            ("… times Citewell's", *(one.search_times_citewell for one in report.systems)),
            ("answer, median ms", *(one.answer_ms for one in report.systems)),
            ("answer, 95th percentile", *(one.answer_p95_ms for one in report.systems)),
            ("nDCG@10", *(one.ndcg_10 for one in report.systems)),
            ("the paper is found first", *(one.first for one in report.systems)),
            ("memory, MiB", *(one.memory_mib for one in report.systems)),
        ],
    )


def bars(report: Report) -> Figure:
    """Returns what the others take, in units of what Citewell takes."""
    ours, *others = report.systems
    series = {
        "search": [one.search_times_citewell for one in others],
        "memory": [one.memory_mib / ours.memory_mib for one in others],
    }
    if ours.ingest_seconds is not None:
        series["ingest"] = [one.ingest_times_citewell.median for one in others if one.ingest_times_citewell]
    axes = ("", "times Citewell's")
    return plot(
        "What LlamaIndex takes beside Citewell", [one.name for one in others], series, axes, bars=True
    )


def _told(ratio: Ratio | None) -> str | None:
    return None if ratio is None else f"{shown(ratio.median)} ({shown(ratio.lowest)}–{shown(ratio.highest)})"


if __name__ == "__main__":
    sys.exit(main())
