"""Chunks are whole sentences in place, below the token limit, and nothing of a text is lost between them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from citewell.chunking import chunk_spans, count_tokens, sentence_spans
from citewell.types import Span
from hypothesis import example, given, settings
from hypothesis import strategies as st


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def assert_in_place(text: str, spans: list[Span]) -> None:
    """Ascending, not empty, without white space around them, and with nothing but white space between."""
    last = 0
    for start, end in spans:
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert not text[last:start].strip()
        last = end
    assert not text[last:].strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t ", []),
        ("One short sentence only.", ["One short sentence only."]),
        (
            "We follow Smith et al. (2019) here. The p-value was 0.05, i.e. small. It held.",
            ["We follow Smith et al. (2019) here.", "The p-value was 0.05, i.e. small. It held."],
        ),
        (
            "  The U.S. sample had 3.5 million rows.\n\nDoes it hold? It does in Fig. 2 and Fig. 3.  ",
            ["The U.S. sample had 3.5 million rows.", "Does it hold?", "It does in Fig. 2 and Fig. 3."],
        ),
        (
            "1. We build a corpus of maps. We then read it. 2. We test the maps on roads.",
            ["1. We build a corpus of maps.", "We then read it.", "2. We test the maps on roads."],
        ),
        (
            "Our contributions: (i) a large set of questions; (ii) a gate that refuses.",
            ["Our contributions: (i) a large set of questions; (ii) a gate that refuses."],
        ),
        ("It holds in phase 2. We then stop. 3.", ["It holds in phase 2.", "We then stop. 3."]),
        (
            "我们提出了一种新的检索方法。它比以前的方法更快！",
            ["我们提出了一种新的检索方法。", "它比以前的方法更快！"],
        ),
        (
            "Мы измерили рост ледников за десять лет. Он замедлился вдвое.",
            ["Мы измерили рост ледников за десять лет.", "Он замедлился вдвое."],
        ),
        (
            "Wir haben die Gletscher z.B. im Winter gemessen. Sie wachsen nicht mehr.",
            ["Wir haben die Gletscher z.B. im Winter gemessen.", "Sie wachsen nicht mehr."],
        ),
        ("ما رشد یخ‌ها را سنجیدیم. آیا کند شد؟ بله، بسیار کند شد.", None),
        ("हमने हिमनदों को मापा। वे अब नहीं बढ़ते हैं।", None),
    ],
)
def test_sentences(text: str, expected: list[str] | None) -> None:
    assert_in_place(text, sentence_spans(text))
    if expected is not None:
        assert sentences(text) == expected


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    clause = "the reef was measured from the shore to the outer wall"
    text = "; ".join([clause] * 8) + "."
    spans = chunk_spans(text, 40)
    assert_in_place(text, spans)
    assert len(spans) > 2
    assert all(count_tokens(text[start:end]) <= 40 for start, end in spans)
    assert all(text[start:end].startswith("the reef") for start, end in spans)
    assert chunk_spans(text, 160) == sentence_spans(text)


PIECES = st.one_of(
    st.sampled_from(
        [
            "1. ",
            "(ii) ",
            "i. ",
            "Dr. ",
            "et al. ",
            "e.g. ",
            "。",
            "！",
            "؟ ",
            "। ",
            "... ",
            "?! ",
            "\n\n",
            " \u2028",
            "\x1c",
        ]
        + [
            "We measured coral. ",
            "Der Gletscher wuchs. ",
            "氷河は成長した。",
            "Ice grew 3.5% ",
            "🙂",
            "e\u0301",
            "\ud800",
            "\0",
        ]
        + [" ", "\u3000", "\u00a0", ";", ", ", '"', "(", "a" * 300, "字" * 200, "https://a.b/c?d=e.f "]
    ),
    st.text(max_size=20),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join), st.sampled_from([16, 40, 160]))
@example("i. " * 2000, 16)
@example("1. Alpha beta gamma. " * 1500, 160)
@example("\ud800" * 50, 16)
@example("\x1c a \x1d. B", 16)
@example("\u200b.\u200b", 16)
def test_whatever_the_text_chunks_cover_it_in_place_below_the_limit(text: str, limit: int) -> None:
    spans = chunk_spans(text, limit)
    assert_in_place(text, spans)
    assert all(count_tokens(text[start:end]) <= limit for start, end in spans)
    assert chunk_spans(text, limit) == spans


@pytest.mark.parametrize("piece", ["a", "🙂", "1. ", "i. We saw it. ", "\n", "Dr. "])
def test_the_longest_abstract_is_cut_within_seconds(piece: str) -> None:
    text = (piece * 100_000)[:100_000]
    spans = chunk_spans(text, 160)
    assert_in_place(text, spans)


def test_tokens_are_counted_with_the_packaged_copy_of_the_encoding() -> None:
    code = (
        "import os; os.environ.pop('TIKTOKEN_CACHE_DIR', None); from citewell.chunking import count_tokens;"
        "print(count_tokens('Late chunking keeps context.'), count_tokens('<|endoftext|>') > 1)"
    )
    counted = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert counted.returncode == 0, counted.stderr
    assert counted.stdout.split() == ["6", "True"]
