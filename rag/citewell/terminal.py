"""What the terminal shows: pure functions from answers, papers and reports to rich renderables.

Nothing of a paper reaches the terminal as it is: `clean` takes out what a terminal would obey, and every text
is a `Text`, never markup, since titles hold square brackets.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.segment import Segment
from rich.text import Text

from citewell.types import (
    Abstention,
    Answer,
    Citation,
    IngestReport,
    Listing,
    Paper,
    Rejected,
    Rejection,
    SearchResult,
)

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_MIN_WIDTH = 20
_SHOWN_REJECTIONS = 20
_WARNING = "yellow"
_MODEST = "dim"
_QUOTE = "italic"
_MARK = "bold cyan"
_HIGHLIGHT = "bold black on yellow"

# ECMA-48: control sequences, complete control strings (OSC, DCS, …), and all else that ESC introduces.
# 8-bit controls only lose the control itself: in misread text they are the ruins of quotation marks.
_SEQUENCE = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)|\x1b[ -/]*[0-~]?")
_JOINERS = "\u200c\u200d"  # written Persian and emoji need them
_SPACES = "\t\n\r\v\f\u2028\u2029"


def clean(text: str) -> str:
    """Returns the text on one line, without escape sequences, control and invisible characters."""
    return "".join(map(_shown, _SEQUENCE.sub("", text)))


def _shown(char: str) -> str:
    if char.isascii() and char.isprintable():
        return char
    if char in _SPACES:
        return " "
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"
    return "" if category in ("Cc", "Cf") and char not in _JOINERS else char


def make_console(stream: TextIO) -> Console:
    """Returns a console that prints text as it is given, at least 20 columns wide."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    console.width = max(console.width, _MIN_WIDTH)
    return console


def write(console: Console, body: RenderableType) -> None:
    """Prints the body; where nobody reads it off a screen, without spaces at the ends of lines."""
    if console.is_terminal:
        console.print(body)
        return
    with console.capture() as captured:
        console.print(body)
    console.file.write("\n".join(line.rstrip() for line in captured.get().split("\n")))


# --- answers -------------------------------------------------------------------------------------------


def show_answer(answer: Answer, papers: Mapping[str, Paper]) -> RenderableType:
    """Returns an answer with its sources, or its abstention; `papers` holds the cited papers by id."""
    parts: list[RenderableType] = []
    if answer.standalone_question != answer.question:
        parts += [Text(f"Understood as: {clean(answer.standalone_question)}", style=_MODEST), Text()]
    if answer.notice is not None:
        parts += [Text(clean(answer.notice), style=_WARNING), Text()]
    if answer.abstention is not None:
        parts.append(_abstention(answer.abstention))
    else:
        parts += [_sentence(answer, number) for number in range(1, len(answer.sentences) + 1)]
        parts += [Text(), Text("Sources", style="bold"), *_sources(answer, papers)]
    parts += [Text(), coverage_line(answer), engine_line(answer)]
    if answer.rejected:
        parts.append(withheld_line(answer.rejected))
    return Group(*parts)


def withheld_line(rejected: Sequence[Rejected]) -> Text:
    """Returns how many drafted sentences were withheld, and by which checks; what they said is not repeated."""
    checks = ", ".join(dict.fromkeys(item.check for item in rejected))
    return Text(f"{counted(len(rejected), 'sentence')} withheld ({checks}); --json has them", style=_WARNING)


def _sentence(answer: Answer, number: int) -> RenderableType:
    sentence = answer.sentences[number - 1]
    marks = "".join(f"[{citation}]" for citation in sentence.citations)
    return labelled(f"{number}.", Text.assemble(clean(sentence.text), " ", (marks, _MARK)))


def _sources(answer: Answer, papers: Mapping[str, Paper]) -> list[RenderableType]:
    """Returns one block a cited paper; a quote is shown unless it stands above, as a sentence of its own."""
    said = {sentence.text for sentence in answer.sentences}
    cited: dict[str, list[Citation]] = {}
    for citation in answer.citations:
        cited.setdefault(citation.paper_id, []).append(citation)
    sources = []
    for paper_id, citations in cited.items():
        about = [Text(clean(citations[0].title), style="bold")]
        about += [Text(line, style=_MODEST) for line in _provenance(citations[0], papers.get(paper_id))]
        about += [Text(f"“{clean(c.quote)}”", style=_QUOTE) for c in citations if c.quote not in said]
        numbers = " ".join(f"[{citation.number}]" for citation in citations)
        sources.append(labelled(numbers, Group(*about), _MARK))
    return sources


