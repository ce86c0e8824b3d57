"""Options that the actions of `citewell eval` share: what is asked of which collection, and who judges support."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from citewell.assistant import Assistant
from citewell.errors import UsageError
from citewell.llm import load_llm
from citewell.terminal import IngestBar, make_console
from rich.progress import Progress as Bar

from citewell_eval.cases import check_ids, load_cases
from citewell_eval.judging import LiveJudge, RecordedJudge, Support, VerifierSupport
from citewell_eval.outcomes import Progress
from citewell_eval.running import collection
from citewell_eval.suites import DEFAULT, Suite, load_suite, suite_names

Notify = Callable[[str], None]


class Parser(argparse.ArgumentParser):
    """Raises what is wrong instead of printing the usage and leaving."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See `{self.prog} --help`.")


def add_source(parser: argparse.ArgumentParser) -> None:
    """Adds what says which cases are asked of which collection."""
    parser.add_argument(
        "suite",
        nargs="?",
        metavar="SUITE",
        help=f"{', '.join(suite_names())} (default {DEFAULT}), or a TOML file",
    )
    group = parser.add_argument_group("cases and collection")
    group.add_argument("--suite", dest="table", metavar="NAME", help="the suite of that TOML file")
    group.add_argument(
        "--cases", type=Path, nargs="+", action="extend", metavar="FILE", help="ask these instead"
    )
    group.add_argument("--corpus", type=Path, nargs="+", action="extend", default=[], metavar="PATH",
                       help="files or folders, read into a temporary collection")  # fmt: skip
    group.add_argument("--data-dir", type=Path, metavar="DIR", help="a collection that is there already")
    group.add_argument(
        "--llm", metavar="MODEL", help="what words the answers: quotes, local, or a model (quotes)"
    )
    parser.add_argument("--debug", action="store_true", help="print a traceback when something goes wrong")


def add_judge(parser: argparse.ArgumentParser) -> None:
    """Adds what says who decides whether passages support a sentence."""
    group = parser.add_argument_group("support", "Without these the deterministic verifier decides.")
    group.add_argument(
        "--judge", metavar="MODEL", help="ask a language model: local, or a model of the endpoint"
    )
    group.add_argument(
        "--record", type=Path, metavar="FILE", help="keep the judge's verdicts, and use those kept"
    )
    group.add_argument(
        "--verdicts", type=Path, metavar="FILE", help="replay kept verdicts; a missing one is an error"
    )


def suite_of(options: argparse.Namespace) -> Suite:
    """Returns the suite that the options name, with the cases and files that they give instead.

    Cases and a collection of one's own have no baseline and no limits of ours.

    Raises:
        UsageError: a file cannot be read, or the options contradict each other.
    """
    given = options.suite
    if given is not None and given.endswith(".toml"):
        file = Path(given)
        names = suite_names(file)
        if options.table is None and len(names) != 1:
            raise UsageError(
                f"{given} holds {len(names)} suites. Name one: --suite {names[0] if names else 'NAME'}."
            )
        suite = load_suite(options.table or names[0], file)
    elif options.cases and given is None and options.table is None:
        suite = Suite(options.cases[0].stem, "", (), (), None, {})
    else:
        suite = load_suite(options.table or given or DEFAULT)
    if options.cases:
        cases = tuple(case for path in options.cases for case in load_cases(path))
        check_ids(cases, "--cases")
        suite = replace(suite, cases=cases, baseline=None, limits={})
    if options.corpus or options.data_dir:  # what was kept of a run over another collection says nothing here
        kept = None if suite.corpus else suite.baseline
        suite = replace(suite, corpus=tuple(options.corpus), baseline=kept)
    return suite


def check_judge(options: argparse.Namespace) -> None:
    """Raises UsageError where the options about support contradict each other, before anything is asked."""
    if options.verdicts is not None and (options.judge or options.record):
        raise UsageError("--verdicts replays what was recorded: leave out --judge and --record.")
    if options.record is not None and options.judge is None:
        raise UsageError("--record keeps the verdicts of a judge. Name it: --judge MODEL.")
    if options.verdicts is not None:
        RecordedJudge(options.verdicts)


@contextmanager
def opened(options: argparse.Namespace, suite: Suite, notify: Notify) -> Iterator[Assistant]:
    """Yields the assistant that a suite is asked of.

    Raises:
        CitewellError: the collection cannot be opened, or the language model not be set up.
    """
    with (
        IngestBar() as bar,
        collection(suite.corpus, options.data_dir, notify, getattr(options, "llm", None), bar) as assistant,
    ):
        yield assistant


@contextmanager
def support_of(options: argparse.Namespace, assistant: Assistant) -> Iterator[Support]:
    """Yields who decides about support.

    Raises:
        CitewellError: the judge cannot be set up.
    """
    if options.verdicts is not None:
        yield RecordedJudge(options.verdicts)
    elif options.judge is not None:
        with closing(load_llm(assistant.settings, options.judge)) as model:
            yield LiveJudge(model, options.record)
    else:
        yield VerifierSupport(assistant.collection.embedder(assistant.collection.snapshot().manifest))


@contextmanager
def progress_bar(stage: str) -> Iterator[Progress]:
    """Yields what shows how many cases are done: a bar on a terminal, nothing elsewhere."""
    with Bar(transient=True, disable=not sys.stderr.isatty(), console=make_console(sys.stderr)) as bar:
        task = bar.add_task(stage, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
