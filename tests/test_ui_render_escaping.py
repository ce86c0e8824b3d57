"""Nothing from a question, a paper or a model reaches the page as markup, and all of it can be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import pytest
from citewell import Paper
from citewell.types import Abstention, Citation, Listing, Rejected, Sentence, Span
from citewell_ui import render
from citewell_ui.render.escape import paper_address, text, web_address
from citewell_ui.render.highlight import highlighted
from citewell_ui.turns import Turn, finished
from hypothesis import given, settings
from hypothesis import strategies as st
from ui_html import Element, parse
from ui_turns import answer, asked, citation, result

SNIPPETS = st.sampled_from(
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '" onmouseover="alert(1)',
        "' autofocus onfocus='x",
        "</article></section>", "</textarea><script>", "<!--", "-->", "<![CDATA[", "&lt;b&gt;", "&#60;", "&amp", "]]>",
        "javascript:alert(1)", "<svg/onload=alert(1)>", "</style>", "$x^2$", "$\\text{<b>}$", "\n", "`",
        "${value}", "{{value}}",
    ]
)  # fmt: skip
# Without what HTML cannot hold; there is a test of that, too.
REORDERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
PLAIN = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn"], exclude_characters=REORDERING),
    min_size=1,
    max_size=20,
)
HOSTILE = st.lists(PLAIN | SNIPPETS, min_size=1, max_size=4).map("".join)


class Shape(NamedTuple):
    """What a page is made of: how often each element and each attribute of an element occurs."""

    elements: Counter[str]
    attributes: Counter[tuple[str, str]]


MATHML = {"math", "semantics", "annotation", "annotation-xml"}


def shape(root: Element) -> Shape:
    """Returns the shape without formulas, which other tests look at."""
    found = Shape(Counter(), Counter())

    def walk(element: Element) -> None:
        for child in element.children:
            if isinstance(child, Element) and child.tag not in MATHML:
                found.elements[child.tag] += 1
                found.attributes.update((child.tag, name) for name in child.attributes)
                walk(child)

    walk(root)
    return found


def turns(words: str) -> list[tuple[Turn, dict[str, Paper]]]:
    """Returns turns in which everything that others write is `words`: an answer, a refusal and a failure."""
    paper = Paper(words, words, "p", (Listing("page", words),), (words,), 2024, categories=(words,))
    quote = citation(1, paper, Span(0, len(words)))
    whole = answer(
        (Sentence(words, (1,), "quoted"),),
        (quote,),
        question=words,
        standalone=words + "?",
        rejected=(Rejected(words, words, "name"),),
        error=words,
        notice=words,
        llm=words,
    )
    refusal = answer(question=words, abstention=Abstention("not_reported", words, (result("p", words),)))
    begun = asked(question=words)
    return [
        (finished(begun, whole), {"p": paper}),
        (finished(begun, whole), {}),
        (finished(begun, refusal), {"p": paper}),
        (replace(begun, phase="reading", reading=(result("p", words),)), {"p": paper}),
        (replace(begun, phase="failed", trouble=words), {}),
    ]


def pages(words: str) -> list[Element]:
    rendered = [(render.turn(turn, papers), render.evidence(turn, papers)) for turn, papers in turns(words)]
    rendered.append(
        (render.empty(words, (words,), words, True), render.header(words) + render.trouble(words))
    )
    return [parse(html) for pair in rendered for html in pair]


PLAIN_SHAPES = [shape(page) for page in pages("plain words")]


@settings(max_examples=120)
@given(HOSTILE)
def test_hostile_text_changes_no_element_and_no_attribute(words: str) -> None:
    assert [shape(page) for page in pages(words)] == PLAIN_SHAPES


@settings(max_examples=120)
@given(HOSTILE)
def test_hostile_text_is_read_as_it_was_written(words: str) -> None:
    (turn, papers), *_ = turns(words)
    conversation, evidence = parse(render.turn(turn, papers)), parse(render.evidence(turn, papers))
    (chip,) = conversation.all("button", class_="chip")
    assert conversation.one("h2").text == words
    assert conversation.one("span", class_="words").text == words
    assert conversation.one("del").text == words
    assert chip.attributes["data-title"] == words and chip.attributes["data-quote"] == words
    # A parser drops the first line break of a text area.
    assert conversation.one("form", data_form="edit").one("textarea").text == "\n" + words
    assert evidence.one("h3").text == words
    assert evidence.one("div", class_="abstract").text == words
    assert "".join(mark.text for mark in evidence.all("mark")) == words


@settings(max_examples=150)
@given(HOSTILE, st.lists(st.tuples(st.integers(0, 80), st.integers(1, 80)), max_size=5))
def test_marks_hold_exactly_the_quotes_however_they_lie(abstract: str, ranges: list[tuple[int, int]]) -> None:
    quotes = {
        f"t1-{number}": Span(start, start + length)
        for number, (start, length) in enumerate(ranges, 1)
        if start + length <= len(abstract)
    }
    page = parse(highlighted(abstract, quotes))
    assert page.text == abstract
    for name, (start, end) in quotes.items():
        assert "".join(mark.text for mark in page.all("mark", data_sources=name)) == abstract[start:end]
    assert Counter(
        number for mark in page.all("mark") for number in mark.attributes.get("data-starts", "").split()
    ) == Counter(name[3:] for name in quotes)


@settings(max_examples=80)
@given(st.text(max_size=30))
def test_any_text_at_all_can_be_sent_and_read_back(words: str) -> None:
    html = f'<p title="{text(words)}">{text(words)}</p>'
    html.encode()
    paragraph = parse(html).one("p")
    assert paragraph.text == paragraph.attributes["title"]
    assert "\r" not in paragraph.text and "\0" not in paragraph.text
    assert len(paragraph.text) == len(words.replace("\r\n", "\n"))


def test_text_that_would_reorder_what_is_around_it_is_disarmed() -> None:
    assert text("paper \u202egpj.exe\u2069") == "paper \ufffdgpj.exe\ufffd"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JAVASCRIPT:alert(1)", "java\nscript:alert(1)", " javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x", "file:///etc/passwd", "//evil.example/x", "/relative", "http:", "https://",
        "http:\\\\evil.example",
        "https://a.example/\x00", "https://a.example/ b", "http://[bad", "\x01javascript:x", "", None,
    ],
)  # fmt: skip
def test_only_absolute_web_addresses_become_links(url: str | None) -> None:
    assert web_address(url) is None
    paper = Paper("On cats", "Cats sleep.", "cats", url=url)
    cited = Citation(1, "cats", "On cats", url, "Cats sleep.", 0, 11)
    turn = finished(asked(), answer((Sentence("Cats sleep.", (1,), "quoted"),), (cited,)))
    for papers in ({"cats": paper}, {}):
        assert parse(render.evidence(turn, papers)).all("a") == []


@pytest.mark.parametrize(
    "paper, address",
    [
        (Paper("T", "A", url="http://a.example/?a=1&b=<x>"), "http://a.example/?a=1&b=<x>"),
        (Paper("T", "A", doi="10.1000/a b\"<"), "https://doi.org/10.1000/a%20b%22%3C"),
        (Paper("T", "A", arxiv_id="2310.15169v3"), "https://arxiv.org/abs/2310.15169v3"),
        (Paper("T", "A", arxiv_id="hep-th/9901001"), "https://arxiv.org/abs/hep-th/9901001"),
        (Paper("T", "A", arxiv_id="../evil"), None),
        (Paper("T", "A", url="javascript:x", doi="10.1/x"), "https://doi.org/10.1/x"),
        (Paper("T", "A"), None),
    ],
)  # fmt: skip
def test_where_a_paper_can_be_read(paper: Paper, address: str | None) -> None:
    assert paper_address(paper) == address
