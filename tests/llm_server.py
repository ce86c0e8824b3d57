"""An OpenAI-compatible chat server on loopback that answers, and misbehaves, as a test scripts it.

    with LLMServer() as server:
        server.enqueue(Status(503), Say("All is well."))
        model = OpenAIModel("test-model", Settings(), {}, base_url=server.base_url)

A script is used up by one request. In place of a queue, `LLMServer(handler)` asks `handler(body)` for the
script of every request. What was asked stands in `server.requests`.
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Body = dict[str, Any]


@dataclass(frozen=True)
class Say:
    """A reply that goes well: the text in words, or the pieces given, `delay` seconds before each.

    `finish=None` leaves the finish reason out. `usage` is sent where the request asks for it, as
    (prompt tokens, completion tokens); True makes one up. `write_bytes` cuts the stream into network
    packets of that size. `comments` sends a keep-alive before every piece. `hang` is how many seconds the
    stream stays open and silent after the finish reason.
    """

    text: str | Sequence[str]
    delay: float = 0.0
    finish: str | None = "stop"
    usage: bool | tuple[int, int] = True
    newline: bytes = b"\n"
    write_bytes: int = 0
    comments: bool = False
    hang: float = 0.0


@dataclass(frozen=True)
class Status:
    """An HTTP error. A text becomes OpenAI's error object, with `code` and `param`; bytes are sent as they are."""

    code: int
    body: str | bytes | Mapping[str, object] = "refused"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BadSSE:
    """An event stream of these bytes, which then ends."""

    raw: bytes


@dataclass(frozen=True)
class Truncate:
    """A stream that ends politely after the text, without finish reason and `[DONE]`."""

    text: str = ""


@dataclass(frozen=True)
class CloseConnection:
    """A connection that is reset after the text; before the headers where the text is None."""

    text: str | None = None


@dataclass(frozen=True)
class Stall:
    """A stream that falls silent after the text, before the headers where it is None, and then ends.

    It ends early when the client goes away or the server closes. With `comments` it keeps sending
    keep-alives.
    """

    text: str | None = ""
    seconds: float = 60.0
    comments: bool = False


@dataclass(frozen=True)
class HugeLine:
    """One event of about so many bytes, in the field that `where` names; `closed=False` never ends its line."""

    bytes: int = 2 * 2**20
    where: str = "content"
    closed: bool = True


@dataclass(frozen=True)
class StreamError:
    """An error object in the stream after the text, as Ollama, vLLM and OpenRouter send it."""

    error: object = "the model crashed"
    text: str = ""


@dataclass(frozen=True)
class NotSSE:
    """Status 200 with a document in place of a stream."""

    body: str = '{"choices": [{"message": {"content": "not streamed"}}]}'
    content_type: str = "application/json"


Script = Say | Status | BadSSE | Truncate | CloseConnection | Stall | HugeLine | StreamError | NotSSE


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Body


def delta(content: object = None, finish: str | None = None, **extra: object) -> Body:
    """Returns one chunk of a streamed reply."""
    choice = {"index": 0, "delta": {"content": content, **extra}, "finish_reason": finish}
    return {"id": "chat-1", "object": "chat.completion.chunk", "model": "test-model", "choices": [choice]}


def usage_chunk(prompt: int, completion: int) -> Body:
    """Returns the chunk that carries the usage and no choice."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {"id": "chat-1", "object": "chat.completion.chunk", "choices": [], "usage": usage}


def event(data: object, newline: bytes = b"\n") -> bytes:
    """Returns one server-sent event; anything but a text becomes JSON."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return b"data: " + text.encode() + newline * 2


def pieces(text: str | Sequence[str]) -> list[str]:
    """Returns the words of a text, each with the space before it, or the pieces as given."""
    return re.findall(r"\s*\S+|\s+$", text) if isinstance(text, str) else list(text)


