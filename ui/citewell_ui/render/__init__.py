"""The page as HTML: pure functions from turns and papers to text in which everything is escaped."""

from citewell_ui.render.actions import EXPORTS
from citewell_ui.render.answer import turn
from citewell_ui.render.evidence import evidence
from citewell_ui.render.states import empty, header, indexing, no_collection, selection_chip, trouble

__all__ = [
    "EXPORTS", "empty", "evidence", "header", "indexing", "no_collection", "selection_chip", "trouble", "turn",
]  # fmt: skip
