"""Prompts are files: they load, their variables are declared, and nothing in a value is expanded."""

import zipfile
from pathlib import Path

import pytest
from citewell.author import PROMPTS
from citewell.errors import UsageError
from citewell.prompts import load_prompt, read_prompt
from citewell.sources import fence

FILE = """---
description: Greets.
version: 3
inputs: name, place
---
# System

You greet $name.

# User

Say hello in ${place}. It costs $$5.
"""


def test_a_prompt_has_two_turns_and_a_hash_of_the_whole_file():
    prompt = read_prompt("greet", FILE.encode())
    assert prompt.messages(name="Ada", place="Bern") == [
        ("system", "You greet Ada."),
        ("user", "Say hello in Bern. It costs $5."),
    ]
    assert (prompt.version, prompt.inputs) == ("3", ("name", "place"))
    assert prompt.sha256 != read_prompt("greet", FILE.replace("hello", "hullo").encode()).sha256


def test_a_variable_inside_a_value_is_not_expanded():
    (_, system), _ = read_prompt("greet", FILE.encode()).messages(name="$place ${place} $$", place="Bern")
    assert system == "You greet $place ${place} $$."


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": "Ada"}, "missing variables: place"),
        ({}, "missing variables: name, place"),
        ({"name": "Ada", "place": "Bern", "time": "now"}, "unknown variables: time"),
    ],
)
def test_a_wrong_variable_is_named(values, told):
    with pytest.raises(UsageError, match=told):
        read_prompt("greet", FILE.encode()).messages(**values)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("inputs: name, place", "inputs: name", "inputs are"),
        ("inputs: name, place", "inputs: name, place, time", "inputs are"),
        ("inputs: name, place", "inputs: name, place, name", "inputs are"),
        ("version: 3\n", "", "needs"),
        ("version: 3\n", "version: 3\nversion: 4\n", "needs"),
        ("$$5", "$5", "no variable"),
        ("version: 3", "version:", "version:"),
        ("# User", "# Person", "# User"),
        ("# System\n\nYou greet $name.\n\n", "", "either `# System` or `continues"),
        ("version: 3\n", "version: 3\ncontinues: answer\n", "either `# System` or `continues"),
        ("---\n", "", "front matter"),
    ],
)
def test_a_prompt_that_is_written_wrongly_is_refused(old, new, told):
    with pytest.raises(UsageError, match=told):
        read_prompt("greet", FILE.replace(old, new).encode())


def test_a_prompt_saved_elsewhere_is_read_or_refused():
    prompt = read_prompt("greet", FILE.replace("\n", "\r\n").encode())
    assert prompt.messages(name="Ada", place="Bern")[0] == ("system", "You greet Ada.")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_prompt("greet", FILE.replace("Greets", "Grüßt").encode("latin-1"))


@pytest.mark.parametrize("name", PROMPTS)
def test_every_prompt_that_is_shipped_loads_and_names_its_fence(name):
    prompt = load_prompt(name)
    values = {variable: f"<{variable}>" for variable in prompt.inputs}
    turns = dict(prompt.messages(**values))
    assert turns["user"].count("<fence>") == 2
    assert all(any(value in turn for turn in turns.values()) for value in values.values())


def test_a_repair_begins_with_all_that_the_model_was_asked_before():
    # What a server has read of the first request it need not read again.
    values = {"fence": "F", "sources": "S", "question": "Q", "max_sentences": "6"}
    first = load_prompt("answer").messages(**values)
    second = load_prompt("repair").messages(**values, failed="1. A lie.\n   It is none.")
    assert second[0] == first[0]
    assert second[1][1].startswith(first[1][1] + "\n\n") and second[1][1].endswith(
        "1. A lie.\n   It is none."
    )


def test_the_rules_of_an_answer_are_the_same_for_every_question():
    ask = load_prompt("answer").messages
    one, other = (ask(fence=x, sources=x, question=x, max_sentences="6") for x in ("A", "B"))
    assert one[0] == other[0] and one[1] != other[1]


def test_the_rules_of_an_answer_tell_how_the_fence_begins():
    begins = fence().partition("-")[0] + "-"
    assert f"two equal lines that begin with {begins}." in load_prompt("answer").system.template


def test_an_unknown_prompt_is_an_error():
    with pytest.raises(UsageError, match="No prompt 'nope'"):
        load_prompt("nope")


def test_the_wheel_carries_the_prompts(tmp_path):
    from hatchling.builders.wheel import WheelBuilder

    root = str(Path(__file__).parents[1])
    (wheel,) = WheelBuilder(root).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as packed:
        assert {f"citewell/prompts/{name}.md" for name in PROMPTS} <= set(packed.namelist())
