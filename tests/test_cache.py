"""Answers are kept as they are, under a key that says what they depend on."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from citewell.cache import AnswerCache, answer_from_dict, key
from citewell.library import Filters
from citewell.types import (
    Abstention,
    Answer,
    Citation,
    Coverage,
    EngineInfo,
    Rejected,
    SearchResult,
    Sentence,
)
from hypothesis import given
from hypothesis import strategies as st
from sample_answers import ANSWER, REFUSAL


def kept(cache, numbers):
    return [number for number in numbers if cache.get(str(number)) is not None]


@pytest.fixture
def told():
    return []


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers.db"


@pytest.fixture
def cache(path, told):
    return AnswerCache(path, 3, told.append)


# --- keys ------------------------------------------------------------------------------------------------

PARTS = {"question": "Why?", "collection": "c1", "prompt_sha256": "p1", "model": "m1"}


@pytest.mark.parametrize(
    "other",
    [
        {"question": "why?"},
        {"collection": "c2"},
        {"prompt_sha256": None},
        {"model": "m2"},
        {"filters": Filters(since="2025-08-22")},
        {"filters": None},
        {"version": "0.1.0"},
        {"collection": "p1", "prompt_sha256": "c1"},
    ],
)
def test_whatever_changes_an_answer_changes_its_key(other):
    assert key(**PARTS) != key(**{**PARTS, **other})


def test_a_key_is_the_same_in_every_process_and_order():
    rest = {"filters": Filters(years=(2020, None)), "settings": {"max_sentences": 4, "verify": "rules"}}
    code = (
        "from citewell.cache import key; from citewell.library import Filters; "
        "print(key('Why?', 'c1', 'p1', 'm1', settings={'verify': 'rules', 'max_sentences': 4}, "
        "filters=Filters(years=(2020, None))))"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() == key(**PARTS, **rest)
    assert len(key(**PARTS)) == 64


def test_what_has_no_fixed_form_is_no_part_of_a_key():
    with pytest.raises(TypeError, match="cannot depend on a set"):
        key(**PARTS, names={"b", "a"})


# --- answers as documents ----------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=()), max_size=12)
floats = st.floats()
results = st.builds(SearchResult, texts, texts, floats, st.integers(1, 9))
kinds = st.sampled_from(["nothing_relevant", "not_reported", "reports_opposite"])
checks = st.sampled_from(["format", "number", "judge"])
numbers = st.dictionaries(texts, st.integers(0, 10**9) | floats, max_size=3)
answers = st.builds(
    Answer,
    question=texts,
    standalone_question=texts,
    sentences=st.lists(
        st.builds(
            Sentence,
            texts,
            st.lists(st.integers(1, 9), max_size=3).map(tuple),
            st.sampled_from(["quoted", "verified"]),
        ),
        max_size=2,
    ).map(tuple),
    citations=st.lists(
        st.builds(
            Citation,
            *[st.integers(1, 9), texts, texts, st.none() | texts, texts, st.integers(0), st.integers(0)],
        ),
        max_size=2,
    ).map(tuple),
    coverage=st.builds(Coverage, *[st.integers(0, 10**7)] * 4),
    engine=st.builds(EngineInfo, texts, texts, st.none() | texts, st.none() | texts, texts),
    confidence=floats,
    abstention=st.none() | st.builds(Abstention, kinds, texts, st.lists(results, max_size=2).map(tuple)),
    rejected=st.lists(st.builds(Rejected, texts, texts, checks), max_size=2).map(tuple),
    usage=numbers,
    timings=numbers,
    error=st.none() | texts,
    notice=st.none() | texts,
)


@given(answers)
def test_an_answer_survives_its_json(answer):
    read = answer_from_dict(json.loads(json.dumps(answer.to_dict())))
    assert repr(read) == repr(answer)  # unlike ==, it tells 1 from 1.0, and one NaN is another's


@pytest.mark.parametrize(
    "document",
    [
        {},
        {**ANSWER.to_dict(), "coverage": None},
        {**ANSWER.to_dict(), "sentences": [{"text": "It is so.", "citations": [1], "verdict": "guessed"}]},
        {**ANSWER.to_dict(), "usage": [1]},
    ],
)
def test_what_is_no_answer_is_refused(document):
    with pytest.raises(ValueError):
        answer_from_dict(document)


# --- keeping and forgetting --------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [ANSWER, REFUSAL])
def test_an_answer_is_kept_as_it_was(cache, path, answer, told):
    assert cache.get("k") is None
    cache.put("k", answer)
    assert repr(AnswerCache(path, 3).get("k")) == repr(answer)
    assert cache.get("other") is None
    assert told == []


def test_an_answer_whose_model_failed_is_not_kept(cache, path):
    cache.put("k", replace(ANSWER, error="The model did not answer."))
    assert cache.get("k") is None and not path.exists()


def test_without_a_limit_there_is_no_file(path):
    cache = AnswerCache(path, 0)
    cache.put("k", ANSWER)
    assert cache.get("k") is None and not path.exists()


def test_asking_makes_no_file(cache, path):
    assert cache.get("k") is None and not path.exists()


def test_the_answers_used_longest_ago_are_forgotten(cache):
    for number in (1, 2, 3):
        cache.put(str(number), ANSWER)
    assert cache.get("1") is not None
    cache.put("4", ANSWER)
    assert kept(cache, [1, 2, 3, 4]) == [1, 3, 4]
    cache.put("1", ANSWER)  # again, which leaves no room for one fewer
    assert kept(cache, [3, 4, 1]) == [3, 4, 1]
    cache.put("5", ANSWER)
    assert kept(cache, [1, 3, 4, 5]) == [1, 4, 5]


def test_a_lower_limit_forgets_at_the_next_answer(cache, path):
    for number in (1, 2, 3):
        cache.put(str(number), ANSWER)
    AnswerCache(path, 1).put("4", ANSWER)
    assert kept(cache, [1, 2, 3, 4]) == [4]


def test_a_new_answer_replaces_the_old_one(cache):
    cache.put("k", ANSWER)
    cache.put("k", REFUSAL)
    assert cache.get("k") == REFUSAL
