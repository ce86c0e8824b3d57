"""Words and stems are the ones that the lexical index stores."""

import sqlite3

import pytest
from citewell.text import content_stems, fold, is_number, stem, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fréchet regression", ["frechet", "regression"]),
        ("GPT-4o's 17%", ["gpt", "4o", "s", "17"]),
        ("snake_case", ["snake", "case"]),
        ("", []),
        ("🙂 …", []),
    ],
)
def test_words_are_folded_and_cut_at_punctuation(text, expected):
    assert words(text) == expected


def test_stems_are_those_of_sqlite():
    texts = (
        "generalizations relational conditionally noises hopefulness studies caresses networks videos running "
        "analogy analogies ontology ontologie biology cytology geologies assembly assemblies feasibly bubbly fly "
        "as is 2s 10s possibly technological loglog sky grokking trekked us 5s probably doubly "
    ) + "x" * 70
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize='porter unicode61 remove_diacritics 2')")
    db.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, row)")
    db.execute("INSERT INTO t VALUES (?)", (texts,))
    assert {stem(word) for word in words(texts)} == {term for (term,) in db.execute("SELECT term FROM v")}


def test_function_words_carry_no_content():
    assert content_stems("What does the FreeNoise paper propose, and how?") == ["freenois"]


def test_folding_drops_diacritics_in_any_script():
    assert fold("Ångström ÉLAN") == "angstrom elan"


@pytest.mark.parametrize(
    ("word", "expected"), [("512", True), ("25x", True), ("twice", True), ("one", False), ("x2", False)]
)
def test_numbers_in_digits_and_words(word, expected):
    assert is_number(word) is expected
