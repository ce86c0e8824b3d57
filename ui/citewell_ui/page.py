"""The page: its layout, and which event leads to which handler."""

from __future__ import annotations

from typing import Any

import gradio as gr

from citewell_ui.api import add_api
from citewell_ui.asking import MOST_SOURCES, STRICTNESS, Session
from citewell_ui.collection_tab import collection_tab, scope_chip
from citewell_ui.handlers import Handlers, Parts
from citewell_ui.host import Host
from citewell_ui.limits import AT_ONCE, MAX_QUEUED, QUESTIONS_A_MINUTE, Limiter

TITLE = "Citewell"
_STRICTNESS = list(
    zip(("Lenient: answers in doubt", "Balanced", "Strict: refuses in doubt"), STRICTNESS, strict=True)
)
# The drawer has a button of its own, which would lie over the conversation.
_OPEN_DRAWER = "() => document.querySelector('#cw-history .toggle-button')?.click()"
_LONGEST_QUESTION = 4_000
# What the page's script and the server tell each other: a custom event "citewell" on the document becomes an event
# of this component; what the server wants done (a download, the address of a conversation) arrives as its value.
_CHANNEL = """
const asking = new Set(["ask", "retry", "edit"]);
document.addEventListener("citewell", (event) => {
  const detail = event.detail;
  if (asking.has(detail.action)) trigger("submit", detail);
  else if (detail.action === "stop") trigger("stop", detail);
  else if (detail.action === "open-conversation") trigger("click", detail);
  else trigger("select", detail);
});
watch("value", () => {
  const value = props.value || {};
  if (value.conversation !== undefined) {
    const here = new URL(location.href);
    if (value.conversation) here.searchParams.set("c", value.conversation);
    else here.searchParams.delete("c");
    history.replaceState(history.state, "", here);
  }
  if (value.file) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([value.file.text], {type: value.file.type}));
    link.download = value.file.name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }
});
"""
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build(host: Host) -> gr.Blocks:
    """Returns the page over a host, which may still be opening its collection."""
    questions = Limiter(QUESTIONS_A_MINUTE)
    blocks = gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True)
    with blocks:
        session, selection, lit = gr.State(Session()), gr.State(()), gr.State(())
        with gr.Sidebar(label="Conversations", open=False, elem_id="cw-history"):
            history = _history()
        with gr.Row(elem_id="cw-top"):
            drawer = gr.Button("History", size="sm", scale=0, min_width=90, elem_id="cw-open-history")
            header = _html("cw-header")
        with gr.Tabs(elem_id="cw-tabs"):
            with gr.Tab("Ask", id="ask"), gr.Row(elem_id="cw-panes"):
                with gr.Column(scale=6, min_width=320, elem_id="cw-left"):
                    welcome, earlier, latest = map(_html, ("cw-welcome", "cw-earlier", "cw-latest"))
                    composer = _composer(host, selection)
                with gr.Column(scale=5, min_width=320, elem_id="cw-right"):
                    before = _html("cw-evidence-before")
                    evidence = _html("cw-evidence")
            with gr.Tab("Collection", id="collection") as tab:
                collection = collection_tab(host, folders=host.local, selection=selection, lit=lit)
                collection.on_open(tab.select)
        told = gr.HTML(html_template="", js_on_load=_CHANNEL, visible="hidden", elem_id="cw-channel")
        shown: dict[str, Any] = {
            "session": session,
            "selection": selection,
            "lit": lit,
            "header": header,
            "channel": told,
        }
        turns: dict[str, Any] = {
            "welcome": welcome,
            "earlier": earlier,
            "latest": latest,
            "before": before,
            "evidence": evidence,
        }
        parts = Parts(**shown, **turns, **history, **composer)
        handlers = Handlers(host, parts, questions)
        _wire(blocks, handlers, parts)
        drawer.click(None, js=_OPEN_DRAWER)
        collection.added.change(handlers.grown, None, [header, welcome, *parts.settings], **_PRIVATE)
        add_api(host, questions)
    blocks.queue(max_size=MAX_QUEUED, default_concurrency_limit=AT_ONCE)
    return blocks


