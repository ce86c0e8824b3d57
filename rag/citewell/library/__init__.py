"""The library: every paper, its listings, its lexical index and its vectors, in one SQLite file."""

from citewell.library.filters import Filters, date_key, parse_years
from citewell.library.lock import write_lock
from citewell.library.passages import Passages, StoredPassages
from citewell.library.reader import Library, Manifest, Recipe, StoredPaper, content_hash
from citewell.library.records import Changes, Record, Served, ServedState, record_name
from citewell.library.replica import Held, Replica
from citewell.library.schema import create
from citewell.library.writer import LibraryWriter, Stored, digest_with

__all__ = [
    "Changes",
    "Filters",
    "Held",
    "Library",
    "LibraryWriter",
    "Manifest",
    "Passages",
    "Recipe",
    "Record",
    "Replica",
    "Served",
    "ServedState",
    "Stored",
    "StoredPaper",
    "StoredPassages",
    "content_hash",
    "create",
    "date_key",
    "digest_with",
    "parse_years",
    "record_name",
    "write_lock",
]
