"""Whatever a model writes is cut into claims, refusals and rubbish, while it is being written, without an error."""

import json
import time

import pytest
from citewell.citations import Cited, Claim
from citewell.errors import GenerationError
from citewell.replies import MAX_CLAIMS, CannotAnswer, Malformed, parse
from hypothesis import given
from hypothesis import strategies as st

BEES = Claim("Bees like lavender.", (Cited(2, "Bees visit lavender"),))
LINE = '{"sentence": "Bees like lavender.", "citations": [{"source": 2, "quote": "Bees visit lavender"}]}'


def claims(text):
    return [item for item in parse([text]) if isinstance(item, Claim)]


@pytest.mark.parametrize(
    "reply",
    [
        LINE,
        LINE + "\n",
        f"```json\n{LINE}\n```",
        f"[{LINE}]",
        f'{{"sentences": [{LINE}]}}',
        json.dumps(json.loads(LINE), indent=2),
        f"<think>Source 2 fits. {{\n Or [1]?</think>\n{LINE}",
        LINE.replace("sentence", "text").replace("citations", "citation"),
        LINE.replace('[{"source": 2,', '{"source_id": "[2]",').replace('"}]}', '"}}'),
        LINE.replace('"source": 2', '"source": "2"'),
        LINE.replace("lavender.", "lavender [2]."),
    ],
)
def test_a_sentence_is_found_in_whatever_form_it_comes(reply):
    assert claims(reply) == [BEES]


def test_a_sentence_is_there_as_soon_as_its_object_is_closed():
    read = []

    def pieces():
        for char in LINE + LINE.replace("Bees like", "Bees love"):
            read.append(char)
            yield char

    first = next(parse(pieces()))
    assert first == BEES and len(read) == len(LINE)


def test_several_objects_on_a_line_are_several_sentences():
    assert claims(LINE + " " + LINE) == [BEES, BEES]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Bees like lavender [2].", [("Bees like lavender.", [2])]),
        ("Bees like lavender. [2]", [("Bees like lavender.", [2])]),
        (
            "Bees like lavender.[1][2] They fly far [3, 4].",
            [("Bees like lavender.", [1, 2]), ("They fly far.", [3, 4])],
        ),
        ("- **Bees** like lavender 【2】.", [("Bees like lavender.", [2])]),
        ("Bees like lavender (source 2).", [("Bees like lavender.", [2])]),
        ("Bees like lavender.", [("Bees like lavender.", [])]),
    ],
)
def test_prose_with_markers_is_read_too(reply, expected):
    assert [(c.text, [cited.source for cited in c.cited]) for c in claims(reply)] == expected
    assert all(cited.quote is None for c in claims(reply) for cited in c.cited)


@pytest.mark.parametrize(
    "reply",
    ['{"cannot_answer": true}', "Cannot answer.", "I cannot answer this from the sources.", "CANNOT_ANSWER"],
)
def test_a_refusal_is_recognised(reply):
    assert list(parse([reply])) == [CannotAnswer()]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ('{"sentence": "Bees', "not a complete JSON"),
        ('{"sentence": "Bees\nlike"', "not a complete JSON"),
        ('{"sentence": 5, "citations": []}', "no sentence"),
        ('{"citations": [{"source": 1}]}', "no sentence"),
        ('{"sentence": "Bees.", "citations": [{"source": "two"}]}', "not of the form"),
        ('{"sentence": "Bees.", "citations": [{"source": true}]}', "not of the form"),
        (json.dumps({"sentence": "x" * 3000, "citations": []}), "3000 characters"),
        (json.dumps({"sentence": "Bees.", "citations": [1] * 17}), "too many"),
        ("Here is the answer:", "not a sentence"),
    ],
)
def test_what_cannot_be_read_is_told_with_the_reason(reply, told):
    item, *_ = parse([reply])
    assert isinstance(item, Malformed) and told in item.reason and len(item.text) <= 500


def test_a_reply_that_breaks_off_gives_what_was_complete_then_the_error():
    def pieces():
        yield LINE
        raise GenerationError("gone", "truncated")

    items = parse(pieces())
    assert next(items) == BEES
    with pytest.raises(GenerationError):
        next(items)


def test_there_is_an_end_to_sentences():
    assert len(list(parse([LINE + "\n"] * 100))) == MAX_CLAIMS


@pytest.mark.parametrize(
    "monster",
    [
        '{"sentence": "' + "x" * 2**21,
        "{" * 2**20,
        '{"a":' * 2**18,
        '"' * 2**20,
        "x" * 2**21,
        "[" * 2**20,
        "{ " * 2**20,
    ],
    ids=["string", "braces", "depth", "quotes", "letters", "brackets", "openings"],
)
def test_two_megabytes_of_rubbish_are_read_in_linear_time(monster):
    started = time.monotonic()
    assert all(isinstance(item, Malformed | Claim) for item in parse([monster]))
    assert time.monotonic() - started < 20  # quadratic work would take hours


@given(st.text(), st.integers(1, 7))
def test_any_text_is_read_alike_however_it_is_cut(text, size):
    cut = [text[i : i + size] for i in range(0, len(text), size)]
    assert list(parse(cut)) == list(parse([text]))


@given(st.text(alphabet='{}[]"\\:,123 \nsentencecitationssource<think>/', max_size=80))
def test_broken_json_is_never_an_error(text):
    list(parse([LINE + text]))


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=60), st.integers(1, 99), st.text(max_size=60)), max_size=5
    )
)
def test_well_formed_lines_come_back(sentences):
    lines = [
        json.dumps({"sentence": f"A {i} x", "citations": [{"source": n, "quote": quote}]})
        for i, (_, n, quote) in enumerate(sentences)
    ]
    expected = [Claim(f"A {i} x", (Cited(n, quote),)) for i, (_, n, quote) in enumerate(sentences)]
    assert list(parse(["\n".join(lines)])) == expected
