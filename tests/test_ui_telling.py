"""People elsewhere are told of a model's failure by an id; on this machine they are told everything."""

import logging
from dataclasses import replace

import pytest
from citewell.types import Done, Failed, Retrieved
from citewell_ui.telling import told
from sample_answers import ANSWER

WHY = "some-model at http://10.0.0.7:8000/v1 failed (HTTP 500: /srv/secret)."
FAILED = replace(ANSWER, error=WHY, notice=f"The answer is incomplete. {WHY} Verbatim quotes follow.")


@pytest.mark.parametrize("event", [Failed(WHY), Done(FAILED), Done(ANSWER), Retrieved("q", ())])
def test_on_this_machine_nothing_is_left_out(event):
    assert told(event, local=True) is event


def test_elsewhere_an_id_stands_for_what_the_log_holds(caplog):
    with caplog.at_level(logging.ERROR):
        answer = told(Done(FAILED), local=False).answer
    name = answer.error.partition("(error ")[2][:8]
    assert "10.0.0.7" not in answer.error + answer.notice and "secret" not in answer.error + answer.notice
    assert name in answer.notice and f"{name}: {WHY}" in caplog.text
    assert answer.sentences == ANSWER.sentences and answer.incomplete
    assert told(Failed(WHY), local=False) == Failed("The language model failed.")


@pytest.mark.parametrize("event", [Done(ANSWER), Retrieved("q", ())])
def test_what_did_not_fail_is_told_everywhere(event):
    assert told(event, local=False) is event
