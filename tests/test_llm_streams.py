"""What the OpenAI backend makes of streams and errors as servers really send them, and of hostile ones."""

from __future__ import annotations

import gzip
import socket
import sys
import types
from collections.abc import Iterator

import hypothesis
import pytest
from citewell.errors import Failure, GenerationError, UsageError
from citewell.llm import Message, load_llm
from citewell.llm.breaker import CircuitBreaker
from citewell.llm.openai import OpenAIModel
from citewell.settings import Settings
from hypothesis import given
from hypothesis import strategies as st
from llm_server import (
    BadSSE,
    CloseConnection,
    HugeLine,
    LLMServer,
    NotSSE,
    Say,
    Script,
    Stall,
    Status,
    StreamError,
    Truncate,
    delta,
    event,
)

MESSAGES = [Message("user", "Is all well?")]
KEY = "sk-0123456789abcdef"
END = event(delta(None, "stop")) + event("[DONE]")


@pytest.fixture(scope="module")
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture(scope="module")
def model(server: LLMServer) -> Iterator[OpenAIModel]:
    patient = CircuitBreaker(limit=10**6)
    settings = Settings(model_retries=0)
    model = OpenAIModel("test-model", settings, base_url=server.base_url, api_key=KEY, breaker=patient)
    yield model
    model.close()


def read(model: OpenAIModel) -> str:
    with model.stream(MESSAGES, max_tokens=100) as reply:
        return "".join(reply)


def fail(model: OpenAIModel) -> GenerationError:
    with pytest.raises(GenerationError) as raised:
        read(model)
    return raised.value


TEXT = "Größe 20 µm — 模型 😀 ok"


@pytest.mark.parametrize(
    "script",
    [
        Say(TEXT, write_bytes=1),
        Say(TEXT, newline=b"\r\n"),
        Say(TEXT, newline=b"\r", write_bytes=3),
        Say(TEXT, comments=True),
        Say(list(TEXT)),
        BadSSE(b"\xef\xbb\xbf: a byte order mark\n\n" + event(delta(TEXT)) + END),
        BadSSE(b"event: message\nid: 7\nretry: 10\n" + event(delta(TEXT)) + END),
        BadSSE(event(delta("Größe 20 µm — 模型 "))
               + b'data: {"choices": [{"delta":\ndata: {"content": "\\ud83d"}}]}\n\n'
               + b'data: {"choices": [{"delta": {"content": "\\ude00 ok"}}]}\n\n' + END),
    ],
    ids=repr,
)  # fmt: skip
def test_text_arrives_whole_however_it_is_cut(script: Script, server: LLMServer, model: OpenAIModel) -> None:
    server.enqueue(script)
    assert read(model) == TEXT


def test_a_half_character_that_stays_alone_is_replaced(server: LLMServer, model: OpenAIModel) -> None:
    halves = [
        b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % text for text in (rb"a\ud83d", rb"b\udc00")
    ]
    server.enqueue(BadSSE(b"".join(halves) + END))
    assert read(model) == "a\ufffdb\ufffd"


def test_what_is_no_text_of_the_reply_is_left_out(server: LLMServer, model: OpenAIModel) -> None:
    tolerated = [
        {"choices": []},
        {"choices": None},
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {"id": "chat-1"},
        {"choices": [{}]},
        {"choices": [{"delta": None, "finish_reason": ""}]},
        delta(None, role="assistant"),
        delta("", reasoning_content="hidden thought"),
        delta(None, refusal="I must not"),
        delta(None, tool_calls=[{"index": 0, "function": {"name": "rm", "arguments": "-rf"}}]),
        delta([{"type": "thinking", "thinking": "parts"}]),
        {"choices": [{"index": 1, "delta": {"content": "another choice"}, "finish_reason": "stop"}]},
        {**delta("All"), "usage": {"prompt_tokens": "many"}},
    ]
    server.enqueue(BadSSE(b"".join(event(chunk) for chunk in tolerated) + event(delta(" is well.")) + END))
    assert read(model) == "All is well."


def chunk_of(value: bytes) -> bytes:
    return b"data: " + value + b"\n\n" + END


