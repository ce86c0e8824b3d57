"""What the terminal shows, and that nothing of a paper can command it."""

from __future__ import annotations

import dataclasses
import io
import unicodedata
from pathlib import Path

import pytest
from citewell.terminal import (
    clean,
    coverage_line,
    engine_line,
    labelled,
    make_console,
    rejection_lines,
    report_line,
    search_table,
    show_answer,
    show_paper,
    show_stats,
    size,
    write,
)
from citewell.types import (
    Abstention,
    Answer,
    Citation,
    Coverage,
    EngineInfo,
    IngestReport,
    Listing,
    Paper,
    Rejected,
    Rejection,
    SearchResult,
    Sentence,
)
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.text import Text

ABSTRACT = "Forty hives were watched. Bees visit lavender twice as often as thyme. Rain keeps them in."
BEES = Paper(
    title="Bees [and] lavender: a [bold]field[/bold] study",
    abstract=ABSTRACT,
    paper_id="bees-1a2b3c4d",
    listings=(Listing("page 000", "Aug 22"), Listing("page 003")),
    authors=("Ana Díaz", "Bo Li"),
    year=2021,
    url="https://example.org/bees",
    categories=("q-bio.PE",),
)


def cite(number: int, quote: str) -> Citation:
    start = ABSTRACT.index(quote)
    return Citation(number, BEES.paper_id, BEES.title, BEES.url, quote, start, start + len(quote))


LAVENDER = cite(1, "Bees visit lavender twice as often as thyme.")
HIVES = cite(2, "Forty hives were watched.")
ENGINE = EngineInfo("quotes", "minilm", None, None, "0123456789abcdef")


def answer(abstention: Abstention | None = None) -> Answer:
    sentences = (Sentence(LAVENDER.quote, (1,), "quoted"), Sentence(HIVES.quote, (2,), "quoted"))
    return Answer(
        question="Which plant do bees visit?",
        standalone_question="Which plant do bees visit?",
        sentences=() if abstention else sentences,
        citations=() if abstention else (LAVENDER, HIVES),
        coverage=Coverage(1532, 41, 8, 0 if abstention else 1),
        engine=ENGINE,
        confidence=0.87,
        abstention=abstention,
        timings={"total": 0.131},
    )


REFUSAL = Abstention(
    "nothing_relevant", "Nothing is about this.", (SearchResult("bees-1a2b3c4d", BEES.title, 0.5, 1),)
)


def shown(body: RenderableType, width: int = 80, terminal: bool = False) -> str:
    """The body as it is written to a pipe, or to a terminal with its colours left out."""
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=terminal, color_system=None, markup=False, highlight=False
    )
    write(console, body)
    return stream.getvalue()


