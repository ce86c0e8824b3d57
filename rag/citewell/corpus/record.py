"""A paper out of one record of named fields, whatever file format the record came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from citewell.types import Listing, Paper

from .identity import arxiv_id_of_number, normalise_arxiv_id, normalise_doi
from .limits import ReaderLimits

# Synonyms, best first; names are compared in lower case.
TITLE = ("title",)
ABSTRACT = ("abstract", "text", "summary")
_AUTHORS = ("authors", "author_text", "author")
_YEAR = ("year", "date", "created", "published", "update_date", "updated")
_URL = ("url", "link")
_CATEGORIES = ("categories", "category", "categories_list")
_PAPER_ID = ("_id", "paper_id", "id")
_ARXIV_ID = ("arxiv_id", "arxiv")
# Fields that only the records of arXiv's own metadata dump have.
_ARXIV_DUMP = frozenset({"authors_parsed", "submitter", "versions"})

_MAX_ID_CHARS = 200
_BRACKET_DEPTH = 3  # of affiliations within affiliations
_FOUR_DIGITS = re.compile(r"(?<!\d)(?:1[5-9]|20)\d\d(?!\d)")
_WEB_ADDRESS = re.compile(r"https?://[^\s<>\"']{1,2000}", re.IGNORECASE)
_ARXIV_CATEGORY = re.compile(r"[a-z]+(?:-[a-z]+)*(?:\.[A-Za-z]+(?:-[A-Za-z]+)*)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAME_SUFFIX = re.compile(r"(?:Jr|Sr)\.?|I{2,3}|IV")


class RecordError(Exception):
    """A record that cannot become a paper; the text is the reason.

    `misfit` tells that a field is missing by name, which is the same for every record of such a file.
    """

    def __init__(self, reason: str, *, misfit: bool = False) -> None:
        super().__init__(reason)
        self.misfit = misfit


class Found(NamedTuple):
    """A paper and the 1-based line on which its record starts."""

    line: int
    paper: Paper


class Fault(NamedTuple):
    """A record that was rejected: its line (None for the whole file) and the reason."""

    line: int | None
    reason: str
    misfit: bool = False


def paper_from(
    record: Mapping[str, object], source: str, limits: ReaderLimits, *, ids_are_arxiv: bool = False
) -> Paper:
    """The paper that a record describes; its title and abstract lose only surrounding white space.

    Args:
        record: fields by name, in any letter case.
        source: name of the file, used where the record names no source of its own.
        limits: longest title and abstract.
        ids_are_arxiv: whether an `id` that reads like an arXiv identifier is one.

    Raises:
        RecordError: title or abstract is missing, not text, too long or impossible to store.
    """
    fields = {name.strip().casefold(): value for name, value in record.items()}
    title, abstract = title_and_abstract(_first(fields, TITLE), _first(fields, ABSTRACT), limits, fields)
    dump = not _ARXIV_DUMP.isdisjoint(fields)
    paper_id = _identifier(fields)
    arxiv_id = _arxiv_id(fields)
    if arxiv_id is None and (dump or ids_are_arxiv):
        arxiv_id = normalise_arxiv_id(paper_id)
        paper_id = "" if arxiv_id else paper_id
    return Paper(
        title=title,
        abstract=abstract,
        paper_id=paper_id,
        listings=(Listing(_text(fields, ("source",)) or source, _text(fields, ("date",))),),
        authors=_authors(fields),
        year=_year(fields),
        url=_url(fields, arxiv_id),
        doi=normalise_doi(_text(fields, ("doi",)) or ""),
        arxiv_id=arxiv_id,
        categories=_categories(fields),
    )


def title_and_abstract(
    title: object, abstract: object, limits: ReaderLimits, fields: Iterable[str] | None = None
) -> tuple[str, str]:
    """Both texts, stripped, once they are known to be storable.

    Raises:
        RecordError: one is missing, not text, too long or impossible to store. Where `fields` lacks the
            very name of one, the error is marked as a misfit and names the fields found.
    """
    missing = [name for name, value in (("title", title), ("abstract", abstract)) if _is_blank(value)]
    if missing:
        known = set(fields) if fields is not None else {*TITLE, *ABSTRACT}
        misfit = known.isdisjoint(TITLE) or known.isdisjoint(ABSTRACT)
        found = f" (found: {', '.join(sorted(known))[:200] or 'nothing'})" if misfit else ""
        raise RecordError(f"record without {' or '.join(missing)}{_storable(found)}", misfit=misfit)
    return (
        _checked("title", title, limits.max_title_chars),
        _checked("abstract", abstract, limits.max_abstract_chars),
    )


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _checked(name: str, value: object, max_chars: int) -> str:
    if not isinstance(value, str):
        raise RecordError(f"{name} is not text but of type {type(value).__name__}")
    text = value.strip()
    if len(text) > max_chars:
        raise RecordError(f"{name} longer than {max_chars:,} characters")
    if "\0" in text:
        raise RecordError(f"{name} contains a NUL character")
    if not text.isascii() and (surrogate := _SURROGATE.search(text)):
        code = f"\\u{ord(surrogate[0]):04x}"
        raise RecordError(f"{name} contains the lone surrogate {code}, which cannot be stored")
    return text


def _storable(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text).replace("\0", "\ufffd")


def _first(fields: Mapping[str, object], names: Iterable[str]) -> object:
    for name in names:
        value = fields.get(name)
        if not _is_blank(value):
            return value
    return None


def _text(fields: Mapping[str, object], names: Iterable[str]) -> str | None:
    """The first of the fields that holds text, or a number as text; None if there is none."""
    value = _first(fields, names)
    if isinstance(value, str):
        return _storable(value.strip())
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _identifier(fields: Mapping[str, object]) -> str:
    value = _first(fields, _PAPER_ID)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _checked("id", value, _MAX_ID_CHARS)


def _arxiv_id(fields: Mapping[str, object]) -> str | None:
    given = _text(fields, _ARXIV_ID) or ""
    return normalise_arxiv_id(given) or arxiv_id_of_number(given)


def _authors(fields: Mapping[str, object]) -> tuple[str, ...]:
    parsed = fields.get("authors_parsed")
    if isinstance(parsed, list) and parsed:
        # arXiv gives [last, first, suffix, affiliations …].
        names = [
            " ".join(map(str, [*name[1:2], *name[:1], *name[2:3]]))
            for name in parsed
            if isinstance(name, list)
        ]
        return _clean_names(names)
    value = _first(fields, _AUTHORS)
    if isinstance(value, str):
        return split_authors(_storable(value))
    if not isinstance(value, list):
        return ()
    plain = [name.get("name") if isinstance(name, dict) else name for name in value]
    return _clean_names(name for name in plain if isinstance(name, str))


def split_authors(text: str) -> tuple[str, ...]:
    """Names out of one string: split at semicolons if there are any, else at commas and `and`.

    Affiliations in brackets are dropped; `Jr.` and the like stay with their name.
    """
    for _ in range(_BRACKET_DEPTH):
        text = re.sub(r"\([^()]*\)", " ", text)
    text = " ".join(text.split())
    pattern = r";" if ";" in text else r", and | and |,"
    names: list[str] = []
    for part in _clean_names(re.split(pattern, text)):
        if names and _NAME_SUFFIX.fullmatch(part):
            names[-1] += f", {part}"
        else:
            names.append(part)
    return tuple(names)


def _clean_names(names: Iterable[str]) -> tuple[str, ...]:
    folded = (" ".join(_storable(name).split()) for name in names)
    return tuple(name for name in folded if name)


def _year(fields: Mapping[str, object]) -> int | None:
    versions = fields.get("versions")
    if isinstance(versions, list) and versions and isinstance(versions[0], dict):
        fields = {"year": versions[0].get("created"), **fields}
    for name in _YEAR:
        match = _FOUR_DIGITS.search(_text(fields, (name,)) or "")
        if match:
            return int(match[0])
    return None


def _url(fields: Mapping[str, object], arxiv_id: str | None) -> str | None:
    # Anything but a web address (`javascript:` …) would become a live link beside an answer.
    given = _text(fields, _URL)
    if given and _WEB_ADDRESS.fullmatch(given):
        return given
    return f"https://arxiv.org/abs/{arxiv_id}" if arxiv_id else None


def _categories(fields: Mapping[str, object]) -> tuple[str, ...]:
    value = _first(fields, _CATEGORIES)
    if isinstance(value, list):
        return _clean_names(name for name in value if isinstance(name, str))
    if not isinstance(value, str):
        return ()
    if value.startswith("[") and value.endswith("]"):  # a Python or JSON list written into a cell
        value = re.sub(r"[\[\]'\"]", "", value)
    words = value.split()
    if not re.search(r"[,;]", value) and all(map(_ARXIV_CATEGORY.fullmatch, words)):
        return _clean_names(words)
    return _clean_names(re.split(r"[,;]", value))
