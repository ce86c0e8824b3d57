"""Nothing that stands in a paper, a file name or a question ever runs, loads anything or becomes markup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from llm_server import Say
from made_up_papers import FACTS, PAPERS
from playwright.sync_api import Page, expect
from serving import Model, Open, Server, lines, running, write_papers

CANARY = "window.canary=1"
PAYLOADS = (
    f'<img src=x onerror="{CANARY}">',
    f"<script>{CANARY}</script>",
    f'"><svg onload="{CANARY}">',
    f"' onmouseover='{CANARY}' x='",
    f"</textarea></title></style><script>{CANARY}</script>",
    f'<a href="javascript:{CANARY}">a</a>',
    f'<iframe srcdoc="<script>parent.{CANARY}</script>">',
    '<img src="https://evil.example/pixel.png"><link rel=stylesheet href=//evil.example/a.css>',
    f"![x](https://evil.example/p.png) [y](javascript:{CANARY})",
    f"$\\href{{javascript:{CANARY}}}{{x}}$ $<img src=x onerror={CANARY}>$",
    f"{{{{constructor.constructor('{CANARY}')()}}}} ${{{CANARY}}}",
    "<style>*{display:none}</style><form action=//evil.example><input name=q autofocus>",
    f"<details open ontoggle={CANARY}>&lt;script&gt;{CANARY}&lt;/script&gt;",
)
ADDRESSES = (
    f"javascript:{CANARY}",
    f"data:text/html,<script>{CANARY}</script>",
    f'https://papers.example/"onmouseover="{CANARY}',
    "https://papers.example/<svg/onload=1>",
    "//evil.example/x",
    "http://user:secret@evil.example/",
)
FILE_NAME = f'"><img src=x onerror="{CANARY}">.jsonl'
# Elements that only a payload would have made, and links that would do something else than lead to a paper.
_MADE = """() => [
    ...document.querySelectorAll("[onerror], [onload], [onmouseover], [ontoggle], [srcdoc], iframe"),
    ...document.querySelectorAll("img[src='x'], [src*='evil.example'], link[href*='evil.example']"),
    ...document.querySelectorAll("form[action*='evil']"),
    ...[...document.querySelectorAll("a[href]")].filter((a) => !/^https?:$/.test(a.protocol)),
    ...[...document.querySelectorAll("script:not([src]), style")].filter((s) => s.textContent.includes("canary")),
].map((element) => element.outerHTML.slice(0, 300))"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over papers whose every field is an attack."""
    folder = tmp_path_factory.mktemp("hostile")
    with (folder / FILE_NAME.replace("/", "")).open("w") as file:
        for number, payload in enumerate(PAYLOADS):
            paper = {
                "title": f"Lavender study {number} {payload}",
                "abstract": f"Study {number} counted bees on lavender. Lavender {payload} drew {number + 2} bees.",
                "url": ADDRESSES[number % len(ADDRESSES)],
                "authors": [payload],
                "categories": [payload],
                "date": payload,
            }
            file.write(json.dumps(paper) + "\n")
    with running(tmp_path_factory.mktemp("server"), "--corpus", str(folder)) as server:
        yield server


def look_at_everything(page: Page) -> None:
    """Unfolds, hovers and clicks what shows other people's words."""
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    for chip in page.locator(".chip").all()[:6]:
        chip.hover()
        chip.click()
    for card in page.locator(".card:visible").all():
        card.hover()


def nothing_happened(page: Page) -> None:
    assert page.evaluate("() => window.canary") is None
    assert page.evaluate(_MADE) == []


def test_a_hostile_corpus_is_only_text(hostile: Server, open_tab: Open) -> None:
    tab = open_tab(hostile)
    expect(tab.page.locator(".welcome .example").first).to_be_visible()
    nothing_happened(tab.page)
    for payload in ("How many bees did lavender draw?", *PAYLOADS[:3]):
        turn = tab.ask(f"What did the lavender study {payload} count?")
        expect(turn.locator("h2.question")).to_contain_text(payload)
        look_at_everything(tab.page)
        nothing_happened(tab.page)
    expect(tab.page.locator(".card").first).to_be_attached()
    tab.screenshot("hostile")
    tab.page.reload()
    expect(tab.page.locator(".turn")).to_have_count(4)
    tab.page.locator("#cw-open-history").click()
    expect(tab.page.locator("#cw-kept button.kept").first).to_be_visible()
    nothing_happened(tab.page)


def test_a_hostile_collection_tab_is_only_text(hostile: Server, open_tab: Open, tmp_path: Path) -> None:
    tab = open_tab(hostile)
    page = tab.page
    page.get_by_role("tab", name="Collection").click()
    expect(page.locator("#citewell-map .js-plotly-plot, .cw-note").first).to_be_visible()
    nothing_happened(page)
    page.get_by_role("tab", name="Papers", exact=True).click()
    titles = page.locator("#citewell-papers button.cw-title")
    expect(titles).to_have_count(len(PAYLOADS))
    for title in titles.all()[:6]:
        title.click()
        expect(page.locator("article.cw-paper h3")).to_have_text(title.inner_text())
        nothing_happened(page)
    page.get_by_role("tab", name="Add papers").click()
    upload = write_papers(tmp_path / FILE_NAME.replace("/", ""), PAPERS.values())
    with upload.open("a") as file:
        file.write(f'{{"title": "{PAYLOADS[1]}"}}\n')
    page.locator("input[type=file]").set_input_files(upload)
    expect(page.get_by_role("button", name="Add these files")).to_be_enabled()
    page.get_by_role("button", name="Add these files").click()
    expect(page.get_by_text("8 added, 1 rejected")).to_be_visible()
    nothing_happened(page)


def test_a_hostile_model_is_only_text(scripted: Server, model: Model, open_tab: Open) -> None:
    tab = open_tab(scripted)
    fact = FACTS[0]
    good = lines(fact.question, f"[1] {PAPERS[fact.paper].title}")[0]
    for payload in PAYLOADS:
        cited = [{"source": 1, "quote": payload}]
        bad = json.dumps({"sentence": f"Marlin {payload} needs less.", "citations": cited})
        model.next.append(Say(f"{good}{bad}\n{payload}\n"))
        turn = tab.ask(fact.question)
        expect(turn.locator(".sentence .words")).to_have_text([fact.sentence])
    expect(tab.page.locator(".withheld").first).to_be_visible()
    look_at_everything(tab.page)
    nothing_happened(tab.page)
