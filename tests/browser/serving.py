"""A started `citewell chat`, the model behind it, and a browser tab that looks at it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from citewell.types import Paper
from lies import good, prompt_numbers
from llm_server import Body, LLMServer, Say, Script
from made_up_papers import FACTS
from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Locator, Request, expect
from scripted_model import kind_of

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
MODEL = "scripted"
PATIENCE = 30  # seconds that are waited for what has to come; the machine may be busy
_FINISHED = re.compile("^(done|stopped|failed)$")


def write_papers(path: Path, papers: Iterable[Paper]) -> Path:
    """Writes papers as JSON lines; returns the path."""
    rows = ({"title": paper.title, "abstract": paper.abstract, "url": paper.url} for paper in papers)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class Server:
    """A `citewell chat` on a free port.

    Args:
        folder: where its data and what it logs go.
        arguments: more options of the command.
        environ: more variables of its environment.
    """

    def __init__(self, folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        self._log = folder / "server.log"
        options = ["--data-dir", str(folder / "data"), "--port", "0", "--no-browser", *arguments]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "citewell", "chat", *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONWARNINGS": "", **(environ or {})},
            )
        assert self._process.stdout is not None
        found = re.search(r"http://\S+:\d+", self._process.stdout.readline())
        assert found is not None, self._log.read_text()
        self.url = found[0]

    def opened(self) -> Server:
        """Returns itself once the collection is open."""
        end = time.monotonic() + 4 * PATIENCE
        while httpx.get(f"{self.url}/healthz", timeout=PATIENCE).status_code != 200:
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """Ends the server, which has to go in peace."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=PATIENCE)
        finally:
            self._process.kill()
        assert self._process.returncode == 0, (self._process.returncode, self._log.read_text())


@contextmanager
def running(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Yields a server with an open collection; see `Server`."""
    server = Server(folder, *arguments, environ=environ)
    try:
        yield server.opened()
    finally:
        server.stop()


class Held(Say):
    """A reply of which each piece waits until the test lets it go."""

    def __init__(self, *pieces: str) -> None:
        super().__init__(pieces)
        object.__setattr__(self, "_turnstile", threading.Semaphore(0))

    def __getattribute__(self, name: str) -> Any:
        if name == "delay":  # asked for before every piece
            turnstile = super().__getattribute__("__dict__").get("_turnstile")
            if turnstile is not None:
                turnstile.acquire(timeout=PATIENCE)
        return super().__getattribute__(name)

    def let_go(self) -> None:
        """Sends the next piece."""
        self._turnstile.release()


class Model:
    """The language model behind a server: it answers questions of made_up_papers, or plays what it is told."""

    def __init__(self) -> None:
        self.next: deque[Script] = deque()
        self.server = LLMServer(self._answer)

    @property
    def environ(self) -> dict[str, str]:
        """What makes a server ask this model."""
        return {"OPENAI_BASE_URL": self.server.base_url, "OPENAI_API_KEY": "none"}

    def _answer(self, body: Body) -> Script:
        system, prompt = (message["content"] for message in body["messages"])
        if kind_of(system, prompt) != "answer":
            return Say('{"cannot_answer": true}')
        if self.next:
            return self.next.popleft()
        return Say("".join(lines(prompt.rpartition("Question: ")[2].strip(), prompt)))


def lines(question: str, prompt: str = "[1] ") -> list[str]:
    """Returns what a good model says: the facts of the paper that the question is about, the asked one first."""
    asked = [fact for fact in FACTS if fact.question == question]
    facts = [
        *asked,
        *(fact for fact in FACTS if asked and fact.paper == asked[0].paper and fact not in asked),
    ]
    numbers = prompt_numbers(prompt)
    return [good(fact).reply(numbers) for fact in facts[:2]] or ['{"cannot_answer": true}\n']


class Tab:
    """A page of a server, and everything about it that must not happen.

    Attributes:
        page: Playwright's page.
        faults: what went wrong so far: errors on the console, dialogs, requests to other places.
    """

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.faults: list[str] = []
        self._origin = server.url
        context.on("request", self._requested)
        self.page = context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        self.page.on("dialog", self._asked)

    def open(self, path: str = "/") -> Tab:
        """Opens the page and waits until it shows the collection."""
        self.page.goto(self._origin + path)
        expect(self.page.locator(".masthead .open-collection")).to_be_attached()  # a phone hides it
        return self

    @property
    def box(self) -> Locator:
        """Where questions are typed."""
        return self.page.locator("#cw-question textarea")

    def ask(self, question: str) -> Locator:
        """Asks, waits for the end of the answer, and returns its turn."""
        turn = self.begin(question)
        expect(turn).to_have_attribute("data-phase", _FINISHED)
        expect(self.page.locator("#cw-question .submit-button")).to_be_visible()
        return turn

    def begin(self, question: str) -> Locator:
        """Asks, and returns the turn as soon as there is one."""
        turns = self.page.locator(".turn")
        before = turns.count()
        # While an answer is being stopped the button still stops, and Enter sends nothing.
        expect(self.page.locator("#cw-question .submit-button")).to_be_visible()
        self.box.fill(question)
        self.box.press("Enter")
        expect(turns).to_have_count(before + 1)
        return turns.last

    def screenshot(self, name: str) -> None:
        """Keeps what the window shows, once everything that moves stands still."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((f"{self._origin}/", "data:", "blob:")):
            self.faults.append(f"request to {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} {message.location}")

    def _asked(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()


Open = Callable[..., Tab]  # a server, a path of it and options of the browser's context; see conftest.py
