"""What programs may call, over real HTTP and the Model Context Protocol."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import httpx
import pytest
from citewell import Assistant, Listing, Paper
from citewell.author import Stop
from citewell.types import Event, Failed, Rejected, SentenceRejected
from citewell_ui import server
from citewell_ui.api import _Service, add_api, event_document
from citewell_ui.host import Engine, Host
from citewell_ui.limits import Limiter
from citewell_ui.security import Access
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

PLANTS = ("thyme", "clover", "heather", "willow", "borage", "sage", "mint", "lilac", "poppy", "aster")
PAPERS = [
    Paper(
        f"Bees on {plant}",
        f"Forty hives were watched near {plant}. On {plant} each bee stayed for {number + 3} minutes.",
        plant,
        (Listing("spring" if number % 2 else "autumn", "Sep 4"),),
    )
    for number, plant in enumerate(PLANTS)
]
ASKED = "How many minutes did each bee stay on thyme?"


class Service(NamedTuple):
    url: str
    host: Host


class Running:
    """A server of some Blocks in a thread."""

    def __init__(self, host: Host, folder: Path, access: Access, questions: int = 10_000) -> None:
        with gr.Blocks(title="Citewell", analytics_enabled=False) as blocks:
            typed, shown = gr.Textbox(), gr.Textbox()
            typed.submit(lambda text: f"private {text}", typed, shown, api_visibility="private")
            add_api(host, Limiter(questions))
        self._listening = server._listening("127.0.0.1", 0)
        self._socket = self._listening.__enter__()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        up = threading.Event()
        self._server = server._Server(server.application(host, blocks, access, folder), up.set)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        assert up.wait(30)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._listening.__exit__(None, None, None)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    opened = Host(
        lambda: Assistant.from_papers(PAPERS),
        tmp_path_factory.mktemp("home"),
        (Engine("quotes", "Quotes"),),
        local=False,
    )
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {**server.GRADIO, "GRADIO_TEMP_DIR": str(made)}.items():
            patched.setenv(name, value)
        yield made


@pytest.fixture(scope="module")
def url(host: Host, folder: Path) -> Iterator[str]:
    async def make() -> Running:  # outside of a loop Gradio makes two that it never closes
        return Running(host, folder, Access())

    running = asyncio.run(make())
    yield running.url
    running.close()


async def call(client: httpx.AsyncClient, name: str, **arguments: object) -> list[tuple[str, Any]]:
    """Calls a function and returns what it sends: the event's name and its data."""
    posted = await client.post(f"/gradio_api/call/v2/{name}", json=arguments)
    assert posted.status_code == 200, posted.text
    events: list[tuple[str, Any]] = []
    async with client.stream("GET", f"/gradio_api/call/v2/{name}/{posted.json()['event_id']}") as answer:
        async for line in answer.aiter_lines():
            key, _, value = line.partition(": ")
            if key == "event":
                events.append((value, None))
            elif key == "data":
                events[-1] = (events[-1][0], json.loads(value))
    return [event for event in events if event[0] != "heartbeat"]


async def result(client: httpx.AsyncClient, name: str, **arguments: object) -> Any:
    (event, data) = (await call(client, name, **arguments))[-1]
    assert event == "complete", data
    return data[0]


async def error(client: httpx.AsyncClient, name: str, **arguments: object) -> str:
    (event, data) = (await call(client, name, **arguments))[-1]
    assert event == "error"
    return str(data["error"])


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=30) as opened:
        yield opened


# --- HTTP ------------------------------------------------------------------------------------------------


async def test_an_answer_is_the_document_of_the_command_line(client: httpx.AsyncClient, host: Host) -> None:
    answer = await result(client, "ask", question=ASKED)
    expected = host.assistant.ask(ASKED).to_dict()
    assert {**answer, "timings": {}, "usage": {}} == {
        **json.loads(json.dumps(expected)),
        "timings": {},
        "usage": {},
    }
    quote = answer["citations"][0]
    assert quote["paper_id"] == "thyme" and "3 minutes" in quote["quote"]
    assert PAPERS[0].abstract[quote["start"] : quote["end"]] == quote["quote"]


async def test_sentences_stream_and_the_last_event_is_the_answer(client: httpx.AsyncClient) -> None:
    events = await call(client, "ask_stream", question=ASKED)
    documents = [data[0] for _, data in events]
    kinds = [document["event"] for document in documents]
    assert kinds[0] == "retrieved" and "sentence" in kinds and kinds[-1] == "done"
    assert events[-1][0] == "complete"
    told = [document["sentence"] for document in documents if document["event"] == "sentence"]
    assert told == documents[-1]["answer"]["sentences"]


