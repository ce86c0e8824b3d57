"""A model writes, code decides: what is shown was verified, what failed went back once, and nothing else is said."""

import asyncio
import json
import threading
from dataclasses import replace

import pytest
from citewell import Assistant, Paper
from citewell.author import Stop
from citewell.errors import GenerationError
from citewell.rerun import rerun
from citewell.trace import Trace, read_trace
from citewell.types import Done, Failed, Retrieved, SentenceReady, SentenceRejected
from fakes import ScriptedModel

BEES = Paper(
    "HoneyMap: tracing pollination with radar",
    "We introduce HoneyMap, a radar that follows single bees. Bees visit lavender fields twice as often as thyme "
    "meadows. Tracking one hive for a summer costs 40 euros. The radar weighs 3 kg and does not disturb the bees.",
    paper_id="honeymap",
    url="https://example.org/honeymap",
)
ICE = Paper(
    "IceClock: dating glaciers by their dust",
    "IceClock reads the age of a glacier from layers of volcanic dust. It is accurate to within 12 years.",
    paper_id="iceclock",
)
QUESTION = "How often do bees visit lavender fields?"
QUOTE = "Bees visit lavender fields twice as often as thyme meadows."
TRUE = "Lavender fields are visited by bees twice as often as thyme meadows."
LIE = "Bees visit lavender fields 85 times as often as thyme meadows."


def line(sentence, quote=QUOTE, source=1):
    return json.dumps({"sentence": sentence, "citations": [{"source": source, "quote": quote}]}) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("bees")
    with Assistant.open(home) as assistant:
        assistant.add([BEES, ICE])
    return home


@pytest.fixture
def ask(folder):
    def asked(*replies, question=QUESTION, history=(), **settings):
        model = ScriptedModel(*replies)
        with Assistant.open(folder, model=model, **{"answer_cache": 0, **settings}) as assistant:
            answer = assistant.ask(question, history=history)
        return answer, model

    return asked


def test_a_verified_sentence_is_shown_with_the_quote_it_rests_on(ask):
    answer, model = ask(line(TRUE))
    assert [(s.text, s.citations, s.verdict) for s in answer.sentences] == [(TRUE, (1,), "verified")]
    (citation,) = answer.citations
    assert (citation.quote, citation.title, citation.url) == (QUOTE, BEES.title, BEES.url)
    assert BEES.abstract[citation.start : citation.end] == QUOTE
    assert answer.rejected == () and answer.notice is None and not answer.incomplete
    assert answer.engine.llm == "scripted" and answer.engine.prompt.startswith("answer/")
    assert len(answer.engine.prompt_sha256) == 64
    assert answer.usage == {"prompt_tokens": 100, "completion_tokens": 10, "requests": 1}
    assert {"first_sentence", "draft", "verify", "total"} <= set(answer.timings)
    assert len(model.asked) == 1 and BEES.abstract in model.asked[0] and QUESTION in model.asked[0]


def test_what_fails_goes_back_once_with_its_reason_and_is_shown_when_mended(ask):
    answer, model = ask(
        line(LIE) + line(TRUE), line("Bees fly to lavender fields twice as often as to thyme meadows.")
    )
    assert [s.text for s in answer.sentences] == [
        TRUE,
        "Bees fly to lavender fields twice as often as to thyme meadows.",
    ]
    (rejected,) = answer.rejected
    assert (rejected.text, rejected.check) == (LIE, "number") and "85" in rejected.reason
    assert len(model.asked) == 2 and LIE in model.asked[1] and rejected.reason in model.asked[1]
    assert answer.usage["requests"] == 2


def test_what_fails_again_is_dropped_and_told_once(ask):
    answer, model = ask(line(TRUE) + line(LIE), line(LIE))
    assert [s.text for s in answer.sentences] == [TRUE]
    assert [(r.text, r.check) for r in answer.rejected] == [(LIE, "number")]
    assert len(model.asked) == 2 and answer.notice is None


