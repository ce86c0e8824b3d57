"""The packaged sample: well formed, in our own words, and true to the pages it digests."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from citewell.corpus import read_corpus
from citewell.corpus.identity import title_key
from citewell.sample import sample_path
from citewell.types import Entry

RUN = 9  # words in a row that would be copying
_EXPONENT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def digests() -> list[dict[str, str]]:
    return [json.loads(line) for line in sample_path().read_text(encoding="utf-8").splitlines()]


def runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9]+", text.casefold())
    return {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}


def numbers(text: str) -> set[str]:
    plain = _EXPONENT.sub(lambda power: "^" + unicodedata.normalize("NFKC", power[0]), text)
    return {*re.findall(r"\d+(?:[.,]\d+)*", plain), *re.findall(r"\d+", plain)}


@pytest.fixture
def originals(shared: Path) -> dict[str, str]:
    """Title and abstract of every paper of the five pages, by the key of its title."""
    entries = [item for item in read_corpus([shared / "corpus"]) if isinstance(item, Entry)]
    return {title_key(e.paper.title): f"{e.paper.title}\n{e.paper.abstract}" for e in entries}


def test_about_120_papers_of_80_to_140_words_with_unique_titles() -> None:
    papers = digests()
    assert 110 <= len(papers) <= 130
    assert len({title_key(paper["title"]) for paper in papers}) == len(papers)
    lengths = {paper["title"]: len(paper["abstract"].split()) for paper in papers}
    assert {title: n for title, n in lengths.items() if not 80 <= n <= 140} == {}


def test_every_record_has_the_fields_of_a_digest() -> None:
    for paper in digests():
        assert set(paper) | {"date"} == {"title", "abstract", "source", "topic", "date"}, paper["title"]
        assert all(isinstance(value, str) and value.strip() for value in paper.values()), paper["title"]
        assert re.fullmatch(r"digest of page 00[0-4]", paper["source"])


def test_the_sample_is_read_without_a_rejection() -> None:
    found = list(read_corpus([sample_path()]))
    assert [item for item in found if not isinstance(item, Entry)] == []
    assert len(found) == len(digests())


def test_no_run_of_nine_words_is_copied_from_the_pages(shared: Path) -> None:
    pages = [path.read_text(encoding="utf-8") for path in sorted((shared / "corpus").glob("*.txt"))]
    assert len(pages) == 5
    known = set[tuple[str, ...]]().union(*map(runs, pages))
    found = {paper["title"]: runs(paper["abstract"]) & known for paper in digests()}
    assert {title: hits for title, hits in found.items() if hits} == {}


def test_every_digest_is_of_a_paper_on_the_pages(originals: dict[str, str]) -> None:
    assert [p["title"] for p in digests() if title_key(p["title"]) not in originals] == []


def test_every_number_of_a_digest_stands_in_the_original_abstract(originals: dict[str, str]) -> None:
    found = {
        p["title"]: numbers(p["abstract"]) - numbers(originals[title_key(p["title"])]) for p in digests()
    }
    assert {title: invented for title, invented in found.items() if invented} == {}


def test_copying_and_invented_numbers_would_be_noticed() -> None:
    page = "one two three four five six seven eight nine ten"
    assert runs("zero " + page) & runs(page)
    assert not runs("one two three four five six seven eight 9 nine ten") & runs(page)
    assert numbers("17.5% of 2,000") - numbers("17.5 % of 200") == {"2,000", "2", "000"}
