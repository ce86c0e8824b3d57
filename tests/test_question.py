"""The shape of a question is read from its words alone."""

import pytest
from citewell.question import analyse


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("What lets FreeNoise make longer videos?", "fact"),
        ("How many parameters does GIOROM have?", "number"),
        ("By what percentage does BLEU rise?", "number"),
        ("What is GIOROM?", "definition"),
        ("What does R3D stand for?", "definition"),
        ("Define grokking.", "definition"),
        ("How does FreeNoise differ from FreeLong?", "comparison"),
        ("HMAR against VAR: training speed?", "comparison"),
        ("Which papers are about federated learning?", "list"),
        ("conformal prediction papers", "list"),
        ("What is there on symbolic regression?", "list"),
        ("Which method lets a model forget?", "fact"),
        ("🙂", "fact"),
    ],
)
def test_shape(text, shape):
    assert analyse(text).shape == shape


def test_names_are_kept_as_written_and_neighbours_joined():
    question = analyse("Which retailer tested the Cosine Adapter against M-VAR-d32 in an A/B test?")
    assert question.names == ("Cosine Adapter", "M-VAR-d32")


def test_what_is_asked_for_is_the_focus():
    assert analyse("What GPU was FreeNoise run on?").focus == ("gpu",)
    assert analyse("How many layers does it have?").focus == ("layer",)
    assert analyse("Which method works best?").focus == ()


@pytest.mark.parametrize(
    ("text", "asserts"),
    [
        ("Why does FreeNoise need fine-tuning?", True),
        ("How long does it have to be trained?", True),
        ("Why does it not need fine-tuning?", False),
        ("Does it need fine-tuning?", False),
    ],
)
def test_only_questions_that_take_something_for_granted_assert(text, asserts):
    assert analyse(text).asserts is asserts
