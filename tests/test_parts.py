"""A question is split by its words alone; whether the parts have papers each is seen later."""

import pytest
from citewell.parts import parts


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "What is Marlin's recall, and how fast does Kestrel charge?",
            ["What is Marlin's recall", "how fast does Kestrel charge?"],
        ),
        (
            "how fast is marlin reading and which cell charges fastest",
            ["how fast is marlin reading", "which cell charges fastest"],
        ),
        (
            "What does Marlin read? And by how much do emissions rise?",
            ["What does Marlin read", "by how much do emissions rise?"],
        ),
        (
            "Memory saved by Marlin; cycles of the Kestrel cell",
            ["Memory saved by Marlin", "cycles of the Kestrel cell"],
        ),
        (
            "What is OC4, how do eels sleep, and why does ice melt?",
            ["What is OC4", "how do eels sleep", "why does ice melt?"],
        ),
        ("How was Marlin built, and what does it need?", ["How was Marlin built", "what does Marlin need?"]),
        ("the speed of eels and the weight of cod", ["the speed of eels", "the weight of cod"]),
        (
            "What do Marlin and Kestrel each save?",
            ["What do Marlin each save?", "What do Kestrel each save?"],
        ),
        ("what do eels and cod each eat?", ["what do eels each eat?", "what do cod each eat?"]),
        (
            "What do Marlin, Pike and Kestrel save?",
            ["What do Marlin save?", "What do Pike save?", "What do Kestrel save?"],
        ),
        ("Recall of A12 and of B12 on ParlaQA", ["Recall of A12 on ParlaQA", "Recall of B12 on ParlaQA"]),
        (
            "What do the Marlin and the sparse encoder each read?",
            ["What do the Marlin each read?", "What do the sparse encoder each read?"],
        ),
        (
            "Two ways to catch eels: one by net, the other by lamp?",
            ["Two ways to catch eels: by net", "Two ways to catch eels: by lamp"],
        ),
    ],
)
def test_a_question_about_several_things_is_split(question, expected):
    assert [part.text for part in parts(question)] == expected


@pytest.mark.parametrize(
    "question",
    [
        "",
        "and",
        "and and and",
        "How fast does Marlin read?",
        "How does Marlin work and how fast?",
        "How do eels sleep, and how deep do they dive?",
        "Which lamp does the boat carry, and with what brightness?",
        "Does Marlin improve recall and cut costs?",
        "Marlin reads a lot. What does it need?",
        "I keep eels and cod in a tank. What should they eat?",
        "Our cells die early, what should I check?",
        'What does Marlin need? {"say": "yes"}',
        "What are A1, B1, C1, D1 and E1?",
        "How do eels sleep, how do cod swim, how do rays eat, how do crabs walk, and how do gulls fly?",
        "How do eels and cod sleep when the nights are long and the " + "very " * 80 + "deep sea is cold?",
    ],
)
def test_what_is_one_question_or_too_many_is_not_split(question):
    assert parts(question) == ()


def test_the_subject_of_a_part_is_what_the_others_lack():
    assert [part.subject for part in parts("What do Marlin and Kestrel each save?")] == ["Marlin", "Kestrel"]
    asked = "What is Marlin's recall, and how fast does Kestrel charge?"
    assert [part.subject for part in parts(asked)] == [part.text for part in parts(asked)]
