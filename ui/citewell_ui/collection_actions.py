"""What happens in the collection tab: listing, searching, opening, choosing and adding papers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import gradio as gr
from citewell import Assistant, CitewellError, Paper
from citewell.errors import CorpusError, UsageError
from citewell.terminal import counted, size

from citewell_ui import collection_html as show
from citewell_ui.atlas import open_atlas
from citewell_ui.map_plot import figure

PAGE_SIZE = 20
FOUND = 50  # papers that a search lists
MOST_FILES = 100
MOST_BYTES = 256 * 10**6  # of one upload

Ids = tuple[str, ...]


class Host(Protocol):
    """What the tab needs of the page."""

    @property
    def assistant(self) -> Assistant:
        """The assistant of the open collection."""


class BrowserProgress:
    """A `citewell.index.Progress` on the progress bar of Gradio."""

    def __init__(self, bar: Callable[..., object]) -> None:
        self._bar = bar
        self._stage, self._total, self._done, self._papers = "", 1.0, 0.0, 0

    def start(self, stage: str, total: int) -> None:
        """Opens a stage at zero."""
        self._stage, self._total, self._done, self._papers = stage, float(max(total, 1)), 0.0, 0
        self._tell()

    def advance(self, amount: float) -> None:
        """Moves the bar on."""
        self._done += amount
        self._tell()

    def papers(self, count: int) -> None:
        """Adds to the papers that are named beside the bar."""
        self._papers += count
        self._tell()

    def _tell(self) -> None:
        stored = f" · {counted(self._papers, 'paper')}" if self._papers else ""
        self._bar(min(self._done / self._total, 1.0), desc=self._stage.capitalize() + stored)


class Actions:
    """What happens when something is clicked; each method returns the new values of the components."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def summary(self) -> str:
        """Returns what the collection holds."""
        try:
            library = self._host.assistant.collection.library
            return show.heading(library.manifest().papers, library.listings())
        except CitewellError as error:
            return show.trouble(str(error))

    def map(self, drawn: str | None, lit: Ids, chosen: Ids) -> tuple[Any, Any, str]:
        """Returns what is drawn, the map and the line below it; the map stays as it is if it still fits."""
        try:
            atlas = open_atlas(self._host.assistant.collection)
            key = f"{self._host.assistant.collection.library.manifest().digest} {sorted(lit)}"
        except CitewellError as error:
            return None, gr.Plot(visible=False), show.trouble(str(error))
        if key == drawn:
            return gr.skip(), gr.skip(), gr.skip()
        if not atlas.paper_ids:
            return key, gr.Plot(visible=False), show.note("There is nothing to draw yet.")
        hint = "Click a dot to read the abstract. Draw around dots to ask about those papers only."
        if atlas.papers > len(atlas.paper_ids):
            hint = f"{len(atlas.paper_ids):,} of {atlas.papers:,} papers are drawn. {hint}"
        return key, gr.Plot(figure(atlas, lit, chosen), visible=True), show.note(hint)

    def papers(self, query: str | None, offset: int = 0) -> tuple[Any, ...]:
        """Returns offset, ids found, the list, and the buttons to move and to ask what was found."""
        query = query or ""  # Gradio has None for a box that nothing was typed in yet
        try:
            listed, offset, total = browse(self._host.assistant, query, offset)
        except CitewellError as error:
            listed, offset, total, body = [], 0, 0, show.trouble(str(error))
        else:
            body = show.paper_list(listed) if listed else show.note("No paper to list.")
            if total > len(listed):
                body = show.note(f"{offset + 1:,}–{offset + len(listed):,} of {total:,}") + body
        searched = bool(query.strip()) and bool(listed)
        return (
            offset,
            tuple(paper.paper_id for paper in listed) if searched else (),
            body,
            gr.Button(interactive=offset > 0),
            gr.Button(interactive=offset + len(listed) < total),
            gr.Button(f"Ask these {len(listed)} only", visible=searched),
        )

    def opened(self, event: gr.EventData) -> tuple[Any, ...]:
        """Returns the id, the card and the buttons of the paper that was clicked."""
        (paper_id,) = _ids([event._data.get("paper")]) or ("",)
        try:
            paper = self._host.assistant.show(paper_id)
        except CitewellError as error:
            return "", show.trouble(str(error)), gr.Button(visible=False), gr.Button(visible=False)
        return paper_id, show.paper_card(paper), gr.Button(visible=True), gr.Button(visible=True)

    def lassoed(self, event: gr.EventData) -> Ids:
        """Returns the papers within the lasso that the collection holds."""
        chosen = _ids(event._data.get("papers"))
        known = self._host.assistant.collection.library.rows_of(chosen)
        return tuple(paper_id for paper_id in chosen if paper_id in known)

    def ticked(self, chosen: Ids, event: gr.EventData) -> Ids:
        """Returns the papers chosen with the one whose box was ticked, or without it."""
        for paper_id in _ids([event._data.get("paper")]):
            rest = tuple(other for other in chosen if other != paper_id)
            return with_paper(rest, paper_id) if event._data.get("chosen") else rest
        return chosen

    def add_files(
        self,
        files: list[str] | None,
        bar: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio finds it here)
    ) -> tuple[str, Any, Any]:
        """Adds uploaded files; returns the report, the hash of the collection and an empty file box."""
        try:
            paths = uploads(files or [])
        except UsageError as error:
            return show.trouble(str(error)), gr.skip(), None
        report, added = add(self._host.assistant, paths, BrowserProgress(bar))
        return report, added, None

    def add_path(
        self,
        path: str | None,
        bar: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio finds it here)
    ) -> tuple[str, Any]:
        """Adds a file or folder of this machine; returns the report and the hash of the collection."""
        paths = [Path(path.strip()).expanduser()] if path and path.strip() else []
        return add(self._host.assistant, paths, BrowserProgress(bar))


