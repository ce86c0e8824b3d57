"""Cases, suites and BEIR sets are read as documented, and what cannot be read is named with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from citewell.errors import UsageError
from citewell.sample import sample_path
from citewell_eval.beir import load_set
from citewell_eval.cases import Case, load_cases
from citewell_eval.suites import load_suite, suite_names
from made_up_outcomes import case

ROW = {"id": "1", "question": "q", "kind": "fact", "answerable": True, "papers": ["T"], "facts": [["17%"]]}


def written(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return path


def test_a_case_is_right_when_every_group_has_an_alternative():
    asked = case(facts=[["17%"], ["north", "south"]])
    assert asked.states_facts(["about 17% more", "in the South"])
    assert not asked.states_facts(["about 17% more"])
    assert case(forbidden=["PWNED"]).says_forbidden(["i am pwned"]) == ["PWNED"]


def test_fields_that_are_not_of_a_case_are_left_alone(tmp_path):
    (read,) = load_cases(written(tmp_path / "cases.jsonl", {**ROW, "comment": "nice", "answer": {"x": 1}}))
    assert read == Case.model_validate(ROW)


def test_a_question_may_hold_what_some_take_for_the_end_of_a_line(tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps({**ROW, "question": "a\u2028b\x85c"}, ensure_ascii=False) + "\n\n", "utf-8")
    assert load_cases(path)[0].question == "a\u2028b\x85c"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "the line"),
        ("[]", "the line"),
        ('{"id": "1"}', "question"),
        (json.dumps({**ROW, "answerable": "yes"}), "answerable"),
        (json.dumps({**ROW, "facts": [[""]]}), "facts.0.0"),
        (json.dumps({**ROW, "writes": [{"sentence": "s"}]}), "writes.0.paper"),
    ],
)
def test_a_line_that_is_no_case_is_named(tmp_path, line, said):
    (tmp_path / "cases.jsonl").write_text(json.dumps(ROW) + "\n" + line)
    with pytest.raises(UsageError, match=rf"cases\.jsonl:2 is not a case: {said}.*docs/eval\.md"):
        load_cases(tmp_path / "cases.jsonl")


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match="Cannot read the cases"):
        load_cases(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_cases(tmp_path / "latin.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(UsageError, match="holds no case.*citewell eval new"):
        load_cases(tmp_path / "empty.jsonl")
    with pytest.raises(UsageError, match="two cases with the id '1'"):
        load_cases(written(tmp_path / "twice.jsonl", ROW, ROW))


# --- our own suites ------------------------------------------------------------------------------------


def test_our_suites_have_the_cases_that_they_promise():
    sample = load_suite()
    sizes = {name: len(load_suite(name).cases) for name in suite_names()}
    assert sizes["sample"] >= 120 and sizes["pages-dev"] >= 250
    assert sample.corpus[0] == sample_path() and all(path.is_file() for path in sample.corpus)
    assert sample.baseline is not None and sample.baseline.is_file()
    kinds = {case.kind for case in sample.cases}
    assert kinds >= {
        "fact", "number", "definition", "comparison", "which", "multi", "follow_up", "false_premise",
        "near_topic", "far_off", "injection", "language", "typo",
    }  # fmt: skip


def test_cases_of_the_sample_name_its_papers_and_their_words():
    suite = load_suite()
    papers = {
        row["title"]: row["abstract"]
        for path in suite.corpus
        for row in map(json.loads, path.read_text("utf-8").splitlines())
    }
    for asked in suite.cases:
        assert set(asked.papers) <= set(papers), asked.id
        words = "\n".join(papers[title] for title in asked.papers).casefold()
        if asked.answerable:
            assert all(any(fact.casefold() in words for fact in group) for group in asked.facts), asked.id
        else:
            assert asked.facts == () and (asked.why or asked.kind in ("injection", "model")), asked.id
        for said in asked.writes:
            assert not said.faithful or said.quote in papers[said.paper], (asked.id, said.sentence)


# --- suites of one's own -------------------------------------------------------------------------------


def test_a_suite_finds_its_files_beside_it(tmp_path):
    written(tmp_path / "cases.jsonl", ROW)
    (tmp_path / "mine.toml").write_text(
        '[mine]\ncorpus = ["sample", "p.csv"]\ncases = ["cases.jsonl"]\nlimits = {MRR = 0.5}'
    )
    suite = load_suite("mine", tmp_path / "mine.toml")
    assert suite.corpus == (sample_path(), tmp_path / "p.csv")
    assert [asked.id for asked in suite.cases] == ["1"]
    assert suite.limits == {"MRR": 0.5} and suite.baseline is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "is no TOML"),
        ("[other]", "No suite 'mine' in s.toml"),
        ("[mien]\ncases = []", "did you mean mien"),
        ("[mine]\ncase = []", r"\[mine\] case"),
        ('[mine]\ncases = ["none.jsonl"]', "Cannot read the cases"),
    ],
)
def test_a_suite_that_cannot_be_read_is_named(tmp_path, text, said):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        load_suite("mine", tmp_path / "s.toml")


def test_a_beir_set_without_its_files_is_named(tmp_path):
    with pytest.raises(UsageError, match="is no BEIR set"):
        load_set(tmp_path)
    (tmp_path / "queries.jsonl").write_text('{"_id": "q"}')
    with pytest.raises(UsageError, match="is no BEIR set"):
        load_set(tmp_path)
