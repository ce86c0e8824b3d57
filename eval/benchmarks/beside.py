"""A large collection beside stock LlamaIndex over Chroma: how fast papers are found, how well, and in how much memory.

    python eval/benchmarks/beside.py --existing DATA_DIR --work DIR --json F --html F

LlamaIndex's index is made once in the work folder from the abstract vectors that the collection holds, as embedding
them again would take hours; the vectors of both are those of title and abstract. Each system is a process of its own,
as a user would run it, and every question is asked of each in turn, so that a busy machine disturbs all alike.
LlamaIndex without a language model finds nodes and answers nothing, so Citewell's answers stand beside its search.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from beside_systems import CITEWELL, SYSTEMS
from citewell.assistant import Assistant
from citewell.errors import CitewellError
from citewell.library import Filters
from citewell.library.reader import batched
from on_disk import ChromaOnDisk
from questions import Asked, questions_about, spread
from report import Machine, Table, conclude, machine, options_of, percentile, write_html

_WARM = 20  # questions asked before any is measured


@dataclass(frozen=True, slots=True)
class System:
    """One system at work.

    Attributes:
        name: of the system.
        median_ms: to find ten papers.
        p95_ms: the 95th percentile.
        times_citewell: median of the ratios to Citewell's search for the same question.
        ndcg_10: mean over the questions; each is about one paper.
        first: share of the questions whose paper is found first.
        memory_mib: resident set after all questions.
    """

    name: str
    median_ms: float
    p95_ms: float
    times_citewell: float
    ndcg_10: float
    first: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured at one collection; an answer is one of the quotes engine."""

    machine: Machine
    papers: int
    questions: int
    systems: list[System]
    answer_ms: float
    answer_p95_ms: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the report; returns the exit status."""
    parser = options_of(__doc__)
    parser.add_argument("--existing", type=Path, required=True, metavar="DATA_DIR")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--html", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        report = measure(options.existing, options.work, options.questions)
    except CitewellError as error:
        print(error, file=sys.stderr)
        return 2
    if options.html:
        write_html(options.html, f"Beside LlamaIndex at {report.papers:,} abstracts", [table(report)])
    return conclude(report, options.json, table(report).text())


def measure(data_dir: Path, work: Path, questions: int) -> Report:
    """Returns the report for a collection."""
    with Assistant.open(data_dir, create=False) as assistant:
        build(assistant, work)
        library = assistant.collection.library
        count = library.manifest().papers
        places = spread(count, questions + _WARM)
        asked = questions_about([library.page(place, 1)[0] for place in places])
    with ExitStack() as stack:
        served = {name: stack.enter_context(_process(name, data_dir, work)) for name in SYSTEMS}
        replies = _ask_all(served, asked)
    systems = [_system(name, replies, asked[_WARM:]) for name in served]
    answers = [1000 * reply["seconds"] for reply in replies["ask"]]
    return Report(
        machine(),
        count,
        questions,
        systems,
        round(statistics.median(answers), 1),
        round(percentile(answers), 1),
    )


def build(assistant: Assistant, work: Path) -> None:
    """Makes LlamaIndex's index of a collection, unless it is there; one that was cut short is made anew by hand."""
    from llama_index.core.schema import TextNode

    library, manifest = assistant.collection.library, assistant.collection.library.manifest()
    work.mkdir(parents=True, exist_ok=True)
    with closing(ChromaOnDisk(work)) as chroma:
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


def _ask_all(served: dict[str, _Served], asked: Sequence[Asked]) -> dict[str, list[dict[str, Any]]]:
    """Returns the replies of each system, and of Citewell's answers under "ask", without those that warm up."""
    replies: dict[str, list[dict[str, Any]]] = {name: [] for name in (*served, "ask")}
    for n, one in enumerate(asked):
        for name in list(served)[:: -1 if n % 2 else 1]:
            replies[name].append(served[name].ask("search", one.question))
    for one in asked:
        replies["ask"].append(served[CITEWELL].ask("ask", one.question))
    return {name: found[_WARM:] for name, found in replies.items()}


def _system(name: str, replies: dict[str, list[dict[str, Any]]], asked: Sequence[Asked]) -> System:
    own, ours = replies[name], replies[CITEWELL]
    milliseconds = [1000 * reply["seconds"] for reply in own]
    places = [
        reply["titles"].index(one.title) if one.title in reply["titles"] else None
        for reply, one in zip(own, asked, strict=True)
    ]
    gains = [0.0 if place is None else 1 / math.log2(2 + place) for place in places]
    return System(
        name=name,
        median_ms=round(statistics.median(milliseconds), 1),
        p95_ms=round(percentile(milliseconds), 1),
        times_citewell=round(
            statistics.median(a["seconds"] / b["seconds"] for a, b in zip(own, ours, strict=True)), 3
        ),
        ndcg_10=round(statistics.mean(gains), 3),
        first=round(sum(place == 0 for place in places) / len(places), 3),
        memory_mib=round(own[-1]["memory_mib"]),
    )


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
def _process(name: str, data_dir: Path, work: Path) -> Iterator[_Served]:
    served = Path(__file__).with_name("beside_systems.py")
    command = [sys.executable, str(served), name, str(data_dir), str(work)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout  # noqa: S101 (both are pipes)
        yield _Served(process, process.stdin, process.stdout)
        process.stdin.close()


def table(report: Report) -> Table:
    """Returns a row for each system."""
    head = ("", "search ms", "p95 ms", "times Citewell", "nDCG@10", "found first", "memory MiB")
    rows: list[tuple[object, ...]] = [
        (s.name, s.median_ms, s.p95_ms, s.times_citewell, s.ndcg_10, s.first, s.memory_mib)
        for s in report.systems
    ]
    rows.append(("Citewell's answers", report.answer_ms, report.answer_p95_ms, None, None, None, None))
    return Table(head, rows)


if __name__ == "__main__":
    sys.exit(main())