class LLMServer:
    """The server; entered, it listens on a free port until it is left.

    Attributes:
        requests: every chat request so far.
        models: what `GET /v1/models` lists, or the script it follows.
        disconnects: how many clients went away before their reply had ended.
    """

    def __init__(self, handler: Callable[[Body], Script] | None = None) -> None:
        self.requests: list[Request] = []
        self.models: Sequence[str] | Status | Stall = ["test-model"]
        self.disconnects = 0
        self._handler = handler
        self._queue: deque[Script] = deque()
        self._changed = threading.Condition()
        self._http = _HTTPServer(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), name="llm-server")

    @property
    def base_url(self) -> str:
        """The URL that goes into OPENAI_BASE_URL."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def open_connections(self) -> int:
        """How many connections clients hold open."""
        with self._changed:
            return len(self._http.connections)

    def enqueue(self, *scripts: Script) -> None:
        """Adds the scripts that the next requests follow, one each."""
        with self._changed:
            self._queue.extend(scripts)

    def wait_for(self, condition: Callable[[LLMServer], bool], timeout: float = 10.0) -> bool:
        """Returns whether the condition on this server came true, as soon as it does."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), timeout)

    def next_script(self, request: Request) -> Script:
        """Records the request and returns what to do about it."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            if self._handler is None:
                return self._queue.popleft() if self._queue else Status(418, "The test enqueued no script.")
        return self._handler(request.body)

    def update(self, change: Callable[[], None]) -> None:
        """Makes a change that `wait_for` notices."""
        with self._changed:
            change()
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.stop()
        self._thread.join()
        if self._http.fault is not None:
            raise AssertionError("The test's server failed.") from self._http.fault


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for every connection
    request_queue_size = 128  # callers beyond the default of 5 would wait a second

    def __init__(self, owner: LLMServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        self.connections: set[socket.socket] = set()
        self.closing = threading.Event()
        self.fault: BaseException | None = None

    def stop(self) -> None:
        self.shutdown()
        self.closing.set()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the client was faster
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(fault := sys.exc_info()[1], OSError):  # else a client went away
            self.fault = fault


_END = b"0\r\n\r\n"  # of a chunked body


class _Handler(BaseHTTPRequestHandler):
    server: _HTTPServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.owner.update(lambda: self.server.connections.add(self.connection))

    def finish(self) -> None:
        self.server.owner.update(lambda: self.server.connections.discard(self.connection))
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        models = self.server.owner.models
        self._guarded(models if isinstance(models, Status | Stall) else _model_list(models), {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        if not self.path.partition("?")[0].endswith("/chat/completions"):
            return self._guarded(Status(404, f"no such path: {self.path}"), body)
        self._guarded(self.server.owner.next_script(request), body)

    def _guarded(self, script: Script, body: Body) -> None:
        try:
            self._play(script, body)
        except OSError:
            self.close_connection = True
            owner = self.server.owner
            if not self.server.closing.is_set():
                owner.update(lambda: setattr(owner, "disconnects", owner.disconnects + 1))

    def _play(self, script: Script, body: Body) -> None:
        match script:
            case Status(code, content, headers):
                self._document(code, _error_body(content), {"Content-Type": "application/json", **headers})
            case NotSSE(text, kind):
                self._document(200, text.encode(), {"Content-Type": kind})
            case CloseConnection(text):
                if text is not None:
                    self._begin(text)
                self._reset()
            case Stall(text, seconds, comments):
                if text is not None:
                    self._begin(text)
                self._silence(seconds, comments and text is not None)
                self.wfile.write(_END) if text is not None else self._reset()
            case Say():
                self._headers()
                self._say(script, body)
                self.wfile.write(_END)
            case _:
                self._headers()
                self._write(_raw(script))
                self.wfile.write(_END)

    def _say(self, script: Say, body: Body) -> None:
        said = pieces(script.text)
        self._event(delta("", role="assistant"), script)
        for piece in said:
            if script.comments:
                self._write(b": keep-alive" + script.newline * 2)
            self._silence(script.delay)
            self._event(delta(piece), script)
        if script.finish is not None:
            self._event(delta(None, script.finish), script)
        self._silence(script.hang)
        if script.usage and (body.get("stream_options") or {}).get("include_usage"):
            prompt, completion = (7, len(said)) if isinstance(script.usage, bool) else script.usage
            self._event(usage_chunk(prompt, completion), script)
        self._event("[DONE]", script)

    def _event(self, data: object, script: Say) -> None:
        raw = event(data, script.newline)
        size = script.write_bytes or len(raw)
        for start in range(0, len(raw), size):
            self._write(raw[start : start + size])

    def _begin(self, text: str) -> None:
        self._headers()
        for piece in pieces(text):
            self._write(event(delta(piece)))

    def _headers(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _write(self, data: bytes) -> None:
        if data:  # an empty chunk would end the reply
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _document(self, code: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _silence(self, seconds: float, comments: bool = False) -> None:
        """Waits, and raises ConnectionError when the client goes away or the server closes meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            # The client sends nothing while it waits, so that a readable socket is a closed one.
            if select.select([self.connection], [], [], min(left, 0.02))[0] or self.server.closing.is_set():
                raise ConnectionError
            if comments:
                self._write(b": still here\n\n")

    def _reset(self) -> None:
        """Closes the connection so that the client sees a reset rather than an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.owner.update(lambda: self.server.connections.discard(self.connection))
        socket.socket(fileno=self.connection.detach()).close()
        self.close_connection = True


def _model_list(names: Sequence[str]) -> NotSSE:
    return NotSSE(json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]}))


def _error_body(content: str | bytes | Mapping[str, object]) -> bytes:
    if isinstance(content, bytes):
        return content
    error = {"message": content, "type": "error"} if isinstance(content, str) else content
    return json.dumps({"error": error}).encode()


def _raw(script: Script) -> bytes:
    match script:
        case BadSSE(raw):
            return raw
        case Truncate(text):
            return b"".join(event(delta(piece)) for piece in pieces(text))
        case StreamError(error, text):
            body = {"error": {"message": error, "type": "server_error"} if isinstance(error, str) else error}
            return b"".join(event(delta(piece)) for piece in pieces(text)) + event(body)
        case HugeLine(size, where, closed):
            raw = event(delta(**{where: "x" * size})) if where != "comment" else b": " + b"x" * size + b"\n\n"
            return raw if closed else raw[:-3]
        case _:
            raise TypeError(f"No stream for {script!r}.")
