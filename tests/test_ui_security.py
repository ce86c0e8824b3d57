"""The layer in front of Gradio: who is answered, what leaves, what belongs to whom."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from citewell.errors import CollectionError, UsageError
from citewell_ui.limits import MAX_BODY_BYTES, PASSWORDS_A_MINUTE, Limiter, of_caller
from citewell_ui.security import OWNER_COOKIE, Access, Guard, caller_of, explain, owner_of
from citewell_ui.sessions import Sessions
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

FOLDER = Path("/tmp/kept")
DIGEST = "ab" * 32
MINE = f"{FOLDER}/{DIGEST}/notes.txt"
PAGE = """<html><head><meta property="og:image" content="https://outside.example/a.png" />
<meta name="twitter:creator" content="@x" /><link rel="manifest" href="/manifest.json" />
<script>let a = 1</script></head><body></body></html>"""
LOCAL = "http://127.0.0.1:7860"
PASSWORD = "correct horse battery"


async def page(request: Request) -> Response:
    return HTMLResponse(PAGE)


async def echo(request: Request) -> Response:
    body = await request.body()
    return JSONResponse({"length": len(body), "headers": dict(request.headers), "path": request.url.path})


async def events(request: Request) -> Response:
    async def stream() -> AsyncIterator[str]:
        yield f'data: {{"path": "{MINE}"}}\n\n'

    return StreamingResponse(stream(), media_type="text/event-stream")


async def kept(request: Request) -> Response:
    return PlainTextResponse("kept")


async def broken(request: Request) -> Response:
    raise RuntimeError("inside")


ROUTES = [
    Route("/", page),
    Route("/healthz", kept),
    Route("/config", echo),
    Route("/gradio_api/queue/join", echo, methods=["POST"]),
    Route("/gradio_api/upload", echo, methods=["POST"]),
    Route("/gradio_api/cancel", broken, methods=["POST"]),
    Route("/gradio_api/queue/data", events),
    Route("/gradio_api/file={path:path}", kept),
    Route("/gradio_api/heartbeat/{session}", kept),
    Route("/assets/x.js", kept),
    Route("/monitoring", kept),
]


def client(access: Access | None = None, base: str = LOCAL, **headers: str) -> httpx.AsyncClient:
    guard = Guard(Starlette(routes=ROUTES), access or Access(), FOLDER)
    return httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url=base, headers=headers)


async def opened(guard: Guard) -> httpx.AsyncClient:
    """A browser that has opened the page, and so has its cookie."""
    browser = httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url=LOCAL)
    await browser.get("/")
    return browser


# --- hosts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "access, host, answered",
    [
        (Access(), "127.0.0.1:7860", True),
        (Access(), "localhost", True),
        (Access(), "LOCALHOST:1", True),
        (Access(), "[::1]:7860", True),
        (Access(), "evil.example", False),
        (Access(), "127.0.0.1.evil.example", False),
        (Access(), "localhost.evil.example:7860", False),
        (Access(), "192.168.0.7:7860", False),
        (Access(), "", False),
        (Access(), "[::1", False),
        (Access(addresses=True), "192.168.0.7:7860", True),
        (Access(addresses=True), "evil.example", False),
        (Access(frozenset({"papers.example"})), "papers.example:443", True),
    ],
)
def test_only_its_own_names_are_answered(access: Access, host: str, answered: bool) -> None:
    assert access.answers(host) is answered


async def test_a_name_bent_to_this_address_reads_nothing() -> None:
    async with client(base="http://evil.example:7860") as evil:
        answer = await evil.get("/config")
    assert answer.status_code == 421 and "headers" not in answer.json()


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 200),
        ({"origin": LOCAL}, 200),
        ({"origin": "http://localhost:7860"}, 403),
        ({"origin": "http://127.0.0.1:8888"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 403),
    ],
)
async def test_other_pages_cannot_post(headers: dict[str, str], status: int) -> None:
    async with client(**headers) as sender:
        assert (await sender.post("/gradio_api/queue/join", json={})).status_code == status


async def test_other_pages_cannot_read() -> None:
    async with client(origin="http://127.0.0.1:8888") as reader:
        answer = await reader.get("/config")
    assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/monitoring",
        "/gradio_api/run/ask",
        "/gradio_api/call/ask",
        "/gradio_api/call/v2/on_click",
        "/gradio_api/proxy=https://outside.example",
        "/gradio_api/dev/reload",
        "/gradio_api/token",
        "/gradio_api/mcp/sse",
        "/docs",
        "/gradio_api/queue/join/../../../monitoring",
    ],
)
async def test_what_the_page_does_not_need_is_not_there(path: str) -> None:
    async with client() as reader:
        assert (await reader.get(path)).status_code == 404


async def test_forwarding_headers_are_not_believed() -> None:
    sent = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example", "x-gradio-server": "y"}
    async with client(**sent) as sender:
        seen = (await sender.get("/config")).json()["headers"]
    assert "evil.example" not in str(seen) and "x-gradio-server" not in seen


# --- the page --------------------------------------------------------------------------------------------


async def test_the_page_names_no_other_host_and_only_its_own_scripts_run() -> None:
    async with client() as browser:
        first, second = await browser.get("/"), await browser.get("/")
    assert "outside.example" not in first.text and "manifest" not in first.text
    policy = first.headers["content-security-policy"]
    (nonce,) = re.findall(r"'nonce-([\w-]+)'", policy)
    assert f'<script nonce="{nonce}">let a = 1</script>' in first.text
    assert nonce not in second.text
    assert "'unsafe-inline'" not in re.search(r"script-src[^;]*", policy)[0]  # type: ignore[index]
    assert "http" not in policy and "frame-ancestors 'none'" in policy
    assert int(first.headers["content-length"]) == len(first.content)


async def test_every_answer_carries_the_headers() -> None:
    async with client() as browser:
        answers = [await browser.get(path) for path in ("/", "/config", "/nothing", "/assets/x.js")]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert [answer.headers["cache-control"].split(",")[0] for answer in answers] == ["no-store"] * 3 + [
        "public"
    ]


async def test_the_owner_is_a_strict_random_cookie_that_is_given_once() -> None:
    async with client() as browser:
        given = (await browser.get("/")).headers["set-cookie"]
        assert re.fullmatch(
            OWNER_COOKIE + r"=[\w-]{43}; Path=/; Max-Age=\d+; HttpOnly; SameSite=Strict", given
        )
        assert "set-cookie" not in (await browser.get("/")).headers
        assert "set-cookie" not in (await browser.get("/config")).headers
    async with client() as other:
        assert (await other.get("/")).headers["set-cookie"] != given


async def test_a_link_from_elsewhere_does_not_replace_the_cookie() -> None:
    async with client(**{"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}) as browser:
        answer = await browser.get("/")
        assert "set-cookie" not in answer.headers and 'content="0;url=/?opened"' in answer.text
        link = await browser.get('/?c=7"><script>')
        assert 'content="0;url=/?opened&amp;c=7%22' in link.text and "<script>" not in link.text
        assert "set-cookie" in (await browser.get("/?opened&c=7")).headers


def asked(cookie: str = "", session: str = "s1") -> SimpleNamespace:
    return SimpleNamespace(
        headers=Headers({"cookie": cookie}), session_hash=session, client=SimpleNamespace(host="10.0.0.9")
    )


def test_the_owner_is_told_by_the_cookie_and_without_one_by_the_session() -> None:
    token, other = f"{OWNER_COOKIE}={'a' * 43}", f"{OWNER_COOKIE}={'b' * 43}"
    owner = owner_of(asked(token))  # type: ignore[arg-type]
    assert re.fullmatch("[0-9a-f]{64}", owner) and "aaaa" not in owner
    assert owner == owner_of(asked(f"x=1; {token}", "s2"))  # type: ignore[arg-type]
    names = {owner, *(owner_of(asked(c, s)) for c, s in [(other, "s1"), ("", "s1"), ("", "s2")])}  # type: ignore[arg-type]
    assert len(names) == 4
    forged = owner_of(asked(f"{OWNER_COOKIE}=../../etc", "s1"))  # type: ignore[arg-type]
    assert forged == owner_of(asked("", "s1"))  # type: ignore[arg-type]


def test_calls_of_programs_are_counted_by_address() -> None:
    assert caller_of(asked()) == "10.0.0.9"  # type: ignore[arg-type]
    assert caller_of(asked(f"{OWNER_COOKIE}={'a' * 43}")) == "a" * 43  # type: ignore[arg-type]
    assert caller_of(None) == ""


# --- sessions and files ----------------------------------------------------------------------------------


async def test_a_session_belongs_to_the_browser_that_began_it() -> None:
    guard = Guard(Starlette(routes=ROUTES), Access(), FOLDER)
    mine, yours = await opened(guard), await opened(guard)
    body = {"session_hash": "abc", "data": []}
    assert (await mine.post("/gradio_api/queue/join", json=body)).status_code == 200
    for answer in (
        await yours.post("/gradio_api/queue/join", json=body),
        await yours.get("/gradio_api/queue/data?session_hash=abc"),
        await yours.get("/gradio_api/heartbeat/abc"),
        await yours.post("/gradio_api/cancel", json=body),
    ):
        assert answer.status_code == 403
    assert (await mine.get("/gradio_api/queue/data?session_hash=abc")).status_code == 200


async def test_a_file_is_given_to_whom_it_was_named() -> None:
    guard = Guard(Starlette(routes=ROUTES), Access(), FOLDER)
    mine, yours = await opened(guard), await opened(guard)
    assert (await mine.get(f"/gradio_api/file={MINE}")).status_code == 404
    await mine.get("/gradio_api/queue/data?session_hash=abc")
    assert (await mine.get(f"/gradio_api/file={MINE}")).text == "kept"
    assert (await yours.get(f"/gradio_api/file={MINE}")).status_code == 404
    for browser, status in ((mine, 200), (yours, 403)):
        sent = await browser.post("/gradio_api/queue/join", json={"data": [[{"path": MINE}]]})
        assert sent.status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "http://169.254.169.254/latest",
        f"{FOLDER}/{DIGEST}/../../secret",
        f"{FOLDER}/{DIGEST}/%2e%2e/b",
        f"/elsewhere/{DIGEST}/notes.txt",
        f"{FOLDER}/{DIGEST}",
    ],
)
async def test_no_other_path_is_read_or_fetched(path: str) -> None:
    guard = Guard(Starlette(routes=ROUTES), Access(), FOLDER)
    mine = await opened(guard)
    await mine.get("/gradio_api/queue/data?session_hash=abc")
    assert (await mine.get(f"/gradio_api/file={path}")).status_code == 404
    assert (await mine.post("/gradio_api/queue/join", json={"data": [{"path": path}]})).status_code == 403


def test_what_was_used_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citewell_ui.sessions._MOST", 2)
    sessions = Sessions(FOLDER)
    assert all(sessions.belongs(name, "me") for name in ("a", "b", "a", "c"))
    assert not sessions.belongs("a", "you")
    assert sessions.belongs("b", "you")


# --- limits ----------------------------------------------------------------------------------------------


async def test_a_long_body_is_refused_whether_it_is_declared_or_not() -> None:
    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 10_000 + 2):
            yield b" " * 10_000

    async with client() as sender:
        for content in (b" " * (MAX_BODY_BYTES + 1), trickle()):
            answer = await sender.post("/gradio_api/queue/join", content=content)
            assert answer.status_code == 413 and f"{MAX_BODY_BYTES:,} bytes" in answer.json()["error"]


async def test_uploads_have_a_limit_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async with client() as sender:
        assert (
            await sender.post("/gradio_api/upload", content=b"x" * (MAX_BODY_BYTES + 1))
        ).status_code == 200
        monkeypatch.setattr("citewell_ui.security.MAX_UPLOAD_BYTES", 10)
        assert (await sender.post("/gradio_api/upload", content=b"x" * 11)).status_code == 413


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    async with client() as sender:
        assert (await sender.post("/gradio_api/queue/join", content=body)).status_code == 400


async def test_too_many_events_are_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citewell_ui.security.EVENTS_A_MINUTE", 3)
    async with client() as sender:
        answers = [await sender.post("/gradio_api/queue/join", json={}) for _ in range(4)]
        assert (await sender.get("/config")).status_code == 200
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20


def test_a_bucket_fills_again() -> None:
    now = 100.0
    limiter = Limiter(2, lambda: now)
    assert [limiter.take("a") for _ in range(2)] == [0, 0]
    assert limiter.take("a") == pytest.approx(30)
    assert limiter.take("b") == 0
    now += 30
    assert limiter.wait("a") == 0
    assert limiter.take("a") == 0
    assert limiter.take("a") == pytest.approx(30)
    now += 3_600
    assert [limiter.take("a") > 0 for _ in range(3)] == [False, False, True]


# --- passwords -------------------------------------------------------------------------------------------


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "authorization, status",
    [
        (None, 401),
        ("", 401),
        ("Bearer wrong", 401),
        (f"Bearer {PASSWORD}", 200),
        (basic("anybody", PASSWORD), 200),
        (basic("", PASSWORD), 200),
        (basic(PASSWORD, ""), 401),
        ("Basic !!!", 401),
        ("Basic é".encode().decode("latin-1"), 401),
        (f"Digest {PASSWORD}", 401),
    ],
)
async def test_where_there_is_a_password_it_must_be_given(authorization: str | None, status: int) -> None:
    headers = {} if authorization is None else {"authorization": authorization.encode("latin-1")}
    async with client(Access(password=PASSWORD)) as browser:
        for path in ("/", "/config", "/assets/x.js", "/gradio_api/heartbeat/a"):
            answer = await browser.get(path, headers=headers)
            assert answer.status_code == status
            assert ("www-authenticate" in answer.headers) == (status == 401)
        assert (await browser.get("/healthz")).status_code == 200


async def test_passwords_cannot_be_tried_for_long() -> None:
    async with client(Access(password=PASSWORD)) as thief:
        tries = [
            (await thief.get("/config", headers={"authorization": f"Bearer {n}"})).status_code
            for n in range(PASSWORDS_A_MINUTE + 5)
        ]
        assert tries == [401] * PASSWORDS_A_MINUTE + [429] * 5
        late = await thief.get("/config", headers={"authorization": f"Bearer {PASSWORD}"})
    assert late.status_code == 429


async def test_behind_a_proxy_a_stranger_who_guesses_keeps_nobody_else_waiting() -> None:
    right = {"authorization": f"Bearer {PASSWORD}"}

    async def status(web: httpx.AsyncClient, caller: str, **headers: str) -> int:
        given = {"x-forwarded-for": caller, "authorization": "Bearer wrong", **headers}
        return (await web.get("/config", headers=given)).status_code

    async with client(Access(password=PASSWORD, behind_proxy=True)) as web:
        made_up = [await status(web, f"203.0.113.{n}, 198.51.100.7") for n in range(PASSWORDS_A_MINUTE + 1)]
        assert made_up == [401] * PASSWORDS_A_MINUTE + [429]
        assert await status(web, "198.51.100.7", **right) == 429
        assert await status(web, "198.51.100.8", **right) == 200
        answer = await web.get("/config", headers={"x-forwarded-for": "198.51.100.8", **right})
        assert "x-forwarded-for" not in answer.json()["headers"]
    async with client(Access(password=PASSWORD)) as web:  # without the option anybody could make addresses up
        tries = [await status(web, f"203.0.113.{n}") for n in range(PASSWORDS_A_MINUTE + 1)]
        assert tries[-1] == 429


@pytest.mark.parametrize(
    "named, caller",
    [
        ([], "10.0.0.1"),
        ([b""], "10.0.0.1"),
        ([b"unknown"], "10.0.0.1"),
        ([b"192.0.2.1"], "192.0.2.1"),
        ([b"192.0.2.9, 192.0.2.1"], "192.0.2.1"),
        ([b"192.0.2.9", b"2001:DB8::1"], "2001:db8::1"),
    ],
)
def test_the_caller_is_whom_the_proxy_names_last(named: list[bytes], caller: str) -> None:
    scope = {"client": ("10.0.0.1", 4), "headers": [(b"x-forwarded-for", value) for value in named]}
    assert of_caller(scope)["client"][0] == caller


# --- errors ----------------------------------------------------------------------------------------------


def test_people_are_told_what_is_meant_for_them(caplog: pytest.LogCaptureFixture) -> None:
    assert explain(UsageError("two\nlines"), local=False) == "two lines"
    assert explain(CollectionError("/home/ann is broken"), local=True) == "/home/ann is broken"
    assert caplog.records == []
    for error in (CollectionError("/home/ann is broken"), RuntimeError("secret")):
        told = explain(error, local=False)
        (name,) = re.findall(r"error ([0-9a-f]{8})", told)
        assert "ann" not in told and "secret" not in told
        assert name in caplog.text and str(error) in caplog.text


async def test_an_error_inside_is_answered_once() -> None:
    async with client() as sender:
        answer = await sender.post("/gradio_api/cancel", json={})
    assert answer.status_code == 500 and "inside" not in answer.text
