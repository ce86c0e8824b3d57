"""Replies that go in circles are seen to, and replies that only look repetitive are not."""

import json
import random

import pytest
from citewell.circling import Circling
from citewell.citations import Claim
from citewell.replies import Malformed, parse

TRUE = 'a radar that follows "single bees"'


def first(text, size=3):
    """Returns how many characters are read until a circle is seen, None where none is."""
    watch = Circling()
    for start in range(0, len(text), size):
        read = start
        for part in watch.parts(text[start : start + size]):
            read += len(part)
            if watch.feed(part) is not None:
                return read
    return None


def objects(count):
    """Returns a reply of `count` sentences that differ in their words, as a capable model writes them."""
    rng = random.Random(7)
    for number in range(1, count + 1):
        words = " ".join(rng.choice("hive meadow radar thyme bee wing".split()) for _ in range(12))
        yield json.dumps({"sentence": words, "citations": [{"source": number, "quote": words}]}) + "\n"


@pytest.mark.parametrize(
    "circle",
    [
        "It is very fast, but it is very expensive. It is very expensive, but it is very fast. ",
        '{"source": 17, "quote": "SENTENCES"},\n\n',
        "\n",
        " \t",
        "x" * 399 + " ",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 50])
def test_a_circle_is_seen_after_a_few_rounds(circle, size):
    begins = "".join(objects(3))
    seen = first(begins + circle * 2_000, size)
    assert seen is not None and len(begins) < seen <= len(begins) + max(5 * len(circle), 240) + 100


def test_a_count_that_runs_on_is_a_circle_too():
    assert first("".join(f'{{"source": {n}, "quote": "none"}}, ' for n in range(200))) is not None


@pytest.mark.parametrize("size", [1, 5, 33, 5_000])
def test_the_same_is_found_however_a_reply_is_cut(size):
    text = "".join(objects(2)) + "Bees fly. " * 100
    assert first(text, size) == first(text, 1)


def test_sentences_that_differ_in_their_numbers_are_no_circle():
    sentence = "The probe of {} reached 9{} points. "
    said = (json.dumps({"sentence": sentence.format(2000 + n, n)}) for n in range(12))
    assert first("\n".join(said)) is None


@pytest.mark.parametrize(
    "text",
    [
        "".join(objects(60)),
        json.dumps(list(objects(12)), indent=8),
        "".join(json.dumps({"sentence": "Bees.", "citations": [{"source": n} for n in range(1, 9)]})),
        "| method | bees |\n|" + "-" * 100 + "|\n| HoneyMap | 41 |\n",
        "buffalo " * 20 + "is a sentence.",
        "",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_what_a_capable_model_writes_is_no_circle(text, size):
    assert first(text, size) is None


def test_what_stood_before_a_circle_is_kept_and_nothing_behind_it_is_read():
    read = []

    def pieces():
        yield json.dumps({"sentence": "Bees fly.", "citations": [{"source": 1, "quote": TRUE}]})
        for _ in range(10_000):
            read.append(1)
            yield '\n{"sentence": "Bees are very, '

    claim, *_, last = parse(pieces())
    assert isinstance(claim, Claim) and claim.text == "Bees fly."
    assert isinstance(last, Malformed) and "in circles" in last.reason
    assert '{"sentence": "Bees are very, ' in last.text * 2
    assert len(read) < 20
