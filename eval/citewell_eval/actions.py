"""What `citewell eval` does besides running a suite: `new`, `baseline`, `compare`, `judges`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from citewell.assistant import Assistant
from citewell.errors import UsageError
from citewell.llm import LanguageModel, load_llm
from citewell.terminal import make_console, write

from citewell_eval import agreement, proposing, reviewing
from citewell_eval.baseline import as_baseline, write_baseline
from citewell_eval.comparing import comparison_document, contend, table
from citewell_eval.files import write_text
from citewell_eval.options import (
    Notify,
    add_judge,
    add_source,
    check_judge,
    opened,
    progress_bar,
    suite_of,
    support_of,
)
from citewell_eval.running import evaluate


@dataclass(frozen=True, slots=True)
class Action:
    """A word behind `citewell eval`: what it is about, its options, and what it does."""

    about: str
    add_options: Callable[[argparse.ArgumentParser], None]
    act: Callable[[argparse.Namespace, Notify], int]


# --- new -----------------------------------------------------------------------------------------------


def _new_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="where the cases are written, as JSON lines")
    parser.add_argument("--corpus", type=Path, nargs="+", action="extend", default=[], metavar="PATH",
                        help="propose from these files")  # fmt: skip
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="propose from this collection")
    parser.add_argument("--count", type=int, default=30, metavar="N", help="how many are proposed (30)")
    parser.add_argument("--seed", type=int, default=0, help="another number proposes others")
    parser.add_argument("--append", action="store_true", help="add to a file that is there")
    parser.add_argument(
        "--yes", action="store_true", help="keep all proposals without showing them, for review later"
    )
    parser.add_argument("--debug", action="store_true", help="print a traceback when something goes wrong")


def _new(options: argparse.Namespace, notify: Notify) -> int:
    from citewell_eval.suites import Suite

    if not options.yes and not sys.stdin.isatty():
        raise UsageError(
            "Nobody can review the proposals: run it on a terminal, or keep them all with --yes."
        )
    if options.file.exists() and not options.append:
        raise UsageError(f"{options.file} is there already. Add to it with --append, or name another file.")
    suite = Suite("new", "", tuple(options.corpus), (), None, {})
    with opened(options, suite, notify) as assistant:
        rows = proposing.propose(assistant, options.count, options.seed)
        if not options.yes:
            rows = reviewing.review(rows, input, print)
    kept = reviewing.write_cases(options.file, rows, options.append)
    print(f"{kept} cases are in {options.file}. Run them: citewell eval --cases {options.file}")
    return 0


# --- baseline ------------------------------------------------------------------------------------------


def _baseline_options(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    add_judge(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="where it is written (the suite's own)")


def _baseline(options: argparse.Namespace, notify: Notify) -> int:
    check_judge(options)
    suite = suite_of(options)
    path = options.output or suite.baseline
    if path is None:
        raise UsageError(f"The suite {suite.name} names no baseline. Say where it goes: --output FILE.")
    with (
        opened(options, suite, notify) as assistant,
        support_of(options, assistant) as support,
        progress_bar("asking") as progress,
    ):
        report = evaluate(assistant, suite, support, None, progress)
    write_baseline(path, as_baseline(suite.name, report.system, report.measured))
    print(f"{len(report.measured)} measures of {len(report.outcomes)} cases are in {path}.")
    for fault in report.faults:
        notify(f"the baseline itself does not pass: {fault.message}")
    return 1 if report.faults else 0


# --- compare -------------------------------------------------------------------------------------------


def _compare_options(parser: argparse.ArgumentParser) -> None:
    from citewell_eval.systems import NAMES

    add_source(parser)
    add_judge(parser)
    parser.add_argument(
        "--systems", metavar="NAMES", help=f"some of {', '.join(NAMES)}; the first is set against all"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="every measure and what every system said")


def _compare(options: argparse.Namespace, notify: Notify) -> int:
    from citewell_eval.systems import NAMES, NEED_A_MODEL, open_systems

    check_judge(options)
    suite = suite_of(options)
    wanted = options.llm if options.llm != "quotes" else None
    names = (
        options.systems.split(",")
        if options.systems
        else [n for n in NAMES if wanted or n not in NEED_A_MODEL]
    )
    options.llm = None  # the model is a system of its own here
    with (
        opened(options, suite, notify) as assistant,
        support_of(options, assistant) as support,
        _model(assistant, wanted) as model,
    ):
        systems = open_systems(names, assistant, model)
        found = []
        for system in systems:
            with progress_bar(system.name) as progress:
                found += contend(assistant, [system], suite.cases, support, progress)
            system.close()
            if options.json:  # the next may take hours
                document = json.dumps(comparison_document(found), ensure_ascii=False, indent=1)
                write_text(options.json, document + "\n")
    write(make_console(sys.stdout), table(found))
    return 0


def _model(assistant: Assistant, name: str | None) -> AbstractContextManager[LanguageModel | None]:
    return nullcontext() if name is None else closing(load_llm(assistant.settings, name))


# --- judges --------------------------------------------------------------------------------------------


def _judges_options(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    add_judge(parser)
    parser.add_argument("--shared", type=Path, metavar="DIR", help="also the labelled sets of this folder")
    parser.add_argument(
        "--limit", type=int, default=100, metavar="N", help="pairs of each labelled set (100)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the same as JSON")


def _judges(options: argparse.Namespace, notify: Notify) -> int:
    check_judge(options)
    suite = suite_of(options)
    with opened(options, suite, notify) as assistant, support_of(options, assistant) as support:
        with progress_bar("judging") as progress:
            found = agreement.measure(
                assistant, suite.cases, support, options.shared, options.limit, progress
            )
    write(make_console(sys.stdout), agreement.table(found, support.name))
    if options.json:
        write_text(options.json, json.dumps([row.to_dict() for row in found], indent=1) + "\n")
    return 0


ACTIONS = {
    "new": Action(
        "Proposes cases for your own collection, and writes those that you keep.", _new_options, _new
    ),
    "baseline": Action(
        "Runs a suite and keeps it, so that later runs can be compared.", _baseline_options, _baseline
    ),
    "compare": Action(
        "Runs several systems on the same cases and prints one table.", _compare_options, _compare
    ),
    "judges": Action(
        "Tells how well a judge of support agrees with labels and the verifier.", _judges_options, _judges
    ),
}
