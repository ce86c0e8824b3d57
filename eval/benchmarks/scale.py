"""How Citewell grows with the collection: cold start, latency, memory and disk at several sizes.

    python eval/benchmarks/scale.py --shared DIR --sizes 532 10000 130000 --work DIR --json F --html F
    python eval/benchmarks/scale.py --existing DATA_DIR --json F

Sizes up to 532 are papers of the five listing pages. Larger ones are arXiv abstracts in the order of a hash of their
ids, so that a larger collection holds the smaller. Collections stay in the work folder: an ingest that was cut short
goes on, a complete one is used again. `--existing` measures collections that were made in another way.

Each measurement has a peer in the same minute that does the least there is to do: a fresh process that loads the model
and embeds the question, one run of the bare onnxruntime session, a dot product with all vectors, a process that holds
the session and the vectors, the text and the vectors on disk. Memory is the resident set, so Linux is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from citewell.assistant import Assistant
from citewell.corpus import read_corpus
from citewell.errors import CitewellError, UsageError
from citewell.types import Entry, Paper
from citewell_eval.collections import shared_folder
from probe import Ingested, Point, measure
from report import Machine, conclude, machine, options_of, write_html, write_json
from scale_plots import plots, table


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured, by growing size."""

    machine: Machine
    points: list[Point]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the report; returns the exit status."""
    options = _parse(arguments)
    report = Report(machine(), [])
    try:
        for data_dir, ingested in _collections(options):
            point = measure(data_dir, options.questions, options.cold, ingested)
            report = Report(report.machine, sorted([*report.points, point], key=lambda one: one.papers))
            if options.json:  # the next may take hours
                write_json(options.json, asdict(report))
    except CitewellError as error:
        print(error, file=sys.stderr)
        return 2
    if options.html:
        write_html(options.html, "Citewell and the size of the collection", [table(report), *plots(report)])
    return conclude(report, options.json, table(report).text())


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = options_of(__doc__)
    parser.add_argument("--shared", type=Path, help="folder of the development data")
    parser.add_argument("--sizes", type=int, nargs="+", default=[], metavar="PAPERS")
    parser.add_argument("--work", type=Path, help="folder in which the collections of these sizes stay")
    parser.add_argument("--existing", type=Path, nargs="+", default=[], metavar="DATA_DIR")
    parser.add_argument("--questions", type=int, default=120, help="asked, and as many searched for")
    parser.add_argument("--cold", type=int, default=5, help="fresh processes")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the table and plots to this file")
    options = parser.parse_args(arguments)
    if options.sizes and options.work is None:
        parser.error("--sizes needs a folder for the collections: add --work DIR")
    if not options.sizes and not options.existing:
        parser.error("nothing to measure: give --sizes or --existing")
    return options


# --- collections ----------------------------------------------------------------------------------------


def _collections(options: argparse.Namespace) -> Iterator[tuple[Path, Ingested | None]]:
    for size in options.sizes:
        yield options.work / str(size), ingested(shared_folder(options.shared), size, options.work)
    for data_dir in options.existing:
        yield data_dir, None


def ingested(shared: Path, size: int, work: Path) -> Ingested:
    """Makes the collection `work/SIZE` unless it is complete; `work/SIZE.json` says that it is.

    Raises:
        UsageError: there are not so many papers.
    """
    done = work / f"{size}.json"
    if not done.exists():
        papers = papers_of(shared, size)
        with Assistant.open(work / str(size)) as assistant:
            report = assistant.add(papers)
        write_json(done, asdict(Ingested(report.embedded, report.seconds)))
    return Ingested(**json.loads(done.read_text(encoding="utf-8")))


def papers_of(shared: Path, size: int) -> list[Paper]:
    """Returns the first papers: of the listing pages if they are enough, else of the arXiv abstracts.

    Raises:
        UsageError: there are not so many.
    """
    pages = {paper.title: paper for paper in _read(shared / "corpus")}
    if size <= len(pages):
        return list(pages.values())[:size]
    arxiv = {paper.arxiv_id or paper.title: paper for paper in _read(shared / "data" / "arxiv-abstracts")}
    if size > len(arxiv):
        raise UsageError(f"Cannot take {size:,} papers: there are {len(arxiv):,}. Give a smaller size.")
    return [arxiv[key] for key in sorted(arxiv, key=_hash)[:size]]


def _read(folder: Path) -> Iterator[Paper]:
    return (entry.paper for entry in read_corpus([folder]) if isinstance(entry, Entry))


def _hash(key: str) -> str:
    return hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
