"""From a question to the turns that a page shows, without a page."""

import logging
import re
import threading

import pytest
from citewell import Assistant, Filters, Listing, Paper
from citewell.author import Stop
from citewell_ui.asking import (
    STOPPED,
    Choices,
    Running,
    Session,
    ask,
    papers_of,
    refused,
    reopened,
    threshold,
)
from citewell_ui.controls import options
from citewell_ui.host import Engine, Host
from fakes import ScriptedModel

PAPERS = [
    Paper(
        "HoneyMap: tracing lavender pollination with radar",
        "Bees visit lavender more often than any other plant in our study. We introduce HoneyMap, a radar system that "
        "follows single bees for up to 40 km. Across three summers HoneyMap recorded 1,250 flights of bees.",
        paper_id="honeymap",
        listings=(Listing("garden.txt", "Sep 4"),),
        categories=("q-bio.PE",),
    ),
    Paper(
        "IceClock: dating glaciers by trapped air",
        "Glaciers trap air while they grow. We present IceClock, which dates ice from the argon in its bubbles. On 61 "
        "cores the error is below 2%.",
        paper_id="iceclock",
        listings=(Listing("ice.txt", "Aug 22"), Listing("garden.txt", "Sep 4")),
    ),
]
QUESTION = "What does HoneyMap do?"
QUOTES = (Engine("quotes", "Quotes"),)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("bees")
    with Assistant.open(home) as assistant:
        assistant.add(PAPERS)
    return home


@pytest.fixture
def host(folder, tmp_path):
    opened = Host(lambda: Assistant.open(folder), tmp_path, QUOTES)
    assert opened.assistant
    yield opened
    opened.close()


def hosted(folder, tmp_path, *replies):
    """A host whose engine is a model that gives the replies."""
    return Host(
        lambda: Assistant.open(folder, model=ScriptedModel(*replies), answer_cache=0), tmp_path, QUOTES
    )


def asked(host, session, question, choices=Choices("quotes")):  # noqa: B008 - frozen
    *_, last = ask(host, session, question, choices)
    return last


def test_a_turn_goes_from_searching_to_a_whole_answer(host):
    sessions = list(ask(host, Session(), QUESTION, Choices("quotes")))
    turns = [session.turns[-1] for session in sessions]
    assert list(dict.fromkeys(turn.phase for turn in turns)) == ["searching", "reading", "answering", "done"]
    assert {turn.key for turn in turns} == {"t1"}
    assert {turn.searched for turn in turns} == {2}
    assert "HoneyMap" in turns[-1].answer.text
    counts = [len(turn.sentences) for turn in turns]
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[-1]


def test_a_conversation_has_one_id_from_its_first_question_on(host):
    first = asked(host, Session(), QUESTION)
    second = asked(host, first, "What does IceClock date?")
    assert re.fullmatch(r"[0-9a-f]{32}", first.conversation)
    assert second.conversation == first.conversation
    assert asked(host, Session(), QUESTION).conversation != first.conversation
    assert [turn.key for turn in second.turns] == ["t1", "t2"]


def test_a_follow_up_is_understood_from_the_turns_before_it(host):
    first = asked(host, Session(), QUESTION)
    last = asked(host, first, "How many flights did it record?").turns[-1]
    assert "HoneyMap" in last.standalone
    assert "1,250" in last.answer.text


def test_the_question_is_shown_before_the_collection_is_open(folder, tmp_path):
    go = threading.Event()

    def opened():
        go.wait(30)
        return Assistant.open(folder)

    host = Host(opened, tmp_path, QUOTES)
    answering = ask(host, Session(), QUESTION, Choices("quotes"))
    first = next(answering).turns[-1]
    assert (first.question, first.phase, first.searched) == (QUESTION, "searching", 0)
    go.set()
    *_, last = answering
    assert (last.turns[-1].phase, last.turns[-1].searched) == ("done", 2)
    host.close()


def test_a_stopped_answer_keeps_what_was_shown_and_no_more(host):
    stop = Stop()
    shown = []
    for session in ask(host, Session(), QUESTION, Choices("quotes"), stop):
        shown.append(session.turns[-1])
        if shown[-1].sentences:
            stop.set()
    assert (shown[-1].phase, len(shown[-1].sentences)) == ("stopped", 1)
    answer = shown[-1].answer
    assert (answer.sentences, answer.error) == (shown[-1].sentences, STOPPED)
    assert {number for sentence in answer.sentences for number in sentence.citations} == {
        citation.number for citation in answer.citations
    }


def test_a_question_stopped_at_once_is_no_abstention(host):
    stop = Stop()
    stop.set()
    *_, last = ask(host, Session(), "What is the population of Lisbon?", Choices("quotes"), stop)
    assert (last.turns[-1].phase, last.turns[-1].answer.abstention) == ("stopped", None)


def test_an_engine_that_raises_fails_one_turn_and_the_next_question_works(folder, tmp_path, caplog):
    host = hosted(folder, tmp_path, RuntimeError("no such file /home/ada/secret"), "[]")
    with caplog.at_level(logging.ERROR, logger="citewell.ui"):
        failed = asked(host, Session(), QUESTION)
    (turn,) = failed.turns
    assert (turn.phase, turn.live, turn.answer) == ("failed", False, None)
    assert "secret" not in turn.trouble
    (number,) = re.findall(r"\b[0-9a-f]{8}\b", turn.trouble)
    assert number in caplog.text
    assert "no such file /home/ada/secret" in caplog.text
    after = asked(host, failed, QUESTION)
    assert [turn.phase for turn in after.turns] == ["failed", "done"]
    assert len(after.answers) == 1
    host.close()


