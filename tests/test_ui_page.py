"""What the events of the page do, called without a browser."""

import json
from dataclasses import fields
from types import SimpleNamespace

import pytest
from citewell import Assistant, Paper
from citewell_ui import page
from citewell_ui.asking import Session
from citewell_ui.handlers import Handlers, Parts
from citewell_ui.host import Engine, Host
from citewell_ui.limits import Limiter
from fakes import ScriptedModel

BEES = Paper(
    "HoneyMap: tracing lavender pollination with radar",
    "We introduce HoneyMap, a radar system that follows single bees for up to 40 km. Bees visit lavender most.",
    paper_id="honeymap",
)
QUESTION = "What does HoneyMap do?"
PARTS = Parts(**{part.name: part.name for part in fields(Parts)})
SETTINGS = ("quotes", 8, "Balanced", [], "", "", [])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("bees")
    with Assistant.open(home) as assistant:
        assistant.add([BEES])
    return home


@pytest.fixture
def host(folder, tmp_path):
    opened = Host(lambda: Assistant.open(folder), tmp_path, (Engine("quotes", "Quotes"),), (QUESTION,))
    assert opened.assistant
    yield opened
    opened.close()


@pytest.fixture
def handlers(host):
    return Handlers(host, PARTS, Limiter(30))


def person(name, tab="tab", **query):
    return SimpleNamespace(
        headers={"cookie": f"citewell-owner={name * 43}"}, session_hash=tab, query_params=query, client=None
    )


ADA, BOB = person("a", "1"), person("b", "2")


def happening(**detail):
    return SimpleNamespace(_data=detail or None)


def ask(handlers, session, typed="", request=ADA, event=None, settings=SETTINGS):
    """Returns all that the page shows while a question is answered, one thing overwriting the other."""
    shown = {}
    for update in handlers.ask(typed, session, (), *settings, event or happening(), request):
        shown.update(update)
    return shown


def opened(handlers, request):
    shown = {}
    for update in handlers.opened(request):
        shown.update(update)
    return shown


# Without a running event loop, Gradio makes loops of its own and leaves them open.
async def test_only_the_public_api_can_be_called_from_outside(host):
    blocks = page.build(host)
    public = {fn.api_name for fn in blocks.fns.values() if fn.api_visibility != "private"}
    assert public == {"ask", "ask_stream", "search", "show"}


def test_the_empty_page_says_what_is_open_and_what_it_can_answer(handlers):
    shown = opened(handlers, ADA)
    assert "1 paper" in shown["welcome"]
    assert QUESTION in shown["welcome"]


def test_a_page_that_is_still_opening_leaves_a_question_alone_that_was_asked_meanwhile(handlers):
    touched = {name for update in handlers.opened(ADA) for name in update}
    assert touched.isdisjoint({"session", "earlier", "latest", "before", "evidence"})


def test_a_question_is_answered_kept_and_found_again_by_its_owner_alone(handlers, host):
    shown = ask(handlers, Session(), QUESTION)
    conversation = shown["session"].conversation
    assert "radar" in shown["latest"]
    assert "honeymap" in shown["lit"]
    assert shown["channel"]["conversation"] == conversation
    again = Handlers(host, PARTS, Limiter(30))
    assert opened(again, person("a", c=conversation))["session"].answers == shown["session"].answers
    assert "session" not in opened(again, person("b", c=conversation))
    event = happening(action="open-conversation", value=conversation)
    assert again.reopen(event, ADA)["session"].answers == shown["session"].answers
    assert again.reopen(event, BOB)["session"] == Session()
    assert conversation in opened(again, ADA)["kept"]
    assert conversation not in opened(again, BOB)["kept"]


def test_the_box_is_emptied_and_offers_to_stop_until_the_answer_is_there(handlers):
    updates = [
        update["box"]
        for update in handlers.ask(QUESTION, Session(), (), *SETTINGS, happening(), ADA)
        if "box" in update
    ]
    assert (updates[0]["value"], updates[0]["stop_btn"]) == ("", True)
    assert (updates[-1]["submit_btn"], updates[-1]["stop_btn"]) == (True, False)
    assert "value" not in updates[-1]


def test_an_example_is_asked_and_leaves_what_is_being_typed_alone(handlers):
    event = happening(action="ask", value=QUESTION)
    first, *_ = handlers.ask("half a quest", Session(), (), *SETTINGS, event, ADA)
    assert "value" not in first["box"]
    assert ask(handlers, Session(), "half a quest", event=event)["session"].turns[0].question == QUESTION


