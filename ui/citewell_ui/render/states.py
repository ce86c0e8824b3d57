"""What the page shows around the conversation: its header, and what stands there before the first question."""

from __future__ import annotations

from collections.abc import Sequence

from citewell_ui.render.escape import attributes, text
from citewell_ui.render.icons import icon

_WHAT_IT_IS = "Every sentence of an answer rests on words quoted from a paper's abstract, one click away."


def header(description: str, title: str = "Citewell") -> str:
    """Returns the header: the name, the open collection, and the button for the dark theme."""
    about = f'<span class="open-collection" dir="auto">{text(description)}</span>' if description else ""
    theme = attributes(
        type="button", class_="act", data_theme_toggle=True, aria_label="Dark theme", title="Light or dark"
    )
    return (
        f'<div class="citewell masthead"><h1 class="brand">{text(title)}</h1>{about}'
        f"<button{theme}>{icon('theme')}</button></div>"
    )


def empty(description: str, questions: Sequence[str], engine: str, ready: bool) -> str:
    """Returns what stands where the first answer will be.

    Args:
        description: what the collection holds; empty where there is none.
        questions: questions that it can answer; clicking one asks it.
        engine: what words the answers, for people.
        ready: whether the collection is open.
    """
    if not ready:
        return _frame("Opening the collection…", "You can type your question already.", busy=True)
    if not description:
        return no_collection()
    offered = "".join(f"<li>{_example(question)}</li>" for question in questions)
    examples = (
        f'<p class="caption">It can answer, for example</p><ul class="examples">{offered}</ul>'
        if offered
        else ""
    )
    about = f'<p class="holds"><strong dir="auto">{text(description)}</strong> · {text(engine)}</p>'
    lead = f'<h2>Ask the abstracts</h2><p class="what">{_WHAT_IT_IS}</p>'
    return f'<div class="citewell welcome">{lead}{about}{examples}</div>'


def no_collection() -> str:
    """Returns what stands there while there is nothing to ask."""
    button = '<p><button type="button" class="primary" data-tab="Collection">Add papers</button></p>'
    said = "Add listing pages, CSV, JSONL or arXiv files of paper abstracts, and ask about them."
    return _frame("There is no collection yet", said, button)


def trouble(message: str) -> str:
    """Returns one line about what went wrong with the page as a whole."""
    return (
        '<div class="citewell"><div class="notice trouble" role="alert">'
        f'<p class="lead">The collection cannot be used</p><p>{text(message)}</p></div></div>'
    )


def _frame(heading: str, said: str, more: str = "", busy: bool = False) -> str:
    waits = ' aria-busy="true"' if busy else ""
    dot = '<span class="dot" aria-hidden="true"></span>' if busy else ""
    return (
        f'<div class="citewell welcome"{waits}><h2>{heading}</h2>'
        f'<p class="what" role="status">{dot}{said}</p>{more}</div>'
    )


def _example(question: str) -> str:
    given = attributes(type="button", class_="example", data_action="ask", data_value=question)
    return f'<button{given} dir="auto">{text(question)}</button>'
