"""A trace holds what an answer was made of, no secret, and enough to make the answer again without the model."""

import json
import platform
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from string import Template

import numpy as np
import pytest
from citewell.errors import GenerationError
from citewell.llm.openai import OpenAIModel
from citewell.retriever import Candidate
from citewell.trace import FORMAT, Recorder, read_trace, replay
from citewell.trace.values import array, masked, plain, secrets_of
from citewell.types import Span
from hypothesis import given
from hypothesis import strategies as st
from llm_server import LLMServer, Say
from traced import BROKEN, EARLIER, SCRIPTS, SETTINGS, Clock, ScriptedModel, ask, new_trace


@pytest.fixture(params=SCRIPTS)
def scripts(request):
    return SCRIPTS[request.param]


# --- what is recorded --------------------------------------------------------------------------------------


def test_the_document_says_what_where_and_with_which_settings():
    trace = new_trace()
    trace.record("question", "Why?")
    document = trace.document()
    assert document["format"] == FORMAT == "citewell-trace/1"
    assert document["created"] == "2026-11-21T08:39:10.123456+00:00"
    assert document["question"] == "Why?"
    assert document["versions"]["python"] == platform.python_version()
    assert {"citewell", "openai", "numpy"} <= document["versions"].keys()
    assert document["settings"]["max_sentences"] == 6
    assert document["model"] is None
    assert "somebody" not in json.dumps(document)


def test_a_later_fact_replaces_an_earlier_one():
    trace = new_trace()
    trace.record("question", "Why?")
    trace.record("question", "How?")
    assert trace.document()["question"] == "How?"


def test_steps_have_their_order_time_and_data():
    clock = Clock()
    trace = new_trace(clock)
    clock.tick()
    with trace.step("retrieve", query="why") as found:
        clock.tick()
        with trace.step("rank"):
            clock.tick()
        found["candidates"] = [Candidate(1, "p1", 0.5, float("nan"), 0.4, 0.0)]
    assert trace.document()["steps"] == [
        {
            "name": "retrieve",
            "start": 1.0,
            "seconds": 2.0,
            "error": None,
            "data": {
                "query": "why",
                "candidates": [
                    {
                        "row": 1,
                        "paper_id": "p1",
                        "score": 0.5,
                        "abstract_cosine": "NaN",
                        "chunk_cosine": 0.4,
                        "bm25": 0.0,
                    }
                ],
            },
        },
        {"name": "rank", "start": 2.0, "seconds": 1.0, "error": None, "data": {}},
    ]


def test_a_step_that_fails_says_how():
    trace = new_trace()
    with pytest.raises(ValueError), trace.step("gate"):
        raise ValueError("no such thing")
    assert trace.document()["steps"][0]["error"] == "ValueError: no such thing"


def test_what_was_recorded_does_not_change_afterwards():
    trace = new_trace()
    names = ["one"]
    trace.record("candidates", names)
    with trace.step("rank", names=names):
        names.append("two")
    names.append("three")
    document = trace.document()
    assert (document["candidates"], document["steps"][0]["data"]["names"]) == (["one"], ["one", "two"])


def test_requests_and_replies_are_recorded_with_the_time_of_every_piece():
    clock = Clock()
    trace = new_trace(clock)
    clock.tick()
    ask(ScriptedModel(["One", " two.", BROKEN], ["Three."], tick=clock.tick), trace, "Why?")
    document = trace.document()
    first, second = document["requests"]
    assert document["model"] == {"name": "scripted", "context_tokens": 4_096, "endpoint": ""}
    assert first == {
        "start": 1.0,
        "messages": [
            {"role": "system", "content": "Answer within =====a1b2=====."},
            {"role": "user", "content": "Why?"},
        ],
        "max_tokens": 50,
        "schema": {"type": "object"},
        "seconds_allowed": None,
        "reply": {
            "text": "One two.",
            "pieces": [[1.0, 3], [2.0, 5]],
            "complete": False,
            "finish_reason": None,
            "usage": {"prompt_tokens": 20, "completion_tokens": 2, "requests": 0, "estimated": False},
            "failure": {"message": str(BROKEN), "failure": "truncated", "retryable": True},
            "seconds": 3.0,
        },
    }
    assert (second["start"], second["reply"]["complete"], second["reply"]["finish_reason"]) == (
        4.0,
        True,
        "stop",
    )
    claims = [step["data"] for step in document["steps"]]
    assert claims == [
        {
            "claim": {"text": "Three.", "cited": [{"source": 1, "quote": None}]},
            "outcome": {"text": "Three.", "reason": "It is wrong.", "check": "number"},
        }
    ]


