"""What a person is told of a failure, and how long a server asks to wait."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from citewell.llm.failures import clean, retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "1e999"}, float("inf")),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 13:00:30 +0100"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:59:00 GMT"}, 0.0),
        ({"retry-after": "Sat, 99 Nov 2026 11:59:00 GMT"}, None),
    ],
)
def test_the_wait_that_a_server_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, lambda: NOW) == seconds


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\r\n lines\t here ", "two lines here"),
        ("\x1b[31mred\x07 \x9b2Jalert", " ".join(["[31mred", "2Jalert"])),
        ("\u202eevil\u200b text\u2028next", "evil text next"),
        ("Incorrect key: my-secret-key!", "Incorrect key: …!"),
        ("Incorrect key: my-\u200bsecret-key!", "Incorrect key: …!"),
        ("Incorrect API key provided: sk-abcde***wxyz.", "Incorrect API key provided: …."),
        ("\ud800 half", "half"),
        ("", ""),
    ],
)
def test_a_servers_text_becomes_one_visible_line_without_secrets(text: str, shown: str) -> None:
    assert clean(text, ["my-secret-key"]) == shown


def test_a_long_text_is_cut() -> None:
    assert clean("ab" * 500_000) == "ab" * 99 + "a…"
    assert clean("x" * 190 + " my-secret-key", ["my-secret-key"]) == "x" * 190 + " …"
