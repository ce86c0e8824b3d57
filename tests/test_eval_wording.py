"""Replies of other systems' models: their markers, and refusals in words."""

from __future__ import annotations

import pytest
from citewell_eval.systems.wording import Said, says_it_does_not_know, split


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Water is wet [2].", [Said("Water is wet.", (2,))]),
        (
            "Water is wet. [2] It rains a lot. [1]",
            [Said("Water is wet.", (2,)), Said("It rains a lot.", (1,))],
        ),
        ("Water is wet [1][3] and cold [2].", [Said("Water is wet and cold.", (1, 3, 2))]),
        ("Water is wet [1, 2 and 4].", [Said("Water is wet.", (1, 2, 4))]),
        ("Water is wet [Source 2].", [Said("Water is wet.", (2,))]),
        ("Water is wet [1-3].", [Said("Water is wet.", (1, 2, 3))]),
        ("Water is wet [7-2024].", [Said("Water is wet.", (7, 2024))]),
        (
            "Water is really wet.\nSo is the rain [1]",
            [Said("Water is really wet.", ()), Said("So is the rain", (1,))],
        ),
        ("It lies in [0, x].", [Said("It lies in [0, x].", ())]),
        ("  \n", []),
        ("[1]", []),
    ],
)
def test_markers_are_read_and_taken_out(text, expected):
    assert split(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Empty Response",
        "",
        "I don't know.",
        "I don’t know the answer to that.",
        "I cannot find this in the sources.",
        "The provided sources do not mention the price [1].",
        "Based on the context, there is no information about prices.",
        "None of the provided sources are helpful.",
        "There is not enough information to answer.",
        "The price is not explicitly mentioned in the given context.",
        "It is not possible to determine the price.",
        "This cannot be determined from the sources.",
    ],
)
def test_a_refusal_in_words_is_known(text):
    assert says_it_does_not_know(text)


@pytest.mark.parametrize(
    "text",
    [
        "Glaciers retreat by two metres a year [1].",
        "They retreat. The sources do not say more.",
        "The method does not need labels.",
        "Models that do not know the mask fail.",
        "There is no evidence of a loss in accuracy.",
        "Information is not lost.",
        "There is no information loss in the codec.",
        "It finds documents that do not contain the query.",
    ],
)
def test_an_answer_is_not_a_refusal(text):
    assert not says_it_does_not_know(text)