def test_what_is_withheld_and_what_fails_has_a_document_too() -> None:
    rejected = SentenceRejected(Rejected("t", "r", "quote"))
    assert event_document(rejected) == {
        "event": "withheld",
        "rejected": {"text": "t", "reason": "r", "check": "quote"},
    }
    assert event_document(Failed("m")) == {"event": "failed", "error": "m"}


async def test_an_abstention_is_an_answer(client: httpx.AsyncClient) -> None:
    answer = await result(client, "ask", question="Who won the chess tournament of Zürich?")
    assert answer["abstained"] and answer["abstention"]["nearest"]


async def test_filters_and_sources_restrict_what_is_read(client: httpx.AsyncClient) -> None:
    answer = await result(client, "ask", question=ASKED, listing="spring", sources=2)
    assert answer["coverage"]["read"] <= 2
    assert all(PLANTS.index(cited["paper_id"]) % 2 for cited in answer["citations"])


async def test_search_and_show(client: httpx.AsyncClient, host: Host) -> None:
    found = await result(client, "search", query="heather", k=3)
    assert found == {
        "query": "heather",
        "results": [r.to_dict() for r in host.assistant.search("heather", 3)],
    }
    assert (await result(client, "show", paper_id="heather"))["abstract"] == PAPERS[2].abstract


@pytest.mark.parametrize(
    "name, arguments, told",
    [
        ("ask", {"question": "x" * 4_001}, "4,001 characters, the limit is 4,000"),
        ("ask", {"question": "  "}, "empty"),
        ("ask", {"question": 5}, "question = '5': give text"),
        ("ask", {"question": None}, "question = 'None': give text"),
        ("ask", {"question": {"path": 1}}, "give text"),
        ("ask", {"question": ASKED, "llm": "gpt-9"}, "llm = 'gpt-9': give one of quotes"),
        ("ask", {"question": ASKED, "sources": 21}, "sources = '21': give a whole number from 1 to 20"),
        ("ask", {"question": ASKED, "sources": True}, "sources = 'True'"),
        ("ask", {"question": ASKED, "years": "soon"}, "Cannot read the years 'soon'"),
        ("ask", {"question": ASKED, "since": "soon"}, "soon"),
        ("ask", {"question": ASKED, "category": ["cs"]}, "category"),
        ("ask_stream", {"question": ""}, "empty"),
        ("search", {"query": "bees", "k": 0}, "k = '0': give a whole number from 1 to 100"),
        ("search", {"query": "bees", "k": 2.5}, "k = '2.5'"),
        ("search", {"query": []}, "query = '[]': give text"),
        ("show", {"paper_id": "<script>"}, "No paper '<script>'"),
        ("show", {"paper_id": ["thyme"]}, "paper_id"),
    ],
)
async def test_a_mistake_is_told_in_one_line(
    client: httpx.AsyncClient, name: str, arguments: dict[str, object], told: str
) -> None:
    message = await error(client, name, **arguments)
    assert told in message and "\n" not in message
    assert (await result(client, "show", paper_id="mint"))["paper_id"] == "mint"


@pytest.mark.parametrize("arguments", [{}, {"question": ASKED, "password": "x"}, [ASKED]])
async def test_missing_and_unknown_arguments_are_refused(
    client: httpx.AsyncClient, arguments: object
) -> None:
    answer = await client.post("/gradio_api/call/v2/ask", json=arguments)
    assert answer.status_code in (400, 422) and "Traceback" not in answer.text


