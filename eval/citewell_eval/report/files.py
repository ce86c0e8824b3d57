"""The files that a run writes: JSON, JUnit, Markdown and HTML."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from citewell.errors import MissingExtraError, UsageError

from citewell_eval.files import write_text
from citewell_eval.report.document import document
from citewell_eval.report.junit import junit
from citewell_eval.report.markdown import markdown
from citewell_eval.report.model import Report


def _json(report: Report) -> str:
    return json.dumps(document(report), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _html(report: Report) -> str:
    try:
        from citewell_eval.report.html import html
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"--html draws with plotly ({error}): pip install 'citewell[ui]'.") from error
    return html(report)


_FORMS: dict[str, Callable[[Report], str]] = {
    "json": _json,
    "junit": junit,
    "markdown": markdown,
    "html": _html,
}


def check_outputs(options: argparse.Namespace) -> None:
    """Raises UsageError where a file could not be written, before minutes are spent on what goes into it."""
    for form in _FORMS:
        path: Path | None = getattr(options, form)
        if path is not None and (path.is_dir() or not path.resolve().parent.is_dir()):
            raise UsageError(f"Cannot write --{form} {path}: name a file in a folder that exists.")


def write_outputs(options: argparse.Namespace, report: Report) -> None:
    """Writes the files that were asked for.

    Raises:
        UsageError: one cannot be written.
    """
    for form, make in _FORMS.items():
        if (path := getattr(options, form)) is not None:
            write_text(path, make(report))
