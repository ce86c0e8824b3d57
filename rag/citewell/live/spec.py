"""What a user writes to name a live source: `arxiv:cat:cs.IR`, `doi:10.1000/182` and the like."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from citewell.corpus import normalise_arxiv_id, normalise_doi
from citewell.errors import UsageError

from . import arxiv, crossref, hf_papers, openalex
from .page import Source

_SOURCES: dict[str, Callable[[str], Source]] = {
    "arxiv": arxiv.parse,
    "doi": crossref.parse,
    "hf-papers": hf_papers.parse,
    "openalex": openalex.parse,
}
_EXAMPLES = "arxiv:2508.01234, doi:10.1000/182, hf-papers:2025-08-22, openalex:W2741809807"
# At least two letters: one is the drive of a Windows path.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9_-]+):(.*)", re.DOTALL)


class Spec(NamedTuple):
    """A live source, and the text that named it: the source of every paper that comes from it."""

    text: str
    source: Source


def is_spec(text: str) -> bool:
    """Whether a text names a live source; one that is also the name of an existing file does not."""
    match = _SCHEME.fullmatch(text)
    return match is not None and match[1].lower() in _SOURCES and not os.path.lexists(text)


def parse(text: str) -> Spec:
    """Returns the source that a text names.

    Raises:
        UsageError: there is no such source, or what it is asked for makes no sense.
    """
    name, _, query = text.partition(":")
    query = query.strip()
    if name.lower() not in _SOURCES:
        raise UsageError(f"Neither a file nor a source: {text}. {_cure(text, name)}")
    if not query or not query.isprintable():
        raise UsageError(f"{text!r} does not say what to fetch. Examples: {_EXAMPLES}.")
    return Spec(text, _SOURCES[name.lower()](query))


def separate(paths: Sequence[str | Path]) -> tuple[list[Path], list[Spec]]:
    """Returns the files and folders among the paths, and the live sources.

    Raises:
        UsageError: a text names neither a file nor a source that makes sense.
    """
    files: list[Path] = []
    specs: list[Spec] = []
    for path in paths:
        if isinstance(path, str) and (is_spec(path) or _is_unknown_source(path)):
            specs.append(parse(path))
        else:
            files.append(Path(path))
    return files, specs


def _is_unknown_source(text: str) -> bool:
    return _SCHEME.fullmatch(text) is not None and not os.path.lexists(text)


def _cure(text: str, name: str) -> str:
    if name.lower() in ("http", "https"):
        known = f"arxiv:{normalise_arxiv_id(text)}" if normalise_arxiv_id(text) else ""
        known = known or (f"doi:{normalise_doi(text)}" if normalise_doi(text) else "")
        if known:
            return f"Write {known}."
    close = difflib.get_close_matches(name.lower(), _SOURCES, n=1)
    if close:
        return f"Perhaps you mean {close[0]}:{text.partition(':')[2]}"
    return f"Check the path, or name a source like these: {_EXAMPLES}."
