"""Reading collections: files in, entries and rejections out; keys and search forms of texts."""

from .clean import search_form
from .files import discover, total_bytes
from .identity import normalise_arxiv_id, normalise_doi, paper_slug, title_key
from .limits import ReaderLimits
from .reading import read_corpus

__all__ = [
    "ReaderLimits",
    "discover",
    "normalise_arxiv_id",
    "normalise_doi",
    "paper_slug",
    "read_corpus",
    "search_form",
    "title_key",
    "total_bytes",
]
