"""Asking in a browser: what streams in, what a chip opens, what stopping and errors leave behind."""

from __future__ import annotations

import re

import pytest
from llm_server import Say, Stall, Status
from made_up_papers import FACTS, PAPERS
from playwright.sync_api import Locator, expect
from serving import Held, Model, Open, Server, lines

MEMORY, LONGEST = FACTS[0], FACTS[1]
COLD = next(fact for fact in FACTS if fact.paper == "kestrel")


def test_the_first_page_says_what_it_is_and_what_it_can_answer(quotes: Server, open_tab: Open) -> None:
    tab = open_tab(quotes)
    expect(tab.page).to_have_title("Citewell")
    expect(tab.page.locator(".masthead")).to_contain_text("8 papers")
    expect(tab.page.locator(".welcome .what")).to_contain_text("quoted from a paper's abstract")
    expect(tab.box).to_be_focused()
    examples = tab.page.locator(".welcome .example")
    expect(examples.first).to_be_visible()
    tab.screenshot("empty")
    asked = examples.first.inner_text()
    examples.first.click()
    expect(tab.page.locator(".turn h2.question")).to_have_text(asked)
    expect(tab.page.locator(".sentence").first).to_be_visible()


def test_sentences_stream_in_one_by_one(scripted: Server, model: Model, open_tab: Open) -> None:
    tab = open_tab(scripted)
    prompt = f"[1] {PAPERS['marlin'].title}"
    reply = Held(*lines(MEMORY.question, prompt))
    model.next.append(reply)
    turn = tab.begin(MEMORY.question)
    expect(turn.locator(".progress")).to_contain_text("Reading")
    tab.screenshot("reading")
    for number, shown in enumerate((MEMORY.sentence, LONGEST.sentence), 1):
        expect(turn).to_have_attribute("aria-busy", "true")
        reply.let_go()
        expect(turn.locator(".sentence")).to_have_count(number)
        expect(turn.locator(".sentence .words").last).to_have_text(shown)
        expect(tab.page.locator(".evidence:visible .card")).to_have_count(1)
        if number == 1:
            tab.screenshot("streaming")
    expect(turn).to_have_attribute("data-phase", "done")
    expect(turn).not_to_have_attribute("aria-busy", "true")


def test_a_chip_opens_exactly_its_quote(scripted: Server, model: Model, open_tab: Open) -> None:
    tab = open_tab(scripted)
    tab.ask(COLD.question)
    turn = tab.ask(MEMORY.question)
    for number, fact in enumerate((MEMORY, LONGEST), 1):
        chip = turn.locator(".chip", has_text=str(number))
        source = chip.get_attribute("data-card")
        chip.hover()
        expect(tab.page.get_by_role("tooltip")).to_contain_text(fact.quote)
        chip.click()
        card = tab.page.locator(f".card[data-sources~='{source}']")
        mark = card.locator(f"mark[data-sources~='{source}']")
        expect(card).to_be_in_viewport()
        expect(mark.first).to_be_in_viewport()
        assert "".join(mark.all_inner_texts()) == fact.quote
        expect(card.locator(".title")).to_have_text(PAPERS["marlin"].title)
        expect(card.locator(".abstract")).to_have_text(PAPERS["marlin"].abstract)
        other = card.locator(f"mark:not([data-sources~='{source}'])").first
        assert _background(mark.first) != _background(other)
    tab.screenshot("sources-open")
    card.get_by_label("Go to sentence 1 of the answer").click()
    expect(turn.locator(".sentence").first.locator(".chip")).to_be_focused()


def _background(mark: Locator) -> str:
    return mark.evaluate("element => getComputedStyle(element).backgroundColor")


def test_a_follow_up_is_understood(quotes: Server, open_tab: Open) -> None:
    tab = open_tab(quotes)
    tab.ask("How many knots does Halyard untie?")
    turn = tab.ask("Does it transfer to a real arm?")
    expect(turn.locator(".understood")).to_contain_text("Halyard")
    expect(turn.locator(".answer")).to_contain_text("transfers to a real arm without fine-tuning")
    expect(tab.page.locator(".turn")).to_have_count(2)


@pytest.mark.parametrize("way", ["the button", "Escape"])
def test_an_answer_can_be_stopped(way: str, scripted: Server, model: Model, open_tab: Open) -> None:
    tab = open_tab(scripted)
    gone = model.server.disconnects
    model.next.append(Stall(lines(MEMORY.question, f"[1] {PAPERS['marlin'].title}")[0]))
    turn = tab.begin(MEMORY.question)
    expect(turn.locator(".sentence")).to_have_count(1)
    if way == "Escape":
        tab.page.keyboard.press("Escape")
    else:
        tab.page.locator("#cw-question .stop-button").click()
    expect(turn).to_have_attribute("data-phase", "stopped")
    expect(turn.locator(".notice.incomplete")).to_contain_text("Stopped before the answer was complete")
    expect(turn.locator(".sentence .words")).to_have_text(MEMORY.sentence)
    assert model.server.wait_for(lambda server: server.disconnects > gone)
    expect(tab.ask(COLD.question).locator(".sentence .words").first).to_have_text(COLD.sentence)


def test_after_an_error_of_the_engine_the_next_question_works(
    scripted: Server, model: Model, open_tab: Open
) -> None:
    tab = open_tab(scripted)
    model.next.append(Status(500, "the model crashed <b>here</b>"))
    turn = tab.ask(MEMORY.question)
    expect(turn.locator(".notice.incomplete, .notice.trouble")).to_be_visible()
    expect(turn.locator("b")).to_have_count(0)
    tab.screenshot("error")
    expect(tab.ask(COLD.question).locator(".sentence .words").first).to_have_text(COLD.sentence)
    turn = tab.page.locator(".turn").first
    turn.get_by_role("button", name=re.compile("Retry|Try again")).click()
    again = tab.page.locator(".turn").last
    expect(again.locator(".sentence .words").first).to_have_text(MEMORY.sentence)
    expect(tab.page.locator(".turn")).to_have_count(1)


def test_what_was_withheld_can_be_unfolded(scripted: Server, model: Model, open_tab: Open) -> None:
    tab = open_tab(scripted)
    said = lines(MEMORY.question, f"[1] {PAPERS['marlin'].title}")
    model.next.append(Say(said[0] + said[1].replace("64,000", "99,000", 1)))
    turn = tab.ask(MEMORY.question)
    expect(turn.locator(".sentence")).to_have_count(1)
    turn.get_by_text("1 sentence withheld").click()
    expect(turn.locator(".withheld del")).to_contain_text("99,000")
    expect(turn.locator(".withheld .reason")).not_to_be_empty()
    tab.screenshot("withheld")


def test_an_abstention_looks_like_none_and_opens_the_nearest_papers(quotes: Server, open_tab: Open) -> None:
    tab = open_tab(quotes)
    turn = tab.ask("Which bread did bakers in Lyon sell in 1750?")
    expect(turn.locator(".notice.abstained")).to_be_visible()
    expect(turn.locator(".sentence")).to_have_count(0)
    tab.screenshot("abstention")
    near = turn.locator(".near").first
    near.click()
    paper = tab.page.locator(".evidence details.paper[open]")
    expect(paper.locator("summary")).to_have_text(near.inner_text())
    expect(paper.locator(".abstract")).to_be_in_viewport()
