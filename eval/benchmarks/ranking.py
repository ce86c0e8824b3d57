"""What other ways to rank would gain: nDCG@10 of each against the present score, question by question.

    python eval/benchmarks/ranking.py --shared ../shared --work DIR --json F

Each variant changes one thing in the score. It is worth its place only if it helps on three sets and hurts on none:
if the paired bootstrap's 95 % interval of the difference is above zero, or below it. All papers of a set are scored,
so that formulas are compared and not candidates. docs/decisions/0019 tells what came out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from citewell.errors import CitewellError
from citewell.settings import load_settings
from citewell_eval.collections import shared_folder
from citewell_eval.measures.retrieval import ndcg
from citewell_eval.statistics import difference
from ranking_sets import DEVELOPMENT, HELD, Judged, Scores, folder_for, load
from ranking_variants import Variant, variants
from ranking_view import Shared, View
from report import Machine, Table, conclude, machine, options_of

_CUTOFF = 10
_ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Change:
    """What a variant changes on one set: the mean nDCG@10, and the difference with its 95 % interval."""

    ndcg_10: float
    difference: float
    low: float
    high: float

    @property
    def mark(self) -> str:
        """`+` where it helps, `-` where it hurts, nothing where neither is certain."""
        return "+" if self.low > 0 else "-" if self.high < 0 else ""


@dataclass(frozen=True, slots=True)
class Trial:
    """A variant with one value, what it changes by set, and whether it is worth its place."""

    variant: str
    value: str
    changes: Mapping[str, Change]

    @property
    def is_kept(self) -> bool:
        """Whether it helps on enough sets and hurts on none."""
        marks = [change.mark for change in self.changes.values()]
        return marks.count("+") >= _ENOUGH and "-" not in marks


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured: the questions of each set, the present nDCG@10, the trials, and which of them are kept."""

    machine: Machine
    questions: Mapping[str, int]
    present: Mapping[str, float]
    trials: Sequence[Trial]
    kept: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the report; returns the exit status."""
    options = _parse(arguments)
    try:
        shared = shared_folder(options.shared)
        with folder_for(options.work) as work:
            report = measure((load(name, shared, work) for name in options.sets), options.only)
    except CitewellError as error:
        print(error, file=sys.stderr)
        return 2
    return conclude(report, options.json, table(report).text())


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = options_of(__doc__)
    parser.add_argument(
        "--shared", type=Path, metavar="DIR", help="the shared data; by default beside the checkout"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="keeps the indexed collections between runs")
    parser.add_argument("--sets", nargs="+", default=DEVELOPMENT, choices=DEVELOPMENT + HELD, metavar="SET")
    parser.add_argument(
        "--only", nargs="+", default=(), metavar="NAME", help="variants to try; by default all"
    )
    return parser.parse_args(arguments)


def measure(sets: Iterator[Judged], only: Sequence[str] = ()) -> Report:
    """Returns what every variant, or those named `only`, changes on every set."""
    tried = [one for one in variants() if not only or one.name in only]
    questions, present = dict[str, int](), dict[str, float]()
    changes: dict[Variant, dict[str, Change]] = {one: {} for one in tried}
    for judged in sets:
        gained = gains(judged, tried)
        questions[judged.name] = len(gained)
        present[judged.name] = round(float(gained[:, 0].mean()), 4)
        for place, one in enumerate(tried, 1):
            changes[one][judged.name] = compare(gained[:, place], gained[:, 0])
    trials = [Trial(one.name, one.value, changes[one]) for one in tried]
    kept = [f"{trial.variant} {trial.value}".strip() for trial in trials if trial.is_kept]
    return Report(machine(), questions, present, trials, kept)


def gains(judged: Judged, tried: Sequence[Variant]) -> Scores:
    """Returns nDCG@10 of each question by the present score and by each variant, shape (questions, 1 + variants)."""
    shared = Shared(judged, load_settings({}, {}))
    rows = []
    for question in judged.questions:
        view = View(shared, question)
        scores = (view.score, *(one.score(view) for one in tried))
        rows.append([ndcg(ranked(judged.ids, score), question.relevance, _CUTOFF) for score in scores])
    return np.array(rows)


def ranked(ids: Sequence[str], score: Scores) -> list[str]:
    """Returns the ids of the best papers as Citewell orders them: by score, equal ones by id."""
    depth = min(_CUTOFF, len(score))
    score = np.round(score, 9)
    enough: list[int] = np.flatnonzero(score >= np.partition(score, -depth)[-depth]).tolist()
    return [ids[place] for place in sorted(enough, key=lambda place: (-score[place], ids[place]))[:depth]]


def compare(new: Scores, old: Scores) -> Change:
    """Returns how much better the new values of the same questions are."""
    ones = np.ones(len(new))
    found = difference(np.column_stack([new, ones]), np.column_stack([old, ones]))
    return Change(*(round(float(value), 4) for value in (new.mean(), *found)))


def table(report: Report) -> Table:
    """Returns a row a trial: difference and interval in points of nDCG@10, a hundredth each, by set."""
    names = list(report.questions)
    rows: list[tuple[object, ...]] = [
        ("present nDCG@10", "", *(f"{100 * report.present[name]:.1f}" for name in names), "")
    ]
    for trial in report.trials:
        cells = [_cell(trial.changes[name]) for name in names]
        rows.append((trial.variant, trial.value, *cells, "kept" if trial.is_kept else ""))
    head = ("variant", "value", *(f"{name} ({report.questions[name]})" for name in names), "")
    return Table(head, rows)


def _cell(change: Change) -> str:
    return (
        f"{100 * change.difference:+.1f} [{100 * change.low:+.1f}, {100 * change.high:+.1f}] {change.mark:1}"
    )


if __name__ == "__main__":
    sys.exit(main())
