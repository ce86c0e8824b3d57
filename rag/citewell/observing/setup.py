"""Which observers there are, by the settings and the `OTEL_` variables; each is made once for all of the process."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from citewell.errors import MissingExtraError
from citewell.observing.questions import Observer
from citewell.settings import Settings

if TYPE_CHECKING:
    import logging

    from citewell.observing.metrics import QuestionMetrics
    from citewell.observing.spans import QuestionSpans

_CURE = "is not installed ({}): pip install 'citewell[observe]'"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def begin(settings: Settings, notify: Callable[[str], None] = lambda message: None) -> tuple[Observer, ...]:
    """Begins to write logs if the settings ask for it; returns the observers of questions.

    Args:
        settings: what is asked for.
        notify: told in one line why there are no traces, where the environment asks for them: it may do so for other
            programs, so that this is no error.

    Raises:
        UsageError: the log cannot be written.
        MissingExtraError: what the settings ask for needs the extra `observe`.
    """
    if settings.log is not None:
        _handler(settings.log, settings.log_level)
    from citewell.observing.logs import QuestionLog

    found: list[Observer] = [QuestionLog(settings.log_questions)]
    if traced():
        try:
            found.append(spans())
        except MissingExtraError as error:
            notify(str(error))
    if settings.metrics:
        found.append(metrics())
    return tuple(found)


def traced() -> bool:
    """Returns whether the environment says where traces go."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return any(os.environ.get(name, "").strip() for name in _ENDPOINTS)


@cache
def spans() -> QuestionSpans:
    """Returns what makes traces.

    Raises:
        MissingExtraError: the packages for it are not installed.
    """
    try:
        from citewell.observing.spans import QuestionSpans
    except ImportError as error:
        raise MissingExtraError(
            f"What {_ENDPOINTS[1]} asks for {_CURE.format(error)}, or unset it."
        ) from error
    return QuestionSpans()


@cache
def metrics() -> QuestionMetrics:
    """Returns what counts questions.

    Raises:
        MissingExtraError: the package for it is not installed.
    """
    try:
        from citewell.observing.metrics import QuestionMetrics
    except ImportError as error:
        raise MissingExtraError(f"What CITEWELL_METRICS asks for {_CURE.format(error)}.") from error
    return QuestionMetrics()


@cache
def _handler(target: str, level: str) -> logging.Handler:
    from citewell.observing.logs import write_to

    return write_to(target, level)
