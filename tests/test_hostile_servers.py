"""Servers that misbehave while a model answers: what was verified stays, nothing hangs, the next question works."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from time import monotonic

import pytest
from citewell.assistant import Assistant
from citewell.author import Stop
from citewell.llm.breaker import CircuitBreaker
from citewell.llm.openai import OpenAIModel
from citewell.settings import Settings
from citewell.types import Done, Failed, Retrieved, SentenceReady, SentenceRejected
from lies import good, prompt_numbers
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
)
from made_up_papers import FACTS, Fact
from scripted_model import Bench, open_bench, saying, verified

SLOWEST = 2.0  # seconds for an answer, of which a silent server gets at most 0.5
SLACK = 1.5  # what else may take time; beyond it something hangs
FIRST = "first"  # stands for a true sentence that arrives before the trouble

TROUBLE: dict[str, Script] = {
    "401": Status(401), "403": Status(403), "404": Status(404, "no such model"), "400": Status(400),
    "429, soon": Status(429, headers={"Retry-After": "0.01"}),
    "429, later": Status(429, headers={"Retry-After": "9999"}),
    "500": Status(500, "<img src=x> https://evil.example \u202e\u001b[31m"),
    "503": Status(503, b"\xff\xfe not JSON"), "no JSON": BadSSE(b"data: {not json\n\n"),
    "no UTF-8": BadSSE(b"data: \xff\xfe\n\n"),
    "JSON of another kind": BadSSE(b'data: [1, "choices"]\n\ndata: {"choices": 7}\n\n'),
    "nested too deep": BadSSE(b"data: " + b"[" * 100_000 + b"\n\n"), "nothing": BadSSE(b""),
    "no reply": Say("", finish=None), "no reply, finished": Say(""), "not SSE": NotSSE(),
    "HTML": NotSSE("<html>", "text/html"), "truncated at once": Truncate(), "truncated": Truncate(FIRST),
    "truncated in a sentence": Truncate(FIRST + '{"sentence": "Zyx'), "reset at once": CloseConnection(),
    "reset": CloseConnection(FIRST), "silent at once": Stall(None), "silent": Stall(FIRST),
    "silent but alive": Stall(FIRST, comments=True), "silent before the text": Stall(""),
    "error in the stream": StreamError(text=FIRST), "2 MB line": HugeLine(),
    "2 MB comment": HugeLine(where="comment"), "2 MB of another field": HugeLine(where="refusal"),
    "2 MB line without end": HugeLine(closed=False), "too long": Say(FIRST, finish="length"),
    "filtered": Say(FIRST, finish="content_filter"), "dribble": Say([FIRST, *"x" * 99], delay=0.2),
    "no finish reason": Say(FIRST, finish=None),
}  # fmt: skip


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


@pytest.fixture(scope="module")
def hasty(bench: Bench) -> Iterator[Bench]:
    settings = Settings(
        connect_timeout=1, first_token_timeout=0.5, token_timeout=0.5, answer_timeout=SLOWEST, model_retries=1,
        retry_after_limit=1, answer_cache=0,
    )  # fmt: skip

    async def at_once(seconds: float) -> None:
        """Waits no longer between tries than one round of the loop."""
        await asyncio.sleep(0)

    breaker = CircuitBreaker(10**6)
    model = OpenAIModel("hasty", settings, {}, base_url=bench.server.base_url, breaker=breaker, sleep=at_once)
    yield replace(bench, assistant=Assistant(bench.assistant.collection, settings, model))
    model.close()


def filled(script: Script, line: str) -> Script:
    """Returns the script with a true sentence where it stands for one."""
    text = getattr(script, "text", None)
    if isinstance(text, str) and FIRST in text:
        return replace(script, text=text.replace(FIRST, line))  # type: ignore[type-var]
    if isinstance(text, list):
        return replace(script, text=[line, *text[1:]])  # type: ignore[type-var]
    return script


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_failing_server_leaves_what_was_verified_or_quotes_and_nothing_hangs(
    hasty: Bench, trouble: str
) -> None:
    fact = FACTS[0]
    numbers = read_numbers(hasty, fact)
    script = filled(TROUBLE[trouble], good(fact).reply(numbers))
    begun = monotonic()
    answer = hasty.ask(fact, script)
    assert monotonic() - begun < SLOWEST + SLACK
    if script == TROUBLE[trouble]:
        assert not verified(answer) and answer.sentences
        assert "verbatim quotes instead" in (answer.notice or "")
    elif verified(answer) or trouble != "reset":  # a reset may overtake what was sent before it
        assert verified(answer) == [fact.sentence]
        assert (answer.notice or "").startswith("The answer is incomplete.")
    assert answer.incomplete is (trouble != "no reply, finished")
    assert text_is_visible(answer.error or "") and text_is_visible(answer.notice or "")
    assert len(hasty.model.asked) <= 2
    assert verified(hasty.ask(fact, saying(good(fact)))) == [fact.sentence]


def read_numbers(bench: Bench, fact: Fact) -> Mapping[str, int]:
    """Returns the numbers that papers have in the prompt for a question."""
    bench.ask(fact, saying(good(fact)))
    return prompt_numbers(bench.model.prompts[0])


def text_is_visible(text: str) -> bool:
    return text.isprintable() and "\u202e" not in text


def test_a_server_that_is_gone_is_told_and_quotes_answer(bench: Bench) -> None:
    with LLMServer() as server:
        url = server.base_url
    model = OpenAIModel("gone", Settings(model_retries=0), {}, base_url=url)
    answer = Assistant(bench.assistant.collection, Settings(answer_cache=0), model).ask(FACTS[0].question)
    model.close()
    assert answer.incomplete and answer.sentences and "verbatim quotes instead" in (answer.notice or "")


# --- events, and ending an answer ------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [None, "truncated", "401"])
def test_events_tell_what_the_answer_holds(hasty: Bench, trouble: str | None) -> None:
    fact = FACTS[0]
    first = good(fact).reply(read_numbers(hasty, fact))
    lie = replace(good(fact), text=fact.sentence.replace("41", "47"))
    hasty.model.says(filled(TROUBLE[trouble], first) if trouble else saying(lie, good(fact)), saying(lie))
    events = list(hasty.assistant.stream(fact.question))
    assert isinstance(events[0], Retrieved) and isinstance(events[-1], Done)
    answer = events[-1].answer
    assert [e.sentence for e in events if isinstance(e, SentenceReady)] == list(answer.sentences)
    assert [c for e in events if isinstance(e, SentenceReady) for c in e.citations] == list(answer.citations)
    assert [e.rejected for e in events if isinstance(e, SentenceRejected)] == list(answer.rejected)
    assert [e.message for e in events if isinstance(e, Failed)] == ([answer.error] if answer.error else [])
    assert bool(answer.error) is bool(trouble)


def stalled(bench: Bench, fact: Fact) -> int:
    """Makes the model say one true sentence and then nothing more; returns how often it was left so far."""
    line = good(fact).reply(read_numbers(bench, fact))
    bench.model.says(Stall(line))
    return bench.server.disconnects


def test_an_answer_is_ended_from_another_thread(bench: Bench) -> None:
    before, stop, begun = stalled(bench, FACTS[0]), Stop(), monotonic()
    events = []
    for event in bench.assistant.stream(FACTS[0].question, stop=stop):
        events.append(event)
        if isinstance(event, SentenceReady):
            threading.Thread(target=stop.set).start()
    assert monotonic() - begun < SLACK
    assert isinstance(events[-1], Done) and verified(events[-1].answer) == [FACTS[0].sentence]
    assert events[-1].answer.incomplete
    assert bench.server.wait_for(lambda server: server.disconnects > before)


def test_leaving_a_stream_closes_the_connection(bench: Bench) -> None:
    before = stalled(bench, FACTS[0])

    async def leave() -> None:
        async with aclosing(bench.assistant.astream(FACTS[0].question)) as events:
            async for event in events:
                if isinstance(event, SentenceReady):
                    return

    asyncio.run(asyncio.wait_for(leave(), SLACK))
    assert bench.server.wait_for(lambda server: server.disconnects > before)


def test_cancelling_a_question_closes_the_connection(bench: Bench) -> None:
    before, asked = stalled(bench, FACTS[0]), len(bench.server.requests)

    async def cancel() -> None:
        task = asyncio.create_task(bench.assistant.aask(FACTS[0].question))
        await asyncio.to_thread(bench.server.wait_for, lambda server: len(server.requests) > asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(cancel(), SLACK))
    assert bench.server.wait_for(lambda server: server.disconnects > before)
