"""Which parameter a refusal is about, and what is sent in its place."""

from __future__ import annotations

import pytest
from citewell.llm.parameters import ADAPTATIONS, adapted, find_adaptation

OWN = {"model": "m", "max_tokens": 9, "temperature": 0, "stream_options": {"include_usage": True}}
OPENAI = {"model": "m", "max_completion_tokens": 9, "temperature": 0}


@pytest.mark.parametrize(
    ("body", "blamed", "said", "expected"),
    [
        (OWN, "max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'.", "max_tokens"),
        (OPENAI, "temperature", "'temperature' does not support 0 with this model.", "temperature"),
        (OPENAI, None, "Unrecognized request argument supplied: max_completion_tokens", "max_completion_tokens"),
        (OWN, None, '[{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]', "stream_options"),
        (OWN | {"response_format": {}}, None, "Failed to parse grammar", "response_format"),
        (OWN | {"response_format": {}}, "response_format.json_schema", "bad", "response_format"),
        (OWN | {"response_format": {}}, None, "Bad Request", "response_format"),
        (OWN | {"response_format": {}}, None, "temperature: must be 1", "temperature"),
        (OWN, None, "Bad Request", None),
        (OWN, None, "response_format is unknown", None),
        (OWN, None, "my_max_tokens_limit", None),
        (OWN, "messages", "roles must alternate", None),
    ],
)  # fmt: skip
def test_a_refusal_is_laid_to_a_parameter_that_was_sent(
    body: dict[str, object], blamed: str | None, said: str, expected: str | None
) -> None:
    found = find_adaptation(body, blamed, said)
    assert (found.parameter if found else None) == expected


def test_a_limit_goes_under_its_other_name_and_not_back() -> None:
    first = find_adaptation(OWN, "max_tokens", "")
    assert first is not None
    body = adapted(OWN, [first])
    assert body["max_completion_tokens"] == 9 and "max_tokens" not in body
    assert find_adaptation(body, "max_completion_tokens", "", [first]) is None


def test_adaptations_leave_the_rest_of_a_request_alone() -> None:
    assert adapted(OWN, [a for a in ADAPTATIONS if a.instead is None]) == {"model": "m", "max_tokens": 9}
    assert "temperature" in OWN
