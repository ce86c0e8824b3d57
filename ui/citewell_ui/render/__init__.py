"""The page as HTML: pure functions from turns and papers to text in which everything is escaped."""

from citewell_ui.render.actions import EXPORTS
from citewell_ui.render.answer import turn
from citewell_ui.render.evidence import evidence
from citewell_ui.render.states import empty, header, no_collection, trouble

__all__ = [
    "EXPORTS", "empty", "evidence", "header", "no_collection", "trouble", "turn",
]  # fmt: skip
