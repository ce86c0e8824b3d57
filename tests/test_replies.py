"""Whatever a model writes is cut into claims, refusals and rubbish, while it is being written, without an error."""

import json
import random
import time

import pytest
from citewell.citations import Cited, Claim
from citewell.errors import GenerationError
from citewell.prompts import load_prompt
from citewell.replies import MAX_CLAIMS, SCHEMA, CannotAnswer, Malformed, parse
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

BEES = Claim("Bees like lavender.", (Cited(2, "Bees visit lavender"),))
LINE = '{"sentence": "Bees like lavender.", "citations": [{"source": 2, "quote": "Bees visit lavender"}]}'
LONG = "".join(random.Random(7).choices("abcdefghijklm", k=3_000))  # that goes in no circles
DIGITS = "".join(random.Random(7).choices("123456789", k=5_000))


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
        LINE.replace('"Bees visit lavender"', '["Bees visit lavender"]'),
        f'{{"answer": {LINE}}}',
        f'{{"answer": {{"sentences": [{LINE}]}}}}',
        f"Source 2 fits, I think.</think>{LINE}",
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


def test_a_list_of_sentences_is_read_while_it_is_written():
    opening = '{"cannot_answer": false, "sentences": [\n'
    first, last = parse([opening + LINE, ', {"sentence": "Bees'])
    assert first == BEES
    assert last == Malformed('{"sentence": "Bees', "This is not a complete JSON object.")
    read = []
    assert next(parse(read.append(char) or char for char in opening + LINE + ", " + LINE)) == BEES
    assert len(read) == len(opening + LINE)


@pytest.mark.parametrize(
    ("citations", "cited"),
    [
        ('"[1], [2]"', [(1, None), (2, None)]),
        ('["source 1", 2]', [(1, None), (2, None)]),
        ('[{"source": 1, "quotes": ["a b", "c d"]}]', [(1, "a b"), (1, "c d")]),
        ('[{"source": "1, 2", "quote": "a b"}]', [(1, "a b"), (2, "a b")]),
        ('[{"source": 1, "quote": ""}]', [(1, "")]),
    ],
)
def test_citations_are_found_in_whatever_form_they_come(citations, cited):
    (claim,) = claims(f'{{"sentence": "Bees.", "citations": {citations}}}')
    assert [(item.source, item.quote) for item in claim.cited] == cited


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
        (
            "[1] Bees like lavender. They fly far. [2] Bees sleep.",
            [("Bees like lavender.", [1]), ("They fly far.", [1]), ("Bees sleep.", [2])],
        ),
        ("According to [1] and [2], bees like it.", [("Bees like it.", [1, 2])]),
        ("> Bees like lavender [1]. <think>Or not</think>", [("Bees like lavender.", [1])]),
        ("Bees like lavender [1]. {}", [("Bees like lavender.", [1])]),
        ('{"answer": ["Bees like lavender [1]."]}', [("Bees like lavender.", [1])]),
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


def test_the_refusal_and_the_example_of_the_prompt_are_understood():
    (_, rules), _ = load_prompt("answer").messages(fence="F", max_sentences="4", question="Q", sources="S")
    refusals = [line for line in rules.splitlines() if "cannot_answer" in line]
    assert len(refusals) == 1 and list(parse(["{" + refusals[0].partition("{")[2]])) == [CannotAnswer()]
    assert [item.cited[0].source for item in claims("{" + rules.partition("Valid:\n{")[2])] == [2, 2]


