"""Logs as lines of JSON, from Python's `logging` below the logger "citewell"."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path

from citewell.errors import UsageError
from citewell.observing.questions import Observation
from citewell.observing.requests import current_id
from citewell.trace.values import masked, secrets_of

STDERR = "-"
_log = logging.getLogger("citewell.question")
_log.addHandler(logging.NullHandler())  # silent where nobody has set up logging


class QuestionLog:
    """Writes one record a question: counts, timings, the outcome, and what was asked only if it is told to.

    Args:
        with_text: whether the question and the question as understood stand in the record.
    """

    def __init__(self, with_text: bool) -> None:
        self._with_text = with_text

    def ended(self, seen: Observation) -> None:
        """Writes the record; a question that failed is an error, one that could not be asked a warning."""
        level = {"failed": logging.ERROR, "incomplete": logging.WARNING, "invalid": logging.WARNING}
        number = level.get(seen.outcome, logging.INFO)
        if _log.isEnabledFor(number):
            fields = {"request_id": seen.request_id, **self._fields(seen)}
            _log.log(number, "question", extra={"citewell": fields})

    def _fields(self, seen: Observation) -> dict[str, object]:
        fields: dict[str, object] = {"outcome": seen.outcome, "seconds": seen.seconds}
        if seen.error is not None:
            fields["error"] = seen.error
        if self._with_text:
            fields["question"] = seen.question
        answer = seen.answer
        if answer is None:
            return fields
        checks = [item.check for item in answer.rejected]
        fields |= {
            "llm": answer.engine.llm,
            "collection": answer.engine.collection,
            "confidence": answer.confidence,
            **answer.coverage.to_dict(),
            "sentences": len(answer.sentences),
            "citations": len(answer.citations),
            "rejected": {check: checks.count(check) for check in dict.fromkeys(checks)},
            "cached": seen.cached,
            "usage": dict(answer.usage),
            "timings": dict(answer.timings),
        }
        if answer.error is not None:
            fields["error"] = answer.error
        if self._with_text:
            fields["standalone_question"] = answer.standalone_question
        return fields


def event(name: str, **fields: object) -> None:
    """Writes a record about something other than a question, such as a command that has ended."""
    logging.getLogger("citewell.operations").info(name, extra={"citewell": fields})


class JsonFormatter(logging.Formatter):
    """One line of JSON a record; keys and passwords of the environment are masked."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line: time, level, event, request_id, then what the record has to say."""
        fields = getattr(record, "citewell", {})
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            "request_id": current_id() or None,
            **fields,
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        plain = json.loads(json.dumps(document, default=str))
        return json.dumps(masked(plain, secrets_of(os.environ)), ensure_ascii=False)


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr as it is now, which a program may have replaced since."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> object:
        """The stream in use."""
        return sys.stderr


class _File(WatchedFileHandler):
    """Appends to a file, or to the new one once it has been moved away; tells once when it cannot."""

    _told = False

    def close(self) -> None:
        """Closes the file; what could not be written was told already."""
        with suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Tells in one line that the log cannot be written; questions are answered all the same."""
        if not self._told:
            self._told = True
            error = sys.exc_info()[1]
            print(f"citewell: Cannot write the log {self.baseFilename}: {error}.", file=sys.stderr)


def write_to(target: str, level: str) -> logging.Handler:
    """Sends the records below "citewell" to a file, or to stderr for "-"; returns the handler.

    Raises:
        UsageError: the file cannot be written to.
    """
    try:
        handler = _Stderr() if target == STDERR else _File(Path(target), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"Cannot write the log {target} (CITEWELL_LOG): {error.strerror}. Give another file, or - for stderr."
        ) from error
    handler.setFormatter(JsonFormatter())
    for name in ("citewell", "opentelemetry"):  # which tells why traces cannot be sent
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(level.upper())
    return handler
