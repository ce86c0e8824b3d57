"""An answer is made again from its trace without the model, or the first difference is told."""

from dataclasses import replace

import pytest
from citewell.errors import GenerationError, UsageError
from citewell.library import Filters
from citewell.llm.base import Message
from citewell.settings import Settings
from citewell.trace import Recorder, ReplayError, ReplayModel, read_trace, replay
from traced import EARLIER, QUOTED, SCRIPTS, SETTINGS, SHOWN, ScriptedModel, ask, new_trace, written


@pytest.fixture(params=SCRIPTS)
def scripts(request):
    return SCRIPTS[request.param]


# --- replaying ---------------------------------------------------------------------------------------------


def test_an_answer_is_made_again_from_its_trace(tmp_path, scripts):
    file, answer = written(tmp_path, *scripts)
    model = replay(file)
    recorded = model.recorded
    again = ask(model, Recorder(), recorded.question, recorded.history, recorded.fence)
    model.check(replace(again, timings={}))
    well_formed = [s.text.encode(errors="replace").decode() for s in answer.sentences]
    assert [sentence.text for sentence in again.sentences] == well_formed
    assert (again.usage, again.error) == (answer.usage, answer.error)


def test_replaying_can_be_recorded_too(tmp_path, scripts):
    file, _ = written(tmp_path, *scripts)
    trace = new_trace()
    ask(replay(file), trace, "Why?", [EARLIER])
    again = trace.write(tmp_path / "again.json")
    said = [[r.messages, r.reply.text, r.reply.finish_reason] for r in read_trace(file).requests]
    assert [[r.messages, r.reply.text, r.reply.finish_reason] for r in read_trace(again).requests] == said


def test_what_a_replay_needs_is_read_as_it_was(tmp_path):
    file, answer = written(tmp_path, *SCRIPTS["good"])
    recorded = read_trace(file)
    assert (recorded.question, recorded.fence, recorded.answer) == ("Why?", "=====a1b2=====", answer)
    assert recorded.history == (EARLIER,)
    assert recorded.filters == Filters(since="2025-08-22", years=(2020, None))
    assert recorded.quotes == (QUOTED,)
    assert Settings(**recorded.settings).max_sentences == SETTINGS.max_sentences
    (shown,) = recorded.sources
    assert shown.source.vectors.tolist() == SHOWN.source.vectors.tolist()
    assert replace(shown, source=replace(shown.source, vectors=None)) == replace(
        SHOWN, source=replace(SHOWN.source, vectors=None)
    )
    assert isinstance(replay(recorded), ReplayModel)


MESSAGES = [Message("system", "Answer within =====a1b2=====."), Message("user", "Why?")]


@pytest.mark.parametrize(
    ("messages", "changed", "reason"),
    [
        (MESSAGES[:1], {}, "it has 1 messages in place of 2"),
        (
            [MESSAGES[0], Message("assistant", "Why?")],
            {},
            "message 2 is of the assistant in place of the user",
        ),
        (
            [Message("system", "Answer within =====ffff=====."), MESSAGES[1]],
            {},
            "message 1 (system) has 'ffff=====.' in place of 'a1b2=====.' at character 19",
        ),
        (MESSAGES, {"max_tokens": 60}, "it allows 60 tokens in place of 50"),
        (MESSAGES, {"schema": None}, "it asks for another structure"),
    ],
)
def test_another_request_than_the_recorded_one_fails(tmp_path, messages, changed, reason):
    model = replay(written(tmp_path, *SCRIPTS["good"])[0])
    with pytest.raises(ReplayError) as failed:
        model.stream(messages, **{"max_tokens": 50, "schema": {"type": "object"}, **changed})
    assert str(failed.value).startswith(f"Request 1 is not the recorded one: {reason}. The prompts")


def test_more_or_fewer_requests_than_recorded_fail(tmp_path):
    file, answer = written(tmp_path, *SCRIPTS["good"])
    model = replay(file)
    with pytest.raises(ReplayError, match="^2 recorded requests were not made again"):
        model.check(answer)
    ask(model, Recorder(), "Why?")
    with pytest.raises(ReplayError, match="^Request 3 was not recorded: the trace has 2"):
        ask(model, Recorder(), "Why?")


def test_an_answer_that_differs_fails_by_the_names_of_what_differs(tmp_path):
    file, answer = written(tmp_path, *SCRIPTS["good"])
    model = replay(file)
    ask(model, Recorder(), "Why?")
    with pytest.raises(ReplayError, match="^The answer is not the recorded one: sentences, notice differ."):
        model.check(replace(answer, sentences=(), notice="Else."))


def test_reading_further_than_the_recorded_reply_was_read_fails(tmp_path):
    model = replay(written(tmp_path, *SCRIPTS["left early"])[0])
    with pytest.raises(ReplayError, match="^Reply 1 was not read this far"):
        list(model.stream(MESSAGES, max_tokens=50, schema={"type": "object"}))


def test_a_replayed_reply_keeps_the_contract_of_replies(tmp_path):
    model = replay(written(tmp_path, *SCRIPTS["good"])[0])
    assert (model.name, model.context_tokens) == ("scripted", 4_096)
    with model.stream(MESSAGES, max_tokens=50, schema={"type": "object"}, deadline=0.0) as reply:
        assert reply.finish_reason is None
        pieces = iter(reply)
        assert next(pieces) == "One"
        reply.close()
        with pytest.raises(GenerationError) as cancelled:
            next(pieces)
        assert cancelled.value.failure == "cancelled"
    model.close()


def test_an_answer_of_quotes_has_nothing_to_replay():
    trace = new_trace()
    trace.record("question", "Why?")
    with pytest.raises(UsageError, match="without a language model"):
        replay(trace.document())


def test_a_trace_without_an_answer_cannot_be_checked():
    trace = new_trace()
    trace.record("question", "Why?")
    trace.listen(ScriptedModel())
    with pytest.raises(ReplayError, match="ends before an answer"):
        replay(trace.document()).check(EARLIER)
