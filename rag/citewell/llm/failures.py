"""What went wrong at a language model's server, told to a person in one line: what, the value, the cure."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from email.utils import parsedate_to_datetime

from citewell.errors import Failure, GenerationError
from citewell.llm.endpoint import Endpoint, MalformedReplyError
from citewell.settings import Settings

_QUOTED_CHARACTERS = 200
_OFFERED_MODELS = 5
_TRANSPORT = ("httpx2", "httpcore2", "h11", "anyio")  # whose exceptions tell of broken connections
_SECRET = re.compile(r"\b(?:sk|sess|pk)-[\w*-]{6,}")
_OVERFLOW = re.compile(
    r"context[ _-]?(?:length|window|size)|prompt is too long|too many (?:input )?tokens|n_ctx"
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that failed.

    Attributes:
        failure: the kind.
        message: what happened, for a person.
        retryable: whether the same request may succeed later.
        repeat: whether to send it again without asking the caller.
        wait: how many seconds the server asks to wait first, None where it does not say.
        blamed: the parameter of the request that the server names.
        said: what the server said, for matching, not for showing.
        refused: whether the server found fault with the request itself.
    """

    failure: Failure
    message: str
    retryable: bool = False
    repeat: bool = False
    wait: float | None = None
    blamed: str | None = None
    said: str = ""
    refused: bool = False

    def error(self) -> GenerationError:
        """Return the error to raise."""
        return GenerationError(self.message, self.failure, self.retryable)


def clean(text: str, secrets: Iterable[str] = (), limit: int = _QUOTED_CHARACTERS) -> str:
    """Return a server's text for a message: one line of visible characters, without secrets, cut to `limit`."""
    # Format characters vanish, as they may hide within a secret; what separates becomes a space.
    visible = "".join(
        "" if unicodedata.category(char) == "Cf" else " " if unicodedata.category(char)[0] in "CZ" else char
        for char in text[: 20 * limit]
    )
    for secret in secrets:
        visible = visible.replace(secret, "…")
    line = " ".join(_SECRET.sub("…", visible).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime] | None = None) -> float | None:
    """Return the seconds that a response asks to wait, from `retry-after-ms` or `Retry-After`.

    The latter is a number of seconds or a date (RFC 9110, section 10.2.3); None where neither can be read.
    """
    for value, scale in ((headers.get("retry-after-ms"), 1_000), (headers.get("retry-after"), 1)):
        try:
            seconds = float(value) / scale if value is not None else math.nan
        except ValueError:
            continue
        if not math.isnan(seconds):
            return max(seconds, 0.0)
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    present = now() if now else datetime.now(UTC)
    return max((date.replace(tzinfo=date.tzinfo or UTC) - present).total_seconds(), 0.0)


