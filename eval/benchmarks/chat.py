"""How the browser chat holds up: its start, a click on a chip, twenty people asking at once, and its memory.

    python eval/benchmarks/chat.py --corpus FILES --json report.json

The corpus is ingested first; then the server is started as people start it, on that collection. Debian's chromium
looks at the page, and clients of the HTTP API, each with a cookie of its own, bring the load. Questions are made from
titles, so that it is known which paper an answer has to cite: each is asked alone first, and asked at once it must get
the same answer. Memory is the resident set of the server's process, so Linux is needed.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from citewell.assistant import Assistant
from citewell.corpus import read_corpus
from citewell.types import Entry
from citewell_ui.limits import QUESTIONS_A_MINUTE
from citewell_ui.security import OWNER_COOKIE
from playwright.sync_api import sync_playwright
from report import conclude, options_of, percentile, resident_mib

_PATIENCE = 120  # seconds
_CLICKS = 20
_AT_ONCE = 4  # clients that bring the questions between which memory is measured


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured: times in seconds or milliseconds, memory in MiB.

    Attributes:
        papers: how many the collection holds.
        up_seconds: from the command to the printed address.
        open_seconds: from the command to an open collection, as /healthz tells it.
        paint_seconds: from the navigation to the first text on the screen, of the first tab after the start.
        page_seconds: from the navigation to a page that shows the collection and takes questions.
        click_ms: from a click on a chip to the highlight on the screen, median.
        click_worst_ms: the longest of them.
        sessions: how many asked at once.
        answered: how many of them were answered.
        own_answer: how many got the answer that the question gets alone, citing the paper it is about.
        at_once_seconds: until the last of them had its answer.
        questions: how many were asked in all between the measurements of memory.
        question_p95_ms: the 95th percentile of their times, four at a time.
        memory_ready_mib: before the first question of the load.
        memory_first_mib: after a tenth of the questions.
        memory_last_mib: after all of them.
    """

    papers: int
    up_seconds: float
    open_seconds: float
    paint_seconds: float
    page_seconds: float
    click_ms: float
    click_worst_ms: float
    sessions: int
    answered: int
    own_answer: int
    at_once_seconds: float
    questions: int
    question_p95_ms: float
    memory_ready_mib: float
    memory_first_mib: float
    memory_last_mib: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the paper that it is about."""

    question: str
    paper_id: str


@dataclass(frozen=True, slots=True)
class Server:
    """A started server."""

    url: str
    process_id: int
    up: float
    open: float

    def memory(self) -> float:
        """Returns the resident set in MiB."""
        return resident_mib(self.process_id)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the report; returns the exit status."""
    parser = options_of(__doc__)
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--questions", type=int, default=500)
    options = parser.parse_args(arguments)
    report = measure(options.corpus, options.sessions, options.questions)
    return conclude(report, options.json)


def measure(corpus: Sequence[Path], sessions: int, questions: int) -> Report:
    """Returns the report for a corpus."""
    with tempfile.TemporaryDirectory() as folder:
        with Assistant.open(folder) as assistant:
            assistant.add([e.paper for e in read_corpus(list(corpus)) if isinstance(e, Entry)])
            papers = {
                stored.paper.paper_id: stored.paper.title for stored in assistant.collection.library.iterate()
            }
        asked = [Asked(f"What does {title} report?", paper_id) for paper_id, title in papers.items()]
        with serving(folder) as server:
            page = _page(server, asked[0].question)
            at_once = _at_once(server, asked, sessions)
            load = _load(server, asked, questions)
    return Report(len(papers), round(server.up, 2), round(server.open, 2), **page, **at_once, **load)


@contextmanager
def serving(data_dir: str) -> Iterator[Server]:
    """Yields a server over the collection in a folder, once it is open."""
    start = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "citewell",
        "chat",
        "--data-dir",
        data_dir,
        "--port",
        "0",
        "--no-browser",
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+:\d+", process.stdout.readline())
            if found is None:
                raise RuntimeError("the server did not start")
            up = time.perf_counter() - start
            while httpx.get(f"{found[0]}/healthz", timeout=_PATIENCE).status_code != 200:
                time.sleep(0.02)
            yield Server(found[0], process.pid, up, time.perf_counter() - start)
        finally:
            process.terminate()


# --- the browser ----------------------------------------------------------------------------------------

# Resolves with milliseconds from a click on a chip to the frame in which its quote is the highlighted one.
_CLICK = """(chip) => new Promise((resolve) => {
    const mark = document.querySelector(`.card mark[data-sources~="${chip.dataset.card}"]`);
    document.activeElement.blur();
    const start = performance.now();
    chip.click();
    const look = () => {
        const { top, bottom } = mark.getBoundingClientRect();
        if (top >= 0 && bottom <= innerHeight) requestAnimationFrame(() => resolve(performance.now() - start));
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})"""
_PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"


