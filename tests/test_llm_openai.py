"""The OpenAI backend against a server on loopback that misbehaves as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from citewell.errors import GenerationError
from citewell.llm import Message, Usage, exchange
from citewell.llm.openai import OpenAIModel
from citewell.settings import Settings
from llm_server import (
    BadSSE,
    LLMServer,
    Say,
    Script,
    Stall,
    delta,
    event,
)
from llm_server import usage_chunk as usage_event

MESSAGES = [Message("system", "Be brief."), Message("user", "Is all well, J\ud800?")]
Open = Callable[..., OpenAIModel]


class Waits:
    """Stands in for sleeping: notes how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def open_model(server: LLMServer, waits: Waits) -> Iterator[Open]:
    """Opens models on the server; afterwards nothing of them may be left."""
    models: list[OpenAIModel] = []

    def open_model(settings: Settings | None = None, **options: Any) -> OpenAIModel:
        options = {"base_url": server.base_url, "sleep": waits, "jitter": lambda: 0.0, **options}
        models.append(OpenAIModel("test-model", settings or Settings(), **options))
        return models[-1]

    yield open_model
    for model in models:
        model.close()
    assert "citewell-llm" not in [thread.name for thread in threading.enumerate()]
    assert server.wait_for(lambda s: s.open_connections == 0)


def read(model: OpenAIModel, **options: Any) -> str:
    with model.stream(MESSAGES, **{"max_tokens": 100, **options}) as reply:
        return "".join(reply)


def fail(model: OpenAIModel, **options: Any) -> GenerationError:
    with pytest.raises(GenerationError) as raised:
        read(model, **options)
    return raised.value


def test_a_reply_arrives_in_pieces_with_finish_reason_and_usage(server: LLMServer, open_model: Open) -> None:
    server.enqueue(Say("All is well.", usage=(21, 4)))
    model = open_model()
    with model.stream(MESSAGES, max_tokens=100) as reply:
        assert list(reply) == ["All", " is", " well."]
        assert (reply.finish_reason, reply.usage) == ("stop", Usage(21, 4, requests=1))
        assert list(reply) == []
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer none"
    assert request.body == {
        "model": "test-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Is all well, J??"},
        ],
        "max_tokens": 100,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert (model.name, model.endpoint, model.context_tokens) == ("test-model", server.base_url, None)


def test_text_is_there_before_the_reply_has_ended(server: LLMServer, open_model: Open) -> None:
    server.enqueue(Stall("All is"))
    with open_model().stream(MESSAGES, max_tokens=100) as reply:
        assert next(iter(reply)) == "All"
        assert reply.finish_reason is None


def test_usage_is_estimated_where_none_is_reported(server: LLMServer, open_model: Open) -> None:
    server.enqueue(Say("All is well.", usage=False), Say("x", usage=(-1, 2)))
    model = open_model()
    with model.stream([Message("user", "Is all well?")], max_tokens=100) as reply:
        assert "".join(reply) == "All is well."
        assert reply.usage == Usage(8, 4, requests=1, estimated=True)
    with model.stream([Message("user", "Is all well?")], max_tokens=100) as reply:
        assert "".join(reply) == "x"
        assert reply.usage.estimated


@pytest.mark.parametrize("finish", ["length", "content_filter", "tool_calls"])
def test_every_finish_reason_is_handed_on(finish: str, server: LLMServer, open_model: Open) -> None:
    server.enqueue(Say("All is", finish=finish))
    with open_model().stream(MESSAGES, max_tokens=100) as reply:
        assert "".join(reply) == "All is"
        assert reply.finish_reason == finish


