"""Chroma's own HTTP client with our timeouts, headers and certificates, and an error of one line for each fault.

Chroma's client waits for ever, takes no authority file without a warning, and tells a login page of a proxy as
a JSON error. A server that takes its time is waited for; one whose machine is gone, or behind a cut cable, is told
from it by the operating system, to which every packet that arrives is acknowledged (RFC 5482). This module imports
chromadb and httpx at its top: import it where a server is used, not before.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
import orjson
from chromadb.api.fastapi import FastAPI
from chromadb.config import Settings, System
from chromadb.errors import ChromaError, NotFoundError

from citewell.errors import ChromaServerError, UsageError

CONNECT_SECONDS = 3.0
SILENT_SECONDS = 5  # in which not one packet came back: the connection is given up
_SILENT = "does not answer. Is it running, and reachable?"  # in the same words however it is noticed, to be told once


class MissingOnServerError(ChromaServerError):
    """The server does not hold what was asked for."""


class ExistsOnServerError(ChromaServerError):
    """The server holds a collection of this name already."""


class SlowServerError(ChromaServerError):
    """The server did not answer in time; what it was asked to do may still be done."""


class _ForeignReplyError(Exception):
    """A reply that no Chroma server gives; the text says what it was."""


class Wire:
    """A connection to a Chroma server; any thread may use it.

    Args:
        url: such as http://chroma:8000, with the path of a proxy if it has one.
        headers: sent with every request.
        authorities: PEM file of the authorities to trust instead of the usual ones.
        timeout: longest wait for a reply, in seconds.

    Raises:
        UsageError: the URL or the authority file cannot be used.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], authorities: Path | None, timeout: float
    ) -> None:
        self.url = check_url(url)
        self._timeout = timeout
        verify = True if authorities is None else _context(authorities)
        system = System(
            Settings(
                anonymized_telemetry=False,
                chroma_server_host=self.url,
                chroma_server_http_port=8000,  # asked for, but the URL says it
                chroma_server_api_default_path="/api/v2",
                chroma_server_headers=dict(headers),
            )
        )
        self.api = FastAPI(system)
        made = self.api._session
        self.api._session = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout)),
            headers=made.headers,
            event_hooks={"response": [_check_reply]},
            verify=verify,
            transport=_transport(self.url, verify),
        )
        made.close()

    def close(self) -> None:
        """Closes all connections."""
        self.api._session.close()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tells whatever a request raises in one line.

        Raises:
            MissingOnServerError: the server does not hold what was asked for.
            ExistsOnServerError: it holds one of this name already.
            SlowServerError: it is there and does not answer in time.
            ChromaServerError: anything else.
        """
        try:
            yield
        except ChromaServerError:
            raise
        except NotFoundError as error:
            raise MissingOnServerError(self._line(f"answers: {_first_line(error)}")) from error
        except ChromaError as error:
            kind = ExistsOnServerError if "already exists" in str(error) else ChromaServerError
            raise kind(self._line(f"answers: {_first_line(error)}")) from error
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout) or _was_silent(error):
                raise ChromaServerError(self._line(_SILENT)) from error
            late = f"does not answer within {self._timeout:g} s. Is it busy, or stopped?"
            raise SlowServerError(self._line(late)) from error
        except httpx.TransportError as error:
            raise ChromaServerError(self._line(_transport_fault(error))) from error
        except _ForeignReplyError as error:
            raise ChromaServerError(self._line(str(error))) from error
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            fault = f"gave a reply that cannot be read ({_first_line(error)}). Is it a Chroma server?"
            raise ChromaServerError(self._line(fault)) from error
        except Exception as error:  # its client raises plain exceptions for replies it does not know
            raise ChromaServerError(self._line(f"answers: {_first_line(error)}")) from error

    def _line(self, fault: str) -> str:
        return f"The Chroma server {self.url} {fault}"


def check_url(url: str) -> str:
    """Returns the URL of a server without a slash at its end.

    Raises:
        UsageError: it has no scheme or host, or a password, which would show in messages.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        port = parts.port
    except ValueError:
        sound, port = False, None
    if not sound or port == 0:
        shown = url.rpartition("@")[2]
        raise UsageError(f"CITEWELL_CHROMA_URL = {shown!r} is no address. Write it as http://HOST:8000.")
    if "@" in parts.netloc:
        raise UsageError(
            "CITEWELL_CHROMA_URL holds a password. Send it as a header: CITEWELL_CHROMA_HEADERS_FILE."
        )
    return url.rstrip("/")


