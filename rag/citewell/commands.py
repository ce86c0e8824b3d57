"""Commands that other packages bring: `citewell chat` and `citewell eval`, found by their entry points."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from citewell.errors import MissingExtraError

_GROUP = "citewell.commands"


def load(name: str, cure: str) -> Any:  # noqa: ANN401 (each command takes what it needs)
    """Returns the function that runs a command.

    Args:
        name: the command.
        cure: what to do where it cannot be imported.

    Raises:
        MissingExtraError: it, or a package that it needs, is not installed.
    """
    try:
        (command,) = entry_points(group=_GROUP, name=name)
        return command.load()
    except (ModuleNotFoundError, ValueError) as error:
        raise MissingExtraError(f"`citewell {name}` is not installed ({error}): {cure}") from error
