"""What a source hands on: pages of records; and careful steps into JSON that others wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from .faults import Trouble
from .fetching import Web


class Lacking(NamedTuple):
    """A record that is no paper; the reason is shown to the user."""

    reason: str


Record = Mapping[str, object] | Lacking
"""The fields that `corpus.record.paper_from` knows, and `name`: what to call the record when it is rejected."""


class Page(NamedTuple):
    """Some records, how many there are in all (as the service says), and the date of their listing."""

    records: tuple[Record, ...]
    total: int
    date: str


class Source(Protocol):
    """One thing to fetch: a search, or papers by name.

    Attributes:
        service: the service's name, for people.
        is_search: whether it may find more than anyone asked for, so that a limit is needed.
    """

    @property
    def service(self) -> str:
        """The service's name, for people."""

    @property
    def is_search(self) -> bool:
        """Whether it may find more papers than anybody wants."""

    def pages(self, web: Web, wanted: int) -> Iterator[Page]:
        """Yields pages until about `wanted` records are there or there are no more.

        The same source asks for the same addresses in the same order, which is what resuming rests on.

        Raises:
            Failed: the service did not answer, or refused.
        """


def read_json(body: bytes) -> object:
    """Returns the JSON document.

    Raises:
        Trouble: it is none, or was cut off.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        head = body[:200].lstrip().lower()
        what = "a web page" if head.startswith((b"<!doctype", b"<html")) else "something broken"
        raise Trouble(f"answered with {what} instead of JSON") from error


def mapping(value: object) -> Mapping[str, object]:
    """Returns the JSON object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """Returns the JSON list, or an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Returns the text, or an empty one in place of anything else."""
    return value.strip() if isinstance(value, str) else ""


def whole(value: object) -> int:
    """Returns the number, or 0 in place of anything but a whole one from 0 on."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
