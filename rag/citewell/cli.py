"""The command line: `citewell ingest|search|ask|replay|show|stats|chat|eval|doctor`.

Results go to stdout, everything else to stderr. Exit status: 0 done (an abstention is an answer), 1 a failed
answer, 2 bad usage, a broken set-up or unreadable input. Modules that take long to import are imported by the
commands that need them.
"""

from __future__ import annotations

import argparse
import difflib
import io
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from citewell import browser, commands
from citewell.errors import CitewellError, CorpusError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from citewell.assistant import Assistant
    from citewell.library import Filters
    from citewell.types import Answer, Paper, Rejection

_INTERRUPTED, _CLOSED_PIPE = 130, 141  # 128 + the number of the signal, as shells do
_MAX_STDIN = 1_000_000  # characters; far beyond the longest question
# What a terminal would obey or hide, where JSON leaves it as it is.
_UNSAFE = re.compile(
    "[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    _accept_any_text()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments[:1] == ["eval"]:  # it has options of its own, and another package reads them
            run = commands.load("eval", "pip install citewell.")
            return int(run(arguments[1:], _notify))
        options = _parse(arguments)
        status = _COMMANDS[options.command](options)
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED_PIPE
    except Exception as error:
        return _report(error, debug="--debug" in arguments)


def _report(error: Exception, debug: bool) -> int:
    """Prints one line about the error; returns the exit status."""
    if debug:
        traceback.print_exception(error)
    message = str(error)
    if not isinstance(error, CitewellError):
        cure = "" if debug else " Run `citewell doctor`, or repeat with --debug to see where."
        message = f"{type(error).__name__}: {message}.{cure}"
    _notify(message)
    if isinstance(error, OSError):  # a full disk, a file that may not be read
        return 2
    return error.exit_status if isinstance(error, CitewellError) else 1


def _notify(message: str) -> None:
    from citewell.terminal import clean

    print("citewell:", " ".join(clean(message).split()), file=sys.stderr)


def _accept_any_text() -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


# --- options -------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Raises what is wrong instead of printing the usage and leaving."""

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"argument COMMAND: invalid choice: '(.*)' \(choose from .*", self._unknown, message)
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See `{self.prog} --help`.")

    def _unknown(self, found: re.Match[str]) -> str:
        close = difflib.get_close_matches(found[1], _COMMANDS, n=1)
        return f"unknown command {found[1]!r}" + (f": perhaps you mean {close[0]}" if close else "")


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print("citewell", version("citewell"))
        parser.exit()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        raise UsageError(f"Unknown argument {unknown[0]!r}. See `citewell {options.command} --help`.")
    return options


def _parser() -> _Parser:
    shared = _shared_options()
    parser = _Parser(
        prog="citewell",
        description="Answers questions over paper abstracts; each sentence rests on a verbatim, cited quote.",
        parents=[shared],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    listed = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, about: str) -> argparse.ArgumentParser:
        return listed.add_parser(name, help=about, description=about, parents=[shared], allow_abbrev=False)

    ingest = command(
        "ingest", "Read listing pages, JSONL, CSV, TSV, arXiv dumps or live sources into the collection."
    )
    ingest.add_argument("paths", metavar="PATH", nargs="+", help="a file, a folder or a live source")
    ingest.add_argument(
        "--max", type=int, metavar="N", help="most papers of a live source (1000 of a search)"
    )
    search = command("search", "Find the papers nearest to a query.")
    search.add_argument("query", metavar="QUERY", nargs="+", help="the query, or - to read it from stdin")
    search.add_argument("-k", type=int, default=10, metavar="N", help="how many papers (default 10)")
    ask = command("ask", "Answer a question with verbatim, cited quotes, or say that it cannot be answered.")
    ask.add_argument(
        "question", metavar="QUESTION", nargs="+", help="the question, or - to read it from stdin"
    )
    _add_model(ask)
    ask.add_argument("--trace", type=Path, metavar="FILE", help="write every step to a JSON file or folder")
    replay = command("replay", "Compute an answer again from its trace, without the language model.")
    replay.add_argument("trace", metavar="FILE", type=Path, help="as `citewell ask --trace FILE` wrote it")
    for filtered in (search, ask):
        _add_filters(filtered)
    show = command("show", "Print one paper.")
    show.add_argument("paper_id", metavar="PAPER_ID", help="as `citewell search` prints it")
    command("stats", "Print what the collection holds.")
    chat = command("chat", "Ask in a browser tab, of your collection or of a packaged sample.")
    browser.add_options(chat)
    _add_model(chat)
    listed.add_parser(
        "eval", help="Measure answers, citations and refusals; `citewell eval --help` tells how."
    )
    doctor = command("doctor", "Check the set-up and the collection.")
    doctor.add_argument("--rebuild", action="store_true", help="make the vector index again, then check")
    return parser