def read_headers(text: str | None, file: Path | None) -> dict[str, str]:
    """Returns the headers of a text and of a file, one `Name: value` a line.

    Raises:
        UsageError: the file cannot be read, or a line is no header; no value is told.
    """
    headers: dict[str, str] = {}
    try:
        lines = (text or "").splitlines() + (file.read_text().splitlines() if file is not None else [])
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"CITEWELL_CHROMA_HEADERS_FILE = {file} cannot be read: {reason}.") from error
    for number, line in enumerate(lines, 1):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or not name.strip() or not value.strip() or " " in name.strip() or not line.isascii():
            raise UsageError(f"Line {number} of the headers for the Chroma server is no `Name: value`.")
        headers[name.strip()] = value.strip()
    return headers


def _transport(url: str, verify: ssl.SSLContext | bool) -> httpx.HTTPTransport | None:
    """Returns how a server is spoken to; None, which is httpx's own way, where the environment names a proxy."""
    if getproxies() and not proxy_bypass(urlsplit(url).hostname or ""):
        return None
    return httpx.HTTPTransport(verify=verify, socket_options=_options())


def _options() -> list[tuple[int, int, int]]:
    """Returns options with which a connection ends soon when packets are lost, as far as this system has them."""
    wanted = {
        "TCP_USER_TIMEOUT": SILENT_SECONDS * 1000,  # for what was sent and not acknowledged
        "TCP_KEEPIDLE": 1,  # while a reply is waited for, it is asked each second whether the other end is there
        "TCP_KEEPINTVL": 1,
        "TCP_KEEPCNT": SILENT_SECONDS - 1,
    }
    known = [(getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)]
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *((socket.IPPROTO_TCP, option, value) for option, value in known),
    ]


def _context(authorities: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(authorities))
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or error
        raise UsageError(f"CITEWELL_CHROMA_CA = {authorities} cannot be used: {reason}.") from error


def _check_reply(reply: httpx.Response) -> None:
    """Raises what is wrong with a reply that does not come from Chroma itself."""
    status, kind = reply.status_code, reply.headers.get("content-type", "").partition(";")[0]
    if status in (401, 403):
        raise _ForeignReplyError(
            f"refuses access (status {status}). Give the header it wants: CITEWELL_CHROMA_HEADERS_FILE."
        )
    if status in (502, 503, 504):
        raise _ForeignReplyError(f"cannot be reached through its proxy (status {status}). Is Chroma running?")
    if 300 <= status < 400:
        place = reply.headers.get("location", "elsewhere")
        raise _ForeignReplyError(f"sends to {place}. Set CITEWELL_CHROMA_URL to where it really is.")
    if status < 500 and kind != "application/json":
        raise _ForeignReplyError(
            f"is no Chroma server with API v2: it replies with {kind or 'nothing'} (status {status}). "
            "Set CITEWELL_CHROMA_URL to a Chroma 1.0 or newer."
        )


def _transport_fault(error: httpx.TransportError) -> str:
    text = _first_line(error)
    if _was_silent(error):
        return _SILENT
    if "SSL" in text or "certificate" in text.lower():
        return f"fails at TLS: {text}. Check https or http in CITEWELL_CHROMA_URL, and CITEWELL_CHROMA_CA."
    if isinstance(error, httpx.ConnectError):
        return f"cannot be reached: {text}. Is it running, and CITEWELL_CHROMA_URL right?"
    return f"broke off: {text or type(error).__name__}."


def _was_silent(error: BaseException | None) -> bool:
    """Returns whether the system gave the connection up; Python and httpx call that a late reply, too."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ETIMEDOUT:
            return True
        error = error.__cause__ or error.__context__
    return False


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
