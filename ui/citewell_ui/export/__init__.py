"""Answers as files for other programs, with exactly the papers that they cite."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from citewell import Answer, Paper
from citewell.errors import UsageError

from citewell_ui.export.bibtex import bibtex
from citewell_ui.export.csl import csl
from citewell_ui.export.markdown import markdown
from citewell_ui.export.references import cited

__all__ = ["MEDIA_TYPES", "Kind", "export"]

Kind = Literal["markdown", "bibtex", "csl", "json"]
MEDIA_TYPES: Mapping[Kind, str] = {
    "markdown": "text/markdown",
    "bibtex": "application/x-bibtex",
    "csl": "application/vnd.citationstyles.csl+json",
    "json": "application/json",
}
_ENDINGS: Mapping[Kind, str] = {"markdown": ".md", "bibtex": ".bib", "csl": ".csl.json", "json": ".json"}
_WORDS_OF_A_NAME = 6


def export(kind: Kind, answers: Sequence[Answer], papers: Mapping[str, Paper]) -> tuple[str, str]:
    """Returns the name and the text of a file, which UTF-8 can encode.

    Args:
        kind: the format; "json" is the document of `Answer.to_dict`, and a list of them for several answers.
        answers: one answer, or those of a conversation, oldest first.
        papers: the cited papers by id. One that is missing is exported as far as its citation describes it.

    Raises:
        UsageError: there is no answer, or no such format.
    """
    if kind not in get_args(Kind):
        raise UsageError(f"Cannot export {kind!r}. Choose one of {', '.join(get_args(Kind))}.")
    if not answers:
        raise UsageError("There is no answer to export. Ask a question first.")
    writers: Mapping[Kind, Callable[[], str]] = {
        "markdown": lambda: markdown(answers, papers),
        "bibtex": lambda: bibtex(cited(answers, papers)),
        "csl": lambda: _json(csl(cited(answers, papers))),
        "json": lambda: _json(answers[0].to_dict() if len(answers) == 1 else [a.to_dict() for a in answers]),
    }
    return _name(answers) + _ENDINGS[kind], writers[kind]()


def _json(document: object) -> str:
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    # What UTF-8 cannot encode, half a surrogate pair, is written as JSON's own escape.
    return text.encode("utf-8", "backslashreplace").decode()


def _name(answers: Sequence[Answer]) -> str:
    """Returns a name that every file system takes."""
    words = re.findall(r"[a-z0-9]+", answers[0].question.lower())[:_WORDS_OF_A_NAME]
    return "-".join(["citewell", *words])[:80]
