"""Who may reach the server, what the page may load, and what belongs to whom: a layer in front of Gradio.

Gradio alone answers any Host, lets other local pages read it, guards neither uploads nor sessions by owner, and
serves routes that this page does not need. What is not on the list here is not served.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import ipaddress
import json
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr
from citewell import observing
from citewell.errors import CitewellError, UsageError
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request, cookie_parser
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from citewell_ui.host import LOOPBACK
from citewell_ui.limits import (
    EVENTS_A_MINUTE,
    MAX_BODY_BYTES,
    MAX_UPLOAD_BYTES,
    PASSWORDS_A_MINUTE,
    Limiter,
    of_caller,
)
from citewell_ui.observed import REQUEST_ID, is_scrape_from_here, with_request_id
from citewell_ui.sessions import Sessions

OWNER_COOKIE = "citewell-owner"
_COOKIE_AGE = 400 * 24 * 3600  # seconds; browsers keep none longer
_TOKEN = re.compile(r"[\w-]{43}")  # 256 bits in base64
_log = logging.getLogger("citewell.ui")

_SERVED = re.compile(
    r"/|/healthz|/metrics|/favicon\.(ico|svg)|/bridge\.js|/config/?|/theme\.css|/(assets|static)/.+"
    r"|/gradio_api/(info/?|openapi\.json|app_id/?|startup-events|theme\.css|cancel|reset/?|upload|upload_progress"
    r"|component_server/?|queue/(join|data)|heartbeat/[\w-]+|file=.+|mcp/?"
    r"|call/v2/(ask|ask_stream|search|show)(/\w+)?/?)"
)
_FILE = "/gradio_api/file="
_OPEN = frozenset({"/healthz"})  # without a password
_GIVES_FILES = re.compile(r"/gradio_api/(upload|queue/data|call/.+)")
# Gradio's page evaluates its event handlers; its styles stand in attributes; it shows files from blobs.
_POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; frame-src 'none'; media-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
# What Gradio's page says to crawlers and app stores: it names hosts outside.
_STRAY = re.compile(
    rb"<meta\s+(?:property|name)=\"(?:og|twitter):.*?/>|<link rel=\"manifest\".*?/>", re.DOTALL
)
# The browser withholds a strict cookie when another site's link is followed, but not when the page reloads itself.
_RELOAD = '<!doctype html><meta http-equiv="refresh" content="0;url=/?opened{query}"><title>Citewell</title>'


@dataclass(frozen=True, slots=True)
class Access:
    """Who may reach the server.

    Attributes:
        names: the Host names that are answered, in lower case.
        addresses: whether a Host that is an IP address is answered, which no other site's name can stand for.
        password: what must be given, where there is one.
        behind_proxy: whether the address of a caller is the one that the proxy in front names.
    """

    names: frozenset[str] = LOOPBACK
    addresses: bool = False
    password: str | None = None
    behind_proxy: bool = False

    def answers(self, host: str) -> bool:
        """Returns whether a Host header is one of this server's, and not a name that was bent to its address."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self.names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.addresses


# --- for the page and the API ---------------------------------------------------------------------------


def owner_of(request: gr.Request | None) -> str:
    """Returns who owns the conversations of a request: a name of 64 letters and digits.

    It is made from the cookie, which it does not reveal; without one, from the session, which ends with the tab.
    """
    token = _token(request.headers) if request is not None else None
    if token is None:
        token = f"session {request.session_hash if request is not None else ''}"
    return hashlib.sha256(token.encode()).hexdigest()


def caller_of(request: gr.Request | Request | None) -> str:
    """Returns whose questions are counted together: those of a browser, else of an address."""
    if request is None:
        return ""
    token = _token(request.headers)
    return token or (request.client.host if request.client else "")


def explain(error: Exception, local: bool) -> str:
    """Returns one line about an error for people; what is not meant for them is logged under the id it names."""
    if isinstance(error, UsageError) or (local and isinstance(error, CitewellError)):
        return " ".join(str(error).split())
    name = secrets.token_hex(4)
    _log.error("error %s", name, exc_info=error)
    return f"Something went wrong on the server (error {name}). Try again; its log says what under that id."


def _token(headers: Mapping[str, str]) -> str | None:
    token = cookie_parser(headers.get("cookie", "")).get(OWNER_COOKIE, "")
    return token if _TOKEN.fullmatch(token) else None


# --- in front of Gradio ---------------------------------------------------------------------------------


