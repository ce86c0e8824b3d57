"""What can be done with an answer: copy, export, judge, ask again."""

from __future__ import annotations

from citewell import Answer

from citewell_ui.render.escape import attributes, text
from citewell_ui.render.icons import icon
from citewell_ui.turns import Turn

EXPORTS = {"markdown": "Markdown", "bibtex": "BibTeX", "csl": "CSL-JSON", "json": "Answer as JSON"}


def actions(turn: Turn, answer: Answer) -> str:
    """Returns the row of buttons below an answer, and the forms that some of them unfold."""
    row = "".join(
        [
            _copy(answer),
            _export(turn) if turn.citations else "",
            _thumb(turn, "up", "Good answer"),
            _thumb(turn, "down", "Bad answer"),
            _button(turn, "retry", "retry", "Retry"),
            _opener("edit", "Edit the question", "Edit"),
        ]
    )
    return f'<div class="actions">{row}</div>{_comment(turn)}{_edit(turn)}'


def copied(answer: Answer) -> str:
    """Returns an answer as people paste it: sentences with `[n]`, then the quotes with their papers."""
    lines = [answer.text]
    if answer.citations:
        lines += ["", *(f"[{c.number}] {c.title}: “{c.quote}”" for c in answer.citations)]
    return "\n".join(lines)


def _copy(answer: Answer) -> str:
    given = attributes(type="button", class_="act", data_copy=copied(answer), title="Copy with sources")
    return f'<button{given}>{icon("copy")}<span class="label">Copy</span></button>'


def _export(turn: Turn) -> str:
    items = "".join(
        f"<button{attributes(type='button', data_action='export', data_turn=turn.key, data_value=form)}>{name}</button>"
        for form, name in EXPORTS.items()
    )
    return (
        f'<details class="menu" id="export-{text(turn.key)}"><summary class="act" title="Export this answer">'
        f'{icon("export")}<span class="label">Export</span></summary><div class="items">{items}</div></details>'
    )


def _thumb(turn: Turn, value: str, label: str) -> str:
    given = attributes(
        type="button",
        class_="act thumb",
        data_action="feedback",
        data_turn=turn.key,
        data_value=value,
        data_opens="comment",
        aria_pressed="false",
        aria_label=label,
        title=label,
    )
    return f"<button{given}>{icon(value)}</button>"


def _button(turn: Turn, action: str, sign: str, label: str) -> str:
    given = attributes(type="button", class_="act", data_action=action, data_turn=turn.key)
    return f'<button{given}>{icon(sign)}<span class="label">{label}</span></button>'


def _opener(form: str, title: str, label: str) -> str:
    given = attributes(type="button", class_="act", data_opens=form, title=title, aria_expanded="false")
    return f'<button{given}>{icon(form)}<span class="label">{label}</span></button>'


def _comment(turn: Turn) -> str:
    form = attributes(
        class_="unfolds", data_form="comment", data_action="comment", data_turn=turn.key, hidden=True
    )
    return (
        f'<form{form}><label>What was right or wrong? <span class="hint">Kept on this machine.</span>'
        '<textarea name="value" rows="2" maxlength="2000"></textarea></label>'
        '<div class="buttons"><button class="primary">Save</button>'
        '<button type="button" class="plain" data-closes>Not now</button></div></form>'
    )


def _edit(turn: Turn) -> str:
    form = attributes(class_="unfolds", data_form="edit", data_action="edit", data_turn=turn.key, hidden=True)
    # A parser drops the first line break of a text area, so that one is given which is not meant.
    return (
        f'<form{form}><label>Your question <span class="hint">What was asked after it is dropped.</span>'
        f'<textarea name="value" rows="2" maxlength="4000">\n{text(turn.question)}</textarea></label>'
        '<div class="buttons"><button class="primary">Ask again</button>'
        '<button type="button" class="plain" data-closes>Cancel</button></div></form>'
    )
