"""The OpenAI embedder against a real server on loopback that speaks the embeddings API."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import openai
import pytest
from citewell.embedding import Passages
from citewell.embedding.openai import OpenAIEmbedder
from citewell.errors import ModelError
from citewell.types import Span

Body = dict[str, Any]


class Server(ThreadingHTTPServer):
    """Embeds a text as [its length, 1, 0]; `spoil` changes an answer, `status` refuses."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Body] = []
        self.keys: list[str | None] = []
        self.status = 200
        self.spoil: Callable[[Body], object] = lambda answer: answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        self.server.keys.append(self.headers["Authorization"])
        if self.path != "/v1/embeddings":
            return self.send(404, {"error": {"message": "no such path"}})
        if self.server.status != 200:
            return self.send(self.server.status, {"error": {"message": "refused\nsk-secret"}})
        vectors = [[float(len(text)), 1.0, 0.0][: request.get("dimensions")] for text in request["input"]]
        data = [
            {"object": "embedding", "index": i, "embedding": encoded(vector, request["encoding_format"])}
            for i, vector in enumerate(vectors)
        ]
        # Last first: the order of an answer is its `index`.
        answer = {"object": "list", "data": data[::-1], "model": request["model"], "usage": {}}
        self.send(200, self.server.spoil(answer))

    def send(self, status: int, answer: object) -> None:
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def encoded(vector: list[float], form: str) -> object:
    return base64.b64encode(np.array(vector, "<f4").tobytes()).decode() if form == "base64" else vector


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def embedder(server: Server) -> Iterator[OpenAIEmbedder]:
    with openai.OpenAI(base_url=server.url, api_key="sk-secret", max_retries=0) as client:
        yield OpenAIEmbedder("small", client=client)


def test_queries_become_unit_vectors_in_order(server: Server, embedder: OpenAIEmbedder) -> None:
    vectors = embedder.embed_queries(["abc", "a\ud800c", ""])
    expected = np.array([[3, 1, 0], [3, 1, 0], [1, 1, 0]])
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6)
    assert vectors.dtype == np.float32
    (request,) = server.requests
    assert request == {"model": "small", "input": ["abc", "a?c", "."], "encoding_format": "base64"}
    assert embedder.dim == 3
    assert embedder.embed_queries([]).shape == (0, 3)


def test_chunks_are_embedded_under_the_title(server: Server, embedder: OpenAIEmbedder) -> None:
    papers = [Passages("One", "a b", (Span(0, 1), Span(2, 3))), Passages("Two?", "c")]
    vectors = embedder.embed_papers(papers)
    assert server.requests[0]["input"] == ["One. a b", "One. a", "One. b", "Two? c"]
    assert [len(v.chunks) for v in vectors] == [2, 0]
    np.testing.assert_array_equal(vectors[0].chunks[0], vectors[1].abstract)
    assert embedder.embed_papers([]) == []


def test_requests_are_bounded_by_texts_and_by_tokens(server: Server, embedder: OpenAIEmbedder) -> None:
    embedder.embed_queries(["x"] * 130)
    assert [len(request["input"]) for request in server.requests] == [128, 2]
    server.requests.clear()
    embedder.embed_queries([f"{n} " + "word " * 9_000 for n in range(26)])
    assert [len(request["input"]) for request in server.requests] == [25, 1]
    first = server.requests[0]["input"][0]
    assert first.startswith("0 word") and 30_000 < len(first) < 41_000


def test_a_shorter_vector_is_asked_for(server: Server) -> None:
    with openai.OpenAI(base_url=server.url, api_key="k", max_retries=0) as client:
        embedder = OpenAIEmbedder("small", client=client, dim=2)
        assert embedder.embed_queries(["abc"]).shape == (1, 2)
        assert embedder.dim == 2
    assert server.requests[0]["dimensions"] == 2


def test_a_server_of_ones_own_needs_no_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    embedder = OpenAIEmbedder("small")
    assert embedder.dim == 3
    assert embedder.fingerprint == f"openai:{server.url}:small:full:title-chunk-1"
    embedder.close()


def test_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    embedder = OpenAIEmbedder("text-embedding-3-small")
    assert "https://api.openai.com/v1" in embedder.fingerprint
    with pytest.raises(ModelError, match="Set OPENAI_API_KEY"):
        embedder.embed_queries(["x"])


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "failed on small"),
        (401, "refused the key"),
        (403, "refused the key"),
        (404, "no embedding model 'small'"),
        (429, "HTTP 429"),
        (500, "failed on small"),
    ],
)
def test_a_refusal_is_told_in_one_line_without_the_key(
    status: int, told: str, server: Server, embedder: OpenAIEmbedder
) -> None:
    server.status = status
    with pytest.raises(ModelError) as raised:
        embedder.embed_queries(["x"])
    message = str(raised.value)
    assert told in message and server.url in message
    assert "\n" not in message and "sk-secret" not in message


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
        with pytest.raises(ModelError, match=f"Cannot reach {url}.*Check OPENAI_BASE_URL"):
            OpenAIEmbedder("small", client=client).embed_queries(["x"])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda answer: {**answer, "data": answer["data"][:1]}, "1 vectors for 2 texts"),
        (lambda answer: {**answer, "data": []}, "no vectors"),
        (lambda answer: {"detail": "not the API"}, "no vectors"),
        (lambda answer: "<html>A web page</html>", "no vectors"),
        (lambda answer: [1, 2], "no vectors"),
        (lambda answer: with_vector(answer, [1.0]), "length [1, 3]"),
        (lambda answer: with_vector(answer, [float("nan"), 1.0, 0.0]), "NaN"),
        (lambda answer: with_vector(answer, None), "no vectors"),
    ],
)
def test_a_wrong_answer_is_told(
    spoil: Callable[[Body], object], told: str, server: Server, embedder: OpenAIEmbedder
) -> None:
    server.spoil = spoil
    with pytest.raises(ModelError) as raised:
        embedder.embed_queries(["a", "b"])
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def with_vector(answer: Body, vector: list[float] | None) -> Body:
    answer["data"][0]["embedding"] = vector
    return answer


def test_a_model_that_changes_its_length_is_refused(server: Server, embedder: OpenAIEmbedder) -> None:
    assert embedder.dim == 3
    server.spoil = lambda answer: {
        **answer,
        "data": [{**item, "embedding": [1.0, 2.0]} for item in answer["data"]],
    }
    with pytest.raises(ModelError, match=r"vectors of length \[2\] in place of 3"):
        embedder.embed_queries(["a"])