@pytest.mark.parametrize(
    ("script", "failure", "retryable", "told"),
    [
        (Status(401), "unauthorised", False, "refused the key for test-model (HTTP 401: refused). Check OPENAI_API"),
        (Status(403), "unauthorised", False, "HTTP 403"),
        (Status(404), "unknown_model", False, "has no model 'test-model' (refused). It offers test-model."),
        (Status(400, {"message": "?", "code": "model_not_found"}), "unknown_model", False, "no model 'test-model'"),
        (Status(429, "Rate limit reached; add billing"), "rate_limited", True, "gets too many requests (HTTP 429:"),
        (Status(429, {"message": "?", "code": "insufficient_quota"}), "rate_limited", False, "quota for test-model"),
        (Status(402, "no credits left"), "rate_limited", False, "(HTTP 402: no credits left)"),
        (Status(400, {"message": "?", "code": "context_length_exceeded"}), "context_overflow", False,
         "too long for test-model"),
        (Status(400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"),
         "context_overflow", False, "CITEWELL_SOURCE_TOKENS"),
        (Status(400, "'max_tokens' is too large: 800. This model's maximum context length is 512 tokens"),
         "context_overflow", False, "too long"),
        (Status(400, {"message": "the request exceeds the available context size", "code": 400,
                      "type": "exceed_context_size_error"}), "context_overflow", False, "too long"),
        (Status(500, "the request exceeds the available context size"), "context_overflow", False, "too long"),
        (Status(400, "the input length exceeds the context length"), "context_overflow", False, "too long"),
        (Status(413), "context_overflow", False, "too long"),
        (Status(400, "roles must alternate"), "bad_request", False, "(HTTP 400: roles must alternate)"),
        (Status(418, b'{"detail": {"msg": "teapot"}}'), "bad_request", False, 'HTTP 418: {"msg": "teapot"}'),
        (Status(307, b"", {"Location": "http://127.0.0.1:9/"}), "bad_request", False, "HTTP 307"),
        (Status(500, b"<h1>Bad\ngateway</h1>"), "server", True, "HTTP 500: <h1>Bad gateway</h1>"),
        (Status(502, b""), "server", True, "HTTP 502"),
        (Status(501), "bad_request", False, "HTTP 501"),
        (CloseConnection(), "unreachable", True, "Lost the connection to http://127.0.0.1"),
        (CloseConnection("All is"), "truncated", True, "broke within the reply"),
        (Truncate(), "truncated", True, "ended without a finish reason"),
        (Truncate("All is"), "truncated", True, "ended without a finish reason"),
        (Say("All is", finish=None), "truncated", True, "ended without a finish reason"),
        (StreamError("the model crashed", "All"), "server", True, "broke off with an error: the model crashed"),
        (StreamError("a text"), "server", True, "a text"),
        (StreamError({"code": "rate_limit_exceeded", "message": "?"}), "rate_limited", True, "too many requests"),
        (StreamError({"code": 400, "message": "prompt is too long"}), "context_overflow", False, "too long"),
        (StreamError({"code": "context_length_exceeded"}), "context_overflow", False, "too long"),
        (StreamError(["?"]), "server", True, "no reason given"),
        (BadSSE(b'data: {"error": "plain"}\n\n'), "server", True, "error: plain"),
        (BadSSE(chunk_of(b'{"object": "error", "message": "old vLLM", "code": 500}')), "server", True, "old vLLM"),
        (BadSSE(chunk_of(b"{nope")), "malformed", False, "no chunk of a reply"),
        (BadSSE(chunk_of(b"\xff\xfe")), "malformed", False, "no chunk of a reply"),
        (BadSSE(chunk_of(b"null")), "malformed", False, "no chunk of a reply"),
        (BadSSE(chunk_of(b"[1]")), "malformed", False, "no chunk of a reply"),
        (BadSSE(chunk_of(b'{"choices": 5}')), "malformed", False, "no chunk of a reply"),
        (BadSSE(chunk_of(b'{"choices": [{"delta": "text"}]}')), "malformed", False, "no chunk of a reply"),
        (BadSSE(chunk_of(b"[" * 200_000)), "malformed", False, "no chunk of a reply"),
        (NotSSE(), "malformed", False, "answered with application/json in place of an event stream"),
        (NotSSE("<h1>Welcome</h1>", "text/html"), "malformed", False, "OPENAI_BASE_URL"),
        (HugeLine(), "malformed", False, "wrote on after 10496 characters"),
        (HugeLine(where="reasoning_content", bytes=3 * 2**20), "malformed", False, "more than 2.6 MB"),
        (HugeLine(where="comment", bytes=3 * 2**20), "malformed", False, "more than 2.6 MB"),
        (HugeLine(bytes=3 * 2**20, closed=False), "malformed", False, "more than 2.6 MB"),
        (Say("word " * 5_000), "malformed", False, "wrote on after 10496 characters"),
        (Status(500, b"x" * (3 * 2**20)), "malformed", False, "more than 2.6 MB"),
        (Status(200, gzip.compress(END, mtime=0), {"Content-Encoding": "gzip"}), "malformed", False, "compressed"),
    ],
    ids=lambda value: repr(value)[:60],
)  # fmt: skip
def test_a_failure_is_named_in_one_line_and_the_next_reply_is_well(
    script: Script, failure: Failure, retryable: bool, told: str, server: LLMServer, model: OpenAIModel
) -> None:
    server.enqueue(script, Say("Well."))
    error = fail(model)
    assert (error.failure, error.retryable) == (failure, retryable)
    assert told in str(error)
    assert str(error).isprintable() and KEY not in str(error) and len(str(error)) < 600
    assert read(model) == "Well."


def test_what_a_server_says_is_quoted_without_the_key_and_harmlessly(
    server: LLMServer, model: OpenAIModel
) -> None:
    server.enqueue(Status(401, f"\x1b[2J\u202eWrong key:\r\n{KEY} {KEY[:9]}\u200b{KEY[9:]} " + "x" * 10_000))
    message = str(fail(model))
    assert "[2JWrong key: … … xxx" in message
    assert message.isprintable() and len(message) < 400


@pytest.mark.parametrize(
    ("models", "told"),
    [
        (["llama3", "test-model-2", "qwen"], "It offers test-model-2, "),
        ([f"model-{number}" for number in range(50)], "It offers model-"),
        (["\x1b[31mred\n" + "x" * 100], "[31mred xxx"),
        ([], "(refused). Check"),
        (Status(500), "(refused). Check"),
        (Status(200, b'{"data": [1]}'), "(refused). Check"),
        (Status(200, b"<h1>"), "(refused). Check"),
    ],
)
def test_an_unknown_model_is_answered_with_what_there_is(
    models: list[str] | Status,
    told: str,
    server: LLMServer,
    model: OpenAIModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "models", models)
    server.enqueue(Status(404))
    message = str(fail(model))
    assert told in message
    assert message.isprintable() and message.count("model-") <= 6


def test_a_list_of_models_that_does_not_come_is_not_waited_for(
    server: LLMServer, model: OpenAIModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("citewell.llm.exchange._MODEL_LIST", 0.05)
    monkeypatch.setattr(server, "models", Stall(None))
    server.enqueue(Status(404))
    assert "(refused). Check" in str(fail(model))


@hypothesis.settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([b"data: ", b"\n", b"\n\n", b"\r", b": ", b"event: error\n", b"data: [DONE]\n\n"]),
            st.sampled_from([event(delta("text")), event(delta(None, "stop")), event({"error": {}})]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                lambda inner: st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["choices", "delta", "error", "usage", "index", "content"]), inner),
            ).map(event),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_any_bytes_end_in_text_or_a_named_failure(
    server: LLMServer, model: OpenAIModel, parts: list[bytes]
) -> None:
    server.enqueue(BadSSE(b"".join(parts)))
    with model.stream(MESSAGES, max_tokens=100) as reply:
        try:
            said = "".join(reply)
        except GenerationError as error:
            assert error.failure in ("malformed", "truncated", "server", "rate_limited", "bad_request")
            assert str(error).isprintable()
        else:
            assert set(said) <= set("text") and reply.finish_reason == "stop"


