"""Server-sent events and the text in them, however their bytes are cut."""

from __future__ import annotations

import pytest
from citewell.llm.chunks import EventDecoder, SurrogateJoiner
from hypothesis import given
from hypothesis import strategies as st


def events(*received: bytes) -> list[str]:
    decoder = EventDecoder()
    return [data for piece in received for data in decoder.feed(piece)]


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (b"data: one\n\ndata: two\n\n", ["one", "two"]),
        (b"data:one\r\n\r\ndata:  two\r\r", ["one", " two"]),
        (b"data: one\ndata: more\ndata:\n\n", ["one\nmore\n"]),
        (b": comment\n\nevent: x\nid: 1\nretry: 5\ndata: one\n\n", ["one"]),
        (b"\xef\xbb\xbfdata: one\n\n", ["one"]),
        (b"event: x\n\n\n\ndata: one\n\n", ["one"]),
        (b"data: one\n\ndata: without an end\n", ["one"]),
        (b'{"data": "no field"}\n\n', []),
        (b"", []),
    ],
)
def test_the_data_of_each_event_is_found(received: bytes, expected: list[str]) -> None:
    assert events(received) == expected


@given(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"data: ", "é😀".encode(), b"x", b": "]), max_size=20
    ).map(b"".join),
    st.lists(st.integers(0, 40), max_size=6),
)
def test_where_the_bytes_are_cut_makes_no_difference(received: bytes, cuts: list[int]) -> None:
    ends = [*sorted(min(cut, len(received)) for cut in cuts), len(received)]
    cut_up = [received[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]
    assert events(*cut_up) == events(received)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_cut_between_halves_of_a_character_is_joined(text: str) -> None:
    units = [
        text.encode("utf-16-le")[at : at + 2].decode("utf-16-le", "surrogatepass")
        for at in range(0, len(text.encode("utf-16-le")), 2)
    ]
    joiner = SurrogateJoiner()
    assert "".join(joiner.feed(unit) for unit in units) == text