def test_a_collection_that_cannot_be_opened_fails_the_turn(tmp_path):
    def broken():
        raise OSError("disk on fire")

    (turn,) = asked(Host(broken, tmp_path, QUOTES), Session(), QUESTION).turns
    assert turn.phase == "failed"
    assert "disk on fire" not in turn.trouble


def test_a_question_that_is_too_long_is_told_so(host):
    (turn,) = asked(host, Session(), "bees " * 2_000).turns
    assert turn.phase == "failed"
    assert "4000" in turn.trouble.replace(",", "")


def test_editing_a_question_takes_back_the_turns_after_it_and_no_key_is_used_twice(host):
    session = Session()
    for question in (QUESTION, "What does IceClock date?", "How many cores?"):
        session = asked(host, session, question)
    edited = asked(host, session.before("t2"), "How does IceClock date ice?")
    assert [(turn.key, turn.question) for turn in edited.turns] == [
        ("t1", QUESTION),
        ("t4", "How does IceClock date ice?"),
    ]
    assert session.before("t9") == session


def test_a_kept_conversation_goes_on_where_it_ended(host):
    before = asked(host, Session(), QUESTION)
    after = reopened(before.conversation, before.answers)
    assert [(turn.key, turn.phase, turn.answer) for turn in after.turns] == [
        ("t1", "done", before.answers[0])
    ]
    assert asked(host, after, "How many flights did it record?").turns[-1].key == "t2"


def test_a_refused_question_is_a_failed_turn():
    session = refused(Session(), QUESTION, "Wait.")
    assert [(turn.phase, turn.trouble) for turn in session.turns] == [("failed", "Wait.")]


def test_sessions_share_nothing(host):
    one, other = (
        ask(host, Session(), question, Choices("quotes")) for question in (QUESTION, "What is IceClock?")
    )
    for first, second in zip(one, other, strict=False):
        assert [turn.question for turn in first.turns] == [QUESTION]
        assert [turn.question for turn in second.turns] == ["What is IceClock?"]
        assert first.conversation != second.conversation


# --- stopping -------------------------------------------------------------------------------------------


def test_stopping_reaches_every_answer_of_a_tab_and_none_of_another():
    running = Running()
    with running.watch("a") as first, running.watch("a") as second, running.watch("b") as other:
        running.stop("a")
        running.stop("unheard of")
        assert (first.is_set, second.is_set, other.is_set) == (True, True, False)
        assert len(running) == 3
    assert len(running) == 0


def test_an_answer_that_ended_in_an_error_is_forgotten():
    running = Running()
    with pytest.raises(RuntimeError), running.watch("a"):
        raise RuntimeError
    assert len(running) == 0


# --- settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("default", [0.0, 0.05, 0.3, 0.5, 0.9, 1.0])
def test_strictness_orders_the_thresholds_around_that_of_the_server(default):
    lenient, balanced, strict = (threshold(step, default) for step in ("Lenient", "Balanced", "Strict"))
    assert balanced == default
    assert 0 <= lenient <= balanced <= strict <= 1


def test_choices_reach_the_assistant(host):
    assert Choices("quotes").assistant(host).settings == host.assistant.settings
    chosen = Choices("quotes", sources=50, strictness="Strict").assistant(host).settings
    assert (chosen.similarity_top_k, chosen.gate_threshold) == (20, 0.5)


def test_an_engine_that_is_not_offered_fails_the_turn(host):
    assert asked(host, Session(), QUESTION, Choices("gpt-9")).turns[-1].phase == "failed"


def test_filters_restrict_what_is_read(host):
    only_ice = Choices("quotes", filters=Filters(papers=("iceclock",)))
    turn = asked(host, Session(), "What does IceClock date?", only_ice).turns[-1]
    assert {result.paper_id for result in turn.reading} == {"iceclock"}


def test_a_question_about_chosen_papers_does_not_lean_on_answers_about_others(host):
    before = asked(host, Session(), QUESTION)
    for papers, named in ((("honeymap",), True), (("iceclock",), False)):
        chosen = Choices("quotes", filters=Filters(papers=papers))
        turn = asked(host, before, "How many flights did it record?", chosen).turns[-1]
        assert ("HoneyMap" in turn.standalone) is named


def test_the_filters_offer_what_the_collection_holds(host):
    offered = options(host.assistant)
    assert [value for _, value in offered.listings] == ["garden.txt", "ice.txt"]
    assert "2" in offered.listings[0][0]
    assert [shown for shown, _ in offered.dates] == ["Aug 22", "Sep 4"]
    assert [value for _, value in offered.categories] == ["q-bio.PE"]


def test_the_papers_of_a_turn_are_those_it_cites_reads_or_names(host):
    answered = asked(host, Session(), QUESTION).turns[-1]
    assert papers_of(host.assistant, answered)["honeymap"].title == PAPERS[0].title
    abstained = asked(host, Session(), "What is the population of Lisbon?").turns[-1]
    assert abstained.answer.abstained
    assert papers_of(host.assistant, abstained).keys() >= {
        r.paper_id for r in abstained.answer.abstention.nearest
    }