@pytest.mark.parametrize(
    "hostile, harmless",
    [
        ("plain text", "plain text"),
        ("a\x1b[31mred\x1b[0m b", "ared b"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://x.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("misread â\x80\x9dquotes\x9b2J", "misread âquotes2J"),
        ("\x1bP1$r\x1b\\dcs", "dcs"),
        ("\x1b(0line\x1bc", "line"),
        ("\x1b]0;not closed, cut off \x1b[", "0;not closed, cut off "),
        ("bell\x07 back\x08 null\x00", "bell back null"),
        ("right\u202eto left\u2066 iso\u2069late", "rightto left isolate"),
        ("zero\u200bwidth\ufeff tag\U000e0041", "zerowidth tag"),
        ("two\nlines\tand\u2028more", "two lines and more"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("نامه\u200cها 👩\u200d🔬 é 中", "نامه\u200cها 👩\u200d🔬 é 中"),
        ("[red]markup[/red] :smile:", "[red]markup[/red] :smile:"),
    ],
)
def test_clean_takes_out_what_a_terminal_would_obey(hostile: str, harmless: str) -> None:
    assert clean(hostile) == harmless


@given(st.text(st.characters() | st.sampled_from("\x1b\x9b\x9d[]()P;m\x07\\")))
def test_clean_leaves_no_control_character_whatever_the_text(text: str) -> None:
    for char in clean(text):
        assert unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"), ascii(char)
        assert unicodedata.category(char) != "Cf" or char in "\u200c\u200d", ascii(char)


def test_an_answer_has_numbered_sentences_then_their_sources() -> None:
    assert shown(show_answer(answer(), {BEES.paper_id: BEES})).splitlines() == [
        "1. Bees visit lavender twice as often as thyme. [1]",
        "2. Forty hives were watched. [2]",
        "",
        "Sources",
        "[1] [2] Bees [and] lavender: a [bold]field[/bold] study",
        "        page 000 · Aug 22; page 003",
        "        https://example.org/bees",
        "        bees-1a2b3c4d",
        "",
        "1,532 abstracts → 41 matched → 8 read → 1 cited",
        "quotes · minilm · collection 01234567 · confidence 0.87 · 0.13 s",
    ]


def test_a_source_whose_paper_is_gone_is_still_shown() -> None:
    assert "[1] [2] Bees [and] lavender" in shown(show_answer(answer(), {}))


def test_a_quote_is_shown_below_its_source_where_the_sentence_says_it_in_other_words() -> None:
    drafted = answer()
    reworded = dataclasses.replace(drafted.sentences[0], text="Lavender is visited most.", verdict="verified")
    drafted = dataclasses.replace(drafted, sentences=(reworded, *drafted.sentences[1:]))
    printed = shown(show_answer(drafted, {}))
    assert "“Bees visit lavender twice as often as thyme.”" in printed
    assert "“Forty hives were watched.”" not in printed


def test_an_abstention_says_so_and_names_the_nearest_papers_as_no_answer() -> None:
    assert shown(show_answer(answer(REFUSAL), {})).splitlines() == [
        "Nothing is about this.",
        "",
        "Nearest papers (not an answer):",
        "1 Bees [and] lavender: a [bold]field[/bold] study",
        "  bees-1a2b3c4d",
        "",
        "1,532 abstracts → 41 matched → 8 read → 0 cited",
        "quotes · minilm · collection 01234567 · confidence 0.87 · 0.13 s",
    ]


def test_an_abstention_looks_different_on_a_terminal_only() -> None:
    boxed = shown(show_answer(answer(REFUSAL), {}), terminal=True)
    assert "no answer" in boxed and "│ Nothing is about this." in boxed
    assert not set("│─╭╰") & set(shown(show_answer(answer(REFUSAL), {})))


@pytest.mark.parametrize("width", [20, 33, 40, 79, 80, 200])
@pytest.mark.parametrize("terminal", [False, True])
def test_no_line_is_wider_than_the_screen_and_no_word_is_lost(width: int, terminal: bool) -> None:
    for told in (answer(), answer(REFUSAL)):
        text = shown(show_answer(told, {BEES.paper_id: BEES}), width, terminal)
        assert max(map(len, text.splitlines())) <= width
        together = "".join(char for char in text if not char.isspace() and char not in "│─╭╮╰╯")
        assert "bees-1a2b3c4d" in together and "1,532abstracts" in together


def test_lines_in_a_pipe_do_not_end_in_spaces() -> None:
    text = shown(show_paper(BEES), 30)
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_colours_are_for_terminals() -> None:
    stream = io.StringIO()
    write(make_console(stream), show_answer(answer(), {}))
    assert "\x1b" not in stream.getvalue()


def test_a_console_keeps_a_least_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1")
    assert make_console(io.StringIO()).width == 20


def test_hostile_papers_cannot_write_to_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202eevil\r"
    paper = Paper(evil, evil, evil, (Listing(evil, evil),), (evil,), 1, evil, categories=(evil,))
    citation = Citation(1, evil, evil, evil, evil, 0, len(evil))
    told = Answer(
        evil, evil, (Sentence(evil, (1,), "quoted"),), (citation,), Coverage(1, 1, 1, 1), ENGINE, 1.0
    )
    refused = Answer(
        evil,
        evil,
        (),
        (),
        Coverage(1, 1, 1, 0),
        EngineInfo(evil, evil, evil, evil, evil),
        0.0,
        Abstention("not_reported", evil, (SearchResult(evil, evil, 1.0, 1),)),
    )
    bodies = [show_answer(told, {evil: paper}), show_answer(refused, {}), show_paper(paper, citation)]
    bodies += [show_paper(paper), show_stats({"embedding": evil, "listings": [listing(evil)]})]
    text = "".join(map(shown, bodies)) + "".join(rejection_lines([Rejection(evil, 1, evil)]))
    assert "evil" in text
    assert {char for char in text if unicodedata.category(char) in ("Cc", "Cf")} == {"\n"}


def listing(source: str) -> dict[str, object]:
    return {"source": source, "date": source, "papers": 1}


def test_a_paper_is_shown_with_what_is_known_of_it() -> None:
    assert shown(show_paper(BEES), 100).splitlines() == [
        "Bees [and] lavender: a [bold]field[/bold] study",
        "Ana Díaz, Bo Li",
        "2021 · q-bio.PE",
        "page 000 · Aug 22",
        "page 003",
        "https://example.org/bees",
        "bees-1a2b3c4d",
        "",
        ABSTRACT,
    ]
    assert shown(show_paper(Paper("T", "A b.", "id"))).splitlines() == ["T", "id", "", "A b."]


def test_the_quoted_words_are_highlighted_in_their_abstract() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=200, force_terminal=True, color_system="standard")
    write(console, show_paper(BEES, LAVENDER))
    assert f"watched. \x1b[1;30;43m{LAVENDER.quote}\x1b[0m Rain" in stream.getvalue()


def test_a_quote_that_no_longer_stands_there_is_not_highlighted() -> None:
    changed = Paper(BEES.title, "Another abstract.", BEES.paper_id)
    assert shown(show_paper(changed, LAVENDER)).endswith("\nAnother abstract.\n")


def test_search_results_have_rank_score_title_and_an_uncut_id() -> None:
    results = [SearchResult(f"a-long-paper-id-{n}", f"Title {n}", 1 - n / 20, n) for n in range(1, 11)]
    lines = shown(search_table(results), 40).splitlines()
    assert lines[:2] == [" 1 0.95 Title 1", "        a-long-paper-id-1"]
    assert lines[-2:] == ["10 0.50 Title 10", "        a-long-paper-id-10"]


def test_stats_are_one_fact_a_line() -> None:
    stats: dict[str, object] = {
        "papers": 1532,
        "listings": [{"source": "page 000", "date": "Aug 22", "papers": 1}, listing("p")],
        "data_dir": "data",
        "bytes": {"library": 900, "vectors": 14_800_000},
    }
    assert shown(show_stats(stats)).splitlines() == [
        "papers   1,532",
        "listings 1 paper  page 000 · Aug 22",
        "         1 paper  p · p",
        "data dir data",
        "bytes    library 900 bytes · vectors 14.8 MB",
    ]
    assert "none" in shown(show_stats({"listings": list[object]()}))


@pytest.mark.parametrize(
    "counts, line",
    [
        ((589, 532, 532, 0, 0, 57), "Read 589 entries of 532 papers: 532 added, 57 repeated, in 2.0 s."),
        ((1, 1, 0, 0, 1, 0), "Read 1 entry of 1 paper: 1 unchanged, in 2.0 s."),
        ((2, 2, 0, 2, 0, 0), "Read 2 entries of 2 papers: 2 updated, in 2.0 s."),
        ((0, 0, 0, 0, 0, 0), "Read 0 entries of 0 papers: nothing new, in 2.0 s."),
    ],
)
def test_an_ingest_is_told_in_one_line(counts: tuple[int, int, int, int, int, int], line: str) -> None:
    entries, papers, added, updated, unchanged, duplicates = counts
    report = IngestReport(entries, papers, added, updated, unchanged, duplicates, added, (), 2.0)
    assert str(report_line(report, Path("data"))) == f"{line} Collection: data"


def test_rejections_are_counted_in_the_line() -> None:
    report = IngestReport(1, 1, 1, 0, 0, 0, 1, (Rejection("f", 2, "bad"),) * 3, 1.0)
    assert "1 added, 3 rejected, in 1.0 s" in str(report_line(report, Path("data")))


def test_the_first_twenty_rejections_are_listed_then_counted() -> None:
    few = [Rejection("a.jsonl", 3, "not JSON"), Rejection("b.bin", None, "looks binary")]
    assert rejection_lines(few) == ["a.jsonl:3: not JSON", "b.bin: looks binary"]
    many = rejection_lines([Rejection("a", n, "bad") for n in range(1_021)])
    assert (len(many), many[19], many[20]) == (21, "a:19: bad", "… and 1,001 more")


@pytest.mark.parametrize(
    "count, text",
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (6_885_376, "6.9 MB"),
        (3 * 10**15, "3,000.0 TB"),
    ],
)
def test_sizes_are_in_the_unit_that_suits_them(count: int, text: str) -> None:
    assert size(count) == text


