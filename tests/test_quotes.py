"""Which sentences the quotes engine takes, by the shape of the question; evidence is made by hand."""

import dataclasses

import pytest
from citewell import quotes
from citewell.evidence import Evidence, PaperEvidence, SentenceEvidence, coverage, idf
from citewell.question import analyse
from citewell.retriever import Candidate
from citewell.text import content_stems
from citewell.types import Paper, Span


def make(papers, weights=None):
    """Makes evidence from (title, score, [(sentence, score), …]) rows."""
    read, sentences = [], []
    for index, (title, fused, rows) in enumerate(papers):
        abstract = " ".join(text for text, _ in rows)
        stems = frozenset(content_stems(f"{title} {abstract}"))
        candidate = Candidate(index + 1, f"p{index}", fused, 0.5, 0.5, 1.0)
        read.append(
            PaperEvidence(
                candidate, Paper(title, abstract, f"p{index}"), frozenset(content_stems(title)), stems
            )
        )
        for text, score in rows:
            start = abstract.index(text)
            span = Span(start, start + len(text))
            sentences.append(
                SentenceEvidence(
                    index, span, text, frozenset(content_stems(text)), 0.5, any(map(str.isdigit, text)), score
                )
            )
    return Evidence(tuple(read), tuple(sentences), weights or {}, frozenset())


def texts(question, evidence, limit=4):
    return [sentence.text for sentence in quotes.select(analyse(question), evidence, limit)]


ALPHA = (
    "AlphaNet for birds",
    1.0,
    [("AlphaNet sings.", 3.0), ("AlphaNet flies far.", 1.0), ("AlphaNet rests.", 0.5)],
)
BETA = ("BetaNet for fish", 0.95, [("BetaNet swims.", 2.0), ("BetaNet dives deep.", 1.5)])
GAMMA = ("GammaNet for cats", 0.2, [("GammaNet sleeps.", 2.5)])
RARE = {stem: 1.0 for stem in content_stems("AlphaNet BetaNet GammaNet")}


def test_best_sentences_come_first_and_no_more_than_asked_for():
    assert texts("what happens", make([ALPHA, BETA]), limit=2) == ["AlphaNet sings.", "BetaNet swims."]


def test_near_duplicates_are_left_out():
    evidence = make(
        [
            (
                "T",
                1.0,
                [
                    ("Rivers carry sand and salt.", 2.0),
                    ("Salt and sand: rivers carry.", 1.9),
                    ("Ice melts.", 0.1),
                ],
            )
        ]
    )
    assert texts("what happens", evidence) == ["Rivers carry sand and salt.", "Ice melts."]


def test_a_close_rival_gets_a_sentence_and_a_paper_that_stands_out_is_quoted_alone():
    four = [(f"Fact {word} stands.", 9.0 - n) for n, word in enumerate(["apple", "brick", "cloud", "drum"])]
    close = make([("A", 1.0, four), ("B", 0.95, [("Rival speaks.", 5.0)])])
    distant = make([("A", 1.0, four[:2]), ("B", 0.8, [("Rival speaks.", 8.5)])])
    assert texts("what happens", close)[-1] == "Rival speaks."
    assert texts("what happens", distant) == ["Fact apple stands.", "Fact brick stands."]


def test_where_the_best_paper_holds_nothing_but_planted_words_the_next_one_speaks():
    evidence = make([("A", 1.0, []), ("B", 0.3, [("Rival speaks.", 5.0)])])
    assert texts("what happens", evidence) == ["Rival speaks."]


def test_a_comparison_quotes_each_side_first():
    chosen = texts("How does AlphaNet compare with BetaNet?", make([ALPHA, BETA, GAMMA], RARE))
    assert chosen[:4] == ["AlphaNet sings.", "BetaNet swims.", "AlphaNet flies far.", "BetaNet dives deep."]


def test_a_comparison_of_two_papers_has_up_to_three_sentences_of_each():
    more = [
        (title, fused, [*rows, (f"{title[:5]} eats.", 0.2), (f"{title[:5]} hunts.", 0.1)])
        for title, fused, rows in (ALPHA, BETA)
    ]
    assert len(texts("How does AlphaNet compare with BetaNet?", make(more, RARE))) == 6
    assert len(texts("How does AlphaNet compare with BetaNet?", make(more, RARE), limit=1)) == 1


