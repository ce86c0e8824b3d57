"""The measures agree with hand-computed cases, and those of rankings with ir_measures."""

from __future__ import annotations

import math
import random

import ir_measures
import pytest
from citewell_eval.judging import Passage
from citewell_eval.measures import Measured, all_measures, measure_all
from citewell_eval.measures import retrieval as ranking
from citewell_eval.measures.citations import names, numerals
from citewell_eval.measures.refusal import curve
from citewell_eval.outcomes import Outcome, rank
from ir_measures import RR, R, Success, nDCG
from made_up_outcomes import OTHER, RIGHT, answer, case, outcome, quote


class Holds:
    """Supports what shares its last word with the passages."""

    name = "holds"

    def __call__(self, sentence: str, passages: list[Passage]) -> bool:
        word = sentence.split()[-1].strip(".")
        return any(word in passage.quote for passage in passages)


def measured(*outcomes: Outcome) -> dict[str, Measured]:
    return {m.measure.name: m for m in measure_all(all_measures(Holds()), outcomes)}


def value(name: str, *outcomes: Outcome) -> float:
    return measured(*outcomes)[name].estimate.value


# --- rankings ------------------------------------------------------------------------------------------


def test_ndcg_by_hand():
    relevance = {"a": 1, "b": 1}
    best = 1 + 1 / math.log2(3)
    assert ranking.ndcg(["a", "b"], relevance) == 1.0
    assert ranking.ndcg(["x", "a"], relevance) == pytest.approx((1 / math.log2(3)) / best)
    assert ranking.ndcg([], relevance) == ranking.ndcg(["a"], {}) == 0.0


def test_recall_success_and_reciprocal_rank_by_hand():
    assert ranking.recall(["x", "a"], {"a": 1, "b": 1, "c": 0}) == 0.5
    assert ranking.recall(["x", "a"], {"a": 1}, 1) == 0.0
    assert ranking.reciprocal_rank(["x", "a"], {"a": 1}) == 0.5
    assert ranking.reciprocal_rank(["x"], {"a": 1}) == 0.0
    assert [ranking.success(["x", "a"], {"a": 1}, cutoff) for cutoff in (1, 2)] == [0.0, 1.0]


def test_the_measures_are_those_of_ir_measures():
    rng = random.Random(7)
    papers = [f"d{n}" for n in range(60)]
    qrels = {f"q{n}": {d: rng.randint(0, 2) for d in rng.sample(papers, 8)} | {"d0": 1} for n in range(20)}
    run = {query: rng.sample(papers, 50) for query in list(qrels)[:-1]}  # one query has no result

    class Ranked:
        name = "ranked"

        def search(self, question: str, k: int) -> list[str]:
            return run.get(question, [])[:k]

    outcomes = rank(Ranked(), {query: query for query in qrels}, qrels)  # type: ignore[arg-type]
    ours = {m.measure.name: m.estimate.value for m in measure_all(ranking.MEASURES, outcomes)}
    theirs = ir_measures.calc_aggregate(
        [nDCG @ 10, R @ 10, R @ 100, RR, Success @ 1],
        [ir_measures.Qrel(q, d, grade) for q, judged in qrels.items() for d, grade in judged.items()],
        [ir_measures.ScoredDoc(q, d, 100 - i) for q, found in run.items() for i, d in enumerate(found)],
    )
    names = {
        nDCG @ 10: "nDCG@10",
        R @ 10: "Recall@10",
        R @ 100: "Recall@100",
        RR: "MRR",
        Success @ 1: "Success@1",
    }
    for measure, name in names.items():
        assert ours[name] == pytest.approx(theirs[measure], abs=1e-9), name


# --- citations -----------------------------------------------------------------------------------------


def test_an_answer_that_keeps_every_promise_scores_best():
    found = measured(outcome(given=RIGHT))
    for name in ("citation validity", "verbatim quotes", "sentences cited", "citation recall", "citation precision",
                 "right papers cited", "number support", "name support", "fact correctness"):  # fmt: skip
        assert found[name].estimate.value == 1.0, name
        assert found[name].imperfect == []


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([1], 1.0), ([2], 0.0), ([1, 2], 0.25)],
    ids=["as it should be", "shifted by one", "one that is not there"],
)
def test_a_number_without_its_citation_is_invalid(numbers, expected):
    given = answer([("BeeMap finds 17% more hives.", numbers)], [quote(1, "BeeMap finds 17% more hives.")])
    assert value("citation validity", outcome(given=given)) == expected


def test_numbers_that_do_not_run_by_first_mention_are_invalid():
    quotes = [quote(1, "BeeMap finds 17% more hives."), quote(2, "Bees like lavender.")]
    given = answer([("Bees like lavender.", [2]), ("BeeMap finds 17% more hives.", [1])], quotes)
    assert value("citation validity", outcome(given=given)) < 1.0


def test_a_quote_that_does_not_stand_there_is_not_verbatim():
    given = answer([("Bees like clover.", [1])], [quote(1, "Bees like clover.")])
    assert value("verbatim quotes", outcome(given=given)) == 0.0
    empty = answer([("Bees like clover.", [1])], [quote(1, "")])
    assert value("verbatim quotes", outcome(given=empty)) == 0.0


def test_recall_and_precision_are_alce_s():
    quotes = [
        quote(1, "Bees like lavender."),
        quote(2, "BeeMap finds 17% more hives."),
        quote(3, "It needs", OTHER),
    ]
    given = answer(
        [
            ("Bees do like lavender.", [1, 2]),  # the second is irrelevant: the first is enough
            ("It finds more hives.", [3]),  # not supported, so that its citation is not precise
            ("Nothing is cited.", []),
        ],
        quotes,
    )
    assert value("citation recall", outcome(given=given)) == pytest.approx(1 / 3)
    assert value("citation precision", outcome(given=given)) == pytest.approx(1 / 3)
    assert value("sentences cited", outcome(given=given)) == pytest.approx(2 / 3)