def _provenance(citation: Citation, paper: Paper | None) -> list[str]:
    """Returns where a paper was listed, its address and its id, one a line."""
    listings = "; ".join(map(listing_line, paper.listings)) if paper else ""
    return [clean(line) for line in (listings, citation.url or "", citation.paper_id) if line]


def listing_line(listing: Listing) -> str:
    """Returns the page or file and, where it is known, the date: "page 000 · Aug 22"."""
    return clean(" · ".join(part for part in (listing.source, listing.date) if part))


class _Refusal:
    """An abstention: a grey panel on a terminal; plain lines elsewhere, where a box would be in the way."""

    def __init__(self, body: RenderableType) -> None:
        self._body = body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        boxed = Panel(self._body, title="no answer", title_align="left", border_style="bright_black")
        yield boxed if console.is_terminal else self._body


def _abstention(abstention: Abstention) -> RenderableType:
    parts: list[RenderableType] = [Text(clean(abstention.message))]
    if abstention.nearest:
        parts += [Text(), Text("Nearest papers (not an answer):", style=_MODEST)]
        # Without scores: they are relative to each other and would look like confidence.
        parts += [labelled(f"{result.rank}", _titled(result)) for result in abstention.nearest]
    return _Refusal(Group(*parts))


def coverage_line(answer: Answer) -> Text:
    """Returns how far the question reached: "532 abstracts → 41 matched → 8 read → 3 cited"."""
    coverage = answer.coverage
    counts = f"{counted(coverage.papers, 'abstract')} → {coverage.matched:,} matched → {coverage.read:,} read"
    return Text(f"{counts} → {coverage.cited:,} cited", style=_MODEST)


def engine_line(answer: Answer) -> Text:
    """Returns what produced the answer, the gate's confidence and the seconds it took."""
    engine = answer.engine
    parts = [engine.llm, engine.embedding, f"collection {engine.collection[:8]}"]
    if engine.prompt:
        parts.insert(1, f"prompt {engine.prompt}")
    parts.append(f"confidence {answer.confidence:.2f}")
    tokens = answer.usage.get("prompt_tokens", 0) + answer.usage.get("completion_tokens", 0)
    if tokens:
        parts.append(f"{tokens:,.0f} tokens")
    if "cost_usd" in answer.usage:
        parts.append(f"${answer.usage['cost_usd']:.4f}")
    if "total" in answer.timings:
        parts.append(f"{answer.timings['total']:.2f} s")
    return Text(clean(" · ".join(parts)), style=_MODEST)


# --- papers --------------------------------------------------------------------------------------------


def search_table(results: Sequence[SearchResult]) -> RenderableType:
    """Returns one row a paper: rank, score, then the title above the id, which is never cut."""
    width = len(str(len(results)))
    return Group(
        *(
            labelled(
                f"{result.rank:>{width}} {result.score:.2f}",
                _titled(result),
            )
            for result in results
        )
    )


def _titled(result: SearchResult) -> Text:
    return Text.assemble(clean(result.title), "\n", (clean(result.paper_id), _MODEST))


def show_paper(paper: Paper, quoted: Citation | None = None) -> RenderableType:
    """Returns a paper in full, with the quoted words of its abstract highlighted."""
    facts = [
        ", ".join(paper.authors),
        " · ".join([*([str(paper.year)] if paper.year else []), *paper.categories]),
        *(listing_line(listing) for listing in paper.listings),
        paper.url or "",
        paper.paper_id,
    ]
    lines = [Text(clean(fact), style=_MODEST) for fact in facts if fact]
    return Group(Text(clean(paper.title), style="bold"), *lines, Text(), _abstract(paper.abstract, quoted))


def _abstract(abstract: str, quoted: Citation | None) -> RenderableType:
    if quoted is None or abstract[quoted.start : quoted.end] != quoted.quote:
        return Group(*(Text(clean(line)) for line in abstract.splitlines()))
    before, after = abstract[: quoted.start], abstract[quoted.end :]
    return Text.assemble(clean(before), (clean(quoted.quote), _HIGHLIGHT), clean(after))


