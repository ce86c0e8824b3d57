"""The chat server's request ids, and who may read its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from citewell import Assistant, Paper
from citewell.observing import setup
from citewell_ui.host import Engine, Host
from citewell_ui.observed import is_scrape_from_here, show_metrics, with_request_id
from citewell_ui.security import Access, Guard
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PAPERS = [Paper("Bees", "Bees visit lavender twice as often as thyme.", "bees")]
PASSWORD = "correct horse battery"
LOCAL = "http://127.0.0.1:7860"


async def seen(request: Request) -> Response:
    return JSONResponse({"id": request.headers["x-request-id"]})


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    assistant = Assistant.open(tmp_path_factory.mktemp("data"), metrics=True)
    assistant.add(PAPERS)
    assert assistant.ask("Which plant do bees visit most?").sentences
    opened = Host(lambda: assistant, tmp_path_factory.mktemp("home"), (Engine("quotes", "Quotes"),))
    assert opened.assistant is assistant
    yield opened
    opened.close()
    setup.metrics.cache_clear()


def client(
    host: Host | None, access: Access, base: str = LOCAL, address: str = "127.0.0.1"
) -> httpx.AsyncClient:
    routes = [Route("/config", seen)]
    if host is not None:
        routes.append(Route("/metrics", lambda request: show_metrics(host, request)))
    guard = Guard(Starlette(routes=routes), access, Path("/tmp/kept"))
    return httpx.AsyncClient(transport=httpx.ASGITransport(guard, client=(address, 1)), base_url=base)


@pytest.mark.parametrize(
    "given, kept",
    [("from-a-proxy-1", True), ("a b", False), ("x" * 200, False), ("", False), (None, False)],
)
async def test_the_id_of_a_proxy_is_kept_and_else_one_is_made(given: str | None, kept: bool) -> None:
    headers = {} if given is None else {"x-request-id": given}
    async with client(None, Access()) as browser:
        reply = await browser.get("/config", headers=headers)
        refused = await browser.get("/nothing", headers=headers)
    own = reply.headers["x-request-id"]
    assert reply.json() == {"id": own} and (own == given) is kept
    assert refused.status_code == 404 and refused.headers["x-request-id"]


async def test_metrics_are_those_of_the_collection(host: Host) -> None:
    async with client(host, Access()) as scraper:
        reply = await scraper.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(reply.text)}
    assert reply.headers["content-type"].startswith("text/plain; version=")
    assert families["citewell_papers"].samples[0].value == 1
    assert families["citewell_questions"].samples[0].labels == {"outcome": "answered"}


@pytest.mark.parametrize(
    "address, base, headers, status",
    [
        ("127.0.0.1", LOCAL, {}, 200),
        ("::1", "http://[::1]:7860", {}, 200),
        ("127.0.0.1", LOCAL, {"x-forwarded-for": "9.9.9.9"}, 401),
        ("127.0.0.1", LOCAL, {"forwarded": "for=9.9.9.9"}, 401),
        ("127.0.0.1", LOCAL, {"x-real-ip": "9.9.9.9"}, 401),
        ("127.0.0.1", "http://papers.example", {}, 401),
        ("192.168.0.7", LOCAL, {}, 401),
        ("192.168.0.7", LOCAL, {"authorization": f"Bearer {PASSWORD}"}, 200),
    ],
)
async def test_metrics_are_for_this_machine_and_for_who_has_the_password(
    host: Host, address: str, base: str, headers: dict[str, str], status: int
) -> None:
    access = Access(frozenset({"127.0.0.1", "::1", "papers.example"}), password=PASSWORD)
    async with client(host, access, base, address) as scraper:
        assert (await scraper.get("/metrics", headers=headers)).status_code == status
        assert (await scraper.get("/config")).status_code == 401  # only the metrics are open


async def test_metrics_that_nobody_asked_for_are_not_there(tmp_path: Path) -> None:
    off = Host(lambda: Assistant.open(tmp_path / "data"), tmp_path, (Engine("quotes", "Quotes"),))
    assert off.assistant is not None
    async with client(off, Access()) as scraper:
        reply = await scraper.get("/metrics")
    off.close()
    assert (reply.status_code, reply.text) == (404, "There are no metrics: set CITEWELL_METRICS=1.\n")


def test_a_scope_without_a_client_is_not_of_this_machine() -> None:
    scope = {"path": "/metrics", "headers": [(b"host", b"127.0.0.1")], "client": None}
    assert not is_scrape_from_here(scope)
    changed, request_id = with_request_id(
        {**scope, "headers": [(b"x-request-id", b"r1"), (b"x-request-id", b"r2")]}
    )
    assert (changed["headers"], request_id) == ([(b"x-request-id", b"r1")], "r1")