class Failures:
    """Explains the errors of one model at one endpoint."""

    def __init__(self, model: str, endpoint: Endpoint, settings: Settings) -> None:
        self._model = clean(model, limit=80)
        self._endpoint = endpoint
        self._settings = settings

    def explain(self, error: Exception, started: bool) -> Fault | None:
        """Return what the error means, or None for one that no server causes.

        Args:
            error: What sending the request or reading the reply raised.
            started: Whether any of the reply had arrived.
        """
        import openai

        if isinstance(error, openai.APIStatusError):
            return self._answered(error.status_code, error.body, error.response.headers, str(error.message))
        if isinstance(error, openai.APITimeoutError):
            return self._timeout("accepted no connection", "connect_timeout", repeat=True)
        if isinstance(error, openai.APIConnectionError):
            return self._disconnected(error.__cause__ or error, started)
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _TRANSPORT:
            return self._disconnected(error, started)
        if isinstance(error, MalformedReplyError):
            return self._malformed(str(error))
        if isinstance(error, ValueError | RecursionError):
            # JSON, UTF-8 and pydantic errors are ValueErrors; RecursionError is JSON nested too deep.
            return self._malformed(
                f"sent an event that is no chunk of a reply ({clean(str(error), limit=80)})"
            )
        return None

    def broken_off(self, body: object) -> Fault:
        """Return the fault of an error object within the stream; its code may be an HTTP status."""
        code = _field(body, "code") or _field(body, "status") or ""
        if code.isdigit() and 400 <= int(code) < 600:
            return self._answered(int(code), body, {})
        said = _said(body)
        if _is_overflow(400, code, said):
            return self._answered(400, body, {})
        if re.search(r"rate.?limit|insufficient_quota", f"{code} {_field(body, 'type')}"):
            return self._answered(429, body, {})
        quote = clean(said, self._endpoint.secrets) or "no reason given"
        return Fault(
            "server",
            f"{self._place} broke off with an error: {quote}. Try again, or look into the server's log.",
            retryable=True,
            repeat=True,
        )

    def unusable(self, error: Exception) -> Fault:
        """Return the fault of an endpoint for which no client can be made."""
        return Fault(
            "unreachable",
            f"Cannot connect to {self._endpoint.shown} ({clean(str(error), self._endpoint.secrets)}). Check "
            "OPENAI_BASE_URL, and the proxy and certificate settings of the environment.",
        )

    def no_token(self, started: bool) -> Fault:
        """Return the fault of a server that fell silent, before its first token or after."""
        if started:
            return self._timeout("sent nothing more", "token_timeout")
        return self._timeout("sent no token", "first_token_timeout")

    def too_slow(self, started: bool) -> Fault:
        """Return the fault of a reply that was not complete at its deadline."""
        return Fault(
            "timeout",
            f"{self._place} had not completed its reply by the deadline. Raise CITEWELL_ANSWER_TIMEOUT "
            f"({self._settings.answer_timeout:g} s), or choose a faster model.",
            retryable=not started,  # a model that is merely slow will be as slow again
        )

    def truncated(self, content_type: str, started: bool) -> Fault:
        """Return the fault of a stream that ended without a finish reason."""
        if started or "event-stream" in content_type:
            return Fault(
                "truncated",
                f"The reply of {self._place} ended without a finish reason: it is not complete. Ask again.",
                retryable=True,
                repeat=True,
            )
        kind = clean(content_type, limit=60) or "data without a type"
        return self._malformed(f"answered with {kind} in place of an event stream")

    def too_long(self, limit: int) -> Fault:
        """Return the fault of a reply that goes on far beyond what was asked for."""
        return self._malformed(f"wrote on after {limit} characters, though it was asked for fewer tokens")

    def cancelled(self) -> Fault:
        """Return the fault of a reply that was closed."""
        return Fault("cancelled", f"The reply of {self._place} was cancelled.", retryable=True)

    def suspended(self, why: str) -> Fault:
        """Return the fault of a request that the circuit breaker holds back."""
        return Fault("suspended", f"{self._place} is not asked now. {why}", retryable=True)

    def waits_too_long(self, fault: Fault) -> Fault:
        """Return the fault in place of one whose server asks for a longer wait than the settings allow."""
        return Fault(
            "rate_limited",
            f"{self._place} asks to wait {fault.wait or 0:.0f} s, longer than CITEWELL_RETRY_AFTER_LIMIT "
            f"({self._settings.retry_after_limit:g} s) allows. Try again then.",
            retryable=True,
        )

    def unknown_model(self, said: str, offered: Sequence[str] = ()) -> Fault:
        """Return the fault of a model that the endpoint does not have, with the nearest that it has."""
        names = [clean(name, self._endpoint.secrets, 60) for name in offered]
        near = get_close_matches(self._model, names, n=_OFFERED_MODELS, cutoff=0.0)
        offer = f"It offers {', '.join(near)}. " if near else ""
        quote = clean(said, self._endpoint.secrets) or "HTTP 404"
        return Fault(
            "unknown_model",
            f"{self._endpoint.shown} has no model {self._model!r} ({quote}). {offer}"
            "Check the name given to --llm, and OPENAI_BASE_URL.",
            said=said,
        )

    @property
    def _place(self) -> str:
        return f"{self._model} at {self._endpoint.shown}"

    def _answered(self, status: int, body: object, headers: Mapping[str, str], fallback: str = "") -> Fault:
        said = _said(body) or fallback
        code, blamed = _field(body, "code"), _field(body, "param")
        quote = clean(said, self._endpoint.secrets)
        reason = f"HTTP {status}: {quote}" if quote else f"HTTP {status}"
        if _is_overflow(status, code, said):
            return Fault(
                "context_overflow",
                f"The prompt is too long for {self._place} ({reason}). Lower CITEWELL_SOURCE_TOKENS or "
                "CITEWELL_HISTORY_TOKENS, or choose a model with a longer context.",
            )
        if status in (401, 403):
            return Fault("unauthorised", self._unauthorised(reason))
        if status == 404 or code == "model_not_found":
            return self.unknown_model(said)
        if status in (402, 429):
            spent = status == 402 or bool(_QUOTA.search(f"{code} {said}"))
            return self._limited(reason, spent, retry_after(headers))
        if status in (408, 409) or (status >= 500 and status != 501):
            return Fault(
                "server",
                f"{self._place} failed ({reason}). Try again, or look into the server's log.",
                retryable=True,
                repeat=True,
                wait=retry_after(headers),
            )
        return Fault(
            "bad_request",
            f"{self._place} refused the request ({reason}). Check the model's name and the endpoint.",
            blamed=blamed,
            said=said,
            refused=status in (400, 422),
        )

    def _unauthorised(self, reason: str) -> str:
        name = "AZURE_OPENAI_API_KEY" if self._endpoint.azure_version else "OPENAI_API_KEY"
        return f"{self._endpoint.shown} refused the key for {self._model} ({reason}). Check {name}."

    def _limited(self, reason: str, quota: bool, wait: float | None) -> Fault:
        if quota:
            return Fault(
                "rate_limited",
                f"The quota for {self._place} is spent ({reason}). Check the account's plan and billing.",
            )
        return Fault(
            "rate_limited",
            f"{self._place} gets too many requests ({reason}). Wait a little and try again.",
            retryable=True,
            repeat=True,
            wait=wait,
        )

    def _disconnected(self, cause: BaseException, started: bool) -> Fault:
        import httpx2

        quote = clean(str(cause), self._endpoint.secrets) or type(cause).__name__
        if started:
            return Fault(
                "truncated",
                f"The connection to {self._place} broke within the reply ({quote}). Ask again.",
                retryable=True,
            )
        what = "Cannot reach" if isinstance(cause, httpx2.ConnectError) else "Lost the connection to"
        return Fault(
            "unreachable",
            f"{what} {self._endpoint.shown} for model {self._model} ({quote}). Is the server running? "
            "Check OPENAI_BASE_URL.",
            retryable=True,
            repeat=True,
        )

    def _timeout(self, what: str, setting: str, repeat: bool = False) -> Fault:
        seconds = getattr(self._settings, setting)
        return Fault(
            "timeout",
            f"{self._place} {what} within {seconds:g} s. Is the server overloaded? Else raise "
            f"CITEWELL_{setting.upper()}.",
            retryable=True,
            repeat=repeat,
        )

    def _malformed(self, what: str) -> Fault:
        return Fault(
            "malformed",
            f"{self._place} {what}. Check that OPENAI_BASE_URL names an OpenAI-compatible API, mostly .../v1.",
        )


def _is_overflow(status: int, code: str | None, said: str) -> bool:
    if status == 413 or code in ("context_length_exceeded", "exceed_context_size_error"):
        return True
    # llama.cpp used to answer 500.
    return status in (400, 422, 500) and bool(_OVERFLOW.search(said.lower()))


def _field(body: object, name: str) -> str | None:
    value = body.get(name) if isinstance(body, Mapping) else None
    return str(value) if isinstance(value, str | int) else None


def _said(body: object) -> str:
    """Returns the text of an error body, whichever of the usual forms it has."""
    if isinstance(body, str):
        return body
    for name in ("message", "error", "detail"):
        if isinstance(body, Mapping) and (value := body.get(name)):
            return value if isinstance(value, str) else json.dumps(value, default=str)
    return ""
