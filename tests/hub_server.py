"""A server on this machine that speaks what huggingface_hub asks of Hugging Face: one repository of a few files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Serves the files of `folder` as those of `repository`; `requests` are the paths asked for, in order."""

    def __init__(self, repository: str, folder: Path) -> None:
        self.repository = repository
        self.files = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}
        self.requests: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def answer(self, path: str) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body and headers for a path without its query."""
        about = f"/api/models/{self.repository}"
        if path in (about, f"{about}/revision/main", f"{about}/revision/{COMMIT}"):
            names = [{"rfilename": name} for name in self.files]
            return _json({"id": self.repository, "sha": COMMIT, "siblings": names})
        if path.startswith(f"{about}/tree/"):
            return _json(
                [
                    {"type": "file", "path": name, "size": len(content), "oid": _hash(content)}
                    for name, content in self.files.items()
                ]
            )
        name = path.rpartition("/")[2]
        if path == f"/{self.repository}/resolve/{COMMIT}/{name}" and name in self.files:
            content = self.files[name]
            return 200, content, {"ETag": f'"{_hash(content)}"', "X-Repo-Commit": COMMIT}
        return 404, b"{}", {"X-Error-Code": "RepoNotFound"}


def _json(value: object) -> tuple[int, bytes, Mapping[str, str]]:
    return 200, json.dumps(value).encode(), {"Content-Type": "application/json"}


def _hash(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _handler(server: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - as http.server names it
            path = self.path.partition("?")[0]
            server.requests.append(path)
            status, body, headers = server.answer(path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - as http.server names it

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    return Handler
