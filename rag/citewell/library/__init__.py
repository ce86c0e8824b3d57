"""The library: every paper, its listings, its lexical index and its vectors, in one SQLite file."""

from citewell.library.filters import Filters, date_key, parse_years
from citewell.library.lock import write_lock
from citewell.library.reader import (
    Library,
    Manifest,
    Passages,
    Recipe,
    StoredPaper,
    StoredPassages,
    content_hash,
)
from citewell.library.schema import create
from citewell.library.writer import LibraryWriter, Stored

__all__ = [
    "Filters",
    "Library",
    "LibraryWriter",
    "Manifest",
    "Passages",
    "Recipe",
    "Stored",
    "StoredPaper",
    "StoredPassages",
    "content_hash",
    "create",
    "date_key",
    "parse_years",
    "write_lock",
]