def _html(elem_id: str) -> gr.HTML:
    return gr.HTML(elem_id=elem_id, apply_default_css=False, js_on_load=None)


def _history() -> dict[str, Any]:
    """Returns the parts of the drawer with the conversations of this person."""
    return {
        "fresh": gr.Button("New conversation", elem_id="cw-new", size="sm"),
        "kept": _html("cw-kept"),
        "title": gr.Textbox(
            label="Name of this conversation", max_length=120, visible=False, elem_id="cw-title"
        ),
        "delete": gr.Button("Delete this conversation", visible=False, size="sm", elem_id="cw-delete"),
        "sure": gr.Button("Delete it for good", visible=False, size="sm", variant="stop", elem_id="cw-sure"),
    }


def _composer(host: Host, selection: gr.State) -> dict[str, Any]:
    """Returns the question box and what can be chosen beside it."""
    with gr.Column(elem_id="cw-composer"):
        parts: dict[str, Any] = {
            "box": gr.Textbox(
                placeholder="Ask the abstracts…",
                label="Your question",
                show_label=False,
                container=False,
                lines=1,
                max_lines=8,
                max_length=_LONGEST_QUESTION,
                autofocus=True,
                submit_btn=True,
                elem_id="cw-question",
            ),
        }
        scope_chip(host, selection)
        with gr.Accordion("Filters and settings", open=False, elem_id="cw-settings"):
            with gr.Row():
                parts["listings"] = gr.Dropdown([], multiselect=True, label="Listing", elem_id="cw-listings")
                parts["since"] = gr.Dropdown([("any", "")], value="", label="From", elem_id="cw-since")
                parts["until"] = gr.Dropdown([("any", "")], value="", label="To", elem_id="cw-until")
                parts["categories"] = gr.Dropdown(
                    [], multiselect=True, label="Category", visible=False, elem_id="cw-categories"
                )
            with gr.Row():
                parts["sources"] = gr.Slider(
                    1, MOST_SOURCES, value=8, step=1, label="Abstracts read", elem_id="cw-sources"
                )
                parts["strictness"] = gr.Dropdown(
                    _STRICTNESS, value="Balanced", label="Strictness", elem_id="cw-strictness"
                )
                parts["engine"] = gr.Dropdown(
                    [(engine.name, engine.llm) for engine in host.engines],
                    value=host.engines[0].llm,
                    label="Worded by",
                    interactive=len(host.engines) > 1,
                    elem_id="cw-engine",
                )
    return parts


def _wire(blocks: gr.Blocks, handlers: Handlers, parts: Parts) -> None:
    """Connects events with handlers. None of them is callable from outside; the public API is in `api`."""
    quick = {**_PRIVATE, "concurrency_limit": None}
    conversation = [*parts.view, *parts.drawer]
    asked = gr.on(
        [parts.box.submit, parts.channel.submit],
        handlers.ask,
        [parts.box, parts.session, parts.selection, *parts.settings],
        [*conversation, parts.box],
        concurrency_limit=AT_ONCE,
        api_name="page_ask",  # `ask` is the name that the public API gives away
        **_PRIVATE,
    )
    gr.on([parts.box.stop, parts.channel.stop], handlers.stop, trigger_mode="multiple", **quick)
    parts.channel.select(handlers.act, parts.session, parts.channel, trigger_mode="multiple", **quick)
    another = [*conversation, parts.box]
    parts.channel.click(handlers.reopen, None, another, cancels=[asked], **quick)
    parts.fresh.click(handlers.fresh, None, another, cancels=[asked], **quick)
    parts.title.submit(handlers.rename, [parts.session, parts.title], parts.drawer, **quick)
    parts.delete.click(lambda: gr.update(visible=True), None, parts.sure, **quick)
    parts.sure.click(handlers.delete, parts.session, another, cancels=[asked], **quick)
    blocks.load(
        handlers.opened,
        None,
        [*conversation, parts.header, *parts.settings],
        concurrency_limit=None,
        **_PRIVATE,
    )
    blocks.unload(handlers.left)
