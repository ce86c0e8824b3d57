"""Additions: what is hung on to a faithful sentence and stands in no cited abstract is found, paraphrase is not."""

from __future__ import annotations

import pytest
from citewell.verification.additions import problem
from made_up_papers import FACTS, PAPERS

ABSTRACT = PAPERS["sorbinol"].abstract
TRUE = "Sorbinol did not increase the risk of heart failure"


@pytest.mark.parametrize(
    "tail",
    [
        "; and it cures cancer in mice",
        ", and it is sold in many shops",
        " because the editors were bribed",
        ", which the reviewers praised as a breakthrough",
        " and cures cancer in mice",
        ", a surprise that shook the whole profession",
        " (an outcome nobody had foreseen)",
    ],
)
def test_a_clause_of_which_the_abstract_has_nothing_is_found(tail: str) -> None:
    reason = problem(f"{TRUE}{tail}.", [ABSTRACT])
    assert reason is not None and tail.strip(" ;,()") in reason


@pytest.mark.parametrize(
    "sentence",
    [
        TRUE,
        f"{TRUE}, and its effect on the urate level was larger than that of febuxostat",
        f"{TRUE}, so it is safe",
        "In a randomised trial, gout patients on sorbinol had more nausea, but less urate",
        "It cures cancer in mice",  # the first clause is for the other checks
    ],
)
def test_a_paraphrase_is_no_addition(sentence: str) -> None:
    assert problem(sentence, [ABSTRACT]) is None


def test_what_any_cited_abstract_speaks_of_is_no_addition() -> None:
    sentence = "Sorbinol lowers urate, and the companion of the dwarf star is dim."
    assert problem(sentence, [ABSTRACT]) is not None
    assert problem(sentence, [ABSTRACT, PAPERS["vesper"].abstract]) is None


def test_true_sentences_about_the_made_up_papers_add_nothing() -> None:
    assert [fact for fact in FACTS if problem(fact.sentence, [PAPERS[fact.paper].abstract])] == []
