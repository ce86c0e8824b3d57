"""What stays: files that are exported, conversations, papers that are added; and what stays with one person."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import bibtexparser
import pytest
from citewell.types import Paper
from made_up_papers import FACTS, PAPERS
from playwright.sync_api import expect
from serving import Open, Server, Tab, running, write_papers

KNOTS = next(fact for fact in FACTS if fact.paper == "halyard")
METHANE = next(fact for fact in FACTS if fact.paper == "tundra")


def exported(tab: Tab, name: str) -> tuple[str, str]:
    """Exports the last answer; returns the name of the file and what stands in it."""
    menu = tab.page.locator(".turn").last.locator("details.menu")
    menu.locator("summary").click()
    with tab.page.expect_download() as download:
        menu.get_by_role("button", name=name, exact=True).click()
    return download.value.suggested_filename, Path(download.value.path()).read_text(encoding="utf-8")


def test_exports_open_and_hold_exactly_the_cited_papers(quotes: Server, open_tab: Open) -> None:
    tab = open_tab(quotes)
    tab.ask(KNOTS.question)
    tab.ask(METHANE.question)
    shown = tab.page.locator(".evidence:visible")
    cited = set(shown.locator(".card .title").all_inner_texts())
    assert PAPERS["tundra"].title in cited
    name, text = exported(tab, "Markdown")
    assert name.endswith(".md") and text.startswith(f"# {METHANE.question}\n")
    assert {title for title in (p.title for p in PAPERS.values()) if title in text} == cited
    assert METHANE.quote in text
    name, text = exported(tab, "BibTeX")
    library = bibtexparser.parse_string(text)
    assert name.endswith(".bib") and library.failed_blocks == []
    titles = {entry.fields_dict["title"].value.strip("{}") for entry in library.entries}
    assert titles == cited and len(library.entries) == len(cited)
    name, text = exported(tab, "CSL-JSON")
    items = json.loads(text)
    assert name.endswith(".json") and {item["title"] for item in items} == cited
    assert len({item["id"] for item in items}) == len(items)
    name, text = exported(tab, "Answer as JSON")
    answer = json.loads(text)
    assert name.endswith(".json") and answer["question"] == METHANE.question
    assert {citation["title"] for citation in answer["citations"]} == cited


def test_a_reload_keeps_the_conversation(quotes: Server, open_tab: Open) -> None:
    tab = open_tab(quotes)
    tab.ask(KNOTS.question)
    tab.ask(METHANE.question)
    before = tab.page.locator(".turn .words").all_inner_texts()
    expect(tab.page).to_have_url(re.compile(r"[?&]c="))
    tab.page.reload()
    expect(tab.page.locator(".turn h2.question")).to_have_text([KNOTS.question, METHANE.question])
    assert tab.page.locator(".turn .words").all_inner_texts() == before
    tab.page.locator(".turn").first.locator(".chip").first.click()
    expect(tab.page.locator(".evidence:visible mark").first).to_be_in_viewport()
    expect(tab.page.locator(".evidence:visible .card .title").first).to_have_text(PAPERS["halyard"].title)


def test_a_conversation_can_be_renamed_reopened_and_deleted(quotes: Server, open_tab: Open) -> None:
    tab = open_tab(quotes)
    tab.ask(KNOTS.question)
    page, drawer = tab.page, tab.page.locator("#cw-history")
    page.locator("#cw-open-history").click()
    expect(drawer.locator("button.kept[aria-current]")).to_contain_text(KNOTS.question)
    name = drawer.get_by_label("Name of this conversation")
    name.fill("Ropes & <b>knots</b>")
    name.press("Enter")
    kept = drawer.locator("button.kept[data-action=open-conversation]")
    expect(kept).to_contain_text("Ropes & <b>knots</b>")
    tab.screenshot("history")
    drawer.get_by_role("button", name="New conversation").click()
    expect(page.locator(".turn")).to_have_count(0)
    kept.click()
    expect(page.locator(".turn h2.question")).to_have_text(KNOTS.question)
    drawer.get_by_role("button", name="Delete this conversation").click()
    drawer.get_by_role("button", name="Delete it for good").click()
    expect(kept).to_have_count(0)
    expect(page.locator(".turn")).to_have_count(0)
    page.reload()
    expect(page.locator(".welcome")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(0)


def test_two_people_see_nothing_of_each_other(quotes: Server, open_tab: Open) -> None:
    one, two = open_tab(quotes), open_tab(quotes)
    turns = one.begin(KNOTS.question), two.begin(METHANE.question)
    for turn, fact in zip(turns, (KNOTS, METHANE), strict=True):
        expect(turn).to_have_attribute("data-phase", "done")
        expect(turn.locator("h2.question")).to_have_text(fact.question)
        expect(turn.locator(".answer")).to_contain_text(fact.quote)
    expect(one.page).to_have_url(re.compile(r"[?&]c="))
    for tab, other in ((one, METHANE), (two, KNOTS)):
        tab.page.locator("#cw-open-history").click()
        expect(tab.page.locator("#cw-kept button[data-action=open-conversation]")).to_have_count(1)
        assert other.question not in tab.page.content()
    two.page.goto(one.page.url)
    expect(two.page.locator(".welcome .holds")).to_be_visible()
    assert KNOTS.question not in two.page.content()


def test_two_tabs_of_one_person_do_not_mix(quotes: Server, open_tab: Open) -> None:
    one = open_tab(quotes)
    two = Tab(one.page.context, quotes).open()
    turns = one.begin(KNOTS.question), two.begin(METHANE.question)
    for turn, fact in zip(turns, (KNOTS, METHANE), strict=True):
        expect(turn).to_have_attribute("data-phase", "done")
        expect(turn.locator(".answer")).to_contain_text(fact.quote)
    expect(one.page.locator(".turn")).to_have_count(1)
    assert two.faults == []


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Server]:
    """A server whose collection the test may add to."""
    corpus = write_papers(tmp_path / "first.jsonl", PAPERS.values())
    with running(tmp_path, "--corpus", str(corpus)) as server:
        yield server


def test_papers_that_are_uploaded_can_be_asked(growing: Server, open_tab: Open, tmp_path: Path) -> None:
    more = write_papers(
        tmp_path / "more.jsonl",
        [Paper("Old Glass", "Old windows are thicker below. Glass does not flow at room temperature.", "x")],
    )
    with more.open("a") as file:
        file.write('{"title": "No abstract"}\n')
    tab = open_tab(growing)
    tab.page.get_by_role("tab", name="Collection").click()
    tab.page.get_by_role("tab", name="Add papers").click()
    tab.page.locator("input[type=file]").set_input_files(more)
    expect(tab.page.get_by_text("more.jsonl")).to_be_visible()
    tab.page.get_by_role("button", name="Add these files").click()
    expect(tab.page.get_by_text("1 added, 1 rejected")).to_be_visible()
    tab.screenshot("added")
    expect(tab.page.locator(".masthead")).to_contain_text("9 papers")
    tab.page.get_by_role("tab", name="Ask").click()
    turn = tab.ask("Does glass flow at room temperature?")
    expect(turn.locator(".answer")).to_contain_text("Glass does not flow at room temperature.")


def test_a_paper_of_the_list_can_be_asked_alone(quotes: Server, open_tab: Open) -> None:
    tab = open_tab(quotes)
    tab.page.get_by_role("tab", name="Collection").click()
    tab.page.get_by_role("tab", name="Papers", exact=True).click()
    tab.page.get_by_role("button", name=PAPERS["tundra"].title).click()
    expect(tab.page.locator("article.cw-paper .cw-abstract")).to_have_text(PAPERS["tundra"].abstract)
    tab.page.get_by_role("button", name="Ask about this paper only").click()
    tab.page.get_by_role("tab", name="Ask").click()
    expect(tab.page.locator("#cw-composer .cw-chip")).to_contain_text("Asking")
    turn = tab.ask("Which plots emitted more methane?")
    expect(turn.locator(".answer")).to_contain_text("Wet plots")
    assert set(tab.page.locator(".evidence:visible .card .title").all_inner_texts()) == {
        PAPERS["tundra"].title
    }
