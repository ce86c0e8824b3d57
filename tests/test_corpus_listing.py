"""Listing pages: both layouts, and pages that are out of step."""

from __future__ import annotations

import tempfile
import textwrap
from pathlib import Path

import pytest
from citewell.corpus import read_corpus
from citewell.types import Entry, Rejection
from hypothesis import given, settings
from hypothesis import strategies as st

ABSTRACT = "Reading pages is harder than it looks, and we measure by how much. " * 6


def abstract(number: int) -> str:
    return f"{ABSTRACT}This is abstract {number}."


def read(text: str, folder: Path) -> tuple[list[Entry], list[tuple[int | None, str]]]:
    path = folder / "page.txt"
    path.write_text(text, encoding="utf-8", newline="")
    results = list(read_corpus([path]))
    faults = [(result.line, result.reason) for result in results if isinstance(result, Rejection)]
    return [result for result in results if isinstance(result, Entry)], faults


def pairs(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.paper.title, entry.paper.abstract) for entry in entries]


def page(*units: str, spaced: bool) -> str:
    return ("\n\n" if spaced else "\n").join(units) + "\n"


# Titles as pages have them: no full stop at the end, shorter than any abstract, none of the page's own words.
WORDS = st.sampled_from(
    "Learning sparse ell_2 Fr\\'echet caf\u00e9 \u4e2d\u6587 FD_{DINOv2}: (GANs), 25times $x$ are? a".split()
)
# A title of several questions reads like an abstract when its own has gone missing: no rule can tell.
TITLES = st.lists(WORDS.filter(lambda word: "?" not in word), min_size=1, max_size=12).map(
    lambda words: f"The {' '.join(words)}"
)
SENTENCES = st.lists(WORDS, min_size=5, max_size=12).map(lambda words: f"We {' '.join(words)} do.")
ABSTRACTS = st.lists(SENTENCES, min_size=4, max_size=9).map(" ".join)
PAPERS = st.lists(st.tuples(TITLES, ABSTRACTS), min_size=1, max_size=6)
SPACED_HEADER = ("new", "Get trending papers in your email inbox!", "Subscribe", "Daily Papers", "Aug 22")
DENSE_HEADER = (
    "Get trending papers in your email inbox once a day!\nGet trending papers in your email inbox!\n"
)


@settings(max_examples=60, deadline=None)
@given(PAPERS, st.booleans())
def test_generated_pages_come_back_exactly(papers: list[tuple[str, str]], spaced: bool) -> None:
    units = [unit for paper in papers for unit in paper]
    if spaced:
        text = page(*SPACED_HEADER, *units, spaced=True)
    else:
        text = f"{DENSE_HEADER}Subscribe{page(*units, spaced=False)}"
    with tempfile.TemporaryDirectory() as folder:
        entries, faults = read(text, Path(folder))
    assert pairs(entries) == papers
    assert faults == []
    assert {entry.paper.listings[0].date for entry in entries} == {"Aug 22" if spaced else None}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TITLES, ABSTRACTS), min_size=3, max_size=7), st.data(), st.booleans())
