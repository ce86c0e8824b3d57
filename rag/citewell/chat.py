"""A conversation on the terminal: questions in turn, sources opened by their number."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from rich.console import RenderableType
from rich.text import Text

from citewell.assistant import Assistant
from citewell.errors import CitewellError, CollectionBusyError, NoCollectionError, UsageError
from citewell.library.filters import date_key
from citewell.sample import sample_path
from citewell.settings import load_settings
from citewell.terminal import (
    IngestBar,
    clean,
    counted,
    labelled,
    make_console,
    rejection_lines,
    report_line,
    search_table,
    show_answer,
    show_paper,
    write,
)
from citewell.types import Answer, Citation

SAMPLE_QUESTIONS = (
    "What does FreeNoise do to make longer videos?",
    "Why are the noise schedules of diffusion models flawed?",
    "How much faster is XNOR-Net than a standard convolution?",
    "How can a language model be fine-tuned on a single GPU?",
)
WHAT_IT_IS = (
    "Citewell answers from paper abstracts, in their own words and with the source of every sentence."
)

_PROMPT = "\n> "
_COMMANDS = {
    "/open N": "show source N of the last answer or list, with the quoted words highlighted",
    "/papers QUERY": "list the papers nearest to a query",
    "/new": "forget the earlier questions; until then a question may lean on them",
    "/help": "show this",
    "/quit": "leave, as Ctrl-D does; Ctrl-C stops what is going on",
}
# A name that no word of English is, before a colon: "FreeNoise: …", "XNOR-Net: …", "UDC: …".
_NAMED = re.compile(r"([\w@+.-]*(?:[a-z\d][A-Z]|[A-Z]{2}|[A-Za-z]\d)[\w@+.-]*):\s")
_TITLES_LOOKED_AT = 2_000
_EXAMPLES = 4
_TRIES = 12

Notify = Callable[[str], None]


class Source(NamedTuple):
    """What `/open` shows: a paper, and the quote to highlight in it."""

    paper_id: str
    citation: Citation | None = None


def run_chat(data_dir: Path | None, corpus: Sequence[Path], notify: Notify, **settings: str | None) -> int:
    """Opens a collection and answers what stdin asks until it ends; returns the exit status.

    `settings` are values for `Settings`, such as `llm`.

    Raises:
        CitewellError: no collection can be opened, or the files cannot be read.
    """
    assistant, questions = open_collection(data_dir, corpus, notify, **settings)
    with assistant:
        chat = Chat(assistant, sys.stdout, notify)
        if sys.stdin.isatty():
            chat.converse(questions)
        else:
            chat.answer_lines(sys.stdin)
    return 0


# --- the collection ------------------------------------------------------------------------------------


def open_collection(
    data_dir: Path | None, corpus: Sequence[Path], notify: Notify, **settings: str | None
) -> tuple[Assistant, Sequence[str] | None]:
    """Returns the collection to ask and, where they are known, questions that it answers.

    That is the collection of the data directory, after reading the files of `corpus` into it. Where it holds
    no paper, it is the packaged sample, in a folder of its own, so that it never mixes with anybody's papers. A
    collection on a Chroma server is opened as it is, even if nothing is published there yet.
    """
    chosen = load_settings({"data_dir": data_dir})
    home = chosen.data_dir
    is_sample = not corpus and not chosen.chroma_url and not _holds_papers(home)
    assistant = Assistant.open(
        home / "sample" if is_sample else home, notify=notify, **dict[str, Any](settings)
    )
    try:
        if is_sample:
            _read_sample(assistant)
        elif corpus:
            _read(assistant, corpus)
    except BaseException:
        assistant.close()
        raise
    return assistant, SAMPLE_QUESTIONS if is_sample else None


def _holds_papers(home: Path) -> bool:
    try:
        with Assistant.open(home, create=False) as assistant:
            return assistant.collection.library.manifest().papers > 0
    except NoCollectionError:
        return False


def _read(assistant: Assistant, corpus: Sequence[Path]) -> None:
    with IngestBar() as bar:
        report = assistant.ingest(corpus, bar)
    for line in rejection_lines(report.rejected):
        print(line, file=sys.stderr)
    write(make_console(sys.stderr), report_line(report, assistant.settings.data_dir))


def _read_sample(assistant: Assistant) -> None:
    try:
        with IngestBar() as bar:
            assistant.ingest([sample_path()], bar)
    except CollectionBusyError:
        # Another chat is reading the sample; what it has stored so far can be asked about.
        if assistant.collection.library.manifest().papers == 0:
            raise


# --- the conversation ----------------------------------------------------------------------------------


class Chat:
    """Answers lines of text: questions, numbers of example questions, commands.

    Args:
        assistant: answers the questions.
        output: where answers go.
        notify: told in one line what went wrong; the conversation goes on.
    """

    def __init__(self, assistant: Assistant, output: TextIO, notify: Notify) -> None:
        self._assistant = assistant
        self._console = make_console(output)
        self._notify = notify
        self._examples: Sequence[str] = ()
        self._sources: list[Source] = []
        self._history: list[Answer] = []

    def converse(self, questions: Sequence[str] | None = None) -> None:
        """Greets, then reads lines from the terminal until Ctrl-D or /quit."""
        with suppress(ImportError):
            import readline  # noqa: F401 - gives input() its line editing and history
        self._greet(questions)
        while (line := self._prompt()) is not None:
            try:
                if not self.take(line):
                    return
            except KeyboardInterrupt:
                self._show(Text("Stopped.", style="dim"))

    def answer_lines(self, lines: Iterable[str]) -> None:
        """Repeats and answers every line that is not blank."""
        for line in lines:
            if line.strip():
                self._show(Text(f"> {clean(line).strip()}", style="bold"))
                if not self.take(line):
                    return
                self._show(Text())

    def take(self, line: str) -> bool:
        """Does what one line asks for; returns False when it asks to leave."""
        line = line.strip()
        if line in ("/quit", "/exit"):
            return False
        try:
            if line.startswith("/"):
                self._command(*line.split(maxsplit=1))
            elif line:
                self._answer(self._example(line) or line)
        except CitewellError as error:
            self._notify(str(error))
        return True

    def _show(self, body: RenderableType) -> None:
        write(self._console, body)

    def _prompt(self) -> str | None:
        try:
            return input(_PROMPT)
        except KeyboardInterrupt:
            print()
            return ""
        except EOFError:
            print()
            return None

    def _greet(self, questions: Sequence[str] | None) -> None:
        self._show(Text(WHAT_IT_IS))
        where = "the packaged sample" if questions else clean(str(self._assistant.settings.data_dir))
        self._show(Text(f"Open: {where}, {describe(self._assistant)}.", style="dim"))
        self._assistant.collection.warm()
        if questions is None:
            with self._searching():
                questions = example_questions(self._assistant)
        self._examples = questions
        if self._examples:
            self._show(Text("\nIt can answer, for example (type the number to ask):"))
        for number, question in enumerate(self._examples, 1):
            self._show(labelled(f"  {number}", Text(question), "bold cyan"))
        self._show(Text("\n/help lists the commands.", style="dim"))

    def _searching(self) -> AbstractContextManager[object]:
        papers = self._assistant.collection.library.manifest().papers
        message = Text(f"searching {papers:,} abstracts", style="dim")
        return self._console.status(message) if self._console.is_terminal else nullcontext()

    def _example(self, line: str) -> str | None:
        return self._examples[int(line) - 1] if line in map(str, range(1, len(self._examples) + 1)) else None

    def _answer(self, question: str) -> None:
        with self._searching():
            answer = self._assistant.ask(question, history=self._history)
            papers = {c.paper_id: self._assistant.show(c.paper_id) for c in answer.citations}
        self._history.append(answer)
        self._sources = [Source(citation.paper_id, citation) for citation in answer.citations]
        if answer.abstention is not None:
            self._sources = [Source(result.paper_id) for result in answer.abstention.nearest]
        self._show(show_answer(answer, papers))

    def _command(self, name: str, rest: str = "") -> None:
        if name == "/open":
            self._open(rest.strip("[] "))
        elif name == "/papers":
            results = self._assistant.search(rest)
            self._sources = [Source(result.paper_id) for result in results]
            self._show(search_table(results))
        elif name == "/new":
            self._history.clear()
        elif name == "/help":
            for command, meaning in _COMMANDS.items():
                self._show(labelled(command.ljust(len("/papers QUERY")), Text(meaning), "bold"))
        else:
            raise UsageError(f"Unknown command {name}. The commands are {', '.join(_COMMANDS)}.")

    def _open(self, number: str) -> None:
        if number not in map(str, range(1, len(self._sources) + 1)):
            there = f"there are {len(self._sources)} sources" if self._sources else "there is no source yet"
            raise UsageError(f"Cannot open source {number!r}: {there}. Write /open and a number.")
        source = self._sources[int(number) - 1]
        self._show(show_paper(self._assistant.show(source.paper_id), source.citation))


def describe(assistant: Assistant) -> str:
    """Returns what a collection holds: "532 papers · 5 listings · Aug 19 – Sep 4"."""
    library = assistant.collection.library
    listings = library.listings()
    sources = len({source for source, _, _ in listings})
    parts = [counted(library.manifest().papers, "paper")]
    if sources:
        parts.append(counted(sources, "listing"))
    dates = {key: date for _, date, _ in listings if date and (key := date_key(date))}
    if dates and len({len(key) for key in dates}) == 1:  # dates with and without a year have no order
        first, last = dates[min(dates)], dates[max(dates)]
        parts.append(clean(first if first == last else f"{first} – {last}"))
    return " · ".join(parts)


def example_questions(assistant: Assistant) -> list[str]:
    """Returns up to four questions that the collection answers, made from its titles."""
    found: list[str] = []
    for question in islice(_candidates(assistant), _TRIES):
        if not assistant.ask(question).abstained:
            found.append(question)
        if len(found) == _EXAMPLES:
            break
    return found


def _candidates(assistant: Assistant) -> Iterator[str]:
    stored = islice(assistant.collection.library.iterate(), _TITLES_LOOKED_AT)
    titles = [clean(item.paper.title) for item in stored]
    names = [found[1] for title in titles if (found := _NAMED.match(title))]
    yield from (f"What is {name}?" for name in _spread(list(dict.fromkeys(names))))
    yield from (f"What do the abstracts say about “{title}”?" for title in _spread(titles))


def _spread(items: Sequence[str]) -> Sequence[str]:
    """Returns some of the items, taken evenly from all of them."""
    return items[:: max(1, len(items) // _TRIES)]
