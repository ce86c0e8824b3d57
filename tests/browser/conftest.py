"""Servers to look at and a browser to look with: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up_papers import PAPERS
from playwright.sync_api import Browser, expect, sync_playwright
from serving import MODEL, PATIENCE, Model, Open, Server, Tab, running, write_papers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks everything in this folder, so that `make test` leaves it to `make browser`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session", autouse=True)
def chromium() -> Iterator[Browser]:
    """The browser, before any server; without one a test is skipped, and fails in CI."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        reason = "No chromium found. Install Debian's: apt-get install chromium."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=PATIENCE * 1_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_tab(chromium: Browser) -> Iterator[Open]:
    """Opens a server in a browser of its own; afterwards nothing may have gone wrong in any of them."""
    tabs: list[Tab] = []

    def open_page(server: Server, path: str = "/", **options: Any) -> Tab:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(PATIENCE * 1_000)
        tabs.append(Tab(context, server))
        return tabs[-1].open(path)

    yield open_page
    for tab in tabs:
        tab.page.context.close()
    assert [fault for tab in tabs for fault in tab.faults] == []


@pytest.fixture(scope="session")
def quotes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over the made-up papers that answers in their own words."""
    folder = tmp_path_factory.mktemp("quotes")
    corpus = write_papers(folder / "papers.jsonl", PAPERS.values())
    with running(folder, "--corpus", str(corpus)) as server:
        yield server


@pytest.fixture(scope="session")
def _scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Model]]:
    folder = tmp_path_factory.mktemp("scripted")
    corpus = write_papers(folder / "papers.jsonl", PAPERS.values())
    model = Model()
    environ = {**model.environ, "CITEWELL_ANSWER_CACHE": "0", "CITEWELL_MODEL_RETRIES": "0"}
    with model.server, running(folder, "--llm", MODEL, "--corpus", str(corpus), environ=environ) as server:
        yield server, model


@pytest.fixture
def scripted(_scripted: tuple[Server, Model]) -> Server:
    """A server over the made-up papers whose answers a scripted model words."""
    return _scripted[0]


@pytest.fixture
def model(_scripted: tuple[Server, Model]) -> Iterator[Model]:
    """The model behind `scripted`."""
    yield _scripted[1]
    _scripted[1].next.clear()


@pytest.fixture(scope="session")
def listing_pages(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over two pages of the development data; all five would take a minute longer."""
    pages = sorted((shared / "corpus").iterdir())[:2]
    with running(tmp_path_factory.mktemp("listing"), "--corpus", *map(str, pages)) as server:
        yield server
