"""A real Chroma server in a process of its own, which can be killed and started again at the same place."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

_PATIENCE = 60.0  # seconds, on a busy machine


class ChromaProcess:
    """Starts `chroma run` in a folder, at a free port of the loopback."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers."""
        program = str(Path(sys.executable).with_name("chroma"))
        arguments = ["run", "--path", str(self._folder), "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [program, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
        )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, "chroma run does not answer"
            assert self._process.poll() is None, "chroma run ended"
            time.sleep(0.05)

    def kill(self) -> None:
        """Kills it, as a machine that loses power would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/api/v2/heartbeat")
            answer = connection.getresponse()
            answer.read()
            return answer.status == 200
        except OSError:
            return False
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    """Forwards what carries the right header to Chroma, and gives strange replies below /strange/."""

    protocol_version = "HTTP/1.1"
    target, wanted = 0, ("", "")

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _reply(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "content-type": kind,
            "content-length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/strange/"):
            kind, status, text = STRANGE[self.path.split("/")[2]]
            self._reply(status, kind, text.encode(), {"location": "https://elsewhere.example/"})
            return
        if self.headers.get(self.wanted[0]) != self.wanted[1]:
            self._reply(401, "text/plain", b"who are you?")
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            connection.request(self.command, self.path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            self._reply(answer.status, answer.headers.get("content-type", ""), answer.read())
        finally:
            connection.close()

    do_GET = do_POST = do_PUT = do_DELETE = _any


STRANGE = {
    "html": ("text/html", 200, "<html>Welcome to nginx</html>"),
    "old": ("application/json", 404, '{"detail": "Not Found"}'),
    "forbidden": ("text/html", 403, "<html>Forbidden</html>"),
    "gateway": ("text/html", 502, "<html>Bad Gateway</html>"),
    "moved": ("text/html", 301, "moved"),
    "number": ("application/json", 200, "7"),
    "broken": ("application/json", 200, "{"),
}


@contextmanager
def proxy(target: int, name: str, value: str) -> Iterator[str]:
    """Yields the address of a proxy of the Chroma server at a port that lets in only who sends a header."""
    handler = type("Handler", (_Handler,), {"target": target, "wanted": (name, value)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
