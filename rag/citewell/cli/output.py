"""How commands open the collection and print: results on stdout, all else on stderr."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from citewell.assistant import Assistant
    from citewell.types import Paper, Rejection

# What a terminal would obey or hide, where JSON leaves it as it is.
_UNSAFE = re.compile(
    "[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def notify(message: str) -> None:
    """Prints one line on stderr."""
    from citewell.terminal import clean

    print("citewell:", " ".join(clean(message).split()), file=sys.stderr)


def open_assistant(options: argparse.Namespace, create: bool = False) -> Assistant:
    """Returns the assistant of the collection that the options name; with `create`, a missing one is made."""
    from citewell.assistant import Assistant

    named = {name: getattr(options, name, None) for name in ("llm", "verify", "ray")}
    return Assistant.open(getattr(options, "data_dir", None), create=create, notify=notify, **named)


def print_result(
    options: argparse.Namespace, document: dict[str, object], shown: Callable[[], RenderableType]
) -> None:
    """Prints a result: the document with --json, else what `shown` returns."""
    if "json" in options:
        text = json.dumps(document, ensure_ascii=False, indent=2)
        print(_UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text))
    else:
        from citewell.terminal import make_console, write

        write(make_console(sys.stdout), shown())


def print_rejections(rejected: Sequence[Rejection]) -> None:
    """Lists on stderr what of the input was not taken."""
    from citewell.terminal import rejection_lines

    for line in rejection_lines(rejected):
        print(line, file=sys.stderr)


def paper_document(paper: Paper) -> dict[str, object]:
    """Returns the JSON document that `citewell show --json` prints."""
    return {
        "paper_id": paper.paper_id,
        "title": paper.title,
        "abstract": paper.abstract,
        "listings": [{"source": listing.source, "date": listing.date} for listing in paper.listings],
        "authors": list(paper.authors),
        "year": paper.year,
        "url": paper.url,
        "doi": paper.doi,
        "arxiv_id": paper.arxiv_id,
        "categories": list(paper.categories),
    }
