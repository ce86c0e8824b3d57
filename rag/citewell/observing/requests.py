"""The id of a request, under which everything that is told about it stands."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
_current: ContextVar[str] = ContextVar("citewell_request", default="")


def new_id() -> str:
    """Returns an id that nothing else has: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def clean_id(given: str | None) -> str:
    """Returns an id that somebody else gave, or a new one if it is none."""
    return given if given and _ID.fullmatch(given) else new_id()


def current_id() -> str:
    """Returns the id of the request that is being served, empty outside of one."""
    return _current.get()


def enter(request_id: str) -> None:
    """Makes all that follows in this context part of a request."""
    _current.set(request_id)


@contextmanager
def request(request_id: str) -> Iterator[None]:
    """Makes the questions asked inside the block part of a request; an empty id leaves it to each question."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)
