"""The conversation and its evidence as HTML: every chip opens its quote, every state says what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from citewell import Paper
from citewell.types import Abstention, Citation, Listing, Rejected, Sentence
from citewell_ui import render
from citewell_ui.turns import Turn, finished
from ui_html import Element, parse
from ui_turns import answer, asked, paper, quoting, result

CATS = paper(
    listings=(Listing("/home/someone/page 000.txt", "Aug 22"), Listing("two.csv")),
    authors=tuple(f"Author {n}" for n in range(8)),
    year=2025,
    url="https://www.example.org/cats?a=1&b=2",
)
DOGS = paper("Dogs bark. Some dogs bark at cats.", "dogs", "On dogs")
PAPERS = {"cats": CATS, "dogs": DOGS}
CITED = (
    quoting(CATS, 1, "They need $16^h$ of sleep."),
    quoting(DOGS, 2, "Dogs bark."),
    quoting(CATS, 3, "Cats sleep most of the day."),
)
SENTENCES = (
    Sentence("They need $16^h$ of sleep.", (1,), "quoted"),
    Sentence("Cats sleep by day, while dogs bark.", (3, 2), "verified"),
)


def done(**given: object) -> Turn:
    return finished(asked(), answer(SENTENCES, CITED, **given))  # type: ignore[arg-type]


def shown(turn: Turn, papers: dict[str, Paper] = PAPERS) -> tuple[Element, Element]:
    return parse(render.turn(turn, papers)), parse(render.evidence(turn, papers))


def marked(evidence: Element, source: str) -> str:
    return "".join(mark.text for mark in evidence.all("mark", data_sources=source))


# --- chips and cards -------------------------------------------------------------------------------------


def test_every_chip_has_a_card_with_exactly_its_quote_marked() -> None:
    turn, evidence = shown(done())
    chips = turn.all("button", class_="chip")
    assert [chip.attributes["data-card"] for chip in chips] == ["t3-1", "t3-3", "t3-2"]
    quotes = {f"t3-{c.number}": c for c in CITED}
    for chip in chips:
        source = chip.attributes["data-card"]
        card = evidence.one("article", data_sources=source)
        assert card.one("h3").text == quotes[source].title
        assert marked(card, source) == quotes[source].quote == chip.attributes["data-quote"]
        assert chip.attributes["aria-label"] == f"Source {chip.text}: {quotes[source].title}"


def test_a_paper_has_one_card_and_the_whole_abstract() -> None:
    evidence = shown(done())[1]
    cards = evidence.all("article", class_="card")
    assert [card.attributes["id"] for card in cards] == ["card-t3-1", "card-t3-2"]
    assert [card.one("div", class_="abstract").text for card in cards] == [CATS.abstract, DOGS.abstract]


def test_a_card_names_the_sentences_that_use_it() -> None:
    cats, dogs = shown(done())[1].all("article", class_="card")
    assert [link.attributes["data-sentence"] for link in cats.all("button", class_="used")] == [
        "t3-1",
        "t3-2",
    ]
    assert [link.attributes["data-sentence"] for link in dogs.all("button", class_="used")] == ["t3-2"]
    assert {s.attributes["id"] for s in shown(done())[0].all("p", class_="sentence")} == {
        "sentence-t3-1", "sentence-t3-2",
    }  # fmt: skip


def test_a_card_tells_who_where_and_when() -> None:
    card = shown(done())[1].all("article", class_="card")[0]
    assert card.one("p", class_="byline").text.startswith("Author 0, Author 1,")
    assert card.one("p", class_="byline").text.endswith("and 2 more · 2025")
    assert "page 000.txt · Aug 22" in card.one("footer").text and "/home" not in card.text
    (link,) = card.all("a")
    assert link.attributes["href"] == "https://www.example.org/cats?a=1&b=2"
    assert (link.attributes["target"], link.attributes["rel"]) == ("_blank", "noopener noreferrer")
    assert link.text.startswith("example.org")


def test_overlapping_quotes_are_each_marked_exactly() -> None:
    whole, part, meets = (
        "Cats sleep most of the day. They need $16^h$",
        "of the day",
        "the day. They need $16",
    )
    cited = tuple(quoting(CATS, n, words) for n, words in enumerate((whole, part, meets), 1))
    sentence = Sentence("Cats sleep.", (1, 2, 3), "verified")
    evidence = shown(finished(asked(), answer((sentence,), cited)))[1]
    assert [marked(evidence, f"t3-{n}") for n in (1, 2, 3)] == [whole, part, meets]
    assert evidence.one("div", class_="abstract").text == CATS.abstract
    starts = [
        mark.attributes["data-starts"] for mark in evidence.all("mark") if "data-starts" in mark.attributes
    ]
    assert starts == ["1", "2", "3"]


def test_a_formula_is_drawn_within_a_quote_and_raw_where_a_quote_cuts_it() -> None:
    def drawn(words: str) -> int:
        sentence = Sentence("Cats sleep.", (1,), "verified")
        turn = finished(asked(), answer((sentence,), (quoting(CATS, 1, words),)))
        return len(shown(turn)[1].all("math"))

    assert drawn("They need $16^h$ of sleep.") == 1
    assert drawn("Dogs do not.") == 1
    assert drawn("They need $16") == 0


def test_quotes_of_a_paper_that_was_removed_are_still_shown() -> None:
    evidence = shown(done(), {"dogs": DOGS})[1]
    card = evidence.one("article", id="card-t3-1")
    assert marked(card, "t3-1") == CITED[0].quote and marked(card, "t3-3") == CITED[2].quote
    assert "no longer in the collection" in card.text


def test_a_quote_that_lies_outside_the_abstract_marks_nothing() -> None:
    wrong = Citation(1, "dogs", "On dogs", None, "x", 900, 901)
    turn = finished(asked(), answer((Sentence("x", (1,), "verified"),), (wrong,)))
    assert shown(turn)[1].all("mark") == []


def test_ids_are_unique_over_a_conversation() -> None:
    rejected = (Rejected("Cats fly.", "no source says so", "content"),)
    turns = [
        replace(done(rejected=rejected), key=key, reading=(result("dogs", "On dogs"),))
        for key in ("t1", "t2")
    ]
    html = "".join(render.turn(turn, PAPERS) + render.evidence(turn, PAPERS) for turn in turns)
    ids = [element.attributes["id"] for element in parse(html).all() if "id" in element.attributes]
    assert len(ids) == len(set(ids)) > 10


def test_papers_that_were_read_but_not_cited_are_apart() -> None:
    birds = paper("Birds sing.", "birds", "On birds")
    turn = replace(done(), reading=(result("cats", "On cats"), result("birds", "On birds", 2)))
    apart = shown(turn, {**PAPERS, "birds": birds})[1].one("details", class_="retrieved")
    assert apart.all("summary")[0].text == "Also retrieved, not cited (1)"
    assert "Birds sing." in apart.text and apart.all("mark") == []


# --- voices and verdicts ---------------------------------------------------------------------------------


def test_the_words_of_papers_and_of_citewell_can_be_told_apart() -> None:
    quoted, verified = shown(done())[0].all("p", class_="sentence")
    assert "quoted" in quoted.attributes["class"] and "verified" in verified.attributes["class"]
    assert quoted.one("span", class_="badge").attributes["title"] == "Verbatim from the abstract"
    assert verified.one("span", class_="badge").attributes["title"].startswith("Checked")


def test_withheld_sentences_are_struck_through_beside_their_reason() -> None:
    rejected = (
        Rejected("Cats fly.", "no source says so", "content"),
        Rejected("9 lives", "9 is not there", "number"),
    )
    withheld = shown(done(rejected=rejected))[0].one("details", class_="withheld")
    assert "open" not in withheld.attributes
    assert withheld.one("summary").text == "2 sentences withheld"
    assert [draft.text for draft in withheld.all("del")] == ["Cats fly.", "9 lives"]
    assert "no source says so" in withheld.text


def test_the_coverage_line_counts_and_bills() -> None:
    usage = {"prompt_tokens": 2000, "completion_tokens": 100, "cost_usd": 0.0042}
    line = (
        shown(done(usage=usage, timings={"total": 3.41}, llm="some-model"))[0]
        .one("p", class_="coverage")
        .text
    )
    assert (
        line == "1,532 searched → 31 matched → 6 read → 2 cited · 3.4 s · 2,100 tokens · $0.0042 · some-model"
    )


def test_copying_gives_the_sentences_with_numbers_and_the_quotes() -> None:
    (button,) = [b for b in shown(done())[0].all("button") if "data-copy" in b.attributes]
    lines = button.attributes["data-copy"].split("\n")
    assert lines[1] == "Cats sleep by day, while dogs bark. [3][2]"
    assert lines[-2] == "[2] On dogs: “Dogs bark.”"


def test_a_question_that_was_understood_otherwise_says_so() -> None:
    assert (
        "Understood as: How long do dogs sleep?" in shown(done(standalone="How long do dogs sleep?"))[0].text
    )
    assert "Understood as" not in shown(done())[0].text


# --- states ----------------------------------------------------------------------------------------------

READING = replace(asked(), phase="reading", reading=(result("cats", "On cats"), result("dogs", "On dogs", 2)))


@pytest.mark.parametrize(
    "turn, said",
    [
        (asked(), "Searching 1,532 abstracts…"),
        (replace(asked(), searched=0), "Opening the collection…"),
        (READING, "Reading 2 abstracts…"),
        (
            replace(READING, phase="answering", sentences=SENTENCES[:1], rejected=(Rejected("", "", "name"),)),
            "1 sentence verified, more to come… · 1 withheld",
        ),
        (replace(READING, phase="stopped"), "Stopping…"),
    ],
)  # fmt: skip
def test_a_turn_says_how_far_it_is(turn: Turn, said: str) -> None:
    html, evidence = shown(turn)
    assert html.one("p", class_="progress").text == said
    assert html.one("article").attributes.get("aria-busy", "") == ("true" if turn.live else "")
    assert html.all("div", class_="actions") == [] and evidence.one("section").attributes["data-turn"] == "t3"


def test_what_was_shown_stays_the_same_while_an_answer_grows() -> None:
    first = replace(READING, phase="answering", sentences=SENTENCES[:1], citations=CITED[:1])
    both = replace(first, sentences=SENTENCES, citations=CITED)

    def head(turn: Turn) -> str:
        return render.turn(turn, PAPERS).partition("</p></div>")[0]

    assert head(both).startswith(head(first))
    finished_html = render.turn(finished(both, answer(SENTENCES, CITED)), PAPERS)
    answer_part = head(both).partition('<div class="answer">')[2]
    assert answer_part in finished_html


def test_an_abstention_looks_unlike_an_answer_and_names_the_nearest() -> None:
    refusal = Abstention("not_reported", "None of the abstracts reports this.", (result("dogs", "On dogs"),))
    html, evidence = shown(finished(asked(), answer(abstention=refusal)))
    panel = html.one("div", class_="abstained")
    assert "None of the abstracts reports this." in panel.text and "not an answer" in panel.text
    (near,) = panel.all("button", class_="near")
    assert (
        evidence.one("details", id=f"paper-{near.attributes['data-paper']}").all("summary")[0].text
        == "On dogs"
    )
    assert html.all("p", class_="sentence") == [] and evidence.all("article") == []


def test_an_incomplete_answer_says_why_and_keeps_its_sentences() -> None:
    html = shown(done(error="The model stopped.", notice="Quotes were used instead."))[0]
    assert "The model stopped." in html.one("div", class_="incomplete").text
    assert "Quotes were used instead." in html.text and len(html.all("p", class_="sentence")) == 2


def test_a_turn_that_failed_offers_to_try_again() -> None:
    html, evidence = shown(replace(asked(), phase="failed", trouble="The engine broke (error 3f9a)."))
    assert html.one("div", role="alert").text.startswith("This question could not be answered")
    assert html.one("button", data_action="retry").attributes["data-turn"] == "t3"
    assert "No paper was read" in evidence.text


def test_the_page_before_the_first_question() -> None:
    html = parse(render.empty("532 papers · Aug 19 – Sep 4", ["Do cats <sleep>?"], "Quotes", True))
    assert "532 papers · Aug 19 – Sep 4" in html.text
    assert html.one("button", data_action="ask").attributes["data-value"] == "Do cats <sleep>?"
    assert "Opening the collection" in parse(render.empty("", (), "Quotes", False)).text
    assert "no collection yet" in parse(render.empty("", (), "Quotes", True)).text
    assert parse(render.trouble("No <data>.")).one("div", role="alert").text.endswith("No <data>.")
    assert "532 papers" in parse(render.header("532 papers")).text