def test_a_key_of_the_environment_is_sent_where_the_environment_says(server: LLMServer) -> None:
    azure = {"AZURE_OPENAI_ENDPOINT": server.base_url.removesuffix("/v1"), "OPENAI_API_VERSION": "2024-10-21"}
    for environ in (
        {"OPENAI_BASE_URL": server.base_url + "/", "OPENAI_API_KEY": "sk-1"},
        azure | {"AZURE_OPENAI_API_KEY": "azure-key"},
        azure | {"AZURE_OPENAI_AD_TOKEN": "entra-token"},
    ):
        server.enqueue(Say("Well."))
        model = OpenAIModel("mine", Settings(), environ)
        assert read(model) == "Well."
        model.close()
    own, keyed, entra = server.requests
    assert (own.path, own.headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-1")
    assert keyed.path == "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    assert keyed.headers["api-key"] == "azure-key"
    assert keyed.body["max_completion_tokens"] == 100 and "max_tokens" not in keyed.body
    assert entra.headers["authorization"] == "Bearer entra-token" and "api-key" not in entra.headers


def test_the_query_of_the_base_url_goes_with_every_request(server: LLMServer) -> None:
    server.enqueue(Say("Well."))
    model = OpenAIModel("mine", Settings(), {"OPENAI_BASE_URL": server.base_url + "?api-version=preview"})
    assert read(model) == "Well."
    model.close()
    assert server.requests[0].path == "/v1/chat/completions?api-version=preview"


@pytest.mark.parametrize(
    ("setting", "script"),
    [
        ("first_token_timeout", Stall(None)),
        ("first_token_timeout", Stall("")),
        ("first_token_timeout", Stall("", comments=True)),
        ("token_timeout", Stall("All is")),
        ("token_timeout", Stall("All is", comments=True)),
        ("answer_timeout", Say(["x"] * 500, delay=0.02)),
        ("answer_timeout", Stall(None)),
    ],
)
def test_a_wait_is_cut_short_by_the_setting_that_the_message_names(
    setting: str, script: Script, server: LLMServer, open_model: Open, waits: Waits
) -> None:
    server.enqueue(Say("Warm."), script, Say("Well."))
    model = open_model(Settings.model_validate({setting: 0.2}) if setting != "answer_timeout" else None)
    assert read(model) == "Warm."  # the first request imports the package, which takes a while
    deadline = time.monotonic() + 0.2 if setting == "answer_timeout" else None
    error = fail(model, deadline=deadline)
    assert error.failure == "timeout"
    assert f"CITEWELL_{setting.upper()}" in str(error)
    assert server.wait_for(lambda s: s.disconnects == 1)
    assert read(model) == "Well."
    assert waits.seconds == []


def test_without_a_deadline_the_setting_bounds_a_reply(server: LLMServer, open_model: Open) -> None:
    server.enqueue(Stall("All is"))
    error = fail(open_model(Settings(answer_timeout=0.2)))
    assert error.failure == "timeout" and "CITEWELL_ANSWER_TIMEOUT (0.2 s)" in str(error)


def test_a_reply_that_is_complete_is_not_waited_for(
    server: LLMServer, open_model: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_AFTER_FINISH", 0.05)
    broken = event(delta("All")) + event(delta(None, "stop")) + event(delta("more")) + b"data: {nope\n\n"
    server.enqueue(Say("All is well.", hang=60), BadSSE(broken))
    model = open_model()
    with model.stream(MESSAGES, max_tokens=100) as reply:
        assert "".join(reply) == "All is well."
        assert (reply.finish_reason, reply.usage.estimated) == ("stop", True)
    assert read(model) == "All"


def test_closing_a_reply_from_another_thread_ends_a_stalled_read_and_the_connection(
    server: LLMServer, open_model: Open
) -> None:
    server.enqueue(Stall("All"), Say("Well."))
    model = open_model()
    reply = model.stream(MESSAGES, max_tokens=100)
    pieces = iter(reply)
    assert next(pieces) == "All"
    closer = threading.Thread(target=reply.close)
    closer.start()
    with pytest.raises(GenerationError) as raised:
        next(pieces)
    closer.join()
    assert raised.value.failure == "cancelled"
    assert server.wait_for(lambda s: s.disconnects == 1)
    for _ in range(2):
        with pytest.raises(GenerationError, match="was cancelled"):
            next(iter(reply))
    assert read(model) == "Well."


def test_leaving_the_block_closes_the_connection(server: LLMServer, open_model: Open) -> None:
    server.enqueue(Stall("All is"), Stall(None))
    model = open_model()
    with model.stream(MESSAGES, max_tokens=100) as reply:
        assert next(iter(reply)) == "All"
    assert server.wait_for(lambda s: s.disconnects == 1)
    with model.stream(MESSAGES, max_tokens=100):
        assert server.wait_for(lambda s: len(s.requests) == 2)
    assert server.wait_for(lambda s: s.disconnects == 2)


def test_closing_the_model_ends_its_replies_and_begins_no_more(server: LLMServer, open_model: Open) -> None:
    server.enqueue(Stall("All"), Stall(None))
    model = open_model()
    replies = [model.stream(MESSAGES, max_tokens=100) for _ in range(3)]  # the third gets no script
    assert server.wait_for(lambda s: len(s.requests) == 3)
    model.close()
    model.close()
    for reply in [*replies, model.stream(MESSAGES, max_tokens=100)]:
        with pytest.raises(GenerationError) as raised:
            list(reply)
        assert raised.value.failure == "cancelled"
    assert len(server.requests) == 3


def test_a_model_that_was_never_used_closes(open_model: Open) -> None:
    open_model().close()


def test_threads_share_a_model(open_model: Open) -> None:
    def echo(body: dict[str, Any]) -> Script:
        return Say(body["messages"][0]["content"], delay=0.001)

    texts = [" ".join(f"{word}-{number}" for word in range(20)) for number in range(8)]
    said: dict[str, str] = {}
    with LLMServer(echo) as server:
        model = open_model(base_url=server.base_url)

        def ask(text: str) -> None:
            with model.stream([Message("user", text)], max_tokens=100) as reply:
                said[text] = "".join(reply)

        threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        model.close()
    assert said == {text: text for text in texts}


def test_usage_of_the_last_report_counts(server: LLMServer, open_model: Open) -> None:
    stream = event(usage_event(5, 1)) + event(delta("x", "stop")) + event(usage_event(5, 2)) + event("[DONE]")
    server.enqueue(BadSSE(stream))
    with open_model().stream(MESSAGES, max_tokens=100) as reply:
        assert "".join(reply) == "x"
        assert reply.usage == Usage(5, 2, requests=1)
