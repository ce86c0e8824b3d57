"""The parser of the command line, made of the tables of commands."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from citewell.errors import UsageError


def _no_options(parser: argparse.ArgumentParser) -> None:
    """Adds nothing."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        about: what it is for, in a sentence.
        run: runs it with the parsed options; returns the exit status.
        add_options: adds what only this command takes.
    """

    about: str
    run: Callable[[argparse.Namespace], int]
    add_options: Callable[[argparse.ArgumentParser], None] = _no_options


class Parser(argparse.ArgumentParser):
    """Raises what is wrong instead of printing the usage and leaving."""

    names: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """Raises the message as a `UsageError` that tells where the help is."""
        message = re.sub(r"argument COMMAND: invalid choice: '(.*)' \(choose from .*", self._unknown, message)
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See `{self.prog} --help`.")

    def _unknown(self, found: re.Match[str]) -> str:
        close = difflib.get_close_matches(found[1], self.names, n=1)
        return f"unknown command {found[1]!r}" + (f": perhaps you mean {close[0]}" if close else "")


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print("citewell", version("citewell"))
        parser.exit()


def parse(arguments: Sequence[str], commands: Mapping[str, Command]) -> argparse.Namespace:
    """Returns the options of a command line; `command` is the name of the command.

    Raises:
        UsageError: an argument is missing, unknown or not what it should be.
    """
    options, unknown = _parser(commands).parse_known_args(arguments)
    if unknown:
        raise UsageError(f"Unknown argument {unknown[0]!r}. See `citewell {options.command} --help`.")
    return options


def _parser(commands: Mapping[str, Command]) -> Parser:
    shared = _shared_options()
    parser = Parser(
        prog="citewell",
        description="Answers questions over paper abstracts; each sentence rests on a verbatim, cited quote.",
        parents=[shared],
        allow_abbrev=False,
    )
    parser.names = tuple(commands)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    listed = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in commands.items():
        own = listed.add_parser(
            name, help=command.about, description=command.about, parents=[shared], allow_abbrev=False
        )
        command.add_options(own)
    return parser


def _shared_options() -> Parser:
    # Suppressed defaults: without them a subcommand would reset what stands before it.
    shared = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="folder of the collection (CITEWELL_DATA_DIR, else data)"
    )
    shared.add_argument("--json", action="store_true", help="print one JSON document")
    shared.add_argument("--debug", action="store_true", help="print a traceback when something goes wrong")
    return shared
