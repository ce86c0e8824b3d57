"""The papers that answers cite, and their texts as one clean line."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from citewell import Answer, Citation, Paper
from citewell.corpus import normalise_arxiv_id

from citewell_ui.render.escape import web_address

# Characters that no text needs, and those that reorder the text around them; either could hide what stands there.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
# What an address may hold (RFC 3986), but for quotes and brackets, which other formats give a meaning.
_IN_ADDRESSES = string.ascii_letters + string.digits + "-._~:/?#@!$&'()*+,;=%"


def cited(answers: Iterable[Answer], papers: Mapping[str, Paper]) -> list[Paper]:
    """Returns each cited paper once, by first mention; one that is gone as its citation describes it."""
    first: dict[str, Citation] = {}
    for answer in answers:
        for citation in answer.citations:
            first.setdefault(citation.paper_id, citation)
    return [papers.get(paper_id) or _remembered(citation) for paper_id, citation in first.items()]


def line(text: str) -> str:
    """Returns a text as one line, without control characters."""
    return _UNFIT.sub("\ufffd", " ".join(text.split()))


def address(url: str | None) -> str | None:
    """Returns an address of the web in which nothing can be taken for markup, None for anything else."""
    found = web_address(url)
    return quote(found, safe=_IN_ADDRESSES) if found else None


def identifier(text: str | None) -> str | None:
    """Returns a DOI or the like in which nothing can be taken for markup."""
    return quote(line(text), safe=_IN_ADDRESSES + "<>[]") if text and text.strip() else None


def arxiv_id(paper: Paper) -> str | None:
    """Returns the identifier if it is one."""
    return normalise_arxiv_id(paper.arxiv_id) if paper.arxiv_id else None


def _remembered(citation: Citation) -> Paper:
    return Paper(
        citation.title,
        "",
        citation.paper_id,
        url=citation.url,
        arxiv_id=normalise_arxiv_id(citation.url) if citation.url else None,
    )
