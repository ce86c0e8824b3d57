"""The paraphrases quote whole sentences of the listing pages, and the verifier lets the faithful ones pass."""

from pathlib import Path

import pytest
from citewell import Assistant
from citewell.chunking import sentence_spans
from citewell.corpus import read_corpus
from citewell.corpus.identity import paper_slug
from citewell.errors import UsageError
from citewell.types import Entry
from citewell_eval.paraphrases import KINDS, load_paraphrases, measure

DATASETS = Path(__file__).resolve().parents[1] / "eval" / "datasets"
CASES = {name: load_paraphrases(DATASETS / f"paraphrases-{name}.jsonl") for name in ("dev", "held")}
EVERY = [case for cases in CASES.values() for case in cases]


@pytest.fixture(scope="module")
def assistant(shared, tmp_path_factory):
    wanted = {case.paper_id for case in EVERY}
    papers = [entry.paper for entry in read_corpus([shared / "corpus"]) if isinstance(entry, Entry)]
    with Assistant.open(tmp_path_factory.mktemp("paraphrased")) as opened:
        opened.add([paper for paper in papers if paper_slug(paper.title) in wanted])
        yield opened


def test_there_are_enough_of_every_kind_and_no_paper_is_in_both_sets():
    for name, least in (("dev", 120), ("held", 80)):
        kinds = [case.kind for case in CASES[name]]
        assert kinds.count("faithful") >= least and set(kinds) == set(KINDS)
    assert not {case.paper_id for case in CASES["dev"]} & {case.paper_id for case in CASES["held"]}
    assert len({case.sentence for case in EVERY}) == len(EVERY)


def test_every_case_quotes_a_whole_sentence_and_copies_none(assistant):
    for case in EVERY:
        abstract = assistant.show(case.paper_id).abstract
        assert case.span in sentence_spans(abstract), case
        assert case.sentence not in abstract, case


@pytest.mark.parametrize(("name", "most"), [("dev", 0.12), ("held", 0.13)])
def test_most_faithful_paraphrases_pass_and_most_others_do_not(assistant, name, most):
    measured = measure(assistant, CASES[name])
    assert measured["faithful"]["share"] <= most
    assert measured["wrong number"]["share"] == 1.0
    assert measured["wrong thing"]["share"] >= 0.7


@pytest.mark.parametrize(
    "line",
    ["{}", "no JSON", '{"paper_id": "a", "start": 0, "end": 1, "sentence": "B.", "kind": "odd"}'],
)
def test_a_line_that_is_no_case_is_named(tmp_path, line):
    path = tmp_path / "cases.jsonl"
    path.write_text(line, "utf-8")
    with pytest.raises(UsageError, match=r"cases\.jsonl:1"):
        load_paraphrases(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="Cannot read the paraphrases"):
        load_paraphrases(tmp_path / "none.jsonl")
