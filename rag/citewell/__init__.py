"""Citewell answers questions over a collection of paper abstracts; every sentence rests on a verbatim quote."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from citewell.assistant import Assistant
    from citewell.errors import CitewellError
    from citewell.library.filters import Filters
    from citewell.settings import Settings
    from citewell.types import Abstention, Answer, Citation, Event, Listing, Paper, SearchResult, Sentence

__version__ = "0.1.0"

__all__ = [
    "Abstention",
    "Answer",
    "Assistant",
    "Citation",
    "CitewellError",
    "Event",
    "Filters",
    "Listing",
    "Paper",
    "SearchResult",
    "Sentence",
    "Settings",
]

_HOMES = {
    "Assistant": "assistant",
    "CitewellError": "errors",
    "Filters": "library.filters",
    "Settings": "settings",
}


def __getattr__(name: str) -> object:
    """Imports a public name on first use, so that `import citewell` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'citewell' has no attribute {name!r}")
    return getattr(import_module(f"citewell.{_HOMES.get(name, 'types')}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
