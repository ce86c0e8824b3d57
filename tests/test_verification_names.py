"""Names of a sentence stand in the cited abstracts; ordinary words at its start are no names."""

from __future__ import annotations

import pytest
from citewell.verification.names import names_digit, problem
from hypothesis import given
from hypothesis import strategies as st

ABSTRACT = (
    "We introduce FreeNoise, which Fr\\'echet and Smith (2020) tested in Berlin. It runs on GPT-4, Llama-3.1-8B and "
    "CIFAR-10/100, uses reinforcement learning and large language models (LLMs), and reports F1@10 for CO$_2$. "
    "Stochastic gradient descent beats DPO."
)


def missing(sentence: str, abstract: str = ABSTRACT) -> str | None:
    return problem(sentence, [abstract], [3])


@pytest.mark.parametrize(
    "sentence",
    [
        "FreeNoise was tested in Berlin by Smith.",
        "Free-Noise's gain holds for GPT4, GPT 4 and GPT-4-based agents.",
        "The Llama 3.1 8B model and CIFAR-100 were used.",
        "LLMs are used; an LLM-based agent and RL help.",
        "They use Reinforcement Learning and Large Language Models.",
        "Fréchet reports F1@10.",
        "CO2 and CO₂ are measured.",
        "SGD is worse than Direct Preference Optimization.",
        "The break-induced learning (BIL) is new.",
        "A 4-step FreeNoise takes 20ms at 1.5B parameters in 3D.",
        "In it, The Smith method wins.",
        "Researchers show it; Experiments confirm it.",
        "However, training helps. Recently, others agreed: Results improved.",
        "Evaluated models gain; Additional gains follow.",
    ],
)
def test_names_of_the_abstract_pass_in_every_spelling(sentence: str) -> None:
    assert missing(sentence) is None


@pytest.mark.parametrize(
    "sentence, name",
    [
        ("It was tested in London.", "London"),
        ("London is where it was tested.", "London"),
        ("Beijing is where it was tested.", "Beijing"),
        ("It was tested by Jones.", "Jones"),
        ("FreeNoise beats SlowNoise.", "SlowNoise"),
        ("SlowNoise beats it.", "SlowNoise"),
        ("It runs on GPT-3.", "GPT-3"),
        ("It runs on GPT-3-based agents.", "GPT-3-based"),
        ("It runs on Llama-3.1-70B.", "Llama-3.1-70B"),
        ("It uses CIFAR-50.", "CIFAR-50"),
        ("It uses CIFAR-10/50.", "CIFAR-50"),
        ("It reports F2@10.", "F2@10"),
        ("CO3 was measured.", "CO3"),
        ("It uses a VAE.", "VAE"),
        ("It uses 3DGS.", "3DGS"),
        ("It takes a 4-TPU pod.", "TPU"),
        ("It reports top-5 accuracy.", "top-5"),
        ("Vitamin D helps Smith.", "D"),
        ("It is NOT tested in Berlin.", "NOT"),
        ("It ran in August.", "August"),
    ],
)
def test_an_invented_name_is_found(sentence: str, name: str) -> None:
    reason = missing(sentence)
    assert reason is not None and f'"{name}"' in reason and reason.endswith("not in source 3.")


def test_an_acronym_does_not_stand_for_other_words_than_the_abstract_spells() -> None:
    abstract = "We use sharpness-aware minimization (SAM)."
    assert missing("It uses Sharpness-Aware Minimization.", abstract) is None
    assert missing("It uses Sharpness-Aware Memory.", abstract) == '"Memory" is not in source 3.'


def test_a_name_may_stand_in_any_of_the_cited_abstracts() -> None:
    assert problem("AlphaNet beats BetaNet.", ["AlphaNet wins.", "BetaNet loses."], [1, 2]) is None
    assert problem("AlphaNet beats GammaNet.", ["AlphaNet wins.", "BetaNet loses."], [1, 2]) == (
        '"GammaNet" is not in source 1 and 2.'
    )


def test_a_number_behind_a_word_is_a_name_only_where_the_abstract_joins_them() -> None:
    assert names_digit("GPT 4", "We use GPT-4.")
    assert not names_digit("of 4", "A gain of 4% is seen.")


@given(st.text(max_size=120))
def test_any_text_holds_its_own_names(text: str) -> None:
    assert problem(text, [text], [1]) is None