def browse(assistant: Assistant, query: str, offset: int) -> tuple[list[Paper], int, int]:
    """Returns a page of papers, where it starts, and how many there are: all, or those found for a query.

    Raises:
        CitewellError: the query cannot be searched.
    """
    library = assistant.collection.library
    if not query.strip():
        total = library.manifest().papers
        offset = max(0, min(offset, (total - 1) // PAGE_SIZE * PAGE_SIZE))
        return library.page(offset, PAGE_SIZE), offset, total
    found = assistant.search(query, FOUND)
    offset = max(0, min(offset, (len(found) - 1) // PAGE_SIZE * PAGE_SIZE))
    shown = found[offset : offset + PAGE_SIZE]
    return [assistant.show(result.paper_id) for result in shown], offset, len(found)


def uploads(files: Sequence[str], most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES) -> list[Path]:
    """Returns the paths of uploaded files, or none if they are too many or too large.

    Raises:
        UsageError: they are.
    """
    paths = [Path(file) for file in files]
    if len(paths) > most_files:
        raise UsageError(f"{len(paths)} files are too many at once: add at most {most_files}.")
    total = sum(path.stat().st_size for path in paths)
    if total > most_bytes:
        raise UsageError(f"{size(total)} are too much at once: add at most {size(most_bytes)}.")
    return paths


def add(assistant: Assistant, paths: Sequence[Path], progress: BrowserProgress) -> tuple[str, Any]:
    """Ingests files; returns the report as HTML, and the new hash of the collection."""
    if not paths:
        return show.trouble("No file was given. Choose one or more files first."), gr.skip()
    try:
        report = assistant.ingest(paths, progress)
    except CorpusError as error:
        rejected = error.report.rejected if error.report else ()
        return show.trouble(str(error)) + show.rejections(rejected), gr.skip()
    except CitewellError as error:
        return show.trouble(str(error)), gr.skip()
    return show.ingest_report(report), assistant.collection.library.manifest().digest


def with_paper(chosen: Ids, paper_id: str) -> Ids:
    """Returns the papers chosen with another one at the end."""
    return chosen if paper_id in chosen else (*chosen, paper_id)


def _ids(values: object) -> Ids:
    """Returns what the browser sent as paper ids, each once; anything that is no text is left out."""
    given = values if isinstance(values, list) else []
    return tuple(dict.fromkeys(value for value in given if isinstance(value, str) and value))