def test_a_turn_is_asked_again_or_in_other_words(handlers):
    session = ask(handlers, Session(), QUESTION)["session"]
    session = ask(handlers, session, "What do bees visit?")["session"]
    again = ask(handlers, session, event=happening(action="retry", turn="t2"))["session"]
    assert [turn.question for turn in again.turns] == [QUESTION, "What do bees visit?"]
    other = ask(handlers, session, event=happening(action="edit", turn="t1", value="What is HoneyMap?"))[
        "session"
    ]
    assert [turn.question for turn in other.turns] == ["What is HoneyMap?"]


@pytest.mark.parametrize(
    "detail", [{"action": "retry", "turn": "t9"}, {"action": "edit"}, {"action": "ask", "value": " "}, {}]
)
def test_nothing_is_asked_where_there_is_no_question(handlers, detail):
    assert ask(handlers, Session(), " ", event=happening(**detail)).keys() == {"box"}


def test_too_many_questions_are_refused_for_a_while(host):
    handlers = Handlers(host, PARTS, Limiter(1))
    session = ask(handlers, Session(), QUESTION)["session"]
    refused = ask(handlers, session, QUESTION)["session"].turns[-1]
    assert refused.phase == "failed"
    assert "seconds" in refused.trouble
    assert ask(handlers, Session(), QUESTION, request=BOB)["session"].turns[-1].phase == "done"


def test_a_failure_is_shown_and_the_next_question_works(folder, tmp_path):
    host = Host(
        lambda: Assistant.open(folder, model=ScriptedModel(RuntimeError("boom"), "[]"), answer_cache=0),
        tmp_path,
        (Engine("quotes", "Quotes"),),
    )
    handlers = Handlers(host, PARTS, Limiter(30))
    shown = ask(handlers, Session(), QUESTION)
    assert shown["session"].turns[-1].phase == "failed"
    assert "boom" not in shown["latest"]
    assert ask(handlers, shown["session"], QUESTION)["session"].turns[-1].phase == "done"
    host.close()


def test_a_conversation_is_renamed_and_deleted(handlers):
    session = ask(handlers, Session(), QUESTION)["session"]
    assert "On bees" in handlers.rename(session, "On bees", ADA)["kept"]
    shown = handlers.delete(session, ADA)
    assert shown["session"] == Session()
    assert session.conversation not in shown["kept"]
    assert "session" not in opened(handlers, person("a", c=session.conversation))


def test_a_restarted_server_goes_on_with_the_conversation_that_the_page_shows(handlers, host):
    session = ask(handlers, Session(), QUESTION)["session"]
    again = Handlers(host, PARTS, Limiter(30))
    shown = ask(again, Session(), "How far does it follow them?", request=person("a", c=session.conversation))
    assert [turn.question for turn in shown["session"].turns] == [QUESTION, "How far does it follow them?"]


def test_feedback_is_kept_with_the_answer(handlers, host):
    session = ask(handlers, Session(), QUESTION)["session"]
    handlers.act(session, happening(action="feedback", turn="t1", value="up"))
    handlers.act(session, happening(action="comment", turn="t1", value="Right.", thumb="up"))
    handlers.act(session, happening(action="feedback", turn="t9", value="up"))
    cases = [json.loads(line) for line in (host.home / "feedback.jsonl").read_text().splitlines()]
    assert [(case["question"], case["tags"], case["comment"]) for case in cases] == [
        (QUESTION, ["up"], ""),
        (QUESTION, ["up"], "Right."),
    ]
    assert cases[0]["papers"] == [BEES.title]


@pytest.mark.parametrize(
    "form, suffix, inside",
    [
        ("markdown", ".md", "HoneyMap"),
        ("bibtex", ".bib", "@misc{"),
        ("csl", ".csl.json", '"title": "HoneyMap'),
        ("json", ".json", '"sentences"'),
    ],
)
def test_an_answer_and_a_conversation_are_exported(handlers, form, suffix, inside):
    session = ask(handlers, Session(), QUESTION)["session"]
    file = handlers.act(session, happening(action="export", turn="t1", value=form))["file"]
    assert (file["name"], inside in file["text"]) == ("citewell-what-does-honeymap-do" + suffix, True)
    assert handlers.act(session, happening(action="export-conversation", value=form))["file"] == file
    assert "file" not in handlers.act(session, happening(action="export", turn="t1", value="../etc/passwd"))
