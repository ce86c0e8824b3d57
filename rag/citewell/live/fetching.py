"""Polite HTTP: one request at a time, pauses between them, bounded waits, retries that grow apart.

The clients `arxiv`, `pyalex` and `habanero` are not used to fetch: the first two wait for an answer without
limit, the second knows no address but its own, none bounds the size of a reply or obeys Retry-After, and the
first takes a reply that was cut off for a short one.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeVar

from citewell.settings import Settings

from .faults import Absent, Failed, Trouble
from .shelf import Shelf

if TYPE_CHECKING:
    import httpx2

_ATTEMPTS = 5
_FIRST_WAIT = 2.0  # seconds; doubled for each further one
_LONGEST_WAIT = 120.0  # that a service may ask for within a run
_MAX_BYTES = 32 * 2**20  # of a reply; a hundred abstracts are less than one
_REDIRECTS = 5
_PASSING = {408, 425, 429}  # and all from 500 on
_UNWELCOME = {401, 403}  # nothing against the request itself: OpenAlex sends 403 where a limit is reached
_SAID_CHARS = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of day (UTC), seconds that only grow, and a pause in seconds."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its name, its address, the least seconds between two requests, and headers for it alone."""

    name: str
    url: str
    pause: float
    headers: Mapping[str, str] = field(default_factory=dict)


class Fetcher:
    """Fetches from any service, never two requests at once; close it when done.

    Args:
        settings: who we are and how long to wait for a reply.
        notify: told in one line about long waits.
        clock: where time comes from.
    """

    def __init__(
        self,
        settings: Settings,
        notify: Callable[[str], None] = lambda message: None,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        self.settings = settings
        self.clock = clock
        self._notify = notify
        self._last: dict[str, float] = {}
        self._client: httpx2.Client | None = None

    def get(self, service: Service, url: str, parse: Callable[[bytes], T]) -> tuple[bytes, T]:
        """Returns the body found at an address, and what `parse` makes of it.

        A reply of which `parse` raises `Trouble` is asked for again, like one that did not come.

        Raises:
            Absent: there is nothing at this address.
            Failed: the service refused, or did not answer properly in five attempts.
        """
        attempt = 1
        while True:
            self._pause(service)
            try:
                body = self._request(service, url, parse)
                return body, parse(body)
            except Trouble as trouble:
                reason = f"{service.name} {trouble}"
                if trouble.wait is not None and trouble.wait > _LONGEST_WAIT:
                    reason += f" and asks to wait {trouble.wait:,.0f} seconds"
                    raise Failed(reason, permanent=False) from trouble
                if attempt == _ATTEMPTS:
                    raise Failed(f"{reason} ({_ATTEMPTS} attempts)", permanent=False) from trouble
                wait = max(trouble.wait or 0.0, _FIRST_WAIT * 2 ** (attempt - 1))
            finally:
                self._last[service.name] = self.clock.monotonic()
            self._notify(f"{reason}; asking again in {wait:.0f} s.")
            self.clock.sleep(wait)
            attempt += 1

    def close(self) -> None:
        """Closes connections."""
        if self._client is not None:
            self._client.close()

    def _pause(self, service: Service) -> None:
        last = self._last.get(service.name)
        left = 0.0 if last is None else last + service.pause - self.clock.monotonic()
        if left > 0:
            self.clock.sleep(left)

    def _request(self, service: Service, url: str, parse: Callable[[bytes], object]) -> bytes:
        with _transport_errors(), self._open(service, url) as response:
            body = self._body(response)
        status = response.status_code
        if status == 200:
            return body
        if status in _PASSING or status >= 500:
            wait = _retry_after(response.headers.get("retry-after"), self.clock.now())
            raise Trouble(f"answered with HTTP status {status}{_said(body)}", wait)
        if status in (404, 410):
            raise Absent(f"{service.name} has nothing there (HTTP status {status}){_said(body)}")
        _explain(body, parse)
        reason = f"{service.name} refused with HTTP status {status}{_said(body)}"
        raise Failed(reason, permanent=status not in _UNWELCOME)

    @contextmanager
    def _open(self, service: Service, url: str) -> Iterator[httpx2.Response]:
        import httpx2

        if self._client is None:
            self._client = httpx2.Client(
                timeout=self.settings.source_timeout,
                follow_redirects=True,
                max_redirects=_REDIRECTS,
                headers={"User-Agent": user_agent(self.settings), "Accept-Encoding": "gzip"},
            )
        with self._client.stream("GET", url, headers=dict(service.headers)) as response:
            yield response

    def _body(self, response: httpx2.Response) -> bytes:
        end = time.monotonic() + self.settings.source_timeout
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _MAX_BYTES:
                raise Failed(f"a reply is longer than {_MAX_BYTES // 2**20} MiB", permanent=True)
            if time.monotonic() > end:  # one that drips never runs into the limit for a single read
                raise Trouble(f"took longer than {self.settings.source_timeout:g} s to answer")
        return bytes(body)


class Web:
    """Fetches for one run: pages that it fetched before it was interrupted come from its shelf."""

    def __init__(self, fetcher: Fetcher, shelf: Shelf) -> None:
        self.settings = fetcher.settings
        self._fetcher = fetcher
        self._shelf = shelf

    def get(self, service: Service, url: str, parse: Callable[[bytes], T]) -> tuple[T, str]:
        """Returns what `parse` makes of the page at an address, and the day (UTC, ISO) it was fetched.

        Raises:
            Absent: there is nothing at this address.
            Failed: the service refused, or did not answer properly.
        """
        kept = self._shelf.get(url)
        if kept is not None:
            with suppress(Trouble):  # it was kept by a version of Citewell that read it otherwise
                return parse(kept.body), kept.fetched.date().isoformat()
        body, parsed = self._fetcher.get(service, url, parse)
        return parsed, self._shelf.put(url, body).fetched.date().isoformat()


def user_agent(settings: Settings) -> str:
    """Returns how requests introduce themselves, with the address to complain to if one is set."""
    contact = f" (mailto:{settings.contact})" if settings.contact else ""
    return f"Citewell/{version('citewell')}{contact}"


@contextmanager
def _transport_errors() -> Iterator[None]:
    import httpx2

    try:
        yield
    except httpx2.TimeoutException as error:
        raise Trouble("did not answer in time") from error
    except httpx2.TooManyRedirects as error:
        raise Failed("redirects without end", permanent=True) from error
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise Failed(f"the address cannot be used: {error}", permanent=True) from error
    except httpx2.ConnectError as error:
        raise Trouble(f"cannot be reached: {error}") from error
    except httpx2.HTTPError as error:  # a connection that broke, a body that was cut, bad compression
        raise Trouble(f"broke off its answer: {error or type(error).__name__}") from error


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Returns the seconds to wait, from either form of the header; see RFC 9110, section 10.2.3."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds())


def _explain(body: bytes, parse: Callable[[bytes], object]) -> None:
    """Lets a parser that understands the service's error documents raise what they say."""
    try:
        parse(body)
    except Trouble:
        return


def _said(body: bytes) -> str:
    """Returns what a service said about an error, in JSON or plain text; nothing of a web page."""
    said = body[: 10 * _SAID_CHARS].decode("utf-8", "replace").strip()
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        said = "" if said.startswith("<") else said
    else:
        said = _message(found)
    said = " ".join(said.split())[:_SAID_CHARS].strip()
    return f": {said}" if said else ""


def _message(found: object) -> str:
    if isinstance(found, dict):
        return _message(found.get("message") or found.get("error"))
    if isinstance(found, list) and found:
        return _message(found[0])
    return found if isinstance(found, str) else ""