def test_listening_changes_nothing_for_who_asks(scripts):
    plainly = ask(ScriptedModel(*scripts), Recorder(), "Why?")
    assert ask(ScriptedModel(*scripts), new_trace(), "Why?") == plainly
    model = ScriptedModel()
    new_trace().listen(model).close()
    assert model.closed


def test_a_recorder_that_takes_no_notes_hands_the_model_on():
    model = ScriptedModel()
    assert Recorder().listen(model) is model


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (float("-inf"), "-Infinity"),
        (frozenset({"b", "a"}), ["a", "b"]),
        (Path("a/b"), "a/b"),
        (Template("Ask $question."), "Ask $question."),
        (Span(1, 2), {"start": 1, "end": 2}),
        ({1: (None, True)}, {"1": [None, True]}),
    ],
)
def test_values_become_json(value, expected):
    assert plain(value) == expected


def test_what_has_no_json_is_refused():
    with pytest.raises(TypeError, match="cannot hold a object"):
        plain({"a": [object()]})


@given(st.lists(st.lists(st.floats(width=32), min_size=3, max_size=3), max_size=4))
def test_vectors_survive(rows):
    vectors = np.array(rows, np.float32).reshape(-1, 3)
    read = array(json.loads(json.dumps(plain(vectors))))
    assert read.dtype == np.float32 and np.array_equal(read, vectors, equal_nan=True)


# --- secrets -----------------------------------------------------------------------------------------------

SECRETS = {
    "OPENAI_API_KEY": "sk-a1b2c3d4e5",
    "AZURE_OPENAI_AD_TOKEN": "supersecret",
    "HTTPS_PROXY": "http://me:p%40ssw0rd@proxy.example:8080",
    "OPENAI_BASE_URL": "https://tok3n9@host.example/v1?api-key=q1w2e3&api-version=2024-10-21",
}


def test_secrets_are_found_by_name_and_in_addresses():
    environ = {
        **SECRETS,
        "PATH": "/usr/bin",
        "TOKENIZERS_PARALLELISM": "falsefalse",
        "VLLM_API_KEY": "EMPTY",
        "OLLAMA_KEY": "ollama",
        "BROKEN_URL": "http://[::1",
    }
    assert set(secrets_of(environ)) == {
        "sk-a1b2c3d4e5", "supersecret", "p%40ssw0rd", "p@ssw0rd", "bWU6cEBzc3cwcmQ=", "tok3n9", "q1w2e3",
        "dG9rM245Og==",
    }  # fmt: skip


def test_no_secret_reaches_a_trace_wherever_it_stands(tmp_path):
    trace = new_trace(environ=SECRETS)
    values = secrets_of(SECRETS)
    model = ScriptedModel(
        ["Your key is sk-a1", "b2c3d4e5, ", "say\n", "supersecret"], [GenerationError(values[0], "server")]
    )
    ask(model, trace, f"What is {values[0]}?", [replace(EARLIER, notice=values[1])])
    with pytest.raises(OSError), trace.step("open", **{values[2]: list(values)}):
        raise OSError(f"Cannot reach {values[3]}")
    file = trace.write(tmp_path)
    assert not [secret for secret in values if secret in file.read_text() or secret in file.name]
    assert read_trace(file).requests[0].reply.text == f"Your key is {'*' * 13}, say\n{'*' * 11}"
    again = replay(file)
    again.check(ask(again, Recorder(), again.recorded.question, again.recorded.history))


def test_a_real_endpoint_is_named_without_its_secrets(tmp_path):
    with LLMServer(lambda body: Say(f"You sent {SECRETS['OPENAI_API_KEY']}. It is so.")) as server:
        address = server.base_url.replace("http://", "http://somebody:hunter22@")
        environ = {"OPENAI_API_KEY": SECRETS["OPENAI_API_KEY"], "OPENAI_BASE_URL": address}
        trace = new_trace(environ=environ)
        with closing(OpenAIModel("test-model", SETTINGS, environ)) as model:
            ask(model, trace, "Why?")
            assert trace.listen(model).endpoint == server.base_url
        document = trace.document()
        assert replay(document).endpoint == server.base_url
        sent = server.requests[0].headers["authorization"].split()[1]
        assert sent in secrets_of(environ)
    text = json.dumps(document)
    assert not [secret for secret in ("hunter22", SECRETS["OPENAI_API_KEY"]) if secret in text]
    assert "You sent" in document["requests"][0]["reply"]["text"]


def test_masks_are_as_long_as_what_they_hide_and_half_pairs_are_replaced():
    assert masked(["a secret9 b", {"secret9": "\ud83d 🙂"}, 9], ["secret9"]) == [
        "a ******* b",
        {"*******": "? 🙂"},
        9,
    ]