def test_a_list_has_a_line_for_each_paper_that_is_close_enough_and_more_where_these_are_few():
    question = "Which papers are about nets?"
    assert texts(question, make([ALPHA, BETA, GAMMA], RARE), limit=1) == ["AlphaNet sings.", "BetaNet swims."]
    assert texts(question, make([ALPHA, BETA, GAMMA], RARE), limit=3)[2] == "AlphaNet flies far."


def test_a_list_that_asks_for_a_rare_name_holds_only_papers_with_it():
    chosen = texts("Which papers use BetaNet?", make([ALPHA, BETA, GAMMA], RARE))
    assert chosen == ["BetaNet swims.", "BetaNet dives deep."]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("ReefNet: Counting Fish", "ReefNet counts."),
        ("Counting Fish with ReefNet", "ReefNet counts."),
        ("Slow Reefs: Counting Fish", "Slow Reefs is a camera."),
        ("Counting Fish", "Fish swim."),  # a coined name counts half where the title has none
    ],
)
def test_a_list_says_what_each_paper_calls_its_work(title, expected):
    rows = [("Fish swim.", 4.0), ("ReefNet counts.", 1.0), ("Slow Reefs is a camera.", 0.5)]
    assert texts("Which papers are about fish?", make([(title, 1.0, rows)]), limit=1) == [expected]


def test_a_name_in_many_papers_points_to_none():
    common = {stem: 0.1 for stem in RARE}
    assert quotes.named_sides(analyse("AlphaNet versus BetaNet"), make([ALPHA, BETA], common)) == []


def test_sentences_that_tell_something_new_are_preferred():
    weights = {stem: 1.0 for stem in content_stems("salt tide")}
    rows = [("Salt dissolves quickly.", 2.0), ("Salt crystals grow.", 1.9), ("The tide turns twice.", 1.5)]
    assert texts("salt, tide", make([("Sea", 1.0, rows)], weights), limit=2)[1] == "The tide turns twice."


def test_drafts_quote_the_sentence_they_say():
    evidence = make([ALPHA])
    for draft in quotes.draft(analyse("what happens"), evidence, 4):
        (quote,) = draft.quotes
        assert draft.text == quote.text == quote.paper.abstract[quote.span.start : quote.span.end]
        assert draft.verdict == "quoted"


def test_ties_are_broken_by_place():
    evidence = make([("T", 1.0, [("Alpha one.", 1.0), ("Beta two.", 1.0)])])
    swapped = dataclasses.replace(evidence, sentences=evidence.sentences[::-1])
    assert texts("what", evidence) == texts("what", swapped) == ["Alpha one.", "Beta two."]


@pytest.mark.parametrize(
    ("frequency", "papers"), [(0, 1), (1, 1), (0, 3), (3, 3), (1, 10**6), (10**6, 10**6)]
)
def test_rarity_lies_between_zero_and_one(frequency, papers):
    assert 0 <= idf(frequency, papers) <= 1


def test_rarity_falls_with_frequency():
    assert idf(0, 100) == idf(1, 100) == 1.0 > idf(2, 100) > idf(50, 100) > idf(100, 100)


def test_coverage_is_the_share_of_weight():
    assert coverage(["a", "b"], frozenset("a"), {"a": 3.0, "b": 1.0}) == 0.75
    assert coverage([], frozenset("a"), {}) == 0.0


def test_a_sentence_far_worse_than_the_best_is_not_worth_a_line():
    evidence = make([("T", 1.0, [("Alpha one.", 9.0), ("Beta two.", 5.0), ("Gamma three.", 1.0)])])
    assert texts("what", evidence) == ["Alpha one.", "Beta two."]


def test_the_parts_of_a_question_are_quoted_in_turn_without_repeats():
    birds, fish = make([ALPHA], RARE), make([BETA], RARE)
    asked = analyse("what happens")
    both = quotes.draft_parts([(asked, birds), (asked, fish), (asked, birds)], 4)
    assert [draft.text for draft in both[:3]] == ["AlphaNet sings.", "BetaNet swims.", "AlphaNet flies far."]
    assert len({draft.text for draft in both}) == len(both)
    assert quotes.draft_parts([(asked, birds)], 2) == quotes.draft(asked, birds, 2)


def test_many_parts_share_the_room_of_an_answer():
    tall = (
        "Deltas",
        1.0,
        [(f"{word} grow here.", 3.0 - i) for i, word in enumerate("Reeds Eels Cod".split())],
    )
    evidence = make([tall], {})
    parts = [(analyse("what grows"), evidence)] * 7  # no more than one sentence of each, all the same
    assert [draft.text for draft in quotes.draft_parts(parts, 6)] == ["Reeds grow here."]
