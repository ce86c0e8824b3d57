"""The command `citewell eval`: runs a suite and says whether it passes.

Exit status: 0 passed, 1 a measure is beyond its limit, worse than the baseline or a promise broken, 2 could not be run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from citewell.errors import UsageError
from citewell.terminal import make_console, write

from citewell_eval.actions import ACTIONS
from citewell_eval.baseline import read_baseline
from citewell_eval.beir import corpus_of, load_set
from citewell_eval.options import (
    Notify,
    Parser,
    add_judge,
    add_source,
    check_judge,
    opened,
    progress_bar,
    suite_of,
    support_of,
)
from citewell_eval.report import Report
from citewell_eval.report.files import check_outputs, write_outputs
from citewell_eval.report.terminal import show
from citewell_eval.running import evaluate, evaluate_ranking
from citewell_eval.suites import Suite

_ABOUT = """Asks the cases of a suite and measures retrieval, citations, answers, refusals and enforcement.

Instead of SUITE: `new` writes cases for your own collection, `baseline` keeps a run to compare later ones with,
`compare` runs other systems on the same cases, `judges` tells how well who judges support agrees with labels.
`citewell eval new --help` and so on tell more."""


def run(arguments: Sequence[str], notify: Notify) -> int:
    """Runs what stands behind `citewell eval`; returns the exit status.

    Raises:
        CitewellError: it cannot be run.
    """
    if arguments and arguments[0] in ACTIONS:
        action = ACTIONS[arguments[0]]
        parser = Parser(prog=f"citewell eval {arguments[0]}", description=action.about, allow_abbrev=False)
        action.add_options(parser)
        return action.act(parser.parse_args(arguments[1:]), notify)
    return _gate(_parser().parse_args(arguments), notify)


def _parser() -> Parser:
    parser = Parser(
        prog="citewell eval",
        description=_ABOUT,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_source(parser)
    parser.add_argument("--beir", type=Path, metavar="DIR", help="measure the ranking of a BEIR set instead")
    add_judge(parser)
    group = parser.add_argument_group("results", "The table goes to the terminal; these are written as well.")
    group.add_argument("--json", type=Path, metavar="FILE", help="every measure and every case")
    group.add_argument("--junit", type=Path, metavar="FILE", help="JUnit XML, for a CI server")
    group.add_argument("--markdown", type=Path, metavar="FILE", help="a comment for a pull request")
    group.add_argument("--html", type=Path, metavar="FILE", help="a page with plots and the worst cases")
    group.add_argument(
        "--baseline", type=Path, metavar="FILE", help="compare with this run (the suite's own)"
    )
    group.add_argument("--no-baseline", action="store_true", help="compare with nothing")
    return parser


def _gate(options: argparse.Namespace, notify: Notify) -> int:
    check_outputs(options)
    check_judge(options)
    report = _ranking(options, notify) if options.beir else _suite(options, notify)
    write_outputs(options, report)
    write(make_console(sys.stdout), show(report))
    return 1 if report.faults else 0


def _suite(options: argparse.Namespace, notify: Notify) -> Report:
    suite = suite_of(options)
    kept = _baseline_file(options, suite)
    baseline = None if kept is None else read_baseline(kept)
    with (
        opened(options, suite, notify) as assistant,
        support_of(options, assistant) as support,
        progress_bar("asking") as progress,
    ):
        return evaluate(assistant, suite, support, baseline, progress)


def _baseline_file(options: argparse.Namespace, suite: Suite) -> Path | None:
    """Returns the baseline to compare with: one that is named has to be there; another model has none of ours."""
    if options.no_baseline or options.baseline is not None:
        return None if options.no_baseline else options.baseline
    ours = suite.baseline is not None and options.llm in (None, "quotes")
    return suite.baseline if ours else None


def _ranking(options: argparse.Namespace, notify: Notify) -> Report:
    if options.suite or options.cases or options.corpus:
        raise UsageError("--beir brings its own questions and papers: leave out SUITE, --cases and --corpus.")
    queries, qrels = load_set(options.beir)
    corpus = () if options.data_dir else (corpus_of(options.beir),)
    suite = Suite(options.beir.resolve().name, "", corpus, (), None, {})
    with opened(options, suite, notify) as assistant, progress_bar("searching") as progress:
        return evaluate_ranking(assistant, suite.name, queries, qrels, progress)
