"""The error tree. Every message says what happened, the offending value and the cure.

CitewellError
├── UsageError            a question, option or setting that cannot be used
├── CorpusError           nothing could be read from the files given
│   └── SourceError           a live source that did not answer, or refused
├── CollectionError       the data directory is missing, unreadable or damaged
│   ├── NoCollectionError     there is no collection yet
│   ├── CollectionBusyError   another process is writing to it
│   └── ChromaServerError     the Chroma server does not answer, or refuses
├── ModelError            an embedding or language model that cannot be loaded or reached
│   └── GenerationError       a language model that failed while it answered
└── MissingExtraError     an optional package is not installed
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from citewell.types import IngestReport

Failure = Literal[
    "unauthorised", "unknown_model", "unreachable", "rate_limited", "context_overflow", "bad_request", "server",
    "timeout", "malformed", "truncated", "suspended", "cancelled",
]  # fmt: skip


class CitewellError(Exception):
    """Base of every error that Citewell raises on purpose; its text is fit for a person."""

    exit_status = 2


class UsageError(CitewellError):
    """A question, option or setting that cannot be used."""


class CorpusError(CitewellError):
    """Nothing could be read from the files given; `report` says why for each."""

    report: IngestReport | None = None


class SourceError(CorpusError):
    """A live source that did not answer, or refused; what came of it is stored, as `report` says."""

    exit_status = 1


class CollectionError(CitewellError):
    """The data directory is missing, unreadable or damaged."""


class NoCollectionError(CollectionError):
    """There is no collection in the data directory yet."""


class CollectionBusyError(CollectionError):
    """Another process is writing to the collection."""


class ChromaServerError(CollectionError):
    """The Chroma server cannot be reached, refuses, or is none; what is in the data directory is sound."""


class ModelError(CitewellError):
    """An embedding or language model that cannot be loaded or reached."""


class GenerationError(ModelError):
    """A language model that failed while it answered; `failure` names how, `retryable` whether again may help."""

    exit_status = 1

    def __init__(self, message: str, failure: Failure, retryable: bool = False) -> None:
        super().__init__(message)
        self.failure: Failure = failure
        self.retryable = retryable


class MissingExtraError(CitewellError):
    """An optional package is not installed; the message names the extra."""
