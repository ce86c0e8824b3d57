"""The real files: the five listing pages and the development sets."""

from __future__ import annotations

from pathlib import Path

import pytest
from citewell.corpus import read_corpus, title_key, total_bytes
from citewell.types import Entry, Rejection


def read(path: Path) -> tuple[list[Entry], list[Rejection]]:
    results = list(read_corpus([path]))
    entries = [result for result in results if isinstance(result, Entry)]
    return entries, [result for result in results if isinstance(result, Rejection)]


def test_five_pages_give_589_entries_of_532_papers(shared: Path) -> None:
    entries, rejections = read(shared / "corpus")
    assert rejections == []
    assert len(entries) == 589
    assert len({title_key(entry.paper.title) for entry in entries}) == 532


@pytest.mark.parametrize(
    ("page", "papers", "date", "first_line", "first_title"),
    [
        ("000_71341084afa057d1.txt", 61, "Aug 22", 13, "Free Discontinuity Regression: With an Application"),
        ("001_3a9843a600e91b42.txt", 219, None, 3, "Relevance Filtering for Embedding-based Retrieval"),
        ("002_e8e2b7b764629d2f.txt", 50, "Aug 19", 13, "Towards Metamerism via Foveated Style Transfer"),
        ("003_968fab6614484fa4.txt", 196, None, 3, "VICReg: Variance-Invariance-Covariance Regularization"),
        ("004_471459511489ef40.txt", 63, "Sep 4", 13, "Reduced-Order Neural Operators"),
    ],
)
def test_each_page_keeps_its_name_date_and_lines(
    shared: Path, page: str, papers: int, date: str | None, first_line: int, first_title: str
) -> None:
    entries, _ = read(shared / "corpus" / page)
    assert len(entries) == papers
    assert {(item.source, item.date) for entry in entries for item in entry.paper.listings} == {(page, date)}
    assert entries[0].line == first_line
    assert entries[0].paper.title.startswith(first_title)


def test_titles_and_abstracts_of_the_pages_are_whole_lines_as_given(shared: Path) -> None:
    for path in sorted((shared / "corpus").iterdir()):
        lines = path.read_text(encoding="utf-8").split("\n")
        for entry in read(path)[0]:
            assert lines[entry.line - 1].removeprefix("Subscribe") == entry.paper.title
            assert entry.paper.abstract in lines[entry.line : entry.line + 2]


def test_a_title_of_two_sentences_is_not_taken_for_an_abstract(shared: Path) -> None:
    entries, _ = read(shared / "corpus" / "004_471459511489ef40.txt")
    titles = [entry.paper.title for entry in entries]
    assert any(title.startswith("To Generate or Not? Safety-Driven") for title in titles)


@pytest.mark.parametrize(
    ("folder", "papers", "reasons"),
    [
        (
            "cranfield",
            1398,
            [
                "record without title or abstract",
                "record without title or abstract",
                "no column named title and abstract (found: query-id, corpus-id, score)",
                "no record is a paper; 225 are alike: record without title (found: _id, text)",
            ],
        ),
        (
            "scifact-train",
            5183,
            [
                "no column named title and abstract (found: query-id, corpus-id, score)",
                "no record is a paper; 809 are alike: record without title (found: _id, text)",
            ],
        ),
    ],
)
def test_beir_folders_give_their_abstracts_and_one_reason_for_each_other_file(
    shared: Path, folder: str, papers: int, reasons: list[str]
) -> None:
    entries, rejections = read(shared / "data" / folder)
    assert len(entries) == papers
    assert len({entry.paper.paper_id for entry in entries}) == papers
    assert [rejection.reason for rejection in rejections] == reasons


def test_an_xz_table_of_arxiv_is_read_with_all_its_fields(shared: Path) -> None:
    path = shared / "data" / "arxiv-abstracts" / "cmp-lg.tsv.xz"
    read_bytes: list[int] = []
    results = list(read_corpus([path], on_bytes=read_bytes.append))
    entries = [result for result in results if isinstance(result, Entry)]
    assert len(entries) == len(results) > 500
    assert sum(read_bytes) == total_bytes([path])
    for entry in entries:
        paper = entry.paper
        assert paper.arxiv_id is not None and paper.arxiv_id.startswith("cmp-lg/")
        assert paper.url == f"https://arxiv.org/abs/{paper.arxiv_id}"
        assert paper.paper_id == ""
        assert paper.year is not None and 1994 <= paper.year <= 1999
        assert paper.authors and "cmp-lg" in paper.categories


def test_arxiv_ids_that_lost_zeros_in_a_table_are_restored(shared: Path) -> None:
    entries, _ = read(shared / "data" / "arxiv-abstracts" / "q-bio.SC.tsv.xz")
    ids = {entry.paper.arxiv_id for entry in entries}
    assert None not in ids
    assert len(ids) == len(entries) > 1000


@pytest.mark.parametrize("folder", ["groundedness", "injection"])
def test_files_without_papers_give_one_rejection_each(shared: Path, folder: str) -> None:
    entries, rejections = read(shared / "data" / folder)
    assert entries == []
    assert len(rejections) == len(list((shared / "data" / folder).iterdir()))
