"""Requests to services that fail, stall, lie or ask for patience. Time is made up: nothing here waits."""

from __future__ import annotations

import gzip
import socket
from email.utils import format_datetime

import pytest
from citewell.live.faults import Absent, Failed
from citewell.live.fetching import Fetcher, Service, user_agent
from citewell.live.page import read_json
from live_server import Answer, FakeTime, LiveServer

GOOD = Answer(200, b'{"fine": true}')


@pytest.fixture
def server():
    with LiveServer() as running:
        yield running


@pytest.fixture
def time():
    return FakeTime()


class Asking:
    """Asks one address of a server, and remembers what was said meanwhile."""

    def __init__(self, server, time, folder, **settings):
        self.said: list[str] = []
        self.fetcher = Fetcher(server.settings(folder, **settings), self.said.append, time.clock())
        self.service = Service("The Owlery", f"{server.url}/owls", 3.0)

    def __call__(self):
        return self.fetcher.get(self.service, self.service.url, read_json)[1]


@pytest.fixture
def ask(server, time, tmp_path):
    asking = Asking(server, time, tmp_path, contact="owl@barn.example")
    yield asking
    asking.fetcher.close()


@pytest.mark.parametrize(
    "bad",
    [
        Answer(503),
        Answer(500, b"<html>oops</html>"),
        Answer(429),
        Answer(408),
        Answer(200, b'{"fine": tr'),
        Answer(200, b'{"fine": true}', cut=True),
        Answer(200, b"<!DOCTYPE html><title>Down for maintenance</title>"),
        Answer(200, b""),
        Answer(200, b"no gzip", {"Content-Encoding": "gzip"}),
    ],
    ids=["503", "500", "429", "408", "half", "cut", "page", "empty", "gzip"],
)
def test_what_passes_is_asked_for_again(server, time, ask, bad):
    server.script("/owls", bad, GOOD)
    assert ask() == {"fine": True}
    assert time.slept == [2.0, 1.0]  # the first wait, and what is left of the pause between two requests
    assert len(ask.said) == 1 and ask.said[0].endswith("; asking again in 2 s.")


@pytest.mark.parametrize(
    "slow",
    [Answer(200, b'{"fine": true}', delay=60), Answer(200, b'{"fine": true}', drip=0.1)],
    ids=["late", "drip"],
)
def test_a_reply_that_takes_too_long_is_asked_for_again(server, time, tmp_path, slow):
    asking = Asking(server, time, tmp_path, source_timeout=0.8)
    server.script("/owls", slow, *[GOOD] * 5)  # one of the proper replies may be late on a busy machine
    try:
        assert asking() == {"fine": True}
    finally:
        asking.fetcher.close()
    assert time.slept[:2] == [2.0, 1.0]
    assert asking.said[0] in (
        "The Owlery did not answer in time; asking again in 2 s.",
        "The Owlery took longer than 0.8 s to answer; asking again in 2 s.",
    )


def test_waits_grow_and_end_with_the_fifth_attempt(server, time, ask):
    server.script("/owls", *[Answer(503, b'{"message": "the owls sleep"}')] * 5)
    with pytest.raises(
        Failed, match=r"The Owlery answered with HTTP status 503: the owls sleep \(5 attempts\)"
    ) as e:
        ask()
    assert not e.value.permanent
    assert time.slept == [2.0, 1.0, 4.0, 8.0, 16.0]
    assert len(server.requests) == 5


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_obeyed(server, time, ask, form):
    until = format_datetime(time.start.replace(minute=1), usegmt=True)
    server.script("/owls", Answer(429, headers={"Retry-After": "60" if form == "seconds" else until}), GOOD)
    assert ask() == {"fine": True}
    assert time.slept == [60.0]


@pytest.mark.parametrize("value", ["soon", "-5", "", "Wed, 99 Foo 2026 00:00:00 GMT"])
def test_a_retry_after_that_makes_no_sense_is_ignored(server, time, ask, value):
    server.script("/owls", Answer(503, headers={"Retry-After": value}), GOOD)
    assert ask() == {"fine": True}
    assert time.slept == [2.0, 1.0]


def test_a_long_retry_after_ends_the_run_instead_of_being_cut_short(server, time, ask):
    server.script("/owls", Answer(429, headers={"Retry-After": "3600"}))
    with pytest.raises(Failed, match="asks to wait 3,600 seconds") as raised:
        ask()
    assert not raised.value.permanent
    assert time.slept == []


@pytest.mark.parametrize(
    "answer, said",
    [
        (
            Answer(400, b'{"error": "Bad", "message": "Unknown filter field: owl"}'),
            "400: Unknown filter field: owl",
        ),
        (
            Answer(400, b'{"status": "failed", "message": [{"message": "No such filter"}]}'),
            "400: No such filter",
        ),
        (Answer(403, b"Forbidden\x1b[2J owls"), "403: Forbidden [2J owls"),
        (Answer(401, b"<html>who are you</html>"), "401"),
        (Answer(302, headers={"Location": "ftp://owls.example/"}), "cannot be used"),
        (Answer(302, headers={"Location": "/owls"}), "redirects without end"),
    ],
)
def test_a_refusal_is_final_and_says_why(server, time, ask, answer, said):
    server.script("/owls", *[answer] * 10)
    with pytest.raises(Failed) as raised:
        ask()
    assert said in str(raised.value)
    assert raised.value.permanent == (answer.status not in (401, 403))  # those may be welcome later
    assert time.slept == []


def test_what_is_not_there_is_absent(server, ask):
    server.script("/owls", Answer(404, b"Resource not found."))
    with pytest.raises(Absent):
        ask()


def test_an_endless_reply_is_cut_short(server, ask, monkeypatch):
    monkeypatch.setattr("citewell.live.fetching._MAX_BYTES", 10_000)
    server.script("/owls", Answer(200, gzip.compress(b" " * 1_000_000), {"Content-Encoding": "gzip"}))
    with pytest.raises(Failed, match="a reply is longer than"):
        ask()


def test_a_service_that_is_not_there_is_named(server, time, ask):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    ask.service = Service("The Owlery", f"http://127.0.0.1:{port}/owls", 3.0)
    with pytest.raises(Failed, match=r"The Owlery cannot be reached: .*\(5 attempts\)"):
        ask()


def test_two_requests_to_a_service_are_a_pause_apart_and_other_services_do_not_wait(server, time, ask):
    server.script("/owls", GOOD, GOOD, GOOD)
    ask()
    time.passed += 1.0
    ask()
    assert time.slept == [2.0]
    ask.service = Service("The Mousery", f"{server.url}/owls", 3.0)
    ask()
    assert time.slept == [2.0]


def test_every_request_says_who_asks(server, ask):
    server.script("/owls", GOOD)
    ask()
    agent = server.requests[0][1]["User-Agent"]
    assert agent.startswith("Citewell/") and agent.endswith(" (mailto:owl@barn.example)")


def test_without_a_contact_none_is_named(server, tmp_path):
    assert "mailto" not in user_agent(server.settings(tmp_path))
