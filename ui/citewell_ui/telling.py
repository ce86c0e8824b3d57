"""What people on other machines are told of how a language model failed: an id, no addresses, no server's words."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace

from citewell.types import Done, Event, Failed

_log = logging.getLogger(__name__)


def told(event: Event, local: bool) -> Event:
    """Returns an event as it may be shown; what is left out of it is logged under the id that it names.

    Args:
        event: an event of `Assistant.stream`.
        local: whether only this machine reaches the server; then nothing is left out.
    """
    if local:
        return event
    match event:
        case Failed():
            return Failed("The language model failed.")
        case Done(answer) if answer.error is not None:
            name = secrets.token_hex(4)
            _log.error("error %s: %s", name, answer.error)
            error = f"The language model failed (error {name}). Ask again."
            notice = answer.notice and answer.notice.replace(answer.error, error)
            return Done(replace(answer, error=error, notice=notice))
    return event