def test_a_server_that_is_not_there_is_named_without_secrets() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://user:geheim12@127.0.0.1:{port}/v1?token=geheim34"
    model = OpenAIModel("test-model", Settings(model_retries=0), {"OPENAI_BASE_URL": url})
    error = fail(model)
    model.close()
    assert (error.failure, error.retryable) == ("unreachable", True)
    assert f"Cannot reach http://127.0.0.1:{port}/v1 for model test-model" in str(error)
    assert "Is the server running?" in str(error) and "geheim" not in str(error)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux leaves the callers of a full backlog waiting")
def test_a_server_that_accepts_no_connection_is_given_up() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for caller in (first, second):
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        model = OpenAIModel("m", Settings(connect_timeout=0.2, model_retries=0), base_url=url)
        error = fail(model)
        model.close()
    assert (error.failure, error.retryable) == ("timeout", True)
    assert "accepted no connection within 0.2 s" in str(error) and "CITEWELL_CONNECT_TIMEOUT" in str(error)


def test_a_proxy_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "gopher://127.0.0.1:9")
    model = OpenAIModel("m", Settings(model_retries=0), base_url="http://192.0.2.1/v1")
    error = fail(model)
    model.close()
    assert (error.failure, error.retryable) == ("unreachable", False)
    assert "Cannot connect to http://192.0.2.1/v1" in str(error) and "proxy" in str(error)


def test_the_name_says_which_backend_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    local = types.ModuleType("citewell.llm.local")
    started: list[Settings] = []
    monkeypatch.setattr(local, "start", started.append, raising=False)
    monkeypatch.setitem(sys.modules, "citewell.llm.local", local)
    chosen = Settings()
    load_llm(chosen, "local")
    assert started == [chosen]
    remote = load_llm(chosen, "gpt-x", {"OPENAI_API_KEY": "k"})
    assert isinstance(remote, OpenAIModel) and remote.name == "gpt-x"
    assert remote.endpoint == "https://api.openai.com/v1"
    for name in ("quotes", "", "  "):
        with pytest.raises(UsageError, match="No language model is called"):
            load_llm(chosen, name)
