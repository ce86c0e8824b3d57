"""The collection tab: the map, the papers, adding files, and choosing the papers that questions are asked of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from citewell_ui import collection_html as show
from citewell_ui.collection_actions import PAGE_SIZE, Actions, Host, Ids, with_paper
from citewell_ui.map_plot import BRIDGE, MAP_ID

_QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

Listener = Callable[..., Any]

# "click" carries the paper whose title was chosen, "select" a paper whose box was ticked or cleared.
_LIST_SCRIPT = """
const boxes = () => element.querySelectorAll('input[data-paper]');
const tick = () => {
  const chosen = new Set(props.chosen);
  boxes().forEach(box => { box.checked = chosen.has(box.dataset.paper); });
};
element.addEventListener('click', event => {
  const title = event.target.closest('button[data-paper]');
  if (title) trigger('click', {paper: title.dataset.paper});
});
element.addEventListener('change', event => {
  const box = event.target.closest('input[data-paper]');
  if (box) trigger('select', {paper: box.dataset.paper, chosen: box.checked});
});
watch(['value', 'chosen'], tick);
tick();
"""
# On a phone the card lies below what was tapped.
_CARD_SCRIPT = """
watch('value', () => {
  const card = element.querySelector('article');
  if (card && window.innerWidth < 768) card.scrollIntoView({block: 'start', behavior: 'smooth'});
});
"""


@dataclass(frozen=True)
class CollectionTab:
    """What the page connects the tab to.

    Attributes:
        selection: paper ids that questions are restricted to; empty for all. The chat reads it, and anyone may set it.
        lit: paper ids of the last answer, which the chat sets and the map rings.
        added: changes when papers were added, to a new hash of the collection.
        on_open: connects an event, such as `gr.Tab.select`, that fills the tab; nothing is read before.
    """

    selection: gr.State
    lit: gr.State
    added: gr.State
    on_open: Callable[[Listener], None]


def scope_chip(host: Host, selection: gr.State) -> None:
    """Makes what says which papers are asked, and a button that ends the restriction; put it in a `gr.Row`."""
    text = gr.HTML(min_width=160)
    clear = gr.Button("Ask all papers again", size="sm", scale=0, min_width=170, visible=False)

    def described(chosen: Ids) -> tuple[str, Any]:
        paper = host.assistant.collection.library.paper(chosen[0]) if len(chosen) == 1 else None
        return show.scope(len(chosen), paper.title if paper else ""), gr.Button(visible=bool(chosen))

    selection.change(described, selection, [text, clear], **_QUIET)
    clear.click(lambda: (), None, selection, **_QUIET)


def collection_tab(
    host: Host, *, folders: bool = False, selection: gr.State | None = None, lit: gr.State | None = None
) -> CollectionTab:
    """Makes the tab inside a `gr.Tab`.

    Args:
        host: the page.
        folders: whether folders of this machine may be added by their path; only where the server is on loopback.
        selection: the state of the selection, where the chat has made it already.
        lit: the state of the papers of the last answer, likewise.
    """
    selection = selection or gr.State(())
    lit = lit or gr.State(())
    actions = Actions(host)
    with gr.Row(elem_classes="cw-scope"):
        summary = gr.HTML(scale=0, min_width=220)
        scope_chip(host, selection)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320), gr.Tabs(elem_id="cw-collection-tabs"):
            with gr.Tab("Map"):
                chart = _Map(actions, selection, lit)
            with gr.Tab("Papers"):
                papers = _Papers(actions, selection)
            with gr.Tab("Add papers"):
                adding = _Adding(actions, folders)
        with gr.Column(scale=3, min_width=300):
            _Card(actions, selection, [papers.listing.click, chart.bridge.click])

    def on_open(listener: Listener) -> None:
        listener(actions.summary, None, summary, **_QUIET)
        papers.fill_on(listener)
        chart.draw_on(listener)

    on_open(adding.added.change)
    return CollectionTab(selection, lit, adding.added, on_open)


# --- parts ----------------------------------------------------------------------------------------------


class _Map:
    """The map, and the events of its dots."""

    def __init__(self, actions: Actions, selection: gr.State, lit: gr.State) -> None:
        self._actions, self._inputs = actions, [lit, selection]
        self._plot = gr.Plot(show_label=False, container=False, elem_id=MAP_ID)
        self._drawn: gr.State = gr.State(None)
        self._note = gr.HTML()
        self.bridge = gr.HTML(html_template="", js_on_load=BRIDGE, chosen=[])
        self.bridge.select(actions.lassoed, None, selection, **_QUIET)
        self.bridge.clear(lambda: (), None, selection, **_QUIET)
        selection.change(
            lambda chosen: gr.HTML(chosen=list(chosen)),
            selection,
            self.bridge,
            **_QUIET,
        )

    def draw_on(self, listener: Listener) -> None:
        """Draws the map when the event happens."""
        listener(
            self._actions.map,
            [self._drawn, *self._inputs],
            [self._drawn, self._plot, self._note],
            api_visibility="private",
            show_progress_on=self._note,
            concurrency_limit=1,  # the second session finds the map that the first one had drawn
            concurrency_id="citewell-map",
        )


class _Papers:
    """The list of papers, a page at a time, or what a search found."""

    def __init__(self, actions: Actions, selection: gr.State) -> None:
        self._actions, self._selection = actions, selection
        with gr.Row(equal_height=True):
            self._query = gr.Textbox(
                label="Search titles and abstracts",
                show_label=False,
                placeholder="Search titles and abstracts…",
                scale=4,
                max_length=4_000,
                container=False,
                elem_id="citewell-paper-search",
            )
            only = gr.Button("Ask these only", size="sm", scale=1, min_width=130, visible=False)
        self._offset: gr.State = gr.State(0)
        self._found: gr.State = gr.State(())
        self.listing = gr.HTML(js_on_load=_LIST_SCRIPT, chosen=[], elem_id="citewell-papers")
        with gr.Row():
            before = gr.Button("Previous", size="sm", min_width=90, interactive=False)
            after = gr.Button("Next", size="sm", min_width=90, interactive=False)
        self._outputs = [self._offset, self._found, self.listing, before, after, only]
        self._query.submit(self._actions.papers, [self._query], self._outputs, **_QUIET)
        for button, step in ((before, -PAGE_SIZE), (after, PAGE_SIZE)):
            button.click(_moved(self._actions, step), [self._query, self._offset], self._outputs, **_QUIET)
        only.click(lambda found: found, self._found, selection, **_QUIET)
        self.listing.select(actions.ticked, selection, selection, **_QUIET)
        selection.change(lambda chosen: gr.HTML(chosen=list(chosen)), selection, self.listing, **_QUIET)

    def fill_on(self, listener: Listener) -> None:
        """Lists the papers when the event happens."""
        listener(
            self._actions.papers,
            [self._query],
            self._outputs,
            **_QUIET,
        )


def _moved(actions: Actions, step: int) -> Callable[[str, int], tuple[Any, ...]]:
    return lambda query, offset: actions.papers(query, offset + step)


class _Adding:
    """Adding papers by upload, or by the path of a folder where that is allowed."""

    def __init__(self, actions: Actions, folders: bool) -> None:
        self.added: gr.State = gr.State("")
        gr.HTML(show.note("Listing pages, JSONL, CSV, TSV and arXiv dumps are read, compressed ones too."))
        files = gr.File(label="Files with papers", file_count="multiple", height=170)
        upload = gr.Button("Add these files", variant="primary")
        path = gr.Textbox(label="Or a path on this machine", max_length=4_096, visible=folders)
        from_path = gr.Button("Add from this path", visible=folders)
        report = gr.HTML(min_height=90)
        told: dict[str, Any] = {
            "api_visibility": "private",
            "show_progress": "full",
            "show_progress_on": report,
            "concurrency_limit": 1,
            "concurrency_id": "citewell-ingest",
        }
        upload.click(actions.add_files, [files], [report, self.added, files], **told)
        if folders:  # an event that exists can be sent for, whether its button is seen or not
            gr.on([from_path.click, path.submit], actions.add_path, [path], [report, self.added], **told)


class _Card:
    """The paper that was opened, and asking about it."""

    def __init__(self, actions: Actions, selection: gr.State, listeners: Sequence[Listener]) -> None:
        shown: gr.State = gr.State("")
        card = gr.HTML(
            show.note("Choose a dot of the map or a title to read the abstract."), js_on_load=_CARD_SCRIPT
        )
        with gr.Row():
            only = gr.Button("Ask about this paper only", size="sm", visible=False)
            also = gr.Button("Add to the papers asked", size="sm", visible=False)
        for listener in listeners:
            listener(actions.opened, None, [shown, card, only, also], **_QUIET)
        only.click(lambda paper_id: (paper_id,), shown, selection, **_QUIET)
        also.click(
            lambda paper_id, chosen: with_paper(chosen, paper_id), [shown, selection], selection, **_QUIET
        )
