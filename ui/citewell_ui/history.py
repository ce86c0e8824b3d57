"""The list of the conversations that were kept, as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from citewell_ui.records import Kept
from citewell_ui.render import EXPORTS
from citewell_ui.render.escape import attributes, text


def listing(kept: Sequence[Kept], here: str) -> str:
    """Returns a button for each conversation, the one that is open marked."""
    if not kept:
        return '<p class="citewell kept-none">Conversations are kept on this machine and are listed here.</p>'
    items = "".join(_item(entry, entry.id == here) for entry in kept)
    known = any(entry.id == here for entry in kept)
    return (
        f'<nav class="citewell" aria-label="Conversations"><ul>{items}</ul></nav>{_export() if known else ""}'
    )


def _export() -> str:
    items = "".join(
        f"<button{attributes(type='button', class_='kept', data_action='export-conversation', data_value=value)}>"
        f"{name}</button>"
        for value, name in EXPORTS.items()
    )
    summary = "<summary>Export this conversation</summary>"
    return f'<details class="citewell" id="export-conversation">{summary}{items}</details>'


def _item(entry: Kept, here: bool) -> str:
    given = attributes(
        type="button",
        class_="kept",
        data_action="open-conversation",
        data_value=entry.id,
        aria_current="true" if here else False,
    )
    when = entry.updated.astimezone().strftime("%b %-d, %H:%M")
    name = f'<span dir="auto">{text(entry.title)}</span><span class="when">{when}</span>'
    return f"<li><button{given}>{name}</button></li>"
