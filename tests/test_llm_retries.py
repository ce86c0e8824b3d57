"""What the OpenAI backend asks again: refused parameters, failures that may pass, servers that keep failing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from citewell.errors import GenerationError
from citewell.llm import Message, Usage
from citewell.llm.breaker import CircuitBreaker
from citewell.llm.openai import OpenAIModel
from citewell.settings import Settings
from llm_server import (
    BadSSE,
    CloseConnection,
    LLMServer,
    Say,
    Script,
    Stall,
    Status,
    StreamError,
)

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


@pytest.mark.parametrize(
    ("refusal", "parameter", "instead"),
    [
        (Status(400, {"message": "Unsupported parameter", "param": "max_tokens"}), "max_tokens",
         "max_completion_tokens"),
        (Status(400, "'temperature' does not support 0 with this model."), "temperature", None),
        (Status(422, b'{"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs"}]}'),
         "stream_options", None),
        (Status(400, "json_schema is not supported"), "response_format", None),
        (Status(400, b"Bad Request"), "response_format", None),
        (StreamError({"message": "bad grammar", "code": 400}), "response_format", None),
    ],
)  # fmt: skip
def test_a_parameter_that_is_refused_is_left_out_from_then_on(
    refusal: Script, parameter: str, instead: str | None, server: LLMServer, open_model: Open, waits: Waits
) -> None:
    server.enqueue(refusal, Say("Well."), Say("Well."))
    model = open_model()
    with model.stream(MESSAGES, max_tokens=100, schema={"type": "object"}) as reply:
        assert "".join(reply) == "Well."
        assert reply.usage.requests == 2
    assert read(model, schema={"type": "object"}) == "Well."
    first, *later = [request.body for request in server.requests]
    assert first["response_format"]["json_schema"]["schema"] == {"type": "object"}
    for body in later:
        expected = {name: value for name, value in first.items() if name != parameter}
        assert body == (expected | {instead: 100} if instead else expected)
    assert waits.seconds == []


def test_several_parameters_are_left_out_one_by_one(server: LLMServer, open_model: Open) -> None:
    known = {"model", "messages", "stream", "max_completion_tokens"}

    def strict(body: dict[str, Any]) -> Script:
        unknown = sorted(body.keys() - known)
        return Status(400, f"Unknown parameter: {unknown[0]}") if unknown else Say("Well.")

    with LLMServer(strict) as strict_server:
        model = open_model(base_url=strict_server.base_url)
        assert read(model) == "Well."
        assert read(model) == "Well."
        model.close()
        assert len(strict_server.requests) == 5


def test_a_refusal_that_stays_is_told_and_nothing_is_remembered(server: LLMServer, open_model: Open) -> None:
    refusal = Status(400, "No images here")
    server.enqueue(refusal, refusal, Say("Well."))
    model = open_model()
    error = fail(model, schema={})
    assert (error.failure, error.retryable) == ("bad_request", False)
    assert "refused the request (HTTP 400: No images here)" in str(error)
    assert read(model, schema={}) == "Well."
    assert ["response_format" in request.body for request in server.requests] == [True, False, True]


@pytest.mark.parametrize(
    "failure",
    [Status(408), Status(409), Status(429), Status(500, b"<html>"), Status(503), CloseConnection(),
     CloseConnection(""), StreamError(), StreamError({"message": "busy", "code": 503}), BadSSE(b"")],
    ids=repr,
)  # fmt: skip
def test_what_may_pass_is_tried_again_after_a_pause(
    failure: Script, server: LLMServer, open_model: Open, waits: Waits
) -> None:
    server.enqueue(failure, failure, Say("Well."))
    with open_model(Settings(model_retries=2)).stream(MESSAGES, max_tokens=100) as reply:
        assert "".join(reply) == "Well."
        assert reply.usage == Usage(7, 1, requests=3)
    assert waits.seconds == [0.5, 1.0]


def test_tries_are_counted_and_pauses_bounded(server: LLMServer, open_model: Open, waits: Waits) -> None:
    server.enqueue(*[Status(500)] * 8)
    error = fail(open_model(Settings(model_retries=7), jitter=lambda: 1.0))
    assert (error.failure, error.retryable) == ("server", True)
    assert waits.seconds == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert len(server.requests) == 8


def test_the_pause_that_a_server_asks_for_is_kept(server: LLMServer, open_model: Open, waits: Waits) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=15), usegmt=True)
    for header in (
        {"Retry-After": "3"},
        {"retry-after-ms": "1500"},
        {"Retry-After": date},
        {"Retry-After": "0"},
    ):
        server.enqueue(Status(429, headers=header), Say("Well."))
        assert read(model := open_model()) == "Well."
        model.close()
    assert waits.seconds[:2] == [3.0, 1.5] and waits.seconds[3] == 0.5
    assert 0 < waits.seconds[2] <= 15


def test_a_pause_beyond_the_limit_fails_at_once(server: LLMServer, open_model: Open, waits: Waits) -> None:
    server.enqueue(Status(429, headers={"Retry-After": "61"}))
    error = fail(open_model(Settings(retry_after_limit=20)))
    assert (error.failure, error.retryable) == ("rate_limited", True)
    assert "asks to wait 61 s, longer than CITEWELL_RETRY_AFTER_LIMIT (20 s) allows" in str(error)
    assert waits.seconds == []


def test_no_pause_goes_past_the_deadline(server: LLMServer, open_model: Open, waits: Waits) -> None:
    server.enqueue(Status(429, "slow down", headers={"Retry-After": "15"}))
    error = fail(open_model(), deadline=time.monotonic() + 14)
    assert error.failure == "rate_limited" and "slow down" in str(error)
    assert waits.seconds == []


def test_nothing_is_asked_again_once_text_has_come(server: LLMServer, open_model: Open) -> None:
    server.enqueue(StreamError({"message": "out of memory", "code": 500}, text="All is"))
    model = open_model()
    with model.stream(MESSAGES, max_tokens=100) as reply:
        pieces = iter(reply)
        assert [next(pieces), next(pieces)] == ["All", " is"]
        with pytest.raises(GenerationError, match="out of memory") as raised:
            next(pieces)
        assert reply.usage.completion_tokens == 2 and reply.finish_reason is None
        with pytest.raises(GenerationError, match="out of memory"):
            next(iter(reply))
    assert raised.value.failure == "server"
    assert len(server.requests) == 1


def test_a_pause_between_tries_can_be_cancelled(server: LLMServer, open_model: Open) -> None:
    server.enqueue(Status(429, headers={"Retry-After": "19"}))
    pausing = threading.Event()

    async def pause(seconds: float) -> None:
        pausing.set()
        await asyncio.sleep(seconds)

    with open_model(sleep=pause).stream(MESSAGES, max_tokens=100) as reply:
        assert pausing.wait(10)
        threading.Thread(target=reply.close).start()
        with pytest.raises(GenerationError, match="was cancelled"):
            next(iter(reply))


def test_a_server_that_keeps_failing_is_left_alone_and_tried_again(
    server: LLMServer, open_model: Open
) -> None:
    now = [0.0]
    model = open_model(Settings(model_retries=0), breaker=CircuitBreaker(limit=2, clock=lambda: now[0]))
    server.enqueue(Status(500), Status(503, "still starting"), Say("Well."))
    fail(model)
    fail(model)
    error = fail(model)
    assert (error.failure, error.retryable) == ("suspended", True)
    assert "left alone for another 30 s" in str(error) and "still starting" in str(error)
    assert len(server.requests) == 2
    now[0] = 30.0
    assert read(model) == "Well."


@pytest.mark.parametrize(
    "script", [Status(401), Status(400), BadSSE(b"data: 1\n\n"), Stall("All"), Say("Well.")]
)
def test_a_server_that_answers_or_a_reply_that_is_closed_counts_as_no_failure(
    script: Script, server: LLMServer, open_model: Open
) -> None:
    model = open_model(Settings(model_retries=0), breaker=CircuitBreaker(limit=1))
    server.enqueue(script, Say("Well."))
    with model.stream(MESSAGES, max_tokens=100) as reply:
        try:
            next(iter(reply))
        except GenerationError:
            pass
    assert read(model) == "Well."