def test_a_label_stands_beside_all_lines_of_its_body() -> None:
    assert shown(labelled("[12]", Text("one two three")), 12) == "[12] one two\n     three\n"


def test_coverage_and_engine_are_one_line_each() -> None:
    assert str(coverage_line(answer())) == "1,532 abstracts → 41 matched → 8 read → 1 cited"
    assert str(engine_line(answer())).startswith("quotes · minilm · collection 01234567")


def test_what_a_model_had_withheld_is_counted_but_not_repeated() -> None:
    lie = Rejected("It has 85 legs, see evil.example.", "The number 85 is not in source 1.", "number")
    told = shown(show_answer(dataclasses.replace(answer(), rejected=(lie, lie)), {}))
    assert "2 sentences withheld (number); --json has them" in told
    assert "85" not in told and "evil" not in told
    assert "withheld" not in shown(show_answer(answer(), {}))


def test_a_notice_and_the_question_as_it_was_understood_stand_above_the_answer() -> None:
    asked = dataclasses.replace(
        answer(), question="And which do they visit?", notice="The answer is incomplete: \x1b[2Jbroke."
    )
    lines = shown(show_answer(asked, {})).splitlines()
    assert lines[:3] == ["Understood as: Which plant do bees visit?", "", "The answer is incomplete: broke."]


def test_tokens_and_cost_are_told_where_a_model_was_paid() -> None:
    paid = dataclasses.replace(
        answer(), usage={"prompt_tokens": 1200, "completion_tokens": 34, "cost_usd": 0.0021}
    )
    assert "1,234 tokens · $0.0021" in str(engine_line(paid))
    assert "tokens" not in str(engine_line(answer()))