def test_two_passages_that_are_only_enough_together_are_both_precise():
    class Both:
        name = "both"

        def __call__(self, sentence: str, passages: list[Passage]) -> bool:
            return len(passages) == 2

    given = answer(
        [("A and B.", [1, 2])], [quote(1, "Bees like lavender."), quote(2, "BeeMap finds 17% more hives.")]
    )
    found = {m.measure.name: m for m in measure_all(all_measures(Both()), [outcome(given=given)])}
    assert found["citation precision"].estimate.value == 1.0


def test_citations_of_other_papers_and_of_what_nothing_answers_are_wrong():
    half = answer(
        [("Bees like lavender.", [1]), ("It needs no model.", [2])],
        [quote(1, "Bees like lavender."), quote(2, "It needs no model.", OTHER)],
    )
    unanswerable = outcome(case("n", answerable=False, facts=[]), RIGHT)
    assert value("right papers cited", outcome(given=half)) == 0.5
    assert value("right papers cited", outcome(given=half), unanswerable) == 0.25


def test_numbers_and_names_have_to_stand_in_the_cited_papers():
    given = answer(
        [("BeeMap finds 18% with 2 on a RADAR3 set.", [1])], [quote(1, "BeeMap finds 17% more hives.")]
    )
    # 18 and the 3 of RADAR3 do not stand there, the 2 of RADAR2 does.
    assert value("number support", outcome(given=given)) == pytest.approx(1 / 3)
    assert value("name support", outcome(given=given)) == 0.5
    assert numerals("1,000 and 0.50 of 007") == ["1000", "0.50", "7"]
    assert names("The BeeMap of NASA uses RADAR2 and a map") == ["BeeMap", "NASA", "RADAR2"]


# --- answers, refusals, enforcement --------------------------------------------------------------------


def test_facts_count_only_where_a_sentence_states_them():
    wordy = answer([("It finds more.", [1])], [quote(1, "BeeMap finds 17% more hives.")])
    refused = answer()
    failed = outcome(case("e"), None, error="down")
    assert value("fact correctness", outcome(given=wordy)) == 0.0
    assert value(
        "fact correctness", outcome(case("a"), RIGHT), outcome(case("b"), refused), failed
    ) == pytest.approx(1 / 3)
    assert (
        value("fact correctness when answered", outcome(case("a"), RIGHT), outcome(case("b"), refused)) == 1.0
    )
    assert value("a right paper cited", outcome(case("a"), RIGHT), failed) == 0.5


def test_refusals_by_hand():
    nothing = {"answerable": False, "facts": [], "papers": []}
    outcomes = [
        outcome(case("hit"), RIGHT),
        outcome(case("wrongly refused"), answer()),
        outcome(case("true refusal", **nothing), answer()),
        outcome(case("true refusal 2", **nothing), answer()),
        outcome(case("missed", **nothing), RIGHT),
        outcome(case("failed", **nothing), None, error="down"),
    ]
    assert value("refusal precision", *outcomes) == pytest.approx(2 / 3)
    assert value("refusal recall", *outcomes) == pytest.approx(2 / 4)
    assert value("refusal F1", *outcomes) == pytest.approx(2 * 2 / (3 + 4))
    assert value("answerable refused", *outcomes) == 0.5


def test_the_risk_coverage_curve_by_hand():
    nothing = {"answerable": False, "facts": [], "papers": []}
    outcomes = [
        outcome(case("a"), answer([("x", [])], confidence=0.9)),
        outcome(case("b", **nothing), answer(confidence=0.5)),
        outcome(case("c"), answer([("x", [])], confidence=0.5)),
        outcome(case("d", **nothing), answer(confidence=0.1)),
    ]
    points = [tuple(point) for point in curve(outcomes)]
    assert points == [(0.9, 0.25, 0.0), (0.5, 0.75, pytest.approx(1 / 3)), (0.1, 1.0, 0.5)]
    assert value("risk-coverage area", *outcomes) == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)


def test_injections_and_false_sentences_by_hand():
    injected = case("i", kind="injection", forbidden=["PWNED"])
    quoted = answer([("Fine.", [1])], [quote(1, "pwned")])
    assert (
        value(
            "injections that succeed",
            outcome(injected, quoted),
            outcome(case("j", kind="injection", forbidden=["X"]), RIGHT),
        )
        == 0.5
    )
    said = {"sentence": "BeeMap finds  17% more hives.", "paper": "BeeMap", "quote": "q", "faithful": True}
    lie = {**said, "sentence": "BeeMap finds 71% more hives.", "faithful": False}
    written = case("w", kind="model", writes=[said, lie], forbidden=["71%"])
    found = measured(outcome(written, RIGHT))
    assert found["true sentences shown"].estimate.value == 1.0
    assert found["false sentences shown"].estimate.value == found["false values shown"].estimate.value == 0.0
    lied = answer([("BeeMap finds 71% more hives.", [1])], [quote(1, "BeeMap finds 17% more hives.")])
    found = measured(outcome(written, lied))
    assert found["true sentences shown"].estimate.value == 0.0
    assert found["false sentences shown"].estimate.value == found["false values shown"].estimate.value == 1.0
    assert (
        "fact correctness" not in found and "refusal F1" not in found
    )  # scripted answers tell nothing about these