def _shared_options() -> _Parser:
    # Suppressed defaults: without them a subcommand would reset what stands before it.
    shared = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="folder of the collection (CITEWELL_DATA_DIR, else data)"
    )
    shared.add_argument("--json", action="store_true", help="print one JSON document")
    shared.add_argument("--debug", action="store_true", help="print a traceback when something goes wrong")
    return shared


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--llm",
        metavar="MODEL",
        help="what words the answer: quotes, local, or a model of OpenAI or of the server at OPENAI_BASE_URL "
        "(CITEWELL_LLM, else quotes)",
    )
    parser.add_argument(
        "--verify", choices=["rules", "judge"], help="judge: the model also judges every sentence (rules)"
    )


def _add_filters(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("filters", "Each may be given several times, but for dates and years.")
    group.add_argument("--listing", action="append", default=[], metavar="NAME", help="part of a page's name")
    group.add_argument("--since", metavar="DATE", help="first listing date: 2025-08-22 or 'Aug 22'")
    group.add_argument("--until", metavar="DATE", help="last listing date, inclusive")
    group.add_argument("--year", metavar="YEARS", help="2019, 2015-2019, 2015- or =-2019")
    group.add_argument("--category", action="append", default=[], metavar="CODE", help="such as cs.IR, or cs")
    group.add_argument(
        "--author", action="append", default=[], metavar="NAME", help="part of an author's name"
    )


def _filters(options: argparse.Namespace) -> Filters:
    from citewell.library.filters import Filters, parse_years

    return Filters(
        listings=tuple(options.listing),
        since=options.since,
        until=options.until,
        years=parse_years(options.year) if options.year is not None else (None, None),
        categories=tuple(options.category),
        authors=tuple(options.author),
    )


def _text(words: Sequence[str]) -> str:
    """Returns the question on the command line, or the one on stdin for `-`."""
    if list(words) != ["-"]:
        return " ".join(words)
    return sys.stdin.buffer.read(_MAX_STDIN).decode("utf-8", "replace")


# --- commands ------------------------------------------------------------------------------------------


def _open(options: argparse.Namespace, create: bool = False) -> Assistant:
    from citewell.assistant import Assistant

    named = {name: getattr(options, name, None) for name in ("llm", "verify")}
    return Assistant.open(getattr(options, "data_dir", None), create=create, notify=_notify, **named)


def _print(
    options: argparse.Namespace, document: dict[str, object], shown: Callable[[], RenderableType]
) -> None:
    if "json" in options:
        text = json.dumps(document, ensure_ascii=False, indent=2)
        print(_UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text))
    else:
        from citewell.terminal import make_console, write

        write(make_console(sys.stdout), shown())


def _ingest(options: argparse.Namespace) -> int:
    from citewell import terminal
    from citewell.inputs import check_inputs

    check_inputs(options.paths, options.max)  # a mistyped path must not leave an empty collection behind
    with _open(options, create=True) as assistant:
        try:
            with terminal.IngestBar() as bar:
                report = assistant.ingest(options.paths, bar, options.max)
        except CorpusError as error:
            if error.report is not None:
                _print_rejections(error.report.rejected)
                if "json" in options:
                    _print(options, error.report.to_dict(), str)
            raise
        _print_rejections(report.rejected)
        data_dir = assistant.settings.data_dir
        _print(options, report.to_dict(), lambda: terminal.report_line(report, data_dir))
    return 0