def test_where_nothing_stands_quotes_answer_and_say_so(ask):
    answer, _ = ask(line(LIE), line(LIE))
    assert "85" not in answer.text and QUOTE in answer.text
    assert {s.verdict for s in answer.sentences} == {"quoted"}
    assert (
        answer.notice
        == "Nothing that the language model wrote could be verified. These are verbatim quotes instead."
    )
    assert not answer.incomplete and [r.check for r in answer.rejected] == ["number"]


def test_a_model_that_keeps_none_of_the_rules_is_not_read_on(ask):
    endless = [f"Fact number {n} has no source.\n" for n in range(1000)]
    answer, model = ask(endless)
    assert len(answer.rejected) == 8 and len(model.asked) == 1
    assert {s.verdict for s in answer.sentences} == {"quoted"}


def in_circles(*before):
    """Returns the pieces of a reply that never ends and, in a list, how many circles of it were read."""
    read = []

    class Endless:
        def __iter__(self):
            yield from before
            for _ in range(10_000):
                read.append(1)
                yield "It is very fast, but it is very dear. It is very dear, but it is very fast. "

    return Endless(), read


def test_a_model_that_goes_in_circles_is_not_read_on_and_quotes_answer(ask):
    pieces, read = in_circles('{"cannot_answer": false, "sentences": [{"sentence": "')
    answer, model = ask(pieces)
    assert {s.verdict for s in answer.sentences} == {"quoted"} and not answer.incomplete
    assert answer.notice.startswith("Nothing that the language model wrote could be verified.")
    (rejected,) = answer.rejected
    assert (rejected.check, rejected.reason) == ("format", "The reply goes in circles and is not read on.")
    assert len(read) < 12 and len(model.asked) == 1, "what cannot be read is not repaired"


def test_what_stood_before_a_circle_is_shown_and_what_failed_before_it_is_repaired(ask):
    pieces, read = in_circles(line(TRUE), line(LIE), '{"sentence": "')
    mended = "Bees fly to lavender fields twice as often as to thyme meadows."
    answer, model = ask(pieces, line(mended))
    assert [s.text for s in answer.sentences] == [TRUE, mended]
    assert [r.check for r in answer.rejected] == ["number", "format"]
    assert len(read) < 12 and len(model.asked) == 2


def test_an_answer_of_circles_is_the_same_when_its_trace_is_replayed(folder, tmp_path):
    pieces, _ = in_circles(line(TRUE), line(LIE), '{"sentence": "')
    again, _ = in_circles(line(TRUE))
    model = ScriptedModel(pieces, again)
    with Assistant.open(folder, model=model, answer_cache=0) as assistant:
        trace = Trace(assistant.settings)
        answer = assistant.ask(QUESTION, recorder=trace)
    assert [s.text for s in answer.sentences] == [TRUE]
    file = trace.write(tmp_path / "trace.json")
    assert replace(rerun(file), timings={}) == replace(answer, timings={})
    first, second = read_trace(file).requests
    assert not first.reply.complete and not second.reply.complete
    assert second.messages[0] == first.messages[0]
    assert second.messages[1].content.startswith(first.messages[1].content)


def test_a_repeated_sentence_is_shown_once_and_numbers_have_no_gap(ask):
    other = line(TRUE, "Bees visit lavender fields twice as often")
    answer, _ = ask(
        line(TRUE)
        + other
        + line("HoneyMap is a radar that follows single bees.", "a radar that follows single bees")
    )
    assert [s.citations for s in answer.sentences] == [(1,), (2,)]
    assert [c.number for c in answer.citations] == [1, 2]


def test_a_model_that_fails_midway_leaves_what_was_verified(ask):
    answer, _ = ask([line(TRUE), GenerationError("The stream broke off.", "truncated")])
    assert (answer.sentences[0].text, answer.sentences[0].verdict) == (TRUE, "verified")
    assert {s.verdict for s in answer.sentences[1:]} == {"quoted"}
    assert answer.incomplete and answer.error == "The stream broke off."
    assert answer.notice == "The answer is incomplete. The stream broke off. Verbatim quotes follow."
    quotes = [citation.quote for citation in answer.citations]
    assert len(quotes) == len(set(quotes))


