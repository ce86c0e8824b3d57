"""Names of authors are taken apart where that is safe, and kept whole elsewhere."""

import re

import pytest
from citewell_ui.export.names import Name, parse
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "name, parts",
    [
        ("Yves Schabes", Name("Schabes", "Yves")),
        ("Stuart M. Shieber", Name("Shieber", "Stuart M.")),
        ("Ludwig van Beethoven", Name("van Beethoven", "Ludwig")),
        ("Maria de la Cruz", Name("de la Cruz", "Maria")),
        ("Knuth, Donald E.", Name("Knuth", "Donald E.")),
        ("Martin Luther King, Jr.", Name("King", "Martin Luther", "Jr.")),
        ("Jean-Luc O’Neill", Name("O’Neill", "Jean-Luc")),
        ("Иван Петров", Name("Петров", "Иван")),
        ("OpenAI", Name(literal="OpenAI")),
        ("김 철수", Name(literal="김 철수")),
        ("Wei XU", Name(literal="Wei XU")),
        ("Smith JA", Name(literal="Smith JA")),
        ("The ATLAS Collaboration", Name(literal="The ATLAS Collaboration")),
        ("Smith and Jones", Name(literal="Smith and Jones")),
        ("Team 7", Name(literal="Team 7")),
        ("A, B, C", Name(literal="A, B, C")),
        (", ", Name(literal=",")),
    ],
)
def test_a_name_is_taken_apart_where_that_is_safe(name, parts):
    assert parse(name) == parts


@settings(deadline=None)  # the machine may be slow
@given(st.text(st.sampled_from(", .-\t\x00aäÄJI中1") | st.characters(exclude_categories=()), max_size=30))
def test_no_part_of_a_name_is_lost(name):
    parts = parse(name)
    together = "".join([parts.given, parts.family, parts.suffix, parts.literal])
    assert sorted(re.sub(r"[\s,]", "", together)) == sorted(re.sub(r"[\s,]", "", " ".join(name.split())))