def show_stats(stats: Mapping[str, object]) -> RenderableType:
    """Returns what `Assistant.stats` tells, one fact a line."""
    rows = []
    for name, value in stats.items():
        if name == "listings" and isinstance(value, list):
            lines = [f"{counted(item['papers'], 'paper')}  {_listing_of(item)}" for item in value]
            rows.append((name, "\n".join(lines) or "none"))
        elif name == "bytes" and isinstance(value, dict):
            rows.append((name, " · ".join(f"{part} {size(int(count))}" for part, count in value.items())))
        else:
            rows.append((name, f"{value:,}" if isinstance(value, int) else clean(str(value))))
    return _facts(rows)


def _listing_of(item: Mapping[str, object]) -> str:
    date = item["date"]
    return listing_line(Listing(str(item["source"]), date if isinstance(date, str) else None))


def _facts(rows: Sequence[tuple[str, str]]) -> RenderableType:
    width = max(len(name) for name, _ in rows)
    return Group(
        *(labelled(f"{name.replace('_', ' '):<{width}}", Text(value), _MODEST) for name, value in rows)
    )


# --- reading files -------------------------------------------------------------------------------------


def report_line(report: IngestReport, data_dir: Path) -> Text:
    """Returns what one ingest did, in a line: "Read 589 entries of 532 papers: …"."""
    counts = [(report.added, "added"), (report.updated, "updated"), (report.unchanged, "unchanged")]
    counts.append((report.duplicates, "repeated" if report.duplicates else ""))
    told = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing new"
    rejected = f", {len(report.rejected):,} rejected" if report.rejected else ""
    entries = counted(report.entries, "entry", "entries")
    line = (
        f"Read {entries} of {counted(report.papers, 'paper')}: {told}{rejected}, in {report.seconds:.1f} s."
    )
    return Text(f"{line} Collection: {clean(str(data_dir))}")


def rejection_lines(rejected: Sequence[Rejection]) -> list[str]:
    """Returns "file:line: reason" for the first twenty rejections, then how many more there are."""
    lines = [
        clean(f"{item.file}:{'' if item.line is None else f'{item.line}:'} {item.reason}")
        for item in rejected[:_SHOWN_REJECTIONS]
    ]
    more = len(rejected) - _SHOWN_REJECTIONS
    return [*lines, f"… and {more:,} more"] if more > 0 else lines


class IngestBar:
    """A progress bar for `Assistant.ingest`, shown on a terminal only; use it as a context manager."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._papers = 0

    def __enter__(self) -> Self:
        if self._stream.isatty():
            self._bar = _bar(make_console(self._stream))
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def start(self, stage: str, total: int) -> None:
        """Opens a stage; the one before it disappears."""
        if self._bar is None:
            return
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._papers = 0
        self._task = self._bar.add_task(stage, total=max(total, 1), papers="")

    def advance(self, amount: float) -> None:
        """Moves the bar on."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, amount)

    def papers(self, count: int) -> None:
        """Adds to the papers that are shown beside the bar, with their rate."""
        if self._bar is None or self._task is None:
            return
        self._papers += count
        with suppress(ZeroDivisionError):  # no time has passed
            rate = self._papers / (self._bar.tasks[-1].elapsed or 0.0)
            self._bar.update(self._task, papers=f"{counted(self._papers, 'paper')}, {rate:.0f}/s")


def _bar(console: Console) -> RichProgress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[papers]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=console,
        transient=True,
        expand=True,
    )


def size(count: int) -> str:
    """Returns a number of bytes in the unit that suits it: "6.9 MB"."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Returns a number with its noun: "1 paper", "1,532 papers"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def labelled(label: str, body: RenderableType, style: str = "") -> RenderableType:
    """Returns the body with a label to the left of its lines, which all start in the same column."""
    return _Labelled(Text(label, style=style), body)


class _Labelled:
    """A hanging indent. A rich table would do, but it pads every line with spaces."""

    def __init__(self, label: Text, body: RenderableType) -> None:
        self._label = label
        self._body = body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        indent = self._label.cell_len + 1
        inner = options.update_width(max(options.max_width - indent, 1))
        for number, line in enumerate(console.render_lines(self._body, inner, pad=False)):
            yield Text.assemble(self._label if number == 0 else " " * (indent - 1), " ", end="")
            yield from line
            yield Segment.line()
