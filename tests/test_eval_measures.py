"""The measures agree with hand-computed cases and with ir_measures."""

import json
import math
import random

import ir_measures
import pytest
from citewell.errors import UsageError
from citewell_eval.answers import share
from citewell_eval.cases import load_cases
from citewell_eval.retrieval import load_set, measure, ndcg, recall, reciprocal_rank
from ir_measures import RR, R, nDCG


def test_ndcg_by_hand():
    relevance = {"a": 1, "b": 1}
    best = 1 + 1 / math.log2(3)
    assert ndcg(["a", "b"], relevance) == 1.0
    assert ndcg(["x", "a"], relevance) == pytest.approx((1 / math.log2(3)) / best)
    assert ndcg([], relevance) == ndcg(["a"], {}) == 0.0


def test_recall_and_reciprocal_rank_by_hand():
    assert recall(["x", "a"], {"a": 1, "b": 1, "c": 0}) == 0.5
    assert reciprocal_rank(["x", "a"], {"a": 1}) == 0.5
    assert reciprocal_rank(["x"], {"a": 1}) == 0.0


def test_the_measures_are_those_of_ir_measures():
    rng = random.Random(7)
    papers = [f"d{n}" for n in range(60)]
    qrels = {f"q{n}": {d: rng.randint(0, 2) for d in rng.sample(papers, 8)} | {"d0": 1} for n in range(20)}
    run = {query: rng.sample(papers, 50) for query in list(qrels)[:-1]}  # one query has no result
    theirs = ir_measures.calc_aggregate(
        [nDCG @ 10, R @ 100, RR],
        [ir_measures.Qrel(q, d, grade) for q, judged in qrels.items() for d, grade in judged.items()],
        [ir_measures.ScoredDoc(q, d, 100 - i) for q, ranking in run.items() for i, d in enumerate(ranking)],
    )
    ours = measure(qrels, run)
    assert ours["nDCG@10"]["mean"] == pytest.approx(theirs[nDCG @ 10], abs=1e-4)
    assert ours["Recall@100"]["mean"] == pytest.approx(theirs[R @ 100], abs=1e-4)
    assert ours["MRR"]["mean"] == pytest.approx(theirs[RR], abs=1e-4)


def test_shares_come_with_a_seeded_interval():
    assert share([True, True, True, False]) == share([True, True, True, False])
    measured = share([True] * 75 + [False] * 25)
    assert measured["share"] == 0.75 and measured["of"] == 100
    assert measured["low"] < 0.75 < measured["high"]
    assert math.isnan(share([])["share"])


def test_a_case_is_right_when_every_group_has_an_alternative(tmp_path):
    row = {
        "id": "1",
        "question": "q",
        "kind": "fact",
        "answerable": True,
        "papers": ["T"],
        "facts": [["17%"], ["north", "south"]],
    }
    (tmp_path / "cases.jsonl").write_text(json.dumps(row) + "\n\n")
    (case,) = load_cases(tmp_path / "cases.jsonl")
    assert case.states_facts(["about 17% more", "in the South"])
    assert not case.states_facts(["about 17% more"])


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "1"}'])
def test_a_line_that_is_no_case_is_named(tmp_path, line):
    (tmp_path / "cases.jsonl").write_text(line)
    with pytest.raises(UsageError, match=r"cases\.jsonl:1 is not a case"):
        load_cases(tmp_path / "cases.jsonl")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(UsageError, match="Cannot read the cases"):
        load_cases(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="is no BEIR set"):
        load_set(tmp_path)
