"""Filters: which papers a listing, a date, a year, a category or an author leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from citewell.errors import UsageError
from citewell.library import Filters, Library, LibraryWriter, create, date_key, parse_years
from citewell.types import Listing, Paper
from hypothesis import given, settings
from hypothesis import strategies as st

A = "Reefs bleach when the sea stays warm."

MANY = (
    Paper(
        "One",
        A,
        paper_id="1",
        listings=(Listing("health_nlp.txt", "Aug 22"),),
        authors=("Ana Díaz",),
        year=2019,
    ),
    Paper("Two", A, paper_id="2", listings=(Listing("healthXnlp.txt", "2025-08-24"),), categories=("cs.IR",)),
    Paper(
        "Three", A, paper_id="3", listings=(Listing("100%.txt", "Dec 31"),), categories=("cs.CL", "Économie")
    ),
    Paper(
        "Four",
        A,
        paper_id="4",
        listings=(Listing("1000.txt", "2024-02-29"),),
        authors=("Bo Li", "O'Neil"),
        year=2021,
    ),
    Paper(
        "Five",
        A,
        paper_id="5",
        listings=(Listing("ÄRZTE.txt"),),
        authors=('J. "Jack" B\\C',),
        categories=("csx",),
    ),
    Paper("Six", A, paper_id="6", listings=(Listing("a", "Aug 1"), Listing("b", "Dec 1"))),
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    path = tmp_path_factory.mktemp("filled") / "library.db"
    create(path)
    opened = Library(path)
    writer = LibraryWriter(opened)
    with writer.transaction():
        for paper in MANY:
            writer.put(paper)
    yield opened
    opened.close()


def ids(library: Library, filters: Filters) -> set[str]:
    """The papers that a filter leaves."""
    rows = library.matching(filters)
    assert rows == sorted(set(rows))
    return set(library.ids(rows).values())


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), "123456"),
        (Filters(listings=("health_",)), "1"),
        (Filters(listings=("health",)), "12"),
        (Filters(listings=("100%",)), "3"),
        (Filters(listings=("ärzte",)), "5"),
        (Filters(listings=("%", "\\", "'")), "3"),
        (Filters(listings=("\udcff", "HEALTH_NLP")), "1"),
        (Filters(since="Aug 22"), "1236"),
        (Filters(until="Aug 22"), "146"),
        (Filters(since="Aug 22", until="Aug 24"), "12"),
        (Filters(since="Aug 2", until="Nov 30"), "12"),  # no single listing of the sixth lies between
        (Filters(listings=("b",), until="Nov 30"), ""),
        (Filters(since="2025-01-01"), "1236"),  # where no year is printed, any year may be meant
        (Filters(since="2025-08-23", until="2025-12-31"), "236"),
        (Filters(until="2024-12-31"), "1346"),
        (Filters(since="Feb 29", until="Feb 29"), "4"),
        (Filters(years=(2020, None)), "4"),
        (Filters(years=(2019, 2021)), "14"),
        (Filters(years=(None, 2019)), "1"),
        (Filters(categories=("cs",)), "23"),
        (Filters(categories=("CS.ir",)), "2"),
        (Filters(categories=("Économie",)), "3"),
        (Filters(categories=("s.CL", "cs.C", "%", '","')), ""),
        (Filters(authors=("DÍAZ",)), "1"),
        (Filters(authors=("o'neil", "nobody")), "4"),
        (Filters(authors=('"jack" b\\',)), "5"),
        (Filters(authors=('li", "o',)), ""),
        (Filters(papers=("1", "6", "nobody", "' OR 1=1 --")), "16"),
        (Filters(papers=tuple(str(number) for number in range(100_000))), "123456"),
        (Filters(categories=("cs",), listings=("health",)), "2"),
    ],
)
def test_a_filter_leaves_exactly_what_it_names(filled: Library, filters: Filters, expected: str) -> None:
    assert ids(filled, filters) == set(expected)


@given(
    st.builds(
        Filters,
        listings=st.tuples(st.text(max_size=8)),
        categories=st.tuples(st.text(max_size=8)),
        authors=st.tuples(st.text(max_size=8)),
        papers=st.tuples(st.text(max_size=8)),
    )
)
@settings(max_examples=60, deadline=None)
def test_no_filter_can_break_the_query(filled: Library, filters: Filters) -> None:
    assert ids(filled, filters) <= set("123456")


@pytest.mark.parametrize("text", ["someday", "2025-02-30", "Feb 30", "22.8.", ""])
def test_a_date_that_cannot_be_read_is_an_error(filled: Library, text: str) -> None:
    assert date_key(text) is None
    with pytest.raises(UsageError, match="Cannot read the date"):
        filled.matching(Filters(since=text))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("2025-08-22", "2025-08-22"),
        ("2025/08/22", "2025-08-22"),
        ("2025-08-22T10:30:00.000Z", "2025-08-22"),
        ("2025-08-22 10:30", "2025-08-22"),
        ("Aug 22, 2025", "2025-08-22"),
        ("22 August 2025", "2025-08-22"),
        ("Aug. 22", "--08-22"),
        (" august  22 ", "--08-22"),
        ("22 Aug", "--08-22"),
        ("Feb 29", "--02-29"),
        (None, None),
    ],
)
def test_dates(text: str | None, key: str | None) -> None:
    assert date_key(text) == key


@pytest.mark.parametrize(
    ("text", "years"),
    [("2019", (2019, 2019)), ("2015-2019", (2015, 2019)), ("2015-", (2015, None)), ("-2019", (None, 2019))],
)
def test_years(text: str, years: tuple[int | None, int | None]) -> None:
    assert parse_years(text) == years


@pytest.mark.parametrize("text", ["", "-", "19", "2015-16", "2015-2016-2017", "x"])
def test_what_is_no_year_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="Cannot read the years"):
        parse_years(text)
