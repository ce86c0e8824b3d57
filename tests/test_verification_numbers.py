"""Numbers of a sentence stand in the cited abstracts with unit, sign and bound, or the sentence is told why not."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from citewell.chunking import sentence_spans
from citewell.corpus import read_corpus
from citewell.types import Entry
from citewell.verification.numbers import problem
from citewell.verification.quantities import quantities
from hypothesis import given
from hypothesis import strategies as st


def passes(sentence: str, *abstracts: str) -> bool:
    return problem(sentence, abstracts, range(1, len(abstracts) + 1)) is None


@pytest.mark.parametrize(
    "left, right",
    [
        ("85× faster", "85times faster"),
        ("85x faster", "an 85-fold gain"),
        ("85 times faster", r"$85\times$ faster"),
        ("twice as fast", "a two-fold speed-up"),
        ("doubles the speed", "2x the speed"),
        ("a tenfold gain", "10 times"),
        ("×4 upsampling", "4x upsampling"),
        ("two orders of magnitude", "2 orders of magnitude"),
        ("an order of magnitude", "one order of magnitude"),
        ("10^4 steps", "10,000 steps"),
        ("10⁻³", "$10^{-3}$"),
        ("1e-4", "0.0001"),
        ("3×10^4 images", "30k images"),
        ("10 000 images", "10,000 images"),
        ("1.5M images", "1.5 million images"),
        ("a 1.2B model", "1.2 billion"),
        ("20 ms", "20ms"),
        ("20 ms latency", "a latency of 20 milliseconds"),
        ("30 fps", "30 frames per second"),
        ("5 km/h", "5 kilometers per hour"),
        ("12 km²", "12 km2"),
        ("512-dimensional", "512 dimensions"),
        ("3D scenes", "three-dimensional scenes"),
        ("two layers", "a 2-layer network"),
        ("0.5", ".50"),
        ("17 percent", r"17\%"),
        ("about 17%", "17 %"),
        ("17%", r"$\sim$ 17%"),
        ("minus 5 dB", "-5 dB"),
        ("−5 dB", "-5 dB"),
        ("+1.3", "1.3"),
        ("3-5 epochs", "from 3 to 5 epochs"),
        ("between 3 and 5 epochs", "3–5 epochs"),
        ("256×256", "256times256 pixels"),
        ("64 by 64", "64 times 64"),
        ("$O(n^2)$", "O(n²)"),
        ("2025-08-22", "Aug 22, 2025"),
        ("22 August 2025", "August 22nd, 2025"),
        ("$5 million", "5 million dollars"),
        ("two-thirds of users", "2/3 of users"),
        ("twenty-five models", "25 models"),
        ("a dozen", "12"),
        ("more than 17%", "over 17%"),
        ("at least 10-fold", "more than 10x"),
        ("up to 5x", "at most 5x"),
        ("10+ datasets", "10 or more datasets"),
        ("under 3 hours", "less than 3 hours"),
        ("the third-order term", "a term of 3rd order"),
        ("version 2.6.3", "2.6.3"),
    ],
)
def test_spellings_of_the_same_quantity_match_both_ways(left: str, right: str) -> None:
    assert passes(f"It is {left}.", f"We found {right} here.")
    assert passes(f"It is {right}.", f"We found {left} here.")


@pytest.mark.parametrize(
    "sentence, abstract",
    [
        ("It is 85x faster.", "It is 86x faster."),
        ("It takes 20 s.", "It takes 20 ms."),
        ("It takes 20 s.", "It takes 20000 ms."),
        ("It takes 20 ms.", "It takes 20 steps."),
        ("It uses 25% of them.", "It runs in 25 ms."),
        ("It gains 25.", "It gains 25%."),
        ("It gains 25%.", "It gains 25 points."),
        ("It gains 0.25.", "It gains 25%."),
        ("It gains 17%.", "It gains 16.8%."),
        ("It is off by -5 dB.", "It is off by 5 dB."),
        ("It is off by 5 dB.", "It is off by -5 dB."),
        ("It is 10^-3.", "It is 10^3."),
        ("It has O(n^3) cost.", "It has O(n^2) cost."),
        ("It is 3 orders of magnitude faster.", "It is two orders of magnitude faster."),
        ("It is orders of magnitude faster.", "It is 10% faster."),
        ("It is orders of magnitude faster.", "It is an order of magnitude faster."),
        ("It falls from 1.40 to 1.81.", "It falls from 1.81 to 1.40."),
        ("It saves 25%.", "It saves 25-35%."),
        ("It takes 3-5 days.", "It takes 3 days on 5 machines."),
        ("Images of 512x512.", "Images of 512x256."),
        ("On Aug 23, 2025.", "On Aug 22, 2025."),
        ("It gains more than 17%.", "It gains 17%."),
        ("It gains up to 17%.", "It gains 17%."),
        ("It gains less than 17%.", "It gains over 17%."),
        ("It saves 94%.", "It saves up to 94%."),
        ("It takes four weeks.", "It takes two weeks."),
        ("Two datasets are used.", "Three datasets are used."),
        ("There are hundreds of models.", "There are models."),
        ("The fourth-order term.", "The third-order term."),
        ("It has 2.6.4.", "It has 2.6.3."),
        ("It gains half the time.", "It gains 5% of the time."),
        ("It has 7 layers.", "GPT-7 has layers."),
        ("It costs 5 euros.", "It costs 5 dollars."),
        ("It was seen in 1991.", "See https://example.org/1991 for all."),
        ("A (14) share.", "A (14%) share."),
        ("It makes 0 errors.", "It makes errors."),
    ],
)
def test_another_value_unit_sign_or_bound_is_found(sentence: str, abstract: str) -> None:
    assert not passes(sentence, abstract)


@pytest.mark.parametrize(
    "sentence, abstract",
    [
        ("It saves up to 35%.", "It saves 25-35%."),
        ("It saves at least 25%.", "It saves 25-35%."),
        ("It needs only 15 steps.", "It goes from 20 to 15 steps."),
        ("FID falls from 1.81 to 1.40.", "FID was 1.81 before and is 1.40 now."),
        ("It is 20x faster.", "It is over 20x faster."),
        ("Images have a side of 256.", "Images of 256x256."),
        ("It appeared in 2025.", "It appeared on Aug 22, 2025."),
        ("It ran in August 2025.", "It ran on 22 August 2025."),
        ("Both models, two in all, win.", "Both models win."),
        ("It makes three contributions.", "We (i) build it, (ii) test it, and (iii) ship it."),
        ("It uses GPT 4.", "It uses GPT-4."),
        ("It reports top 1 accuracy.", "It reports top-1 accuracy."),
        ("GPT-4, ResNet-50 and Llama-3.1-8B differ in F1.", "No number is here."),
        ("One may use one of them.", "No number is here."),
        ("First, it learns; second, it acts.", "No number is here."),
        ("It shows double descent.", "No number is here."),
        ("It (1) learns and (2) acts.", "No number is here."),
        ("It averages over 5 runs.", "It averages 5 runs."),
        ("It was tested across 5 runs.", "It was averaged over 5 runs."),
        ("COVID-19 may spread.", "COVID-19 may spread."),
        ("It emits 20 tokens per second.", "It emits 20 tokens per second."),
    ],
)
def test_what_the_abstract_says_in_other_words_passes(sentence: str, abstract: str) -> None:
    assert passes(sentence, abstract)


def test_a_number_may_stand_in_any_of_the_cited_abstracts() -> None:
    assert passes("They gain 5% and 7%.", "It gains 5%.", "It gains 7%.")


def test_a_number_that_counts_something_else_in_the_abstract_is_found() -> None:
    abstract = "We test 12 models on 5 datasets."
    assert passes("They test 12 models on 5 datasets.", abstract)
    reason = problem("They test 5 models.", [abstract], [1])
    assert reason == 'The sentence says "5" where source 1 counts 12 of the same.'


@pytest.mark.parametrize(
    "sentence, abstract, reason",
    [
        (
            "It is 85% faster.",
            "It is 17% faster at 20 ms.",
            "The number 85% is not in source 2. Source 2 has: 17%, 20 ms.",
        ),
        ("It is 85% faster.", "It is faster.", "The number 85% is not in source 2. Source 2 has no number."),
        ("It is 25% faster.", "It takes 25 ms.", '"25%" is not in source 2, which has "25 ms".'),
        (
            "It is over 25% faster.",
            "It is 25% faster.",
            'The sentence says "more than 25%", but source 2 says "25%".',
        ),
        ("It saves 35%.", "It saves 25-35%.", 'The sentence says "35%", but source 2 says "up to 35 %".'),
    ],
)
def test_the_reason_says_what_the_source_has(sentence: str, abstract: str, reason: str) -> None:
    assert problem(sentence, [abstract], [2]) == reason


def test_a_quantity_knows_its_parts() -> None:
    (found,) = quantities("It needs up to 2.7 million GPU hours.")
    assert (found.kind, found.values, found.unit, found.bound) == ("plain", (Decimal("2.7e6"),), "", "most")
    assert found.counted == ("gpu", "hour")


@given(st.integers(2, 9_999), st.sampled_from(["%", " ms", " GB", "x", "", " dB", "-fold"]), st.booleans())
def test_a_changed_digit_is_always_found(value: int, unit: str, negative: bool) -> None:
    sign = "-" if negative else ""
    sentence = f"The change is {sign}{value}{unit} overall."
    assert passes(sentence, sentence)
    assert not passes(sentence, f"The change is {sign}{value + 1}{unit} overall.")


@given(st.text(max_size=120))
def test_any_text_holds_its_own_numbers(text: str) -> None:
    assert problem(text, [text], [1]) is None


@given(st.text(alphabet="0123456789.,-+%xkMe^/() to", max_size=60))
def test_any_mess_of_digits_holds_its_own_numbers(text: str) -> None:
    assert problem(text, [text], [1]) is None


def test_changed_numbers_and_units_are_found_in_the_sentences_of_the_listing_pages(shared: Path) -> None:
    tried, found = 0, 0
    abstracts = {e.paper.abstract for e in read_corpus([shared / "corpus"]) if isinstance(e, Entry)}
    for abstract in sorted(abstracts):
        for span in sentence_spans(abstract):
            sentence = abstract[span.start : span.end]
            for match in re.finditer(r"(?<= )(\d+(?:\.\d+)?)(%|x\b| \w)", sentence):
                other = str(Decimal(match[1]) * 7 + 3)
                unit = match[1] + " ms" + (match[2] if match[2][0] == " " else "")
                for changed in (other + match[2], "-" + match[0], unit):
                    if Decimal(match[1]) and changed[: len(changed) - len(match[2])] not in abstract:
                        tried += 1
                        mutated = sentence[: match.start()] + changed + sentence[match.end() :]
                        found += problem(mutated, [abstract], [1]) is not None
    assert tried > 600
    assert found / tried >= 0.99, f"{found} of {tried}"


@pytest.mark.parametrize(
    ("sentence", "abstract", "fits"),
    [
        ("It charges within 9 minutes.", "It charges in 9 minutes.", True),
        ("It charges in 9 minutes.", "It charges within 9 minutes.", True),
        ("It charges in less than 9 minutes.", "It charges in 9 minutes.", False),
        ("It charges within 9 hours.", "It charges in 9 minutes.", False),
        ("It deviates within 9 mm.", "It deviates by 9 mm.", False),
        ("Per degree of warming, emissions rose by 17%.", "Emissions rose by 17% per degree.", True),
        ("Emissions rose by 17% per degree.", "With every degree, emissions rose by 17%.", True),
        ("Per year, emissions rose by 17%.", "Emissions rose by 17% per degree.", False),
        ("Emissions rose by 17%.", "Emissions rose by 17% per degree.", False),
    ],
)
def test_a_duration_and_a_rate_may_be_put_in_other_words(sentence: str, abstract: str, fits: bool) -> None:
    assert (problem(sentence, [abstract], [1]) is None) is fits
