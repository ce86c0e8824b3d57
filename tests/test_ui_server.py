"""`citewell chat`: where it listens, what it opens, how it ends."""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from citewell import Assistant, Paper, Settings, browser, commands
from citewell.errors import CollectionError, MissingExtraError, UsageError
from citewell_ui import server
from citewell_ui.host import Engine, Host
from citewell_ui.security import Access

PAPERS = [Paper("Bees", "Bees visit lavender twice as often as thyme.", "bees")]


# --- who may reach it ------------------------------------------------------------------------------------


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("correct horse battery\n")
    return path


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.3.2.1"])
def test_on_this_machine_no_password_is_needed(address: str) -> None:
    access = server._access(address, [], None)
    assert access.password is None and access.answers("localhost:7860")
    assert not access.answers("192.168.0.7") and not access.answers(socket.gethostname() + ".evil.example")


@pytest.mark.parametrize("behind_proxy", [False, True])
def test_who_listens_without_tls_is_warned(behind_proxy: bool, capsys: pytest.CaptureFixture[str]) -> None:
    access = Access(password="correct horse", behind_proxy=behind_proxy)
    server._greet("http://papers.example:7860/", access, browser=False)
    told = capsys.readouterr()
    assert told.out == "Citewell is open at http://papers.example:7860/ (Ctrl-C ends it).\n"
    assert ("The password goes over the network" in told.err) is not behind_proxy


@pytest.mark.parametrize(
    "address, names",
    [
        ("0.0.0.0", []),
        ("::", []),
        ("192.168.0.7", []),
        ("papers.example", []),
        ("127.0.0.1", ["papers.example"]),
    ],
)
def test_where_others_reach_it_a_password_is_needed(
    address: str, names: Sequence[str], password_file: Path
) -> None:
    with pytest.raises(UsageError, match="needs a password: .* --password-file FILE"):
        server._access(address, names, None)
    access = server._access(address, names, password_file)
    assert access.password == "correct horse battery"
    assert all(access.answers(f"{name}:7860") for name in names)
    assert not access.answers("evil.example")


@pytest.mark.parametrize(
    "content, told",
    [(b"short\n", "5 characters: use 12"), (b"", "0 characters"), (b"\xff" * 20, "Cannot read")],
)
def test_a_poor_password_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=told):
        server._access("0.0.0.0", [], path)
    with pytest.raises(UsageError, match="Cannot read"):
        server._access("0.0.0.0", [], tmp_path / "missing")


# --- where it listens ------------------------------------------------------------------------------------


def test_a_port_that_was_asked_for_must_be_free() -> None:
    with server._listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1: Address already in use. Give"):
            with server._listening("127.0.0.1", port):
                pass
    with server._listening("127.0.0.1", port) as freed:
        assert freed.getsockname()[1] == port


def test_without_a_port_the_next_free_one_is_taken() -> None:
    with server._listening("127.0.0.1", None) as first, server._listening("127.0.0.1", None) as second:
        ports = [listener.getsockname()[1] for listener in (first, second)]
    assert server.DEFAULT_PORT <= ports[0] < ports[1]


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(UsageError, match=f"port {port}: give one from 1 to 65535"):
        with server._listening("127.0.0.1", port):
            pass


@pytest.mark.parametrize(
    "address, name",
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("::1", "[::1]"),
        ("0.0.0.0", socket.gethostname()),
    ],
)
def test_the_address_can_be_opened_in_a_browser(address: str, name: str) -> None:
    with server._listening("127.0.0.1", 0) as listener:
        assert server._url(address, listener) == f"http://{name}:{listener.getsockname()[1]}/"


# --- what it opens ---------------------------------------------------------------------------------------


def test_the_engine_that_is_set_comes_first_and_quotes_are_always_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    assert [engine.llm for engine in server.engines(Settings(llm="gpt-4o-mini"))] == ["gpt-4o-mini", "quotes"]
    monkeypatch.setattr(server, "find_spec", lambda name: object())
    assert [engine.llm for engine in server.engines(Settings())] == ["quotes", "local"]
    assert [engine.llm for engine in server.engines(Settings(llm="local"))] == ["local", "quotes"]


def test_questions_that_come_with_the_collection_are_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []

    def open_collection(*arguments: object, **settings: object) -> tuple[Assistant, Sequence[str]]:
        opened.append((arguments, settings))
        return Assistant.from_papers(PAPERS), ["What do bees visit?"]

    monkeypatch.setattr(server, "open_collection", open_collection)
    host = server._host(Settings(data_dir=tmp_path), [], print, True, llm="quotes")
    assert host.assistant.stats()["papers"] == 1
    assert host.questions == ("What do bees visit?",) and host.local
    assert opened == [((tmp_path, [], print), {"llm": "quotes"})]
    assert server._health(host).status_code == 200
    host.close()


