"""When two entries are the same paper: keys made from titles, arXiv identifiers and DOIs."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

_SLUG_CHARS = 48
_ARXIV = re.compile(
    r"(?:arxiv\s*:\s*|(?:https?://)?(?:[a-z]+\.)?arxiv\.org/(?:abs|pdf|html|format)/"
    r"|(?:https?://)?(?:dx\.)?(?:doi\.org/)?10\.48550/arxiv\.)?"
    # Four digits after the point from April 2007, five since January 2015.
    r"(?:(?P<new>(?:0[7-9]|1[0-4])(?:0[1-9]|1[0-2])\.\d{4}|(?:1[5-9]|[2-9]\d)(?:0[1-9]|1[0-2])\.\d{5})"
    r"|(?P<archive>[a-z]+(?:-[a-z]+)?)(?:\.[a-z]{2})?/(?P<old>\d\d(?:0[1-9]|1[0-2])\d{3}))"
    r"(?:v\d+)?(?:\.pdf)?(?:[?#].*)?",
    re.IGNORECASE | re.ASCII,
)
_ARXIV_NUMBER = re.compile(r"[0-9]{3,4}(?:\.[0-9]{1,20})?")
_FIVE_DIGITS_SINCE = 1501  # year and month
_DOI = re.compile(r"(?<![\d.])10\.\d{4,9}/\S{1,300}", re.ASCII)


@lru_cache(maxsize=1024)  # asked for again and again while a batch is stored
def title_key(title: str) -> str:
    """The title reduced to lower-case words of letters and digits with single spaces.

    Two entries whose keys are equal are the same paper. A title without any letter or digit keeps its
    symbols, so that no two of those are taken for one.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", title).casefold())
    # Marks stay with the letters that they spell in Indic scripts.
    kept = "".join(ch if unicodedata.category(ch)[0] in "LNM" else " " for ch in folded)
    return " ".join(kept.split()) or " ".join(folded.split())


def paper_slug(title: str) -> str:
    """A readable id made from nothing but `title_key`, like `attention-is-all-you-need-1a2b3c4d`.

    Titles without Latin letters have no readable part to tell them apart and get a longer hash.
    """
    key = title_key(title)
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    latin = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode("ascii")
    words = re.findall(r"[a-z0-9]+", latin)
    if not words:
        return f"paper-{digest[:16]}"
    slug = words[0][:_SLUG_CHARS]
    for word in words[1:]:
        if len(slug) + 1 + len(word) > _SLUG_CHARS:
            break
        slug += f"-{word}"
    return f"{slug}-{digest[:8]}"


def normalise_arxiv_id(text: str) -> str | None:
    """The bare arXiv identifier without version, from an id, `arXiv:` reference, address or arXiv DOI.

    The subject class of old identifiers is dropped, as arXiv does: `math.GT/0309136` → `math/0309136`.
    See https://info.arxiv.org/help/arxiv_identifier.html.
    """
    match = _ARXIV.fullmatch(text.strip())
    if match is None:
        return None
    return match["new"] or f"{match['archive'].lower()}/{match['old']}"


def arxiv_id_of_number(text: str) -> str | None:
    """The identifier that a spreadsheet or data frame kept as a number: `704.001` → `0704.0010`.

    Such files lose outer zeros and gain rounding noise (`1608.0312099999999`). Identifiers have four digits
    after the point until 2014 and five since, so nothing is guessed.
    """
    if not _ARXIV_NUMBER.fullmatch(text):
        return None
    digits = 4 if float(text) < _FIVE_DIGITS_SINCE else 5
    return normalise_arxiv_id(f"{float(text):0{5 + digits}.{digits}f}")


def normalise_doi(text: str) -> str | None:
    """The first DOI in the text or None: `https://doi.org/10.1000/ABC.` → `10.1000/abc`."""
    match = _DOI.search(text)
    if match is None:
        return None
    doi = match[0].lower()
    while doi[-1] in ".,;:\"'" or (doi[-1] in ")]" and doi.count(")") + doi.count("]") > _opened(doi)):
        doi = doi[:-1]
    return None if doi.endswith("/") else doi


def _opened(doi: str) -> int:
    return doi.count("(") + doi.count("[")
