"""What a Chroma server holds of a library: one record a paper, and the state that is published.

A record's body is the paper in canonical JSON with its row and its identity keys. Hashes of the bodies say whether two
libraries hold the same, listings and metadata included.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from pydantic import BaseModel, ConfigDict, TypeAdapter

from citewell.types import Paper

_MODULUS = 2**128
_PAPER = TypeAdapter(Paper)


class ServedState(BaseModel):
    """What is published: names of the generation, and what a complete copy of it amounts to.

    Attributes:
        lineage: drawn when the collection was first published; generations made from each other share it.
        generation: name of its Chroma collections.
        position: number of the last record.
        papers: number of papers.
        digest: order-independent hash of the ids and contents of all papers, see `Manifest`.
        records: order-independent hash of all records, listings and metadata included.
        embedding: spec of the embedding model.
        fingerprint: embedder and chunker that made the vectors.
        dim: length of a vector.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    lineage: str
    generation: str
    position: int
    papers: int
    digest: str
    records: str
    embedding: str
    fingerprint: str
    dim: int


@dataclass(frozen=True, slots=True)
class Record:
    """A paper as the server holds it; an empty `body` says that it was removed.

    Attributes:
        position: its number; later records of a paper replace earlier ones.
        tag: unlike that of any other record of this paper.
        paper_id: the paper's id.
        body: JSON of the paper, its row and its identity keys.
        spans: see `pack`.
        vectors: see `pack`.
    """

    position: int
    tag: str
    paper_id: str
    body: str = ""
    spans: bytes = b""
    vectors: bytes = b""

    @property
    def name(self) -> str:
        """Its id on the server."""
        return record_name(self.paper_id, self.tag)

    def hash(self) -> bytes:
        """Returns the hash of the body."""
        return body_hash(self.body)

    def count_chunks(self, dim: int) -> int:
        """Returns the number of its chunk vectors."""
        return len(self.vectors) // (2 * dim) - 1


@dataclass(frozen=True, slots=True)
class Served:
    """A record that the server holds: its paper, its tag and the number of its chunk vectors."""

    paper_id: str
    tag: str
    chunks: int

    @property
    def name(self) -> str:
        """Its id on the server."""
        return record_name(self.paper_id, self.tag)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a library is ahead of the server by: rows to put there, and papers it no longer has."""

    rows: tuple[int, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.rows or self.removed)


def record_name(paper_id: str, tag: str) -> str:
    """Returns the id of a record on the server; tags hold no @."""
    return f"{paper_id}@{tag}"


def make_body(row: int, paper: Paper, keys: Sequence[str]) -> str:
    """Returns the body of a paper's record."""
    return json.dumps(
        {"row": row, "paper": asdict(paper), "keys": list(keys)}, ensure_ascii=False, sort_keys=True
    )


def read_body(body: str) -> tuple[int, Paper, list[str]]:
    """Returns row, paper and identity keys of a record.

    Raises:
        ValueError: it is none.
    """
    values = json.loads(body)
    return int(values["row"]), _PAPER.validate_python(values["paper"]), list(values["keys"])


def paper_to_json(paper: Paper) -> str:
    """Returns a paper as JSON."""
    return json.dumps(asdict(paper), ensure_ascii=False)


def paper_from_json(text: str) -> Paper:
    """Returns the paper of `paper_to_json`."""
    return _PAPER.validate_json(text)


def body_hash(body: str) -> bytes:
    """Returns the hash of a body, 16 bytes."""
    return hashlib.sha256(body.encode()).digest()[:16]


def records_digest(hashes: Iterable[bytes]) -> str:
    """Returns a hash of the hashes of bodies that does not depend on their order."""
    return f"{sum(int.from_bytes(found) for found in hashes) % _MODULUS:032x}"