def test_a_model_that_fails_at_once_is_replaced_by_quotes(ask):
    answer, _ = ask(GenerationError("No connection.", "unreachable"))
    assert answer.error == "No connection." and {s.verdict for s in answer.sentences} == {"quoted"}
    assert answer.notice == "No connection. These are verbatim quotes instead."


def test_a_model_that_finds_no_answer_is_believed(ask):
    answer, _ = ask('{"cannot_answer": true}', question="Do bees visit thyme meadows in winter?")
    assert answer.abstained and answer.abstention.kind == "not_reported" and answer.notice is None


def test_a_model_that_finds_no_answer_after_rubbish_is_not(ask):
    answer, _ = ask(line(LIE) + '{"cannot_answer": true}', '{"cannot_answer": true}')
    assert {s.verdict for s in answer.sentences} == {"quoted"}
    assert answer.notice.startswith("The language model found no answer")


def test_a_refusal_of_the_gate_asks_no_model(ask):
    answer, model = ask(question="Who won the football world cup in 1954?")
    assert answer.abstained and model.asked == []


def test_the_judge_can_only_lower_a_verdict(ask):
    against = '{"supported": false, "reason": "It is about thyme."}'
    answer, model = ask(line(TRUE) + line(LIE), against, line(LIE), verify="judge")
    checks = {(r.text, r.check) for r in answer.rejected}
    assert checks == {(TRUE, "judge"), (LIE, "number")}
    assert "It is about thyme" in answer.rejected[0].reason and len(model.asked) == 3
    agreed, _ = ask(line(TRUE), '{"supported": true, "reason": "ok"}', verify="judge")
    assert [s.text for s in agreed.sentences] == [TRUE]
    unclear, _ = ask(line(TRUE), "no idea", verify="judge")
    assert [s.text for s in unclear.sentences] == [TRUE]


def test_events_come_one_by_one_and_agree_with_the_answer(folder):
    model = ScriptedModel([line(TRUE), line(LIE), GenerationError("Gone.", "server")])
    with Assistant.open(folder, model=model, answer_cache=0) as assistant:
        events = list(assistant.stream(QUESTION))
    kinds = [type(event) for event in events]
    assert kinds[:4] == [Retrieved, SentenceReady, SentenceRejected, Failed] and kinds[-1] is Done
    answer = events[-1].answer
    ready = [event for event in events if isinstance(event, SentenceReady)]
    assert tuple(event.sentence for event in ready) == answer.sentences
    assert tuple(citation for event in ready for citation in event.citations) == answer.citations
    assert events[2].rejected == answer.rejected[0] and events[3].message == answer.error


def test_a_sentence_is_shown_before_the_model_has_finished(folder):
    written = threading.Event()

    class Slow(ScriptedModel):
        def stream(self, messages, **options):
            reply = super().stream(messages, **options)

            def pieces():
                yield line(TRUE)
                assert written.wait(30), "the first sentence was not shown while the model was still writing"
                reply.finish_reason = "stop"

            reply.__class__ = type("Waiting", (type(reply),), {"__iter__": lambda self: pieces()})
            return reply

    with Assistant.open(folder, model=Slow(""), answer_cache=0) as assistant:
        for event in assistant.stream(QUESTION):
            if isinstance(event, SentenceReady):
                written.set()
    assert written.is_set()


# --- follow-ups ------------------------------------------------------------------------------------------


def test_a_follow_up_is_put_by_the_model_and_shown_as_understood(ask):
    first, _ = ask(line(TRUE))
    condensed = '{"question": "How much does HoneyMap weigh?"}'
    weight = line("The radar weighs 3 kg.", "The radar weighs 3 kg and does not disturb the bees.")
    answer, model = ask(condensed, weight, question="And how much does it weigh?", history=[first])
    assert answer.question == "And how much does it weigh?"
    assert answer.standalone_question == "How much does HoneyMap weigh?"
    assert [s.text for s in answer.sentences] == ["The radar weighs 3 kg."]
    assert QUESTION in model.asked[0] and answer.usage["requests"] == 2