def _page(server: Server, question: str) -> dict[str, Any]:
    """Returns how fast the page is there, and how fast a click on a chip."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        raise SystemExit("No chromium found. Install Debian's: apt-get install chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        start = time.perf_counter()
        page.goto(server.url, wait_until="commit")
        page.locator(".masthead .open-collection").wait_for()
        ready = time.perf_counter() - start
        painted = page.evaluate(_PAINTED) / 1000
        page.locator(".welcome .example").first.wait_for()
        page.locator("#cw-question textarea").fill(question)
        page.keyboard.press("Enter")
        page.locator(".turn[data-phase=done] .chip").first.wait_for()
        page.locator("#cw-question .submit-button").wait_for()  # nothing is drawn again after that
        chips = page.locator(".turn .chip").element_handles()
        clicks = [chip.evaluate(_CLICK) for chip in itertools.islice(itertools.cycle(chips), _CLICKS)]
        browser.close()
    return {
        "paint_seconds": round(painted, 2),
        "page_seconds": round(ready, 2),
        "click_ms": round(statistics.median(clicks), 1),
        "click_worst_ms": round(max(clicks), 1),
    }


# --- clients --------------------------------------------------------------------------------------------


def ask(server: Server, question: str, cookie: str) -> dict[str, Any]:
    """Returns the answer to a question as a program gets it; without sentences, why there is none.

    Args:
        server: who is asked.
        question: what is asked.
        cookie: whose question it counts as.
    """
    calls = f"{server.url}/gradio_api/call/v2/ask"
    with httpx.Client(timeout=_PATIENCE, cookies={OWNER_COOKIE: cookie}) as client:
        posted = client.post(calls, json={"question": question})
        if posted.status_code != 200:
            return {"error": posted.text}
        told = client.get(f"{calls}/{posted.json()['event_id']}").text
    data = json.loads(re.findall("^data: (.*)$", told, re.MULTILINE)[-1])
    answer: dict[str, Any] = data[0] if isinstance(data, list) else data
    return answer


def cookies() -> Iterator[str]:
    """Yields a cookie for each question, a new one before a session asks too much."""
    while True:
        yield from itertools.repeat(secrets.token_urlsafe(32), QUESTIONS_A_MINUTE - 5)


def cites(answer: dict[str, Any], paper_id: str) -> bool:
    """Returns whether an answer cites a paper."""
    return any(citation["paper_id"] == paper_id for citation in answer.get("citations", ()))


def _at_once(server: Server, asked: Sequence[Asked], sessions: int) -> dict[str, Any]:
    """Returns what became of questions about different papers that were asked at the same time."""
    alone: list[tuple[Asked, dict[str, Any]]] = []
    cookie = cookies()
    for one in asked:
        if len(alone) < sessions and cites(answer := ask(server, one.question, next(cookie)), one.paper_id):
            alone.append((one, answer))
    start = time.perf_counter()
    with ThreadPoolExecutor(sessions) as pool:
        answers = list(pool.map(lambda pair: ask(server, pair[0].question, secrets.token_urlsafe(32)), alone))
    took = time.perf_counter() - start
    same = [
        answer.get("question") == one.question and answer.get("sentences") == before["sentences"]
        for (one, before), answer in zip(alone, answers, strict=True)
    ]
    return {
        "sessions": len(alone),
        "answered": sum(bool(answer.get("sentences")) for answer in answers),
        "own_answer": sum(same),
        "at_once_seconds": round(took, 2),
    }


def _load(server: Server, asked: Sequence[Asked], questions: int) -> dict[str, Any]:
    """Returns the memory of the server before, after a tenth of the questions, and after all of them."""
    memory, took = [server.memory()], list[float]()
    wanted = list(zip(itertools.islice(itertools.cycle(asked), questions), cookies(), strict=False))

    def timed(one: tuple[Asked, str]) -> float:
        start = time.perf_counter()
        if "sentences" not in (answer := ask(server, one[0].question, one[1])):
            raise RuntimeError(f"{one[0].question!r} was not answered: {answer}")
        return 1000 * (time.perf_counter() - start)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for part in (wanted[: questions // 10], wanted[questions // 10 :]):
            took.extend(pool.map(timed, part))
            memory.append(server.memory())
    return {
        "questions": questions,
        "question_p95_ms": round(percentile(took), 1),
        **{
            f"memory_{when}_mib": round(size, 1)
            for when, size in zip(("ready", "first", "last"), memory, strict=True)
        },
    }


if __name__ == "__main__":
    sys.exit(main())