async def test_what_breaks_inside_is_told_by_an_id(
    client: httpx.AsyncClient,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("/home/ann/secret")

    with monkeypatch.context() as patched:
        patched.setattr(host.engine("quotes"), "stream", fail)
        message = await error(client, "ask", question=ASKED)
    assert "ann" not in message and "error " in message and "/home/ann/secret" in caplog.text
    assert (await result(client, "ask", question=ASKED))["citations"]


async def test_only_the_public_functions_are_described(client: httpx.AsyncClient) -> None:
    for query in ("", "?all_endpoints=true"):
        described = (await client.get(f"/gradio_api/info{query}")).json()
        assert set(described["named_endpoints"]) == {"/ask", "/ask_stream", "/search", "/show"}
        assert described["unnamed_endpoints"] == {}


async def test_twenty_sessions_each_get_their_own_answer(url: str) -> None:
    async def ask(number: int) -> tuple[int, Any]:
        async with httpx.AsyncClient(base_url=url, timeout=60) as session:
            await session.get("/")
            plant = PLANTS[number % len(PLANTS)]
            name = "ask" if number % 3 else "ask_stream"
            answer = await result(session, name, question=f"How many minutes did each bee stay on {plant}?")
            return number, answer.get("answer", answer)

    for number, answer in await asyncio.gather(*(ask(number) for number in range(20))):
        plant = PLANTS[number % len(PLANTS)]
        assert plant in answer["question"]
        assert answer["citations"][0]["paper_id"] == plant


async def test_leaving_a_stream_stops_the_answer_while_the_model_is_silent(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, stopped = threading.Event(), threading.Event()

    def silent(question: str, filters: object, stop: Stop) -> Iterator[Event]:
        asked.set()
        while not stop.is_set:
            stopped.wait(0.01)
        stopped.set()
        yield Failed("stopped")

    monkeypatch.setattr(host.engine("quotes"), "stream", silent)
    service = _Service(host, Limiter(10))
    asking = asyncio.create_task(service.ask(ASKED))
    await asyncio.to_thread(asked.wait, 10)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await asyncio.to_thread(stopped.wait, 10)


async def test_questions_are_limited_for_each_session(host: Host, folder: Path) -> None:
    running = Running(host, folder, Access(), questions=2)
    try:
        async with (
            httpx.AsyncClient(base_url=running.url, timeout=30) as mine,
            httpx.AsyncClient(base_url=running.url, timeout=30) as yours,
        ):
            for client in (mine, yours):
                await client.get("/")
                assert (await result(client, "search", query="mint"))["results"]
                assert (await result(client, "ask", question=ASKED))["citations"]
                assert "Too many questions: ask again in " in await error(client, "ask", question=ASKED)
    finally:
        running.close()


# --- MCP -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def mcp_session(url: str, client: httpx.AsyncClient | None = None) -> AsyncIterator[ClientSession]:
    async with (
        streamable_http_client(f"{url}/gradio_api/mcp/", http_client=client) as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        yield session


async def test_three_tools_are_described(url: str) -> None:
    async with mcp_session(url) as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    assert set(tools) == {"ask", "search", "show"}
    assert "verbatim quotes" in (tools["ask"].description or "")
    schema = tools["ask"].inputSchema
    assert schema["required"] == ["question"] and "request" not in schema["properties"]
    assert all(field["description"] for field in schema["properties"].values())


async def test_the_tools_return_json(url: str, host: Host) -> None:
    async with mcp_session(url) as session:
        asked = await session.call_tool("ask", {"question": ASKED})
        found = await session.call_tool("search", {"query": "heather", "k": 1})
        shown = await session.call_tool("show", {"paper_id": "heather"})
    answer, search, paper = (json.loads(reply.content[0].text) for reply in (asked, found, shown))  # type: ignore[union-attr]
    assert answer["sentences"] == host.assistant.ask(ASKED).to_dict()["sentences"]
    assert search["results"][0]["paper_id"] == paper["paper_id"] == "heather"


@pytest.mark.parametrize(
    "tool, arguments, told",
    [
        ("ask", {}, "required"),
        ("ask", {"question": 5}, "string"),
        ("ask", {"question": "x" * 4_001}, "4,001 characters"),
        ("show", {"paper_id": "nope"}, "No paper"),
        ("ask_stream", {"question": ASKED}, "Unknown tool"),
        ("private", {"text": "x"}, "Unknown tool"),
    ],
)
async def test_a_tool_tells_of_a_mistake(
    url: str, tool: str, arguments: dict[str, object], told: str
) -> None:
    async with mcp_session(url) as session:
        reply = await session.call_tool(tool, arguments)
    assert reply.isError and told in str(reply.content[0])


# --- a server that others reach --------------------------------------------------------------------------


async def test_with_a_password_the_api_and_the_tools_need_it(host: Host, folder: Path) -> None:
    running = Running(host, folder, Access(password="correct horse battery"))
    bearer = {"authorization": "Bearer correct horse battery"}
    try:
        async with httpx.AsyncClient(base_url=running.url, timeout=30) as stranger:
            for path in ("/", "/config", "/gradio_api/info", "/gradio_api/mcp/"):
                assert (await stranger.get(path)).status_code == 401
            posted = await stranger.post("/gradio_api/call/v2/ask", json={"question": ASKED})
            assert posted.status_code == 401
        async with httpx.AsyncClient(base_url=running.url, timeout=30, headers=bearer) as client:
            assert (await result(client, "ask", question=ASKED))["citations"]
        async with (
            httpx.AsyncClient(headers=bearer, timeout=30) as client,
            mcp_session(running.url, client) as session,
        ):
            assert not (await session.call_tool("show", {"paper_id": "mint"})).isError
    finally:
        running.close()