def test_a_refusal_that_is_denied_is_none():
    assert not any(isinstance(item, CannotAnswer) for item in parse(['{"cannot_answer": "false"}']))


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ('{"sentence": "Bees', "not a complete JSON"),
        ('{"sentence": "Bees\nlike"', "not a complete JSON"),
        ('{"sentence": 5, "citations": []}', "no sentence"),
        ('{"citations": [{"source": 1}]}', "no sentence"),
        ('{"sentence": "Bees.", "citations": [{"source": "two"}]}', "not of the form"),
        ('{"sentence": "Bees.", "citations": [{"source": true}]}', "not of the form"),
        ('{"sentence": "Bees.", "citations": [{"source": -1, "quote": "a b"}]}', "not of the form"),
        ('{"sentence": "Bees.", "citations": [{"source": NaN}]}', "not of the form"),
        ('{"sentence": "Bees.", "citations": [' + DIGITS + "]}", "not a complete JSON"),
        ('{"sentence": "Bees \\ud800.", "citations": [1]}', "surrogate"),
        ('{"sentence": "Bees.", "citations": [{"source": 1, "quote": "\\ud800"}]}', "surrogate"),
        ("Bees \ud800 fly [1].", "surrogate"),
        ('{"sentences": []}', "no sentence"),
        ('{"sentences": [5]}', "not a sentence"),
        ('["Bees fly [1]."]', "piece of JSON"),
        ("<think>Bees fly", "thinking"),
        (LONG[:2499] + " [1].", "2504 characters"),
        (
            json.dumps({"sentence": "Bees.", "citations": [{"source": 1, "quote": LONG}]}),
            "A quote has 3000",
        ),
        (json.dumps({"sentence": LONG, "citations": []}), "3000 characters"),
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
    lines = [LINE.replace("lavender.", "lavender" + "r" * n + ".") + "\n" for n in range(100)]
    *items, last = parse(lines)
    assert len(items) == MAX_CLAIMS and items[0] == BEES
    assert isinstance(last, Malformed) and f"after {MAX_CLAIMS} sentences" in last.reason
    assert list(parse(lines[:MAX_CLAIMS])) == items


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
        ("a" + " " * 3_900 + "b\n") * 500,
        '{"sentences":[]}' * 2**17,
        "<think>" * 2**18,
    ],
    ids=[
        "string",
        "braces",
        "depth",
        "quotes",
        "letters",
        "brackets",
        "openings",
        "spaces",
        "empty",
        "thoughts",
    ],
)
def test_two_megabytes_of_rubbish_are_read_in_linear_time(monster):
    started = time.process_time()
    assert all(isinstance(item, Malformed | Claim) for item in parse([monster]))
    assert time.process_time() - started < 20  # quadratic work would take hours


@pytest.mark.parametrize(
    ("before", "opens", "closes", "after"),
    [
        ('{"sentence": "S.", "x": ', "[", "]", "}"),
        ("", '{"sentences": [', "]}", ""),
        ("", '{"answer": ', "}", ""),
    ],
    ids=["value", "lists", "objects"],
)
def test_no_depth_is_an_error(before, opens, closes, after):
    for depth in (15, 100, *range(700, 1_000), 5_000):  # Python's own limit lies somewhere below 1,000
        items = list(parse([before + opens * depth + LINE + closes * depth + after]))
        assert items and all(isinstance(item, Malformed | Claim) for item in items)


FRAGMENTS = (
    LINE, '{"sentences": [', "]}", "{", "}", "[", "]", '"', "\\", ":", ",", "<think>", "</think>", "```json", "\n",
    " ", ".", "[1]", "[2, 3]", "(source 1)", "Bees fly", "According to", '{"answer": ', '{"cannot_answer": true}',
    "\ud800", "\\ud800", "**",
)  # fmt: skip


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)), st.integers(1, 7)
)
def test_any_text_is_read_alike_however_it_is_cut(text, size):
    cut = [text[i : i + size] for i in range(0, len(text), size)]
    items = list(parse([text]))
    assert list(parse(cut)) == items
    told = [item.text for item in items if not isinstance(item, CannotAnswer)]
    assert "".join(told).encode().decode() == "".join(told), "half a surrogate pair would be an error"


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


@pytest.mark.parametrize(
    "reply",
    [
        '{"cannot_answer": false, "sentences": [%s]}',
        '{"sentences": [%s], "cannot_answer": false}',
    ],
)
def test_a_structured_reply_streams_its_sentences_and_is_no_refusal(reply):
    sentence = '{"sentence": "It is quick.", "citations": [{"source": 1, "quote": "is a quick method"}]}'
    text = reply % f"{sentence}, {sentence}"
    pieces = [text[start : start + 7] for start in range(0, len(text), 7)]
    claim = Claim("It is quick.", (Cited(1, "is a quick method"),))
    assert list(parse(pieces)) == [claim, claim]


def test_the_schema_admits_what_the_parser_reads_and_nothing_loose():
    validator = Draft202012Validator(SCHEMA)
    good = {
        "cannot_answer": False,
        "sentences": [{"sentence": "A.", "citations": [{"source": 1, "quote": "a"}]}],
    }
    assert validator.is_valid(good)
    assert not validator.is_valid({"sentences": []})
    assert not validator.is_valid({**good, "links": ["x"]})