@pytest.mark.parametrize(
    "reply", ['{"question": "How much does the Eiffel Tower weigh?"}', "", GenerationError("gone", "server")]
)
def test_a_model_that_invents_or_fails_is_replaced_by_the_rules(ask, reply):
    first, _ = ask(line(TRUE))
    weight = line("The radar weighs 3 kg.", "The radar weighs 3 kg and does not disturb the bees.")
    answer, _ = ask(reply, weight, question="And how much does it weigh?", history=[first])
    assert "Eiffel" not in answer.standalone_question and "HoneyMap" in answer.standalone_question


# --- answers given before --------------------------------------------------------------------------------


def test_a_clean_answer_is_kept_and_given_again_without_a_request(folder):
    model = ScriptedModel(line(TRUE), line(TRUE))
    with Assistant.open(folder, model=model) as assistant:
        first, again = assistant.ask(QUESTION), assistant.ask(QUESTION)
        events = list(assistant.stream(QUESTION))
        assistant.ask(QUESTION, filters=None)
        other = assistant.ask("How often do bees visit lavender?")
    assert len(model.asked) == 2, "the second question is another one"
    assert again.sentences == first.sentences and again.citations == first.citations
    assert again.usage == {"prompt_tokens": 0, "completion_tokens": 0, "requests": 0, "cached": 1}
    assert [type(event) for event in events] == [Retrieved, SentenceReady, Done]
    assert events[1].citations == first.citations and other.usage.get("cached") is None


@pytest.mark.parametrize("spoilt", [line(TRUE) + line(LIE), [line(TRUE), GenerationError("Gone.", "server")]])
def test_an_answer_with_flaws_is_not_kept(folder, spoilt):
    for replies in ([spoilt, ""], [spoilt, ""]):
        model = ScriptedModel(*replies, name=f"flawed {spoilt}")
        with Assistant.open(folder, model=model) as assistant:
            assistant.ask(QUESTION)
        assert model.asked


def test_another_collection_is_another_answer(folder, tmp_path):
    model = ScriptedModel(line(TRUE), line(TRUE))
    with Assistant.open(tmp_path, model=model) as assistant:
        assistant.add([BEES])
        assistant.ask(QUESTION)
        assistant.add([ICE])
        assistant.ask(QUESTION)
    assert len(model.asked) == 2


# --- stopping --------------------------------------------------------------------------------------------


class Silent(ScriptedModel):
    """Says nothing until its reply is closed."""

    def __init__(self):
        super().__init__("")
        self.begun, self.closed_reply = threading.Event(), threading.Event()

    def stream(self, messages, **options):
        reply = super().stream(messages, **options)
        model = self

        class Waiting(type(reply)):
            def __iter__(self):
                model.begun.set()
                assert model.closed_reply.wait(30)
                raise GenerationError("Stopped.", "cancelled")
                yield ""

            def close(self):
                model.closed_reply.set()

        reply.__class__ = Waiting
        return reply


def test_an_answer_can_be_stopped_from_another_thread_while_the_model_is_silent(folder):
    model, stop = Silent(), Stop()
    with Assistant.open(folder, model=model, answer_cache=0) as assistant:
        threading.Thread(target=lambda: (model.begun.wait(30), stop.set())).start()
        *_, done = assistant.stream(QUESTION, stop=stop)
    assert done.answer.incomplete and done.answer.error == "Stopped."


def test_a_cancelled_task_closes_the_reply(folder):
    model = Silent()

    async def cancelled(assistant):
        task = asyncio.create_task(assistant.aask(QUESTION))
        await asyncio.to_thread(model.begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Assistant.open(folder, model=model, answer_cache=0) as assistant:
        asyncio.run(cancelled(assistant))
    assert model.closed_reply.is_set()


def test_a_model_that_was_given_is_not_closed_with_the_assistant(ask):
    _, model = ask(line(TRUE))
    assert model.closed == 0