class _Refused(Exception):
    """A request that is not served: the status and one line that says why."""

    def __init__(self, status: int, why: str, **headers: str) -> None:
        super().__init__(why)
        self.status, self.headers = status, headers


class Guard:
    """ASGI middleware that lets through what `Access` allows, and sees to headers, cookies and limits.

    Args:
        app: what is guarded.
        access: who may reach it.
        folder: where Gradio keeps uploads and downloads.
    """

    def __init__(self, app: ASGIApp, access: Access, folder: Path) -> None:
        self._app, self._access, self._sessions = app, access, Sessions(folder)
        self._events, self._wrong = Limiter(EVENTS_A_MINUTE), Limiter(PASSWORDS_A_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request, or answers with one line of JSON that says why not."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":  # nothing of the page is a web socket
            return await send({"type": "websocket.close", "code": 1008})
        scope, request_id = with_request_id(scope)
        trusted = is_scrape_from_here(scope)
        if self._access.behind_proxy:
            scope = of_caller(scope)
        request = Request(_without_forwarding(scope), receive)
        reply = _Reply(request, send, self._sessions, request_id)
        try:
            self._check(request, trusted)
            if _from_elsewhere(request):
                query = html.escape(f"&{request.url.query}") if request.url.query else ""
                return await HTMLResponse(_RELOAD.format(query=query))(scope, receive, reply)
            body = await self._checked_body(request, reply.owner)
            with observing.request(request_id):
                await self._app(request.scope, body, reply)
        except _Refused as refused:
            if not reply.started:
                error = JSONResponse({"error": str(refused)}, refused.status, refused.headers)
                await error(scope, receive, reply)
        except Exception as broken:  # Starlette raises again what it has answered
            if not reply.started:
                await JSONResponse({"error": explain(broken, local=False)}, 500)(scope, receive, reply)

    def _check(self, request: Request, trusted: bool) -> None:
        """Raises _Refused for a request that is not to be served, whatever it carries."""
        path, headers = request.url.path, request.headers
        if not self._access.answers(headers.get("host", "")):
            raise _Refused(421, "This server does not answer under that name: open the address it printed.")
        if not _SERVED.fullmatch(path):
            raise _Refused(404, "There is nothing here.")
        if _crossed(request):
            raise _Refused(403, "This was sent by the page of another site.")
        if self._access.password is not None and path not in _OPEN and not trusted:
            self._check_password(request, self._access.password)
        if request.method == "POST" and (wait := self._events.take(caller_of(request))):
            after = str(round(wait) or 1)
            raise _Refused(429, f"Too many requests: try again in {after} s.", **{"retry-after": after})
        session = _named_session(request)
        if session is not None and not self._sessions.belongs(session, _token(headers) or ""):
            raise _Refused(403, "This session belongs to another browser.")
        if path.startswith(_FILE) and not self._sessions.may_read(_token(headers) or "", path[len(_FILE) :]):
            raise _Refused(404, "There is no such file of yours.")

    def _check_password(self, request: Request, password: str) -> None:
        address = request.client.host if request.client else ""
        if wait := self._wrong.wait(address):
            raise _Refused(429, f"Too many wrong passwords: try again in {wait:.0f} s.")
        given = _given_password(request.headers.get("authorization", ""))
        if given is not None and hmac.compare_digest(given, password.encode()):
            return
        if given is not None:
            self._wrong.take(address)
        challenge = {"www-authenticate": 'Basic realm="Citewell", charset="UTF-8"'}
        raise _Refused(401, "Give the password of this server.", **challenge)

    async def _checked_body(self, request: Request, owner: str) -> Receive:
        """Returns what hands on the body of a request, which is read and looked at first unless it is an upload."""
        if request.method != "POST":
            return request.receive
        if request.url.path == "/gradio_api/upload":
            return _counted(request, MAX_UPLOAD_BYTES)
        limited = Request(request.scope, _counted(request, MAX_BODY_BYTES))
        try:
            body = await limited.body()
        except ClientDisconnect:
            raise _Refused(400, "The request broke off.") from None
        self._check_document(body, owner)
        return _replayed(body, request.receive)

    def _check_document(self, body: bytes, owner: str) -> None:
        try:
            document = json.loads(body) if body else None
        except (ValueError, RecursionError):
            raise _Refused(400, "The body is not JSON.") from None
        session = document.get("session_hash") if isinstance(document, dict) else None
        if isinstance(session, str) and not self._sessions.belongs(session, owner):
            raise _Refused(403, "This session belongs to another browser.")
        for path in _paths(document):
            if not self._sessions.may_read(owner, path):
                raise _Refused(403, "There is no such file of yours.")


class _Reply:
    """Sends a response with our headers, the owner's cookie, and a page that names no other host."""

    def __init__(self, request: Request, send: Send, sessions: Sessions, request_id: str) -> None:
        self.started = False
        self._request_id = request_id
        self.owner = _token(request.headers) or ""
        self._path, self._send, self._sessions = request.url.path, send, sessions
        self._nonce = secrets.token_urlsafe(16)
        self._gives = _GIVES_FILES.fullmatch(self._path) is not None
        # A navigation: calls of programs get no cookie, and calls of the page bring theirs.
        self._new_cookie = self._path == "/" and not self.owner and not _from_elsewhere(request)
        self._page: list[bytes] | None = [] if self._path == "/" else None
        self._start: Message = {}

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._add_headers(MutableHeaders(scope=message))
            self._start = message
            if self._page is None:
                await self._send(message)
        elif self._page is None:
            if self._gives:
                self._sessions.give(self.owner, message.get("body", b""))
            await self._send(message)
        else:
            await self._send_page(message)

    async def _send_page(self, message: Message) -> None:
        assert self._page is not None
        self._page.append(message.get("body", b""))
        if message.get("more_body", False):
            return
        page = _STRAY.sub(b"", b"".join(self._page))
        page = page.replace(b"<script", f'<script nonce="{self._nonce}"'.encode())
        headers = MutableHeaders(scope=self._start)
        if headers.get("content-length", "0") != "0":  # not the answer to HEAD
            headers["content-length"] = str(len(page))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": page})

    def _add_headers(self, headers: MutableHeaders) -> None:
        headers.update({**_HEADERS, REQUEST_ID: self._request_id})
        headers["content-security-policy"] = _POLICY.format(nonce=self._nonce)
        if self._path.startswith("/assets/"):  # their names change with their content
            headers["cache-control"] = "public, max-age=31536000, immutable"
        elif not self._path.startswith("/static/"):
            headers["cache-control"] = "no-store"
        if self._new_cookie:
            value = f"{OWNER_COOKIE}={secrets.token_urlsafe(32)}"
            headers.append("set-cookie", f"{value}; Path=/; Max-Age={_COOKIE_AGE}; HttpOnly; SameSite=Strict")


def _without_forwarding(scope: Scope) -> Scope:
    """Returns the scope without headers from which Gradio would take its own address, which anybody can send."""
    plain = scope["path"] == "/"  # the page is changed on its way, so it must not be compressed
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if not name.startswith((b"x-forwarded", b"forwarded", b"x-gradio"))
        and not (plain and name == b"accept-encoding")
    ]
    return {**scope, "headers": kept}


