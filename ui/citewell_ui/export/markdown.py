"""Answers as Markdown: what Citewell wrote as text, what papers say as block quotes below their references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from citewell import Answer, Citation, Paper

from citewell_ui.export.references import address, cited, line

# CommonMark and GitHub's extensions: emphasis, links, HTML, entities, tables, formulas, mentions, bare addresses.
_SPECIAL = re.compile(r"[\\`*_{}\[\]()<>#|~$&!^@]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_OPENING = re.compile(r"^(?:[-+=:]|\d+(?=[.)]))")  # what makes a list or a heading of a line


def markdown(answers: Sequence[Answer], papers: Mapping[str, Paper]) -> str:
    """Returns the answers, each with its references; titles, quotes and questions are plain text in it."""
    level = "#" if len(answers) == 1 else "##"
    blocks = [] if len(answers) == 1 else [f"# Conversation: {len(answers)} questions"]
    for answer in answers:
        blocks += [
            f"{level} {escape(answer.question)}",
            *_answer(answer),
            *_references(answer, papers, level),
        ]
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Returns Markdown that shows the text as it is, on one line."""
    escaped = _SPECIAL.sub(r"\\\g<0>", line(text))
    return _OPENING.sub(lambda found: found[0] + "\\" if found[0].isdigit() else "\\" + found[0], escaped)


def _answer(answer: Answer) -> Iterator[str]:
    if line(answer.standalone_question) != line(answer.question):
        yield f"Understood as: {escape(answer.standalone_question)}"
    if answer.notice:
        yield f"> **Note:** {escape(answer.notice)}"
    if answer.abstention is not None:
        yield f"> **Not answered:** {escape(answer.abstention.message)}"
        nearest = [f"- {escape(result.title)}" for result in answer.abstention.nearest]
        if nearest:
            yield "Nearest papers, which are not an answer:"
            yield "\n".join(nearest)
    if answer.sentences:
        yield " ".join(
            escape(sentence.text) + " " + "".join(f"\\[{number}\\]" for number in sentence.citations)
            for sentence in answer.sentences
        )
    if answer.error is not None:
        yield f"> **Incomplete:** {escape(answer.error)}"


def _references(answer: Answer, papers: Mapping[str, Paper], level: str) -> Iterator[str]:
    if not answer.citations:
        return
    yield f"{level}# References"
    described = {paper.paper_id: paper for paper in cited([answer], papers)}
    for citation in answer.citations:
        yield _reference(citation, described[citation.paper_id])
        yield f"> {escape(citation.quote)}"


def _reference(citation: Citation, paper: Paper) -> str:
    parts = [f"\\[{citation.number}\\] {escape(paper.title)}"]
    if paper.authors:
        parts.append(escape("; ".join(paper.authors)))
    if paper.year:
        parts.append(str(paper.year))
    url = address(paper.url)
    return ". ".join(parts) + (f". <{url}>" if url else ".")