def broken_host(tmp_path: Path) -> Host:
    def fail() -> Assistant:
        raise CollectionError("The collection is damaged.")

    return Host(fail, tmp_path, (Engine("quotes", "Quotes"),))


def test_a_server_without_a_collection_ends(tmp_path: Path) -> None:
    running = uvicorn.Server(uvicorn.Config(lambda: None))
    server._end_if_broken(broken_host(tmp_path), running)
    assert running.should_exit


# --- the command -----------------------------------------------------------------------------------------


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--llm")
    parser.add_argument("--verify")
    browser.add_options(parser)
    return parser.parse_args(arguments)


class Command:
    """Stands for the entry point of the browser chat."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.calls = error, list[Any]()

    def load(self) -> Any:
        if self.error is not None:
            raise self.error
        return lambda *arguments, **settings: self.calls.append((arguments, settings)) or 0


def test_the_options_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    command = Command()
    monkeypatch.setattr(commands, "entry_points", lambda **names: [command])
    assert (
        browser.chat(
            options("--port", "80", "--no-browser", "--corpus", "a", "b", "--allow-host", "n"), print
        )
        == 0
    )
    ((arguments, settings),) = command.calls
    assert arguments == (None, [Path("a"), Path("b")], print)
    assert settings == {
        "address": "127.0.0.1",
        "port": 80,
        "password_file": None,
        "names": ["n"],
        "behind_proxy": False,
        "browser": False,
        "llm": None,
        "verify": None,
    }


@pytest.mark.parametrize("found", [[], [Command(ModuleNotFoundError("No module named 'gradio'"))]])
def test_without_the_extra_it_is_told_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, found: list[Command]
) -> None:
    monkeypatch.setattr(commands, "entry_points", lambda **names: found)
    with pytest.raises(MissingExtraError, match=r"pip install 'citewell\[ui\]'.*--terminal") as raised:
        browser.chat(options(), print)
    assert "\n" not in str(raised.value)


def test_the_installed_command_is_the_server() -> None:
    (command,) = commands.entry_points(group="citewell.commands", name="chat")
    assert command.load() is server.run


# --- the process -----------------------------------------------------------------------------------------


class Process:
    """A started `citewell chat`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "citewell", "chat", "--data-dir", str(folder / "data"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(self.temporary), "PYTHONWARNINGS": ""},
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self) -> tuple[int, str]:
        """Waits for the end; returns the status and what stood on stderr."""
        _, error = self.process.communicate(timeout=30)
        return self.process.returncode, error


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    processes: list[Process] = []

    def start(*arguments: str) -> Process:
        processes.append(Process(tmp_path, *arguments))
        return processes[-1]

    yield start
    for running in processes:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


def test_it_prints_its_address_answers_and_ends_at_a_signal(started: Any, tmp_path: Path) -> None:
    corpus = tmp_path / "papers.jsonl"
    corpus.write_text('{"title": "Old glass", "abstract": "Glass does not flow. It is a solid."}\n')
    running = started("--corpus", str(corpus), "--port", "0", "--no-browser")
    found = re.fullmatch(
        r"Citewell is open at (http://127\.0\.0\.1:\d+)/ \(Ctrl-C ends it\)\.\n", running.line()
    )
    assert found is not None, running.end()
    with httpx.Client(base_url=found[1], timeout=20) as client:
        while client.get("/healthz").status_code != 200:
            time.sleep(0.05)
        page = client.get("/")
        assert page.status_code == 200 and not re.search(r"(?:src|href|content)=\"https?://", page.text)
        posted = client.post("/gradio_api/call/v2/ask", json={"question": "Does glass flow?"})
        answer = client.get(f"/gradio_api/call/v2/ask/{posted.json()['event_id']}")
        assert "Glass does not flow." in answer.text
        assert list(running.temporary.glob("citewell-ui-*"))
        with client.stream("GET", "/gradio_api/heartbeat/tab"):  # a tab that stays open
            running.process.send_signal(signal.SIGTERM)
            status, error = running.end()
    assert status == 0 and "Traceback" not in error
    assert list(running.temporary.glob("citewell-ui-*")) == []


def test_a_collection_that_cannot_be_opened_ends_it_with_one_line(started: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "library.db").write_text("no database at all, and long enough to be looked at" * 100)
    status, error = started("--port", "0", "--no-browser").end()
    assert status == 2
    assert [line for line in error.splitlines() if line.startswith("citewell: ")], error
    assert "Traceback" not in error