def _crossed(request: Request) -> bool:
    """Returns whether the page of another site, or of another port, sends a request."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != request.headers.get("host", "").lower():
        return True
    site, mode = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-mode")
    followed = mode == "navigate" and request.method in ("GET", "HEAD")
    return site in ("cross-site", "same-site") and not followed


def _from_elsewhere(request: Request) -> bool:
    """Returns whether a link of another site was followed, so that the browser may be withholding its cookie."""
    followed = request.headers.get("sec-fetch-site") == "cross-site" and request.url.path == "/"
    return followed and _token(request.headers) is None and "opened" not in request.query_params


def _named_session(request: Request) -> str | None:
    """Returns the Gradio session that the address of a request names."""
    heartbeat = "/gradio_api/heartbeat/"
    if request.url.path.startswith(heartbeat):
        return request.url.path[len(heartbeat) :]
    return request.query_params.get("session_hash")


def _given_password(header: str) -> bytes | None:
    """Returns the password of an Authorization header: a bearer token, or that of any user."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _counted(request: Request, limit: int) -> Receive:
    """Returns the request's `receive` that raises _Refused once the body is longer than the limit, in bytes."""
    refusal = _Refused(413, f"The request is too long: at most {limit:,} bytes.")
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise refusal
    count = 0

    async def receive() -> Message:
        nonlocal count
        message = await request.receive()
        count += len(message.get("body", b""))
        if count > limit:
            raise refusal
        return message

    return receive


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that hands out a body that was read already, then what follows."""
    pending = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return again


def _paths(document: object) -> Iterator[str]:
    """Yields what a JSON document names as files of the server, or of elsewhere, for Gradio to read."""
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if isinstance(path := value.get("path"), str):
                yield path
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
