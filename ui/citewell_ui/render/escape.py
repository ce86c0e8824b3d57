"""Text from questions, papers and models on its way into HTML. Everything that is shown passes through here."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote, urlsplit

from citewell import Paper

_ARXIV = re.compile(r"(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?")
# HTML has no way to write these: a parser would drop or replace them, or read a carriage return as a new line.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# They reorder the text around them; an opened one may stay open to the end of the paragraph.
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def text(value: str) -> str:
    """Returns a text as HTML, fit for content and for quoted attribute values.

    Characters that HTML cannot hold, and those that reorder the text around them, become U+FFFD.
    """
    plain = value.replace("\r\n", "\n").replace("\r", "\n")
    return escape(_REORDERING.sub("\ufffd", _UNWRITABLE.sub("\ufffd", plain)))


def attributes(**values: str | int | bool) -> str:
    """Returns attributes with a leading blank each; True gives the bare name, False nothing.

    Underscores of a name become hyphens: `data_turn="t1"` is ` data-turn="t1"`.
    """
    given = [
        (name.rstrip("_").replace("_", "-"), value) for name, value in values.items() if value is not False
    ]
    return "".join(f" {name}" if value is True else f' {name}="{text(str(value))}"' for name, value in given)


def web_address(url: str | None) -> str | None:
    """Returns an address if it is an absolute one of the web, else None: no javascript:, data: or file:."""
    if url is None or re.search(r"[\s\\\x00-\x1f\x7f]", url) or _UNWRITABLE.search(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme.lower() in {"http", "https"} and parts.hostname else None


def paper_address(paper: Paper) -> str | None:
    """Returns where a paper can be read: its own address, else that of its DOI or arXiv id, else None."""
    own = web_address(paper.url)
    if own:
        return own
    if paper.doi:
        return web_address("https://doi.org/" + quote(paper.doi, safe="/():;._-"))
    if paper.arxiv_id and _ARXIV.fullmatch(paper.arxiv_id):
        return f"https://arxiv.org/abs/{paper.arxiv_id}"
    return None


def link(url: str) -> str:
    """Returns a link that opens in a tab of its own and shows to which host it leads; `url` is a web address."""
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    given = attributes(class_="out", href=url, target="_blank", rel="noopener noreferrer")
    return f'<a{given}>{text(host)}<span class="sr"> (opens in a new tab)</span></a>'
