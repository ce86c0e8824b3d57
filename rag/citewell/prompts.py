"""Prompts: Markdown files with front matter and `$variables`, read once, checked when read.

A prompt that `continues` another begins with all of it, character by character: a server that keeps what it has read
of the first request reads only the rest of the second. For the same reason what differs from question to question,
the fence included, stands in the turn of the user.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Literal

from citewell.errors import UsageError

_PACKAGED = Path(__file__).parent / "prompts"
_CHECKOUT = Path(__file__).parents[2] / "prompts"
_FILE = re.compile(
    r"---\n(?P<head>.*?)\n---\n+(?:# System\n+(?P<system>.*?)\n+)?# User\n+(?P<user>.*?)\n*", re.DOTALL
)
_FIELDS = {"description", "version", "inputs"}
_CONTINUES = "continues"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt of two turns; `sha256` is that of the whole file."""

    name: str
    description: str
    version: str
    inputs: tuple[str, ...]
    system: Template
    user: Template
    sha256: str

    def messages(self, **values: str) -> list[tuple[Literal["system", "user"], str]]:
        """Returns role and content of each turn. A `$` inside a value stays as it is.

        Raises:
            UsageError: a variable is missing or unknown.
        """
        missing = sorted(set(self.inputs) - values.keys())
        if missing:
            raise UsageError(f"Prompt {self.name}: missing variables: {', '.join(missing)}.")
        unknown = sorted(values.keys() - set(self.inputs))
        if unknown:
            raise UsageError(f"Prompt {self.name}: unknown variables: {', '.join(unknown)}.")
        return [("system", self.system.substitute(values)), ("user", self.user.substitute(values))]


@lru_cache
def load_prompt(name: str) -> Prompt:
    """Returns the prompt of a file, the packaged one or, in a checkout, that of `prompts/`.

    Raises:
        UsageError: there is no such prompt, or it is not written as prompts are.
    """
    for folder in (_PACKAGED, _CHECKOUT):
        path = folder / f"{name}.md"
        if path.is_file():
            return read_prompt(name, path.read_bytes())
    raise UsageError(f"No prompt {name!r} in this installation. Install Citewell again.")


def read_prompt(name: str, content: bytes) -> Prompt:
    """Returns the prompt that a file holds, with all of the prompt that it continues.

    Raises:
        UsageError: a part is missing, or `inputs` are not the variables that it uses.
    """
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"Prompt {name}: byte {error.start} is not UTF-8. Save the file as UTF-8."
        ) from error
    found = _FILE.fullmatch(text)
    if found is None:
        raise UsageError(f"Prompt {name}: write front matter, then `# System`, then `# User`.")
    fields = [_field(name, line) for line in found["head"].splitlines()]
    given = sorted(key for key, _ in fields)
    if sorted({*given, _CONTINUES}) != sorted({*_FIELDS, _CONTINUES}) or len(given) != len(set(given)):
        raise UsageError(f"Prompt {name}: front matter has {given}, but needs {sorted(_FIELDS)}.")
    head = dict(fields)
    inputs = tuple(part.strip() for part in head["inputs"].split(","))
    system, user = _turns(name, found["system"], found["user"], head.get(_CONTINUES))
    if not (system.is_valid() and user.is_valid()):
        raise UsageError(
            f"Prompt {name}: a `$` stands before what is no variable. Write `$$` for a dollar sign."
        )
    used = {*system.get_identifiers(), *user.get_identifiers()}
    if sorted(used) != sorted(inputs):
        raise UsageError(f"Prompt {name}: inputs are {sorted(inputs)}, but it uses {sorted(used)}.")
    digest = hashlib.sha256(content).hexdigest()
    return Prompt(name, head["description"], head["version"], inputs, system, user, digest)


def _turns(name: str, system: str | None, user: str, continues: str | None) -> tuple[Template, Template]:
    """Returns the turns of the system and of the user.

    Raises:
        UsageError: the turn of the system is missing, or there are two, the other that of the prompt continued.
    """
    if (system is None) != (continues is not None):
        raise UsageError(f"Prompt {name}: write either `# System` or `continues: PROMPT`.")
    if system is not None:
        return Template(system), Template(user)
    begun = load_prompt(str(continues))
    return begun.system, Template(f"{begun.user.template}\n\n{user}")


def _field(name: str, line: str) -> tuple[str, str]:
    key, separator, value = line.partition(":")
    if not separator or not value.strip():
        raise UsageError(f"Prompt {name}: front matter has {line!r}; write `name: value`.")
    return key.strip(), value.strip()
