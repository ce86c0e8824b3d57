"""The page for everybody: keyboard alone, a phone, the dark theme, and what axe-core finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from llm_server import Stall
from made_up_papers import FACTS, PAPERS
from playwright.sync_api import Page, expect
from serving import Model, Open, Server, Tab, lines

ASKED = FACTS[0]
OFF_TOPIC = "Which bread did bakers in Lyon sell in 1750?"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": PHONE,
    "phone-dark": {**PHONE, "color_scheme": "dark"},
}
_FOCUSED = "(selector) => Boolean(document.activeElement?.matches(selector))"


def press_until(page: Page, key: str, selector: str) -> None:
    """Presses a key until the focus is on an element."""
    for _ in range(40):
        page.keyboard.press(key)
        if page.evaluate(_FOCUSED, selector):
            return
    raise AssertionError(f"{key} does not lead to {selector}")


def test_the_keyboard_is_enough(scripted: Server, model: Model, open_tab: Open) -> None:
    tab = open_tab(scripted)
    page, keys = tab.page, tab.page.keyboard
    page.locator(".masthead .brand").click()
    expect(tab.box).not_to_be_focused()
    keys.press("/")
    expect(tab.box).to_be_focused()
    expect(tab.box).to_have_value("")
    keys.type("first line")
    keys.press("Shift+Enter")
    keys.type("second")
    expect(tab.box).to_have_value("first line\nsecond")
    expect(page.locator(".turn")).to_have_count(0)
    keys.press("Control+a")
    keys.type(ASKED.question)
    keys.press("Enter")
    turn = page.locator(".turn")
    expect(turn).to_have_attribute("data-phase", "done")
    press_until(page, "Shift+Tab", ".chip")
    expect(page.get_by_role("tooltip")).to_be_visible()
    keys.press("Enter")
    card = page.locator(".card:visible")
    expect(card).to_be_focused()
    keys.press("Escape")
    expect(turn.locator(".chip:focus")).to_have_count(1)
    keys.press("1")
    expect(card).to_be_focused()
    expect(card.locator("mark", has_text=ASKED.quote)).to_be_in_viewport()
    keys.press("Escape")
    expect(turn.locator(".chip:focus")).to_have_text("1")
    keys.press("2")
    expect(card).to_be_focused()
    expect(card.locator("mark", has_text=FACTS[1].quote)).to_be_in_viewport()
    keys.press("/")
    model.next.append(Stall(lines(ASKED.question, f"[1] {PAPERS[ASKED.paper].title}")[0]))
    keys.type(ASKED.question)
    keys.press("Enter")
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator(".turn").last.locator(".sentence")).to_have_count(1)
    keys.press("Escape")
    expect(page.locator(".turn").last).to_have_attribute("data-phase", "stopped")


def overflow(page: Page) -> list[str]:
    """Returns what reaches beyond the right edge of a window that has to be scrolled sideways."""
    return page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
            .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
            .map((element) => element.outerHTML.slice(0, 120))"""
    )


def findings(page: Page) -> list[str]:
    """Returns what axe-core calls serious or critical."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']} ({found['impact']}): {node['target']} {node['html'][:160]}"
        for found in violations
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("look", LOOKS)
def test_every_state_is_accessible_and_fits(look: str, quotes: Server, open_tab: Open) -> None:
    tab = open_tab(quotes, **LOOKS[look])
    page, found = tab.page, list[str]()

    def examine(state: str) -> None:
        tab.screenshot(f"{look}-{state}")
        found.extend(f"{state}: {finding}" for finding in findings(page))
        found.extend(f"{state} is too wide: {element}" for element in overflow(page)[:3])

    expect(page.locator(".welcome .example").first).to_be_visible()
    examine("empty")
    turn = tab.ask(ASKED.question)
    turn.locator(".chip").first.click()
    examine("answer")
    tab.ask(OFF_TOPIC)
    examine("abstention")
    page.locator("#cw-open-history").click()
    page.locator("#cw-kept button.kept").first.hover(trial=True)  # waits until the drawer has moved in
    examine("history")
    page.locator("#cw-history .toggle-button").first.click()
    page.get_by_role("tab", name="Collection").click()
    expect(page.locator("#citewell-map .js-plotly-plot")).to_be_visible()
    examine("map")
    page.get_by_role("tab", name="Papers", exact=True).click()
    page.locator("#citewell-papers button.cw-title").first.click()
    expect(page.locator("article.cw-paper")).to_be_visible()
    examine("papers")
    page.get_by_role("tab", name="Add papers").click()
    examine("add")
    assert found == []


def test_on_a_phone_a_chip_leads_to_the_quote_and_back(quotes: Server, open_tab: Open) -> None:
    tab = open_tab(quotes, **PHONE)
    chip = tab.ask(ASKED.question).locator(".chip").first
    chip.tap()
    expect(tab.page.locator(".card mark").first).to_be_in_viewport()
    expect(chip).not_to_be_in_viewport()
    back = tab.page.locator(".evidence:visible .back")
    back.scroll_into_view_if_needed()
    back.tap()
    expect(chip).to_be_in_viewport()


def test_the_dark_theme_is_kept(quotes: Server, open_tab: Open) -> None:
    tab = open_tab(quotes, color_scheme="light")
    name, switch = tab.page.locator(".brand"), tab.page.get_by_role("button", name="Dark theme")
    ink = name.evaluate("name => getComputedStyle(name).color")
    switch.click()
    expect(name).not_to_have_css("color", ink)
    tab.page.reload()
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(name).not_to_have_css("color", ink)
    switch.click()
    expect(name).to_have_css("color", ink)


def test_what_is_asked_early_stays(listing_pages: Server, open_tab: Open) -> None:
    tab = open_tab(listing_pages)
    turn = tab.ask(
        "What does FreeNoise do to make longer videos?"
    )  # while the examples are still being found
    later = open_tab(listing_pages)
    expect(later.page.locator(".welcome .example").first).to_be_visible()
    expect(turn.locator(".chip").first).to_be_visible()


def test_the_listing_pages_are_worth_a_look(listing_pages: Server, open_tab: Open) -> None:
    tab = open_tab(listing_pages, viewport={"width": 1440, "height": 900})
    expect(tab.page.locator(".masthead")).to_contain_text("2 listings")
    expect(tab.page.locator(".welcome .example").first).to_be_visible()
    tab.screenshot("listing-empty")
    turn = tab.ask("What does FreeNoise do to make longer videos?")
    turn.locator(".chip").first.click()
    expect(tab.page.locator(".card mark").first).to_be_in_viewport()
    tab.screenshot("listing-answer")
    _show_map(tab)
    tab.screenshot("listing-map")


def _show_map(tab: Tab) -> None:
    tab.page.get_by_role("tab", name="Collection").click()
    expect(tab.page.locator("#citewell-map .js-plotly-plot")).to_be_visible()
