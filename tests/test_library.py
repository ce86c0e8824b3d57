"""The library: what is one paper, what is kept of it, and which papers a filter or a word leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from citewell.errors import CollectionError, NoCollectionError
from citewell.library import (
    Filters,
    Library,
    LibraryWriter,
    Recipe,
    Stored,
    create,
)
from citewell.types import Listing, Paper, Span

T, A = "Coral Reefs under Heat", "Reefs bleach when the sea stays warm."


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    create(tmp_path / "library.db")
    opened = Library(tmp_path / "library.db")
    yield opened
    opened.close()


def put(library: Library, *papers: Paper) -> list[Stored]:
    """Puts papers in one run."""
    writer = LibraryWriter(library)
    with writer.transaction():
        return [writer.put(paper) for paper in papers]


# --- what is one paper ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Paper(T, A), Paper("coral reefs — under HEAT!", A)),
        (Paper(T, A, arxiv_id="2301.00001v2"), Paper("Renamed", A, arxiv_id="arXiv:2301.00001")),
        (Paper(T, A, doi="10.1000/Reefs"), Paper("Renamed", A, doi="https://doi.org/10.1000/reefs")),
        (Paper(T, A, paper_id="12"), Paper(T, "Another abstract.", paper_id="12")),
        (Paper(T, A, arxiv_id="2301.00001"), Paper(T, A)),
        (Paper(T, A), Paper(T, A, doi="10.1000/reefs")),
        (Paper(T, A, paper_id="12"), Paper(T, A, arxiv_id="2301.00001")),
    ],
)
def test_one_paper_under_two_records(library: Library, one: Paper, other: Paper) -> None:
    first, second = put(library, one, other)
    assert (first.outcome, second.outcome) == ("added", "duplicate")
    assert first.row == second.row
    (again,) = put(library, other)
    assert again.row == first.row
    assert library.manifest().papers == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Paper(T, A, paper_id="12"), Paper(T, A, paper_id="13")),
        (Paper(T, A, paper_id="12"), Paper("Another title", A, paper_id="12")),
        (Paper(T, A, arxiv_id="2301.00001"), Paper(T, A, arxiv_id="2301.00002")),
        (Paper(T, A, doi="10.1000/one"), Paper(T, A, doi="10.1000/two")),
        (Paper("???", A), Paper("!!!", A)),
        (Paper("珊瑚", A), Paper("氷河", A)),
    ],
)
def test_two_papers(library: Library, one: Paper, other: Paper) -> None:
    for outcome in ("added", "unchanged"):  # the second time, each is known
        assert [stored.outcome for stored in put(library, one, other)] == [outcome, outcome]
    assert library.manifest().papers == 2
    assert len(set(library.ids([1, 2]).values())) == 2


def test_an_identifier_learnt_later_identifies_from_then_on(library: Library) -> None:
    put(library, Paper(T, A))
    put(library, Paper(T, A, arxiv_id="2301.00001"))
    (renamed,) = put(library, Paper("Reefs, second version", A, arxiv_id="2301.00001"))
    (by_old_title,) = put(library, Paper(T, A))
    assert renamed.row == by_old_title.row == 1
    (other,) = put(library, Paper(T, A, arxiv_id="2301.00009"))
    assert other.outcome == "added"


def test_an_identifier_learnt_from_a_repeat_identifies_from_then_on(library: Library) -> None:
    put(library, Paper(T, A), Paper(T, A, arxiv_id="2301.00001", doi="10.1000/reefs"))
    assert put(library, Paper("Renamed", A, doi="10.1000/reefs"))[0].row == 1


@pytest.mark.parametrize(
    ("paper", "paper_id"),
    [
        (Paper(T, A, paper_id="12", arxiv_id="2301.00001"), "12"),
        (Paper(T, A, arxiv_id="2301.00001v3", doi="10.1000/reefs"), "arxiv:2301.00001"),
        (Paper(T, A, doi="10.1000/reefs"), "doi:10.1000/reefs"),
        (Paper(T, A), "coral-reefs-under-heat-"),
    ],
)
def test_ids_come_from_the_strongest_identity(library: Library, paper: Paper, paper_id: str) -> None:
    put(library, paper)
    assert library.ids([1])[1].startswith(paper_id)


def test_an_id_that_is_taken_gets_a_suffix_that_does_not_depend_on_the_day(tmp_path: Path) -> None:
    found = []
    for name in ("one.db", "other.db"):
        create(tmp_path / name)
        library = Library(tmp_path / name)
        put(library, Paper(T, A, paper_id="12"), Paper("Another title", A, paper_id="12"))
        found.append(library.ids([1, 2]))
        library.close()
    assert found[0] == found[1]
    assert found[0][1] == "12"
    assert found[0][2].startswith("12~")


# --- what is kept --------------------------------------------------------------------------------------


def test_everything_about_a_paper_comes_back_as_given(library: Library) -> None:
    given_paper = Paper(
        title='  A "quoted" \\ title\u2028 with\ttabs ',
        abstract="α → β\0γ 🙂\r\ne\u0301",
        paper_id="x/1",
        listings=(Listing("page.txt", "Aug 22"), Listing("page.txt"), Listing("other; page")),
        authors=("Ana Díaz", 'J. "Jack" O\'Neil', "李 雷"),
        year=2021,
        url="https://example.org/?a=b&c=%20",
        doi="10.1000/ABC",
        arxiv_id="2301.00001v2",
        categories=("cs.IR", "Économie"),
    )
    put(library, given_paper)
    assert library.paper("x/1") == given_paper
    assert library.paper("x/2") is None


def test_what_later_records_say_completes_a_paper(library: Library) -> None:
    listing = Listing("trending.txt", "Aug 22")
    full = Paper(T, A, authors=("Ana Díaz",), year=2021, url="https://a.b", categories=("cs.IR",))
    put(library, Paper(T, A, listings=(listing,), year=2020), full)
    assert library.papers([1])[1] == replace(
        full, listings=(listing,), year=2020, paper_id=library.ids([1])[1]
    )
    (stored,) = put(library, replace(full, authors=(), year=2022))
    assert stored.outcome == "updated"
    kept = library.papers([1])[1]
    assert (kept.year, kept.authors, kept.listings) == (2022, ("Ana Díaz",), (listing,))


def test_a_repeat_does_not_change_what_the_first_record_says(library: Library) -> None:
    put(library, Paper(T, A, year=2020), Paper(T, "Another abstract.", year=1999))
    assert (library.papers([1])[1].abstract, library.papers([1])[1].year) == (A, 2020)


def test_a_listing_is_kept_once(library: Library) -> None:
    shown = (Listing("a.txt", "Aug 22"), Listing("a.txt"), Listing("a.txt", "Aug 23"))
    for _ in range(2):
        put(library, Paper(T, A, listings=shown), Paper(T, A, listings=shown[:2]))
    assert library.papers([1])[1].listings == shown
    assert sorted(library.listings(), key=str) == sorted(
        (one.source, one.date, 1) for one in shown if one.date
    ) + [("a.txt", None, 1)]


def test_a_removed_paper_can_come_back(library: Library) -> None:
    put(library, Paper(T, A, arxiv_id="2301.00001"))
    writer = LibraryWriter(library)
    before = library.manifest()
    with writer.transaction():
        assert writer.remove("arxiv:2301.00001")
        assert not writer.remove("arxiv:2301.00001")
    assert library.manifest().papers == 0
    assert library.manifest().digest == "0" * 32
    assert library.lexical(["reefs"], 2.0).best(10) == []
    (stored,) = put(library, Paper(T, A, arxiv_id="2301.00001"))
    assert stored.outcome == "added"
    assert library.manifest().digest == before.digest


def test_a_transaction_that_fails_leaves_nothing(library: Library) -> None:
    put(library, Paper(T, A))
    before = library.manifest()
    writer = LibraryWriter(library)
    with suppress(ZeroDivisionError), writer.transaction():
        writer.put(Paper("Another title", A))
        writer.put(Paper(T, "Another abstract."))
        raise ZeroDivisionError
    assert library.manifest() == before
    assert library.papers([1])[1].abstract == A
    assert library.lexical(["another"], 2.0).best(10) == []
    assert writer.seen == 0


def test_looking_ahead_changes_nothing(library: Library) -> None:
    writer = LibraryWriter(library)
    before = library.manifest()
    papers = [Paper(T, A), Paper("Another title", A), Paper(T, "Another abstract.")]
    assert writer.standing(papers) == papers[:2]
    assert (library.manifest(), writer.seen) == (before, 0)
    with writer.transaction():
        assert [writer.put(paper).outcome for paper in papers] == ["added", "added", "duplicate"]
    assert writer.standing([papers[1], Paper("A third title", A)]) == [Paper("A third title", A)]


def test_vectors_come_back_within_a_thousandth_of_a_cosine(library: Library) -> None:
    writer = LibraryWriter(library)
    rows = np.random.default_rng(0).normal(size=(4, 384))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    spans = (Span(0, 5), Span(6, 12), Span(13, 20))
    with writer.transaction():
        writer.put(Paper(T, A))
        writer.adopt(Recipe("minilm", "one", 384))
        writer.adopt(Recipe("other", "two", 3))  # the first stands
        writer.add_passages(Paper(T, A), "one", spans, rows)
    manifest = library.manifest()
    assert manifest.recipe == Recipe("minilm", "one", 384)
    passages = library.passages([1], manifest)[1]
    assert passages.spans == spans
    got = np.vstack([passages.abstract[None, :], passages.chunks])
    assert np.abs((got * rows).sum(axis=1) - 1).max() < 1e-3
    assert writer.count_without_passages("two") == 1
    assert writer.missing([Paper(T, A), Paper(T, "new"), Paper(T, "new")], "one") == [Paper(T, "new")]
    writer.prune({"two"})
    assert writer.without_passages("one", limit=5) == [1]


def test_passages_read_in_two_parts_are_those_read_in_one(library: Library) -> None:
    writer, rng = LibraryWriter(library), np.random.default_rng(1)
    papers = [Paper(f"{T} {n}", f"{A} {n}") for n in range(5)]
    with writer.transaction():
        writer.adopt(Recipe("minilm", "one", 8))
        for n, paper in enumerate(papers):
            vectors = rng.normal(size=(n + 1, 8)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            writer.add_passages(paper, "one", [Span(k, k + 1) for k in range(n)], vectors)
            writer.put(paper)
    manifest, query = library.manifest(), rng.normal(size=8).astype(np.float32)
    whole = library.passages([1, 2, 3, 4, 5], manifest)
    joined = library.passages([5, 2], manifest).joined(library.passages([4, 1, 3], manifest))
    assert sorted(joined) == sorted(whole) == [1, 2, 3, 4, 5]
    assert all(joined[row].spans == whole[row].spans for row in whole)
    assert all((joined[row].chunks == whole[row].chunks).all() for row in whole)
    for one, other in zip(joined.cosines(query, [3, 1, 5]), whole.cosines(query, [3, 1, 5]), strict=True):
        assert (one == other).all()
    assert sorted(joined.joined(library.passages([], manifest))) == sorted(whole)


def test_what_a_filter_leaves_is_read_anew_when_the_library_has_changed(library: Library) -> None:
    writer, filters = LibraryWriter(library), Filters(years=(2020, None))
    with writer.transaction():
        writer.put(Paper(T, A, year=2021))
    assert library.matching(filters) is library.matching(filters)
    assert library.matching(filters) == [1]
    with writer.transaction():
        writer.put(Paper("Another title", A, year=2022))
        assert library.matching(filters) == [1, 2]  # as the writer sees it
    assert library.matching(filters) == [1, 2]
    for year in range(2000, 2010):
        library.matching(Filters(years=(year, None)))
    assert len(library._matched) == 4


def test_what_is_no_library_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoCollectionError, match="No collection at .*Build one with `citewell ingest FILES"):
        Library(tmp_path / "library.db")
    (tmp_path / "library.db").write_text("not a database, but long enough to be taken for one" * 100)
    with pytest.raises(CollectionError, match="file is not a database"):
        Library(tmp_path / "library.db")
    (tmp_path / "library.db").write_bytes(b"")
    with pytest.raises(CollectionError, match="has schema 0"):
        Library(tmp_path / "library.db")


# --- the lexical index ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "term", ["NEAR(", '"', '""', "*", "^", ":", "a AND b", "title:one", "{a}", "-", "🙂", "\0", "", "'"]
)
def test_nothing_in_a_term_is_an_operator(library: Library, term: str) -> None:
    put(library, Paper("One", A, paper_id="1"), Paper("Two", A, paper_id="2"))
    assert library.lexical([term], 2.0).best(10) == []
    assert len(library.lexical([term], 2.0).rows) == 0
    assert {row for row, _ in library.lexical(["bleach", term], 2.0).best(10)} == {1, 2}
    assert list(library.lexical(["bleach", term], 2.0).within([2]).rows) == [2]


def test_words_are_found_by_stem_without_diacritics_and_a_title_weighs_more(library: Library) -> None:
    put(
        library,
        Paper("Über Größe", "Nothing of the kind is measured here, in any of the places we went to."),
        Paper("Something else", "The glaciers were measured over Größe, in any of the places we went to."),
    )
    assert [row for row, _ in library.lexical(["GLACIER"], 2.5).best(5)] == [2]
    assert [row for row, _ in library.lexical(["große"], 2.5).best(5)] == [1, 2]
    assert len(library.lexical([f"w{number}" for number in range(5_000)] + ["glacier"], 2.5).best(5)) == 1
    assert library.lexical(["measure"], 2.5).best(1)[0][1] != 0
    assert library.lexical([], 2.5).best(5) == []
    assert library.standing(["measur", "glacier", "nowher"]) == {"measur", "glacier"}
    for _ in range(2):
        assert library.document_frequencies(["measur", "glacier", "nowher"]) == {"measur": 2, "glacier": 1}
    assert library.vocabulary("g", 7, 7) == {"glacier": 1}


def test_a_changed_text_leaves_no_word_behind(library: Library) -> None:
    put(library, Paper(T, A, paper_id="1"))
    assert library.document_frequencies(["bleach"]) == {"bleach": 1} and library.standing(["bleach"])
    put(library, Paper(T, "Dunes wander with the wind.", paper_id="1"))
    assert library.lexical(["bleach"], 2.0).best(5) == []
    assert [row for row, _ in library.lexical(["dunes"], 2.0).best(5)] == [1]
    assert library.document_frequencies(["bleach"]) == {} and not library.standing(["bleach"])


def test_scores_word_by_word_are_those_of_one_query_and_follow_every_change(library: Library) -> None:
    texts = [
        f"reef {'coral ' * (n % 7)}{'bleach ' * (n % 3)}{'warm water ' * (n % 5)}dune" for n in range(200)
    ]
    put(
        library,
        *(Paper(f"Paper {n} on coral" if n % 4 else f"Paper {n}", text) for n, text in enumerate(texts)),
    )
    terms = ["coral", "bleach", "water", "nowhere", "coral"]

    def at_once() -> list[tuple[int, float]]:
        return list(
            library.connection().execute(
                "SELECT rowid, -bm25(papers_fts, 2.5, 1.0) AS score FROM papers_fts WHERE papers_fts MATCH ? "
                "ORDER BY score DESC, rowid LIMIT 20",
                (" OR ".join(terms),),
            )
        )

    before = library.lexical(terms, 2.5).best(20)
    assert before == at_once() == library.lexical(terms, 2.5).best(20)
    assert library.lexical(terms, 2.5).within([3, 5]).rows.tolist() == [3, 5]
    put(library, Paper("Another on coral", "Coral, coral and bleach."))
    assert library.lexical(terms, 2.5).best(20) == at_once() != before
    writer = LibraryWriter(library)
    with writer.transaction():
        assert writer.remove(library.page(7, 1)[0].paper_id)
    assert library.lexical(terms, 2.5).best(20) == at_once()


def test_papers_longer_than_a_varint_of_one_byte_score_as_by_fts5(library):
    lengths = (1, 126, 127, 128, 129, 16_383, 16_384, 20_000)
    put(library, *(Paper(f"Paper {n}", "coral " + "reef " * n) for n in lengths))
    expected = dict(
        library.connection().execute(
            "SELECT rowid, -bm25(papers_fts, 2.5, 1.0) FROM papers_fts WHERE papers_fts MATCH 'coral'"
        )
    )
    assert dict(library.lexical(["coral"], 2.5).best(20)) == expected
    assert len(expected) == len(lengths)


def test_an_index_of_words_that_cannot_be_read_is_told_and_what_was_read_before_is_not_used(library):
    put(library, Paper("One", "coral and reef"), Paper("Two", "coral and dune"))
    assert len(library.lexical(["coral"], 2.5).rows) == 2
    put(library, Paper("Three", "coral and ice"))
    connection = library.connection()
    (size,) = connection.execute("SELECT sz FROM papers_fts_docsize WHERE id = 3").fetchone()
    connection.execute("UPDATE papers_fts_docsize SET sz = x'01' WHERE id = 3")
    for ask in (
        lambda: library.lexical(["coral"], 2.5),
        lambda: library.document_frequencies(["coral"]),
        lambda: library.vocabulary("c", 1, 9),
        lambda: library.lexical(["coral"], 2.5),
    ):
        with pytest.raises(CollectionError, match="its index of words cannot be read"):
            ask()
    connection.execute("UPDATE papers_fts_docsize SET sz = ? WHERE id = 3", (size,))
    assert list(library.lexical(["coral"], 2.5).rows) == [1, 2, 3]