def _print_rejections(rejected: Sequence[Rejection]) -> None:
    from citewell.terminal import rejection_lines

    for line in rejection_lines(rejected):
        print(line, file=sys.stderr)


def _search(options: argparse.Namespace) -> int:
    query, filters = _text(options.query), _filters(options)
    with _open(options) as assistant:
        assistant.collection.warm()
        results = assistant.search(query, options.k, filters)

    def shown() -> RenderableType:
        from citewell.terminal import search_table

        return search_table(results) if results else "No paper passes these filters."

    _print(options, {"query": query, "results": [result.to_dict() for result in results]}, shown)
    return 0


def _ask(options: argparse.Namespace) -> int:
    from citewell.trace import Trace, check_writable

    question, filters = _text(options.question), _filters(options)
    if options.trace is not None:
        check_writable(options.trace)
    with _open(options) as assistant:
        recorder = None if options.trace is None else Trace(assistant.settings)
        assistant.collection.warm()
        answer = assistant.ask(question, filters, recorder=recorder)

        def shown() -> RenderableType:
            from citewell.terminal import show_answer

            papers = {c.paper_id: assistant.show(c.paper_id) for c in answer.citations}
            return show_answer(answer, papers)

        _print(options, answer.to_dict(), shown)
    if recorder is not None:
        _notify(
            f"The trace is in {recorder.write(options.trace)}. `citewell replay` computes the answer from it."
        )
    return _status(answer)


def _status(answer: Answer) -> int:
    """Tells how the language model failed, if it did; returns the exit status."""
    if answer.error is None:
        return 0
    _notify(answer.error)
    return 1


def _replay(options: argparse.Namespace) -> int:
    from citewell.rerun import rerun

    answer = rerun(options.trace)

    def shown() -> RenderableType:
        from citewell.terminal import show_answer

        return show_answer(answer, {})

    _print(options, answer.to_dict(), shown)
    _notify("The answer is the recorded one.")
    return 0


def _show(options: argparse.Namespace) -> int:
    with _open(options) as assistant:
        paper = assistant.show(options.paper_id)

    def shown() -> RenderableType:
        from citewell.terminal import show_paper

        return show_paper(paper)

    _print(options, paper_document(paper), shown)
    return 0


def paper_document(paper: Paper) -> dict[str, object]:
    """Returns the JSON document that `citewell show --json` prints."""
    return {
        "paper_id": paper.paper_id,
        "title": paper.title,
        "abstract": paper.abstract,
        "listings": [{"source": listing.source, "date": listing.date} for listing in paper.listings],
        "authors": list(paper.authors),
        "year": paper.year,
        "url": paper.url,
        "doi": paper.doi,
        "arxiv_id": paper.arxiv_id,
        "categories": list(paper.categories),
    }


def _stats(options: argparse.Namespace) -> int:
    with _open(options) as assistant:
        stats = assistant.stats()

    def shown() -> RenderableType:
        from citewell.terminal import show_stats

        return show_stats(stats)

    _print(options, stats, shown)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from citewell import doctor
    from citewell.terminal import IngestBar

    with IngestBar() as bar:
        diagnosis = doctor.examine(getattr(options, "data_dir", None), rebuild=options.rebuild, progress=bar)
    _print(options, diagnosis.to_dict(), lambda: doctor.show_diagnosis(diagnosis))
    return diagnosis.exit_status


def _misplaced(options: argparse.Namespace) -> int:
    raise UsageError("The options of `citewell eval` stand behind it: `citewell eval --data-dir DIR`.")


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "ingest": _ingest,
    "search": _search,
    "ask": _ask,
    "replay": _replay,
    "show": _show,
    "stats": _stats,
    "chat": lambda options: browser.chat(options, _notify),
    "eval": _misplaced,
    "doctor": _doctor,
}


if __name__ == "__main__":
    sys.exit(main())
