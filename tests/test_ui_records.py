"""Conversations outlive the server, belong to one owner each, and feedback is a case of the eval suite."""

import json
import threading

import pytest
from citewell_eval.cases import load_cases
from citewell_ui.records import Records
from sample_answers import ANSWER, REFUSAL

ANN, BOB = "a" * 64, "b" * 64
FIRST, SECOND = "1" * 32, "2" * 32


@pytest.fixture
def records(tmp_path):
    return Records(tmp_path)


def test_a_conversation_is_there_after_a_restart(records, tmp_path):
    records.save(ANN, FIRST, [ANSWER])
    records.save(ANN, FIRST, [ANSWER, REFUSAL])
    again = Records(tmp_path)
    assert again.load(ANN, FIRST) == (ANSWER, REFUSAL)
    assert [kept.title for kept in again.list(ANN)] == [ANSWER.question]


def test_nobody_else_can_see_change_or_delete_it(records):
    records.save(ANN, FIRST, [ANSWER])
    assert records.load(BOB, FIRST) == ()
    assert records.list(BOB) == []
    records.delete(BOB, FIRST)
    records.rename(BOB, FIRST, "mine now")
    assert [kept.title for kept in records.list(ANN)] == [ANSWER.question]


@pytest.mark.parametrize("owner", ["", "..", "../" + "a" * 61, "A" * 64, "a" * 63])
@pytest.mark.parametrize("conversation", ["../../x", "", "1" * 31, FIRST])
def test_an_id_is_never_a_path(records, tmp_path, owner, conversation):
    records.save(owner, conversation, [ANSWER])
    assert records.load(owner, conversation) == ()
    assert records.list(owner) == []
    assert list(tmp_path.rglob("*")) == []


def test_names_are_kept_and_blank_ones_refused(records):
    records.save(ANN, FIRST, [ANSWER])
    records.rename(ANN, FIRST, "  Long   videos ")
    records.rename(ANN, FIRST, "   ")
    records.save(ANN, FIRST, [ANSWER, ANSWER])
    assert [kept.title for kept in records.list(ANN)] == ["Long videos"]
    records.delete(ANN, FIRST)
    records.delete(ANN, FIRST)
    assert records.list(ANN) == []


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"title": 3, "answers": []}', "\x00\xff"])
def test_a_damaged_file_is_passed_over_and_the_others_listed(records, tmp_path, damage):
    records.save(ANN, FIRST, [ANSWER])
    records.save(ANN, SECOND, [REFUSAL])
    next(tmp_path.rglob(f"{FIRST}.json")).write_text(damage)
    assert records.load(ANN, FIRST) == ()
    assert [kept.id for kept in records.list(ANN)] == [SECOND]


def test_many_may_write_at_once(records, tmp_path):
    def write(number):
        for _ in range(5):
            records.save(ANN, f"{number:032x}", [ANSWER])
            records.judge(ANSWER, "up")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(records.list(ANN)) == 6
    assert len(load_cases(tmp_path / "feedback.jsonl")) == 30
    assert not list(tmp_path.rglob("*.tmp"))


def test_what_was_liked_is_a_case_that_holds_its_papers_and_quotes(records, tmp_path):
    records.judge(ANSWER, "up")
    records.judge(ANSWER, "down", "It names the wrong paper.\u2028Twice.")
    liked, disliked = load_cases(tmp_path / "feedback.jsonl")
    assert (liked.answerable, liked.papers) == (True, ("FreeNoise", "FreeLong"))
    assert liked.states_facts([citation.quote for citation in ANSWER.citations])
    assert not liked.states_facts(["something else"])
    assert (disliked.papers, disliked.facts) == ((), ())
    kept = [json.loads(line) for line in (tmp_path / "feedback.jsonl").read_text().splitlines()]
    assert (kept[1]["comment"], kept[1]["tags"]) == ("It names the wrong paper.\u2028Twice.", ["down"])
    assert kept[0]["answer"] == json.loads(json.dumps(ANSWER.to_dict()))


def test_a_liked_refusal_is_a_question_without_an_answer(records, tmp_path):
    records.judge(REFUSAL, "up")
    assert [case.answerable for case in load_cases(tmp_path / "feedback.jsonl")] == [False]
