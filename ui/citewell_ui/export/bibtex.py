"""Papers as BibTeX."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from bibtexparser.entrypoint import write_string
from bibtexparser.library import Library
from bibtexparser.model import Block, Entry, Field
from citewell import Paper

from citewell_ui.export import names
from citewell_ui.export.references import address, arxiv_id, identifier, line
from citewell_ui.export.tex import to_tex, to_unicode

_CATEGORY = re.compile(r"[a-z-]+(\.[A-Za-z-]+)?")
_STOP_WORDS = frozenset(
    "a an and are as at be by can do does for from how in into is it its of on or the to toward towards using via "
    "what when where which why with".split()
)
_LONGEST_PART = 30  # of a key, in characters


def bibtex(papers: Sequence[Paper]) -> str:
    """Returns an entry for each paper. Nothing is known of where they were published, so they are all `@misc`."""
    entries: list[Block] = [
        Entry("misc", key, _fields(paper)) for paper, key in zip(papers, keys(papers), strict=True)
    ]
    return write_string(Library(entries))


def keys(papers: Sequence[Paper]) -> list[str]:
    """Returns a key for each paper, such as `vaswani-2017-attention`.

    A paper has the same key in every file, but for papers of the same natural key in one file: those have eight
    digits of the SHA-256 of their ids after it, whatever their order.
    """
    natural = [_key(paper) for paper in papers]
    count = Counter(natural)
    return [
        key if key and count[key] == 1 else f"{key or 'paper'}_{_digest(paper)}"
        for key, paper in zip(natural, papers, strict=True)
    ]


def _key(paper: Paper) -> str:
    parsed = names.parse(to_unicode(line(paper.authors[0]))) if paper.authors else names.Name()
    author = "".join(_words(parsed.family or parsed.literal))
    words = [word for word in _words(to_unicode(paper.title)) if word not in _STOP_WORDS]
    # Without an author, one word of the title would not tell many papers apart.
    parts = [author, str(paper.year or ""), *words[: 1 if author else 3]]
    return "-".join(part[:_LONGEST_PART] for part in parts if part)


def _words(text: str) -> list[str]:
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", re.sub(r"['’]", "", ascii_only.lower()))


def _digest(paper: Paper) -> str:
    return hashlib.sha256(paper.paper_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _fields(paper: Paper) -> list[Field]:
    eprint = arxiv_id(paper)
    category = next((c for c in paper.categories[:1] if _CATEGORY.fullmatch(c)), None)
    fields = {
        "title": f"{{{to_tex(line(paper.title))}}}",  # the inner braces keep styles from changing its case
        "author": " and ".join(_author(author) for author in paper.authors if author.strip()),
        "year": str(paper.year or ""),
        "eprint": eprint,
        "archiveprefix": "arXiv" if eprint else None,
        "primaryclass": category if eprint else None,
        "doi": identifier(paper.doi),
        "url": address(paper.url),
    }
    return [Field(name, value) for name, value in fields.items() if value]


def _author(author: str) -> str:
    name = names.parse(to_unicode(line(author)))
    if name.literal:
        return f"{{{to_tex(name.literal)}}}"
    return ", ".join(to_tex(part) for part in (name.family, name.suffix, name.given) if part)
