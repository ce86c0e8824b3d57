"""Misspelt words are taken for words of the collection; real words and unknown names are left alone."""

import pytest
from citewell import Assistant, Paper
from citewell.spelling import correct


@pytest.fixture(scope="module")
def assistant():
    papers = [
        Paper(
            "FreeNoise for longer videos",
            "The smoothing filter of FreeNoise helps networks with quantised models.",
        ),
        Paper("Heat maps of reefs", "Heat and distillation of knowledge in coral networks."),
    ]
    with Assistant.from_papers(papers) as opened:
        yield opened


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("FreNoise smothing", "freenois smooth"),
        ("netwroks", "network"),
        ("heart", "heart"),  # a word, though no paper holds it
        ("What is FreeNoise?", "What is FreeNoise?"),
        ("Xyzzyplugh", "Xyzzyplugh"),
        ("café naïve", "café naïve"),
        ("", ""),
        ("Warum helfen netwroks?", "Warum helfen netwroks?"),  # slips of another language are not known
        ("Pourquoi les netwroks ?", "Pourquoi les netwroks ?"),
        ("Why do netwroks die?", "Why do network die?"),
    ],
)
def test_correct(assistant, question, expected):
    assert correct(question, assistant.collection.library, assistant.token_embedder()) == expected


def test_without_a_vocabulary_nothing_is_touched(assistant):
    assert correct("netwroks", assistant.collection.library, None) == "netwroks"
