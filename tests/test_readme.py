"""The examples of README.md do what is printed there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from shared_data import shared_dir

README = Path(__file__).parents[1] / "README.md"
WILDCARDS = {"…", "..."}


class Block(NamedTuple):
    """A fenced block: `python` or `console`, its text, and the line of README.md on which the text starts."""

    language: str
    text: str
    line: int


def blocks(markdown: str) -> list[Block]:
    """The fenced python and console blocks in their order, without those marked `no-run`."""
    fences = re.finditer(r"^```(python|console)[ \t]*\n(.*?)^```", markdown, flags=re.MULTILINE | re.DOTALL)
    return [Block(found[1], found[2], markdown.count("\n", 0, found.start()) + 2) for found in fences]


def sessions(console: str) -> list[tuple[str, str]]:
    """The `citewell` commands of a console block, each with the output printed below it."""
    parts = re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]
    commands = [part.partition("\n") for part in parts]
    return [(command, output) for command, _, output in commands if command.split()[0] == "citewell"]


def matches(expected: str, printed: str) -> bool:
    """True when the outputs agree but for durations; a wildcard line stands for any lines, or none."""
    lines = [_without_times(line) for line in expected.strip().splitlines()]
    pattern = "".join(r"(?:.*\n)*" if line in WILDCARDS else re.escape(line) + r"\n" for line in lines)
    printed_lines = [_without_times(line) for line in printed.strip().splitlines()]
    return re.fullmatch(pattern, "".join(line + "\n" for line in printed_lines)) is not None


def _without_times(line: str) -> str:
    return re.sub(r"\b\d+(?:\.\d+)? ?s\b", "N s", line.strip())


def run_console(block: Block) -> None:
    for command, expected in sessions(block.text):
        run = subprocess.run(
            command, shell=True, text=True, timeout=300, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert run.returncode == 0, f"README.md:{block.line}: {command}\n{run.stdout}"
        assert matches(expected, run.stdout), f"README.md:{block.line}: {command}\n{run.stdout}"


def test_the_examples_run_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = blocks(README.read_text())
    if any("corpus" in block.text for block in examples):
        (tmp_path / "corpus").symlink_to(shared_dir() / "corpus")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("COLUMNS", "100")
    namespace: dict[str, object] = {"__name__": "readme"}
    for block in examples:
        if block.language == "python":
            exec(compile(block.text, f"README.md:{block.line}", "exec"), namespace)
        else:
            run_console(block)


def test_blocks_and_commands_are_found() -> None:
    fence = "```"
    shown = "$ make chat\n$ citewell stats\n532\n"
    markdown = f"a\n{fence}console no-run\n$ citewell chat\n{fence}\n{fence}console\n{shown}{fence}\n"
    assert blocks(markdown) == [Block("console", shown, 6)]
    assert sessions(blocks(markdown)[0].text) == [("citewell stats", "532\n")]


@pytest.mark.parametrize(
    "expected, printed, same",
    [
        ("532 papers in 14.2 s", "532 papers in 9s\n", True),
        ("532 papers in 14.2 s", "531 papers in 14.2 s", False),
        ("3 sentences", "4 sentences", False),
        ("first\n…\nlast", "first\nmiddle\nmiddle\nlast", True),
        ("first\n...", "first", True),
        ("first\n…\nlast", "first\nmiddle", False),
        ("first", "first\nsecond", False),
        ("", "noise", False),
    ],
)
def test_output_is_compared_by_line(expected: str, printed: str, same: bool) -> None:
    assert matches(expected, printed) is same
