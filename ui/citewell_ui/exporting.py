"""Answers as a file: exactly the papers that they cite."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from citewell import Answer, Paper

# name of a format: (suffix of the file, media type)
FORMATS = {
    "markdown": (".md", "text/markdown"),
    "bibtex": (".bib", "application/x-bibtex"),
    "csl-json": (".csl.json", "application/vnd.citationstyles.csl+json"),
    "json": (".json", "application/json"),
}
_SPECIAL = {character: "\\" + character for character in "&%$#_{}"} | {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
}  # fmt: skip


def exported(answers: Sequence[Answer], papers: Mapping[str, Paper], form: str) -> dict[str, str]:
    """Returns the name, the media type and the text of a file in one of `FORMATS`.

    Args:
        answers: one, or those of a conversation.
        papers: the papers by id; those that are no longer there are left out of the references.
        form: the name of the format.
    """
    suffix, kind = FORMATS[form]
    ids = dict.fromkeys(citation.paper_id for answer in answers for citation in answer.citations)
    cited = [papers[key] for key in ids if key in papers]
    if form == "markdown":
        text = "\n\n".join(map(_markdown, answers))
    elif form == "bibtex":
        text = "\n".join(map(_bibtex, cited))
    elif form == "csl-json":
        text = json.dumps(list(map(_csl, cited)), ensure_ascii=False, indent=1)
    else:
        documents = [answer.to_dict() for answer in answers]
        text = json.dumps(documents[0] if len(documents) == 1 else documents, ensure_ascii=False, indent=1)
    words = re.findall(r"[a-z0-9]+", answers[0].question.lower())[:6]
    return {"name": "-".join(words or ["answer"]) + suffix, "type": kind, "text": text + "\n"}


def _markdown(answer: Answer) -> str:
    lines = [f"# {answer.question}", "", answer.text.replace("\n", " "), ""]
    for citation in answer.citations:
        where = f" <{citation.url}>" if citation.url else ""
        lines += [f"[{citation.number}] {citation.title}.{where} “{citation.quote}”", ""]
    return "\n".join(lines).rstrip()


def _bibtex(paper: Paper) -> str:
    fields = {
        "title": "{" + _latex(paper.title) + "}",
        "author": " and ".join(_latex(author) for author in paper.authors),
        "year": str(paper.year or ""),
        "doi": _latex(paper.doi or ""),
        "eprint": _latex(paper.arxiv_id or ""),
        "url": (paper.url or "").replace("{", "%7B").replace("}", "%7D"),
    }
    inner = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@misc{{{paper.paper_id},\n{inner}}}\n"


def _latex(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def _csl(paper: Paper) -> dict[str, Any]:
    item: dict[str, Any] = {"id": paper.paper_id, "type": "article", "title": paper.title}
    item["author"] = [{"literal": author} for author in paper.authors]
    item["issued"] = {"date-parts": [[paper.year]]} if paper.year else None
    item |= {"DOI": paper.doi, "URL": paper.url}
    return {name: value for name, value in item.items() if value}
