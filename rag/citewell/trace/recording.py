"""Recording an answer while it is made."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import monotonic, perf_counter
from types import TracebackType
from typing import Literal, Self

from citewell.errors import GenerationError
from citewell.llm.base import LanguageModel, Message, Reply, Usage
from citewell.settings import Settings
from citewell.trace.document import FORMAT, file_in, write_document
from citewell.trace.values import Json, masked, plain, secrets_of

Fact = Literal[
    "question", "history", "filters", "standalone_question", "collection", "candidates", "ruling", "sources",
    "quotes", "prompts", "fence", "answer",
]  # fmt: skip

# What can change an answer, beside Citewell and Python.
_PACKAGES = (
    "chromadb", "fastembed", "numpy", "onnxruntime", "openai", "pydantic", "pystemmer", "rapidfuzz", "sentencex",
    "tiktoken", "tokenizers", "xllamacpp",
)  # fmt: skip

# Where things are on this machine, and what opens them: nothing that shapes an answer, and partly secret.
_PLACES = {"data_dir", "contact", *(name for name in Settings.model_fields if name.startswith("chroma_"))}


class Recorder:
    """What an answer in the making is reported to; this one takes no notes, `Trace` does."""

    def record(self, name: Fact, value: object) -> None:
        """Notes a fact about the answer; a later one of the same name replaces it."""

    def step(self, name: str, /, **data: object) -> AbstractContextManager[dict[str, object]]:
        """Times a step, in seconds; the block may add results to the dict that it is given."""
        return nullcontext({})

    def listen(self, model: LanguageModel) -> LanguageModel:
        """Returns a language model that does what `model` does, and whose requests and replies are noted."""
        return model


class Trace(Recorder):
    """Records one answer: facts by name, steps with their time, and what a language model is asked and replies.

    Values may be JSON, dataclasses, named tuples, arrays, paths and settings; they are taken as they are at that
    moment. Secrets of the environment are masked when the document is made.

    Args:
        settings: the settings in use.
        environ: where secrets are looked up; by default the environment.
        clock: returns the time in seconds.
        created: when the question was asked; by default now.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = perf_counter,
        created: datetime | None = None,
    ) -> None:
        self._created = created or datetime.now(UTC)
        self._secrets = secrets_of(os.environ if environ is None else environ)
        self._settings = _settings(settings)
        self._clock = clock
        self._began = clock()
        self._facts: dict[str, Json] = {}
        self._steps: list[dict[str, Json]] = []
        self._requests: list[_Request] = []
        self._model: dict[str, Json] | None = None

    def record(self, name: Fact, value: object) -> None:
        """Notes a fact as JSON; a later one of the same name replaces it."""
        self._facts[name] = plain(value)

    def step(self, name: str, /, **data: object) -> AbstractContextManager[dict[str, object]]:
        """Notes a step, its time, its data, and what the block added to them."""
        return self._timed(name, data)

    def listen(self, model: LanguageModel) -> LanguageModel:
        """Returns a language model whose requests and replies are noted, with the time of every piece."""
        heard = _Heard(model, self._requests, self._seconds)
        self._model = {
            "name": heard.name,
            "context_tokens": heard.context_tokens,
            "endpoint": heard.endpoint,
        }
        return heard

    def document(self) -> dict[str, Json]:
        """Returns the trace so far."""
        document: dict[str, Json] = {
            "format": FORMAT,
            "created": self._created.isoformat(),
            "seconds": self._seconds(),
            "versions": _versions(),
            "settings": self._settings,
            "model": self._model,
            **self._facts,
            "steps": list(self._steps),
            "requests": [request.to_json() for request in self._requests],
        }
        return {name: masked(value, self._secrets) for name, value in document.items()}

    def write(self, path: Path) -> Path:
        """Writes the trace; returns the file, which is a new one where `path` is a folder.

        Raises:
            UsageError: it cannot be written; `check_writable` tells beforehand.
        """
        document = self.document()
        file = file_in(path, self._created, str(document.get("question", "")))
        write_document(document, file)
        return file

    @contextmanager
    def _timed(self, name: str, data: dict[str, object]) -> Iterator[dict[str, object]]:
        start = self._seconds()
        step: dict[str, Json] = {"name": name, "start": start, "seconds": None, "error": None, "data": {}}
        self._steps.append(step)
        try:
            yield data
        except Exception as error:
            step["error"] = f"{type(error).__name__}: {error}"
            raise
        finally:
            step["seconds"] = round(self._seconds() - start, 6)
            step["data"] = plain(data)

    def _seconds(self) -> float:
        """Returns the time since the trace began."""
        return round(self._clock() - self._began, 6)


