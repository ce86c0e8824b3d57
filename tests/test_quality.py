"""The five listing pages, whole: counts, every promise about citations, and floors under the measured quality.

The floors lie a little below what README.md reports, so that a change that costs quality is seen.
"""

from pathlib import Path

import pytest
from citewell import Assistant
from citewell_eval import answers
from citewell_eval.cases import load_cases
from citewell_eval.retrieval import measure

DATASETS = Path(__file__).resolve().parents[1] / "eval" / "datasets"
SETS = ["pages-dev", "pages-held"]


@pytest.fixture(scope="module")
def pages(shared, tmp_path_factory):
    with Assistant.open(tmp_path_factory.mktemp("pages")) as assistant:
        first = assistant.ingest([shared / "corpus"])
        yield assistant, first


@pytest.fixture(scope="module")
def outcomes(pages):
    return {name: answers.run(pages[0], load_cases(DATASETS / f"{name}.jsonl")) for name in SETS}


def test_the_pages_are_counted_right_and_a_second_run_embeds_nothing(pages, shared):
    assistant, first = pages
    assert (first.entries, first.papers, first.duplicates, first.added) == (589, 532, 57, 532)
    again = assistant.ingest([shared / "corpus"])
    assert (again.entries, again.papers, again.unchanged, again.embedded) == (589, 532, 532, 0)


def test_a_repeated_paper_keeps_every_page_it_was_listed_on(pages):
    listed = [paper.listings for _, paper in pages[0].collection.library.iterate()]
    assert sum(map(len, listed)) == 589


@pytest.mark.parametrize("name", SETS)
def test_every_answer_keeps_every_promise(outcomes, name):
    assert len(outcomes[name]) > 200
    assert [fault for outcome in outcomes[name] for fault in outcome.faults] == []


@pytest.mark.parametrize("name", SETS)
def test_answers_and_refusals_are_as_good_as_reported(outcomes, name):
    measured = answers.summary(outcomes[name])
    assert measured["fact stated when answered"]["share"] >= 0.89
    assert measured["right paper cited when answered"]["share"] >= 0.98
    assert measured["answerable refused"]["share"] <= 0.06
    assert measured["refused"]["far_off"]["share"] >= 0.95
    assert measured["refused"]["near_topic"]["share"] >= 0.62


@pytest.mark.parametrize("name", SETS)
def test_retrieval_is_as_good_as_reported(pages, name):
    cases = [case for case in load_cases(DATASETS / f"{name}.jsonl") if case.answerable]
    qrels = {case.id: dict.fromkeys(case.papers, 1) for case in cases}
    run = {case.id: [r.title for r in pages[0].search(case.question, k=100)] for case in cases}
    assert measure(qrels, run)["nDCG@10"]["mean"] >= 0.965
