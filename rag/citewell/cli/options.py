"""Options that several commands take, and what they mean."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from citewell.library import Filters

_MAX_STDIN = 1_000_000  # characters; far beyond the longest question


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds what words and what judges an answer."""
    parser.add_argument(
        "--llm",
        metavar="MODEL",
        help="what words the answer: quotes, local, or a model of OpenAI or of the server at OPENAI_BASE_URL "
        "(CITEWELL_LLM, else quotes)",
    )
    parser.add_argument(
        "--verify", choices=["rules", "judge"], help="judge: the model also judges every sentence (rules)"
    )


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Adds which papers may be used."""
    group = parser.add_argument_group("filters", "Each may be given several times, but for dates and years.")
    group.add_argument("--listing", action="append", default=[], metavar="NAME", help="part of a page's name")
    group.add_argument("--since", metavar="DATE", help="first listing date: 2025-08-22 or 'Aug 22'")
    group.add_argument("--until", metavar="DATE", help="last listing date, inclusive")
    group.add_argument("--year", metavar="YEARS", help="2019, 2015-2019, 2015- or =-2019")
    group.add_argument("--category", action="append", default=[], metavar="CODE", help="such as cs.IR, or cs")
    group.add_argument(
        "--author", action="append", default=[], metavar="NAME", help="part of an author's name"
    )


def filters_of(options: argparse.Namespace) -> Filters:
    """Returns which papers may be used.

    Raises:
        UsageError: the years cannot be read.
    """
    from citewell.library.filters import Filters, parse_years

    return Filters(
        listings=tuple(options.listing),
        since=options.since,
        until=options.until,
        years=parse_years(options.year) if options.year is not None else (None, None),
        categories=tuple(options.category),
        authors=tuple(options.author),
    )


def text_of(words: Sequence[str]) -> str:
    """Returns the question on the command line, or the one on stdin for `-`."""
    if list(words) != ["-"]:
        return " ".join(words)
    return sys.stdin.buffer.read(_MAX_STDIN).decode("utf-8", "replace")