def test_a_missing_line_costs_only_its_own_paper(
    papers: list[tuple[str, str]], data: st.DataObject, spaced: bool
) -> None:
    units = [unit for paper in papers for unit in paper]
    missing = data.draw(st.integers(0, len(units) - 1))
    with tempfile.TemporaryDirectory() as folder:
        text = page("Daily Papers", *units[:missing], *units[missing + 1 :], spaced=spaced)
        entries, faults = read(text, Path(folder))
    kept = [paper for index, paper in enumerate(papers) if index != missing // 2]
    assert pairs(entries) == kept
    assert [reason for _, reason in faults] == [
        "title without an abstract" if missing % 2 else "abstract without a title"
    ]


@pytest.mark.parametrize("spaced", [True, False])
@pytest.mark.parametrize(
    ("kinds", "read_papers", "expected"),
    [
        ("T1 A1 A2 T3 A3", [1, 3], [("A2", "abstract without a title")]),
        ("T1 A1 T2 T3 A3", [1, 3], [("T2", "title without an abstract")]),
        ("T1 T2 T3 A3", [3], [("T1", "title without an abstract"), ("T2", "title without an abstract")]),
        ("A1 T2 A2", [2], [("A1", "abstract without a title")]),
        ("T1 A1 T2", [1], [("T2", "title without an abstract")]),
        (
            "T1 A1 A2 A3 T4 A4",
            [1, 4],
            [("A2", "abstract without a title"), ("A3", "abstract without a title")],
        ),
    ],
)
def test_pages_out_of_step_are_read_on(
    tmp_path: Path, spaced: bool, kinds: str, read_papers: list[int], expected: list[tuple[str, str]]
) -> None:
    names = kinds.split()
    units = [f"Title {name[1]}" if name[0] == "T" else abstract(int(name[1])) for name in names]
    entries, faults = read(page("Daily Papers", *units, spaced=spaced), tmp_path)
    assert pairs(entries) == [(f"Title {number}", abstract(number)) for number in read_papers]
    lines = {name: (3 + 2 * index if spaced else 2 + index) for index, name in enumerate(names)}
    assert faults == [(lines[name], reason) for name, reason in expected]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "short abstracts",
            page("Paper A", "This is a short abstract.", "Paper B", "We do it. It works.", spaced=True),
            [("Paper A", "This is a short abstract."), ("Paper B", "We do it. It works.")],
        ),
        (
            "very short abstracts of a known page",
            page("Daily Papers", "Paper A", "alpha text", "Paper B", "beta text", spaced=True),
            [("Paper A", "alpha text"), ("Paper B", "beta text")],
        ),
        (
            "a title with a full stop",
            page("Attention is all you really need.", abstract(1), spaced=True),
            [("Attention is all you really need.", abstract(1))],
        ),
        (
            "white space around lines, CRLF and no last newline",
            f"  Title 1\t\r\n   \r\n {abstract(1)} \r\n\t\r\nTitle 2\r\n\r\n{abstract(2)}",
            [("Title 1", abstract(1)), ("Title 2", abstract(2))],
        ),
        (
            "a byte order mark",
            "\ufeff" + page("Title 1", abstract(1), spaced=True),
            [("Title 1", abstract(1))],
        ),
        (
            "a title that begins with a glued word",
            DENSE_HEADER + page("SubscribeSubscribers Leave", abstract(1), spaced=False),
            [("Subscribers Leave", abstract(1))],
        ),
        (
            "a later title that begins with Subscribe",
            page("Title 1", abstract(1), "SubscribeNet", abstract(2), spaced=False),
            [("Title 1", abstract(1)), ("SubscribeNet", abstract(2))],
        ),
        (
            "a line separator inside a line",
            page("Title\u2028one", abstract(1), spaced=True),
            [("Title\u2028one", abstract(1))],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "",
)
def test_odd_pages_are_read(tmp_path: Path, name: str, text: str, expected: list[tuple[str, str]]) -> None:
    entries, faults = read(text, tmp_path)
    assert pairs(entries) == expected
    assert faults == []


def test_wrapped_pages_are_read_by_paragraph_with_their_line_breaks(tmp_path: Path) -> None:
    wrapped = [textwrap.fill(abstract(number), 80) for number in (1, 2, 3)]
    titles = [f"Title {number} of a page that was wrapped" for number in (1, 2, 3)]
    text = page(*(unit for paper in zip(titles, wrapped, strict=True) for unit in paper), spaced=True)
    entries, faults = read(text, tmp_path)
    assert pairs(entries) == list(zip(titles, wrapped, strict=True))
    assert faults == []


def test_pages_joined_in_one_file_keep_their_dates(tmp_path: Path) -> None:
    days = [("Aug 22", 1), ("Aug 23", 2)]
    units = [unit for day, n in days for unit in ("Daily Papers", day, f"Title {n}", abstract(n))]
    entries, _ = read(page(*units, spaced=True), tmp_path)
    assert [entry.paper.listings[0].date for entry in entries] == ["Aug 22", "Aug 23"]


def test_a_line_that_is_not_utf8_costs_its_own_paper(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    text = page("Title 1", abstract(1), "Caf\u00e9 2", abstract(2), "Title 3", abstract(3), spaced=False)
    path.write_bytes(text.encode("latin-1"))
    results = list(read_corpus([path]))
    assert [result.line for result in results if isinstance(result, Entry)] == [1, 5]
    assert [result for result in results if isinstance(result, Rejection)] == [
        Rejection(str(path), 3, "not UTF-8: byte 0xe9 at column 4; save the file as UTF-8")
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"# Notes\n\n{ABSTRACT}\n",
        "import os\n\nprint(os)\n",
        "one\ntwo\nthree\nfour\n",
        f"{ABSTRACT}\n",
        "Only a title\n",
    ],
)
def test_other_text_is_one_rejection(tmp_path: Path, text: str) -> None:
    entries, faults = read(text, tmp_path)
    assert entries == []
    assert faults == [(None, "not a listing page, CSV, TSV or JSON: found no titles followed by abstracts")]
