"""CSV and TSV files."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from citewell.corpus import ReaderLimits, read_corpus
from citewell.types import Entry, Listing, Paper, Rejection
from hypothesis import given, settings
from hypothesis import strategies as st

HEADER = "id,title,abstract\n"
TOO_LARGE = "row cannot be read: field larger than field limit (131072); is a quote left open?"


def read(
    text: str,
    folder: Path,
    limits: ReaderLimits = ReaderLimits(),  # noqa: B008 - frozen
) -> tuple[list[Entry], list[tuple[int | None, str]]]:
    path = folder / "papers.txt"
    path.write_text(text, encoding="utf-8", newline="")
    results = list(read_corpus([path], limits))
    faults = [(result.line, result.reason) for result in results if isinstance(result, Rejection)]
    return [result for result in results if isinstance(result, Entry)], faults


def test_a_row_of_the_arxiv_tables_keeps_every_field(tmp_path: Path) -> None:
    text = (
        "\tabstract\tarxiv_id\tauthor_text\tcategories\tcreated\tdoi\ttitle\tupdated\n"
        '12\t"We use ""filters"" well. "\tcs/9809121\tNeil C. Rowe\tcs.IR,cs.AI\t1998-09-29\t10.1000/X\t'
        "On Filters\t2001-01-01\n"
    )
    entries, faults = read(text, tmp_path)
    assert faults == []
    assert [(entry.line, entry.paper) for entry in entries] == [
        (
            2,
            Paper(
                title="On Filters",
                abstract='We use "filters" well.',
                listings=(Listing("papers.txt"),),
                authors=("Neil C. Rowe",),
                year=1998,
                url="https://arxiv.org/abs/cs/9809121",
                doi="10.1000/x",
                arxiv_id="cs/9809121",
                categories=("cs.IR", "cs.AI"),
            ),
        )
    ]


@pytest.mark.parametrize(
    ("given_id", "paper_id", "arxiv_id"),
    [("2508.01234v1", "", "2508.01234"), ("17", "17", None), ("", "", None)],
)
def test_an_id_column_holds_arxiv_ids_or_plain_ids(
    tmp_path: Path, given_id: str, paper_id: str, arxiv_id: str | None
) -> None:
    entries, _ = read(f"{HEADER}{given_id},T,A\n", tmp_path)
    assert (entries[0].paper.paper_id, entries[0].paper.arxiv_id) == (paper_id, arxiv_id)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["TITLE{0}Summary", '"title"{0}"abstract"', " title {0}text"])
def test_the_delimiter_and_the_columns_are_found(tmp_path: Path, delimiter: str, header: str) -> None:
    entries, faults = read(f'{header.format(delimiter)}\n"One; two, three\tfour"{delimiter}A\n', tmp_path)
    assert faults == []
    assert [entry.paper.title for entry in entries] == ["One; two, three\tfour"]


def test_a_table_without_title_and_abstract_is_one_rejection(tmp_path: Path) -> None:
    rows = "".join(f"{number}\t{number}\t1\n" for number in range(500))
    assert read(f"query-id\tcorpus-id\tscore\n{rows}", tmp_path) == (
        [],
        [(None, "no column named title and abstract (found: query-id, corpus-id, score)")],
    )
    assert read("a,title\n1,2\n1,2\n", tmp_path)[1] == [(None, "no column named abstract (found: a, title)")]


@pytest.mark.parametrize(
    ("rows", "lines", "faults"),
    [
        ("1,T,A\n\n2,T,A", [2, 4], []),
        ('1,T,"two\nlines"\n2,T,A\n', [2, 4], []),
        ("1,T,A\n2,T\n3,T,A\n", [2, 4], [(3, "row has 2 cells, the header has 3")]),
        ("1,T,A\n2,,A\n3,T,A\n", [2, 4], [(3, "record without title")]),
        ("1,T,A\n2,T, \n3,T,A\n", [2, 4], [(3, "record without abstract")]),
        ('1,T,A\n2,"T,A\n3,T,A\n4,T,A\n', [2, 4, 5], [(3, "file ends inside a quoted cell")]),
        ('1,T,A\n2,"T,A\n3,T,A\n4,T,"A"\n5,T,A\n', [2, 4, 5, 6], [(3, "row has 2 cells, the header has 3")]),
        ('1,T,A\n2,T,"cut in the mid', [2], [(3, "file ends inside a quoted cell")]),
        (f'1,T,A\n2,T,"{"x" * 150_000}"\n3,T,A\n', [2, 4], [(3, TOO_LARGE)]),
        ("1,T,A\n2,T\0,A\n3,T,A\n", [2, 4], [(3, "title contains a NUL character")]),
        ("", [], [(None, "no records in it")]),
    ],
)
def test_bad_rows_are_reported_and_the_rest_is_read(
    tmp_path: Path, rows: str, lines: list[int], faults: list[tuple[int | None, str]]
) -> None:
    entries, found = read(HEADER + rows, tmp_path)
    assert [entry.line for entry in entries] == lines
    assert found == faults


def test_a_row_longer_than_the_limit_is_given_up_at_its_first_line(tmp_path: Path) -> None:
    text = HEADER + '1,T,"' + "open quote, \n" * 200 + "2,T,A\n"
    entries, faults = read(text, tmp_path, ReaderLimits(max_line_bytes=1000))
    assert [entry.paper.paper_id for entry in entries] == ["2"]
    assert faults[0] == (2, "row longer than 1,000 characters")


def test_a_row_that_is_not_utf8_is_rejected_alone(tmp_path: Path) -> None:
    path = tmp_path / "papers.csv"
    path.write_bytes(f'{HEADER}1,T,A\n2,Caf\u00e9,"two\nlines"\n3,T,A\n'.encode("latin-1"))
    results = list(read_corpus([path]))
    assert [result.line for result in results if isinstance(result, Entry)] == [2, 5]
    assert [result.reason for result in results if isinstance(result, Rejection)] == [
        "not UTF-8: byte 0xe9 at column 6; save the file as UTF-8"
    ]


CELL = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), min_size=1, max_size=30
).filter(lambda text: bool(text.strip()))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=5), st.sampled_from(",;\t"))
def test_generated_tables_come_back_exactly(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([("title", "abstract", "note"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        entries, faults = read(out.getvalue(), Path(folder))
    assert faults == []
    assert [(entry.paper.title, entry.paper.abstract) for entry in entries] == [
        (title.strip(), abstract.strip()) for title, abstract, _ in rows
    ]