def _settings(settings: Settings) -> Json:
    """Returns the settings without the paths of this machine and the mail address of its user."""
    chosen = settings.model_dump(exclude=_PLACES)
    if settings.local_model is not None:
        chosen["local_model"] = settings.local_model.name
    return plain(chosen)


def _versions() -> dict[str, Json]:
    versions: dict[str, Json] = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("citewell", *_PACKAGES):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # an extra that is not installed
            continue
    return versions


@dataclass
class _Request:
    """What a language model was asked, and what has come of it."""

    messages: tuple[Message, ...]
    max_tokens: int
    schema: Json
    allowed: float | None
    start: float
    text: list[str] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    complete: bool = False
    finish_reason: str | None = None
    usage: Json = None
    failure: Json = None
    seconds: float | None = None

    def to_json(self) -> Json:
        """Returns the request as docs/trace.md describes it."""
        pieces = zip(self.arrivals, self.text, strict=False)  # a piece may be arriving
        return {
            "start": self.start,
            "messages": plain(self.messages),
            "max_tokens": self.max_tokens,
            "schema": self.schema,
            "seconds_allowed": self.allowed,
            "reply": {
                "text": "".join(self.text),
                "pieces": [[arrival, len(piece)] for arrival, piece in pieces],
                "complete": self.complete,
                "finish_reason": self.finish_reason,
                "usage": self.usage,
                "failure": self.failure,
                "seconds": self.seconds,
            },
        }


class _Heard:
    """A language model whose requests are noted down."""

    def __init__(self, model: LanguageModel, requests: list[_Request], seconds: Callable[[], float]) -> None:
        self._model = model
        self._requests = requests
        self._seconds = seconds

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def endpoint(self) -> str:
        """The model's URL for a person, without user, password and query; empty where it has none."""
        return str(getattr(self._model, "endpoint", ""))

    @property
    def context_tokens(self) -> int | None:
        return self._model.context_tokens

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        schema: Mapping[str, object] | None = None,
        deadline: float | None = None,
    ) -> Reply:
        allowed = None if deadline is None else round(deadline - monotonic(), 6)
        request = _Request(tuple(messages), max_tokens, plain(schema), allowed, self._seconds())
        self._requests.append(request)
        reply = self._model.stream(messages, max_tokens=max_tokens, schema=schema, deadline=deadline)
        return _HeardReply(reply, request, self._seconds)

    def close(self) -> None:
        self._model.close()


class _HeardReply:
    """A reply whose pieces are noted down as they are read."""

    def __init__(self, reply: Reply, request: _Request, seconds: Callable[[], float]) -> None:
        self._reply = reply
        self._request = request
        self._seconds = seconds

    @property
    def finish_reason(self) -> str | None:
        return self._reply.finish_reason

    @property
    def usage(self) -> Usage:
        return self._reply.usage

    def __iter__(self) -> Iterator[str]:
        request = self._request
        try:
            for piece in self._reply:
                request.text.append(piece)
                request.arrivals.append(self._since())
                yield piece
            request.complete = True
        except GenerationError as error:
            request.failure = {
                "message": str(error),
                "failure": error.failure,
                "retryable": error.retryable,
            }
            raise
        finally:
            self._settle()

    def close(self) -> None:
        self._reply.close()

    def __enter__(self) -> Self:
        self._reply.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reply.__exit__(kind, error, trace)
        self._settle()

    def _settle(self) -> None:
        """Notes how the reply ended; again where it is left before its end."""
        self._request.finish_reason = self._reply.finish_reason
        self._request.usage = plain(self._reply.usage)
        if self._request.seconds is None:
            self._request.seconds = self._since()

    def _since(self) -> float:
        return round(self._seconds() - self._request.start, 6)
