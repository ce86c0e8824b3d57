"""The commands that ask and read, `ingest`, which fills the collection, and `doctor`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from citewell import browser
from citewell.cli.options import add_filters, add_model, filters_of, text_of
from citewell.cli.output import notify, open_assistant, paper_document, print_rejections, print_result
from citewell.cli.parsing import Command
from citewell.errors import CorpusError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from citewell.types import Answer


def _ingest_options(ingest: argparse.ArgumentParser) -> None:
    ingest.add_argument("paths", metavar="PATH", nargs="+", help="a file, a folder or a live source")
    ingest.add_argument(
        "--max", type=int, metavar="N", help="most papers of a live source (1000 of a search)"
    )
    ingest.add_argument(
        "--ray", metavar="ADDRESS", help="embed on a Ray cluster: local, auto or ray://HOST:PORT"
    )


def _ingest(options: argparse.Namespace) -> int:
    from citewell import terminal
    from citewell.inputs import check_inputs

    check_inputs(options.paths, options.max)  # a mistyped path must not leave an empty collection behind
    with open_assistant(options, create=True) as assistant:
        try:
            with terminal.IngestBar() as bar:
                report = assistant.ingest(options.paths, bar, options.max)
        except CorpusError as error:
            if error.report is not None:
                print_rejections(error.report.rejected)
                if "json" in options:
                    print_result(options, error.report.to_dict(), str)
            raise
        print_rejections(report.rejected)
        data_dir = assistant.settings.data_dir
        print_result(options, report.to_dict(), lambda: terminal.report_line(report, data_dir))
    return 0


def _search_options(search: argparse.ArgumentParser) -> None:
    search.add_argument("query", metavar="QUERY", nargs="+", help="the query, or - to read it from stdin")
    search.add_argument("-k", type=int, default=10, metavar="N", help="how many papers (default 10)")
    add_filters(search)


def _search(options: argparse.Namespace) -> int:
    query, filters = text_of(options.query), filters_of(options)
    with open_assistant(options) as assistant:
        assistant.collection.warm()
        results = assistant.search(query, options.k, filters)

    def shown() -> RenderableType:
        from citewell.terminal import search_table

        return search_table(results) if results else "No paper passes these filters."

    print_result(options, {"query": query, "results": [result.to_dict() for result in results]}, shown)
    return 0


def _ask_options(ask: argparse.ArgumentParser) -> None:
    ask.add_argument(
        "question", metavar="QUESTION", nargs="+", help="the question, or - to read it from stdin"
    )
    add_model(ask)
    ask.add_argument("--trace", type=Path, metavar="FILE", help="write every step to a JSON file or folder")
    add_filters(ask)


def _ask(options: argparse.Namespace) -> int:
    from citewell.trace import Trace, check_writable

    question, filters = text_of(options.question), filters_of(options)
    if options.trace is not None:
        check_writable(options.trace)
    with open_assistant(options) as assistant:
        recorder = None if options.trace is None else Trace(assistant.settings)
        assistant.collection.warm()
        answer = assistant.ask(question, filters, recorder=recorder)

        def shown() -> RenderableType:
            from citewell.terminal import show_answer

            papers = {c.paper_id: assistant.show(c.paper_id) for c in answer.citations}
            return show_answer(answer, papers)

        print_result(options, answer.to_dict(), shown)
    if recorder is not None:
        notify(
            f"The trace is in {recorder.write(options.trace)}. `citewell replay` computes the answer from it."
        )
    return _status(answer)


def _status(answer: Answer) -> int:
    """Tells how the language model failed, if it did; returns the exit status."""
    if answer.error is None:
        return 0
    notify(answer.error)
    return 1


def _replay_options(replay: argparse.ArgumentParser) -> None:
    replay.add_argument("trace", metavar="FILE", type=Path, help="as `citewell ask --trace FILE` wrote it")


def _replay(options: argparse.Namespace) -> int:
    from citewell.rerun import rerun

    answer = rerun(options.trace)

    def shown() -> RenderableType:
        from citewell.terminal import show_answer

        return show_answer(answer, {})

    print_result(options, answer.to_dict(), shown)
    notify("The answer is the recorded one.")
    return 0


def _show_options(show: argparse.ArgumentParser) -> None:
    show.add_argument("paper_id", metavar="PAPER_ID", help="as `citewell search` prints it")


def _show(options: argparse.Namespace) -> int:
    with open_assistant(options) as assistant:
        paper = assistant.show(options.paper_id)

    def shown() -> RenderableType:
        from citewell.terminal import show_paper

        return show_paper(paper)

    print_result(options, paper_document(paper), shown)
    return 0


def _stats(options: argparse.Namespace) -> int:
    with open_assistant(options) as assistant:
        stats = assistant.stats()

    def shown() -> RenderableType:
        from citewell.terminal import show_stats

        return show_stats(stats)

    print_result(options, stats, shown)
    return 0


def _chat_options(chat: argparse.ArgumentParser) -> None:
    browser.add_options(chat)
    add_model(chat)


def _chat(options: argparse.Namespace) -> int:
    return browser.chat(options, notify)


def _misplaced(options: argparse.Namespace) -> int:
    raise UsageError("The options of `citewell eval` stand behind it: `citewell eval --data-dir DIR`.")


def _doctor_options(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument("--rebuild", action="store_true", help="make the vector index again, then check")
    doctor.add_argument(
        "--offline", action="store_true", help="do not ask the endpoint of a language model for its models"
    )


def _doctor(options: argparse.Namespace) -> int:
    from citewell import doctor
    from citewell.terminal import IngestBar

    with IngestBar() as bar:
        diagnosis = doctor.examine(
            getattr(options, "data_dir", None),
            rebuild=options.rebuild,
            progress=bar,
            network=not options.offline,
        )
    print_result(options, diagnosis.to_dict(), lambda: doctor.show_diagnosis(diagnosis))
    return diagnosis.exit_status


COMMANDS: dict[str, Command] = {
    "ingest": Command(
        "Read listing pages, JSONL, CSV, TSV, arXiv dumps or live sources into the collection.",
        _ingest,
        _ingest_options,
    ),
    "search": Command("Find the papers nearest to a query.", _search, _search_options),
    "ask": Command(
        "Answer a question with verbatim, cited quotes, or say that it cannot be answered.",
        _ask,
        _ask_options,
    ),
    "replay": Command(
        "Compute an answer again from its trace, without the language model.", _replay, _replay_options
    ),
    "show": Command("Print one paper.", _show, _show_options),
    "stats": Command("Print what the collection holds.", _stats),
    "chat": Command(
        "Ask in a browser tab, of your collection or of a packaged sample.", _chat, _chat_options
    ),
    "eval": Command("Measure answers, citations and refusals; `citewell eval --help` tells how.", _misplaced),
    "doctor": Command("Check the set-up and the collection.", _doctor, _doctor_options),
}
