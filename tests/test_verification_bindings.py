"""What belongs to what: exchanged numbers, exchanged sides and reversed amounts are found, reordering is not one."""

import pytest
from citewell.verification.bindings import problem, ratio_problem

WEIGHT = "Quarry-7B solves 66.0% of the RustBench problems, while GPT-4 solves 58.2%."
MEMORY = "Marlin needs 41% less memory than Longbow, but is 85× faster than before."
URATE = "Within 12 weeks, sorbinol lowered serum urate by 2.1 mg/dL and febuxostat by 1.4 mg/dL."


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("GPT-4 solves 66.0% of the RustBench problems and Quarry-7B 58.2%.", WEIGHT),
        ("Longbow needs less memory than Marlin.", MEMORY),
        ("It is 85x slower than before.", MEMORY),
        ("Marlin needs 41 percent more memory than Longbow.", MEMORY),
        ("Febuxostat lowered urate by 2.1 mg/dL and sorbinol by 1.4 mg/dL.", URATE),
        (
            "Nausea was more frequent with thyme than with sage.",
            "Nausea was more frequent with sage than with thyme.",
        ),
    ],
)
def test_an_exchange_is_found(claim, sentence):
    assert problem(claim, [sentence]) is not None


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (WEIGHT, WEIGHT),
        ("On RustBench, GPT-4 solves 58.2% and Quarry-7B 66.0%.", WEIGHT),
        ("58.2% of the problems are solved by GPT-4 and 66.0% by Quarry-7B.", WEIGHT),
        ("Compared with Longbow, Marlin takes 41% less memory.", MEMORY),
        ("Marlin is 85 times faster than before.", MEMORY),
        ("Longbow needs more memory than Marlin.", MEMORY),
        ("Serum urate fell by 1.4 mg/dL with febuxostat and by 2.1 mg/dL with sorbinol.", URATE),
        ("The method is rather larger than life.", "Life is larger."),
        ("", MEMORY),
    ],
)
def test_other_words_and_another_order_are_not_one(claim, sentence):
    assert problem(claim, [sentence]) is None


@pytest.mark.parametrize(
    ("claim", "found"),
    [
        ("It unties 20 of 18 knots.", True),
        ("It unties 18 out of the 20 knots.", False),
        ("It unties 18 of 20 knots.", False),
        ("It unties 7 of 9 knots.", False),
    ],
)
def test_a_part_and_its_whole_keep_their_order(claim, found):
    assert (ratio_problem(claim, ["The robot unties 18 of 20 knots."]) is not None) is found


def test_texts_of_a_collection_do_not_contradict_themselves(shared):
    from citewell.chunking import sentence_spans
    from citewell.corpus import read_corpus
    from citewell.types import Entry

    abstracts = [e.paper.abstract for e in read_corpus([shared / "corpus"]) if isinstance(e, Entry)]
    sentences = [a[s.start : s.end] for a in abstracts for s in sentence_spans(a)]
    assert len(sentences) > 4_000
    assert [text for text in sentences if problem(text, [text]) or ratio_problem(text, [text])] == []


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("Its spectrum shows gas but not water.", "The spectrum shows water but no gas."),
        ("It relies on texts rather than images.", "Images rather than texts are what it relies on."),
        (
            "GPT-4 solves 58.2% of the problems, while Quarry-7B solves 66.0%.",
            "It solves 58.2% of the problems, where GPT-4 solves 66.0%.",
        ),
        ("In summer, dry plots emit more than wet plots.", "Wet plots emit more than dry plots in summer."),
    ],
)
def test_exchanged_denials_pronouns_and_sides_are_found(claim: str, sentence: str) -> None:
    assert problem(claim, [sentence]) is not None


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("The spectrum has water but no trace of gas.", "The spectrum shows water but no gas."),
        (
            "Quarry-7B solves 58.2% of the problems and GPT-4 66.0%.",
            "It solves 58.2% of the problems, where GPT-4 solves 66.0%.",
        ),
        (
            "66.0% are solved with GPT-4 and 58.2% with Quarry-7B.",
            "It solves 58.2% of the problems, where GPT-4 solves 66.0%.",
        ),
        ("Dry plots emit less than wet ones in summer.", "In summer, wet plots emit more than dry plots."),
    ],
)
def test_what_is_said_of_the_same_things_is_no_exchange(claim: str, sentence: str) -> None:
    assert problem(claim, [sentence]) is None
