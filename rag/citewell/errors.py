"""The error tree. Every message says what happened, the offending value and the cure.

CitewellError
├── UsageError            a question, option or setting that cannot be used
├── CorpusError           nothing could be read from the files given
├── CollectionError       the data directory is missing, unreadable or damaged
│   ├── NoCollectionError     there is no collection yet
│   └── CollectionBusyError   another process is writing to it
├── ModelError            an embedding or language model that cannot be loaded or reached
└── MissingExtraError     an optional package is not installed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from citewell.types import IngestReport


class CitewellError(Exception):
    """Base of every error that Citewell raises on purpose; its text is fit for a person."""

    exit_status = 2


class UsageError(CitewellError):
    """A question, option or setting that cannot be used."""


class CorpusError(CitewellError):
    """Nothing could be read from the files given; `report` says why for each."""

    report: IngestReport | None = None


class CollectionError(CitewellError):
    """The data directory is missing, unreadable or damaged."""


class NoCollectionError(CollectionError):
    """There is no collection in the data directory yet."""


class CollectionBusyError(CollectionError):
    """Another process is writing to the collection."""


class ModelError(CitewellError):
    """An embedding or language model that cannot be loaded or reached."""


class MissingExtraError(CitewellError):
    """An optional package is not installed; the message names the extra."""
