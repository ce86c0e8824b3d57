"""`citewell doctor` asks a configured endpoint for its models: what answers passes, each fault has a cure."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from citewell.doctor import check_endpoint, examine
from citewell.llm import reaching
from citewell.settings import Settings

KEY = "sk-a-key-of-these-tests"


class Endpoint:
    """A server that answers every request in one way, and keeps what was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.stalls = 200, b"{}", False
        self.asked: list[tuple[str, str, str]] = []
        self.released = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.asked.append((self.command, self.path, self.headers.get("authorization", "")))
                if endpoint.stalls:
                    endpoint.released.wait(20)
                self.send_response(endpoint.status)
                self.send_header("content-length", str(len(endpoint.body)))
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(endpoint.body)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    made = Endpoint()
    monkeypatch.setenv("OPENAI_BASE_URL", made.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield made
    made.close()


def listing(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()


@pytest.mark.parametrize(
    "status, body, verdict, detail, cure",
    [
        (200, listing("wren-7b", "wren-70b"), "ok", "answers and has wren-7b", ""),
        (200, listing("owl", "wren-70b"), "warn", "does not list 'wren-7b'", "It has wren-70b, owl. Check"),
        (200, listing(), "warn", "does not list 'wren-7b'", "Check CITEWELL_LLM and OPENAI_BASE_URL."),
        (404, b"{}", "ok", "does not say which models it has", ""),
        (401, b'{"error": {"message": "bad key"}}', "fail", "refused the key", "Check OPENAI_API_KEY."),
        (429, b'{"error": {"message": "slow"}}', "fail", "gets too many requests", "Wait a little"),
        (500, b"{}", "fail", "failed (HTTP 500", "Try again, or look into the server's log."),
        (200, b"<html>", "fail", "wren-7b at http://127.0.0.1", "OPENAI_BASE_URL names an OpenAI-compatible"),
        (200, b'{"data": 7}', "fail", "wren-7b at http://127.0.0.1", "OPENAI_BASE_URL names an OpenAI-compatible"),
    ],
)  # fmt: skip
def test_what_the_endpoint_answers_is_told(
    endpoint: Endpoint, status: int, body: bytes, verdict: str, detail: str, cure: str
) -> None:
    endpoint.status, endpoint.body = status, body
    check = check_endpoint(Settings(llm="wren-7b"))
    assert check.verdict == verdict
    assert detail in check.detail and cure in check.cure and bool(check.cure) is (verdict != "ok")
    assert KEY not in check.detail + check.cure
    assert endpoint.asked == [("GET", "/v1/models", f"Bearer {KEY}")]  # once, and nothing that costs money


def test_an_endpoint_that_nobody_listens_at_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    check = check_endpoint(Settings(llm="wren-7b"))
    assert (check.verdict, check.is_setup) == ("fail", True)
    assert "Cannot reach http://127.0.0.1" in check.detail
    assert check.cure == "Is the server running? Check OPENAI_BASE_URL."


def test_an_endpoint_that_says_nothing_is_not_waited_for(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.stalls = True
    monkeypatch.setattr(reaching, "_PATIENCE", 0.2)
    check = check_endpoint(Settings(llm="wren-7b"))
    assert check.verdict == "fail" and "did not list its models within 0.2 s" in check.detail and check.cure


def test_it_is_asked_only_where_one_is_configured_and_not_offline(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.body = listing("wren-7b")
    examine(tmp_path)  # quotes answer, whatever OPENAI_BASE_URL is
    monkeypatch.setenv("CITEWELL_LLM", "wren-7b")
    examine(tmp_path, network=False)
    assert endpoint.asked == []
    names = [check.name for check in examine(tmp_path).checks]
    assert names.index("endpoint") == names.index("language model") + 1 and len(endpoint.asked) == 1
