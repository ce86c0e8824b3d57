"""One paper as a line of an exported file: what it says, where it was listed, its passages and their vectors."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from citewell.errors import CitewellError
from citewell.library import Passages
from citewell.types import Listing, Paper, Span

_UNIT = 1e-2  # how far the length of a vector, stored with three digits, may be from 1

Text = Annotated[str, Field(max_length=10_000)]
Words = Annotated[list[Text], Field(max_length=10_000)]


class BadRecordError(CitewellError):
    """A line that no export writes; the text says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """A paper on its way between collections.

    Attributes:
        paper: with its listings.
        keys: its identity keys.
        passages: ranges of the abstract and vectors, None where none were made.
    """

    paper: Paper
    keys: tuple[str, ...]
    passages: Passages | None


class _Line(BaseModel):
    """What a line must look like, whoever wrote it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    paper_id: Annotated[str, Field(min_length=1, max_length=10_000)]
    title: str
    abstract: str
    authors: Words
    year: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None
    url: Text | None
    doi: Text | None
    arxiv_id: Text | None
    categories: Words
    listings: Annotated[list[tuple[Text, Text | None]], Field(max_length=10_000)]
    keys: Words
    spans: Annotated[list[tuple[int, int]], Field(max_length=100_000)] | None
    vectors: str | None


def to_line(record: Record) -> bytes:
    """Returns the line of a record, without its end."""
    paper, passages = record.paper, record.passages
    document = {
        "paper_id": paper.paper_id,
        "title": paper.title,
        "abstract": paper.abstract,
        "authors": paper.authors,
        "year": paper.year,
        "url": paper.url,
        "doi": paper.doi,
        "arxiv_id": paper.arxiv_id,
        "categories": paper.categories,
        "listings": [(listing.source, listing.date) for listing in paper.listings],
        "keys": record.keys,
        "spans": None if passages is None else passages.spans,
        "vectors": None if passages is None else _packed(passages),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def from_line(line: bytes, dim: int) -> Record:
    """Returns the record of a line, whose vectors must have the length `dim`.

    Raises:
        BadRecordError: the line is no record, or what it says cannot be.
    """
    try:
        found = _Line.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "line"
        raise BadRecordError(f"{where}: {first['msg'].lower()}") from error
    if not found.title.strip() or not found.abstract.strip():
        raise BadRecordError(f"paper {found.paper_id!r} lacks a title or an abstract")
    paper = Paper(
        title=found.title,
        abstract=found.abstract,
        paper_id=found.paper_id,
        listings=tuple(Listing(source, date) for source, date in found.listings),
        authors=tuple(found.authors),
        year=found.year,
        url=found.url,
        doi=found.doi,
        arxiv_id=found.arxiv_id,
        categories=tuple(found.categories),
    )
    return Record(paper, tuple(found.keys), _passages(found, dim))


def _packed(passages: Passages) -> str:
    matrix = np.vstack([passages.abstract[None, :], passages.chunks])
    return base64.b64encode(matrix.astype("<f2").tobytes()).decode()


def _passages(found: _Line, dim: int) -> Passages | None:
    if found.spans is None or found.vectors is None:
        return None
    if not all(0 <= start <= end <= len(found.abstract) for start, end in found.spans):
        raise BadRecordError(f"paper {found.paper_id!r} has passages outside its abstract")
    matrix = _matrix(found, dim)
    length = np.linalg.norm(matrix, axis=1)
    if not np.all((np.abs(length - 1) < _UNIT) | (length == 0)):  # nan and infinity are neither
        raise BadRecordError(f"paper {found.paper_id!r} has a vector that is not of length 1")
    return Passages(tuple(Span(start, end) for start, end in found.spans), matrix[0], matrix[1:])


def _matrix(found: _Line, dim: int) -> NDArray[np.float32]:
    try:
        data = base64.b64decode(found.vectors or "", validate=True)
    except binascii.Error as error:
        raise BadRecordError(f"paper {found.paper_id!r} has vectors that are not base64") from error
    wanted = (len(found.spans or ()) + 1, dim)
    if dim == 0 or len(data) != 2 * wanted[0] * wanted[1]:
        raise BadRecordError(f"paper {found.paper_id!r} has {len(data):,} bytes of vectors, not {wanted}")
    with np.errstate(invalid="ignore"):
        return np.frombuffer(data, dtype="<f2").reshape(wanted).astype(np.float32)
