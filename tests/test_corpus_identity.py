"""Keys of titles, and normal forms of arXiv identifiers and DOIs."""

from __future__ import annotations

import hashlib
import re

import pytest
from citewell.corpus import normalise_arxiv_id, normalise_doi, paper_slug, title_key
from citewell.corpus.identity import arxiv_id_of_number
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("Attention Is All You Need", "attention is all you need"),
        ("  ATTENTION-is:  all\nyou need!", "attention is all you need"),
        ("\ufb01ne\u2014tuning \uff27\uff30\uff34\u00b2", "fine tuning gpt2"),
        ("Stra\u00dfe", "strasse"),
        ("Cafe\u0301", "caf\u00e9"),
        ("\u6df1\u5ea6\u5b66\u4e60", "\u6df1\u5ea6\u5b66\u4e60"),
        ("\u0915\u093f", "\u0915\u093f"),
        ("\u221e!", "\u221e!"),
        ("", ""),
    ],
)
def test_title_key(title: str, key: str) -> None:
    assert title_key(title) == key


def test_titles_that_differ_in_a_letter_digit_or_vowel_sign_differ() -> None:
    titles = ["GPT-3", "GPT-4", "GPT", "\u0915\u093f", "\u0915\u093e", "?!", "!?", "e", "\u00e9"]
    assert len({title_key(title) for title in titles}) == len(titles)


@settings(max_examples=60)
@given(st.text(max_size=60))
def test_a_key_is_its_own_key_and_makes_the_same_slug(title: str) -> None:
    key = title_key(title)
    assert title_key(key) == key
    assert paper_slug(key) == paper_slug(title)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.mark.parametrize(
    ("title", "readable"),
    [
        ("Attention Is All You Need", "attention-is-all-you-need"),
        ("H\u00f6lder-Continuous: A Study", "holder-continuous-a-study"),
        (
            "Free Discontinuity Regression: With an Application to the Economic Effects",
            "free-discontinuity-regression-with-an",
        ),
        ("x" * 60, "x" * 48),
    ],
)
def test_a_slug_is_readable_and_ends_in_eight_hex_digits(title: str, readable: str) -> None:
    assert paper_slug(title) == f"{readable}-{digest(title_key(title))[:8]}"
    assert len(readable) <= 48


def test_a_title_without_latin_letters_has_a_longer_hash() -> None:
    title = "\u6df1\u5ea6\u5b66\u4e60"
    assert paper_slug(title) == f"paper-{digest(title)[:16]}"


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_any_title_has_a_slug_fit_for_a_path_and_an_address(title: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{8,16}", paper_slug(title))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2508.01234", "2508.01234"),
        (" arXiv:2508.01234v2 ", "2508.01234"),
        ("ARXIV: 0704.0001V12", "0704.0001"),
        ("https://arxiv.org/abs/2508.01234v2", "2508.01234"),
        ("http://www.arxiv.org/pdf/2508.01234v1.pdf", "2508.01234"),
        ("arxiv.org/html/2508.01234?x=1#s2", "2508.01234"),
        ("https://export.arxiv.org/abs/hep-ph/0309136", "hep-ph/0309136"),
        ("https://doi.org/10.48550/arXiv.2508.01234", "2508.01234"),
        ("cs/9809121", "cs/9809121"),
        ("math.GT/0309136v3", "math/0309136"),
        ("2513.01234", None),
        ("2508.012345", None),
        ("2508.0123", None),
        ("1412.01234", None),
        ("1412.0123", "1412.0123"),
        ("12345", None),
        ("10.1000/2508.01234", None),
        ("see 2508.01234", None),
        ("", None),
    ],
)
def test_normalise_arxiv_id(text: str, expected: str | None) -> None:
    assert normalise_arxiv_id(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("704.001", "0704.0010"),
        ("704", "0704.0000"),
        ("1412.5", "1412.5000"),
        ("1504.0334", "1504.03340"),
        ("1608.0312099999999", "1608.03121"),
        ("1613.1", None),
        ("12.5", None),
        ("704.001v1", None),
        ("cs/9809121", None),
        ("", None),
    ],
)
def test_arxiv_ids_kept_as_numbers_are_restored(text: str, expected: str | None) -> None:
    assert arxiv_id_of_number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://doi.org/10.1000/ABC.", "10.1000/abc"),
        ("doi:10.1103/PhysRevD.76.013009", "10.1103/physrevd.76.013009"),
        ("10.1016/0022-2836(81)90087-5", "10.1016/0022-2836(81)90087-5"),
        ("(10.1016/S0022(81))", "10.1016/s0022(81)"),
        ("10.1000/a 10.1000/b", "10.1000/a"),
        ("10.1000/...", None),
        ("110.1000/abc", None),
        ("10.1/abc", None),
        ("none", None),
        ("", None),
    ],
)
def test_normalise_doi(text: str, expected: str | None) -> None:
    assert normalise_doi(text) == expected


@settings(max_examples=60)
@given(st.text(max_size=40) | st.from_regex(r"10\.[0-9]{4}/[ -~]{1,20}"))
def test_normal_forms_are_stable(text: str) -> None:
    for normalise in (normalise_arxiv_id, normalise_doi):
        normal = normalise(text)
        assert normal is None or normalise(normal) == normal
