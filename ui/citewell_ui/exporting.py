"""Answers as a file: exactly the papers that they cite, with what is known of each and nothing made up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from bibtexparser import Library, write_string
from bibtexparser.model import Entry, Field
from citewell import Answer, Citation, Paper
from citewell.text import STOPWORDS, fold
from pylatexenc.latexencode import UnicodeToLatexEncoder

# name of a format: (suffix of the file, media type)
FORMATS = {
    "markdown": (".md", "text/markdown"),
    "bibtex": (".bib", "application/x-bibtex"),
    "csl-json": (".csl.json", "application/vnd.citationstyles.csl+json"),
    "json": (".json", "application/json"),
}
_MATHS = re.compile(r"(?<![\\$])\$(?=[^\s$])([^$]*[^\s$\\])\$(?!\d)")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~$]|(?m:^\s*)(?:[#>+-]|\d+[.)])(?=\s)|!(?=\[))")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def exported(answers: Sequence[Answer], papers: Mapping[str, Paper], form: str) -> dict[str, str]:
    """Returns the name, the media type and the text of a file in one of `FORMATS`.

    Args:
        answers: one, or those of a conversation.
        papers: the papers by id; of one that is no longer there, the citation tells title and address.
        form: the name of the format.
    """
    suffix, kind = FORMATS[form]
    cited = list(_cited(answers, papers))
    if form == "markdown":
        text = "\n\n".join(map(markdown, answers))
    elif form == "bibtex":
        text = bibtex(cited)
    elif form == "csl-json":
        items = [csl(key, paper) for key, paper in zip(_keys(cited), cited, strict=True)]
        text = json.dumps(items, ensure_ascii=False, indent=1)
    else:
        documents = [answer.to_dict() for answer in answers]
        text = json.dumps(documents[0] if len(documents) == 1 else documents, ensure_ascii=False, indent=1)
    words = re.findall(r"[a-z0-9]+", answers[0].question.lower())[:6]
    return {"name": "-".join(words or ["answer"])[:80] + suffix, "type": kind, "text": text.rstrip() + "\n"}


def _cited(answers: Sequence[Answer], papers: Mapping[str, Paper]) -> Iterator[Paper]:
    citations = {c.paper_id: c for answer in answers for c in answer.citations}
    for key, citation in citations.items():
        yield papers.get(key) or Paper(citation.title, "", key, url=citation.url)


# --- Markdown ------------------------------------------------------------------------------------------


def markdown(answer: Answer) -> str:
    """Returns an answer with its references, each with the words that are quoted."""
    lines = [f"# {_plain(answer.question)}"]
    if answer.notice:
        lines.append(f"*{_plain(answer.notice)}*")
    if answer.abstention is not None:
        lines.append(f"**No answer.** {_plain(answer.abstention.message)}")
    for sentence in answer.sentences:
        numbers = "".join(f"[{number}]" for number in sentence.citations)
        lines.append(f"{_plain(sentence.text)} {numbers}")
    if answer.citations:
        lines += ["## References", *map(_reference, answer.citations)]
    return "\n\n".join(lines)


def _reference(citation: Citation) -> str:
    where = f" <{_address(citation.url)}>" if citation.url else ""
    return f"[{citation.number}] {_plain(citation.title)}.{where}\n\n> {_plain(citation.quote)}"


def _plain(text: str) -> str:
    """Returns a text in one line in which nothing is Markdown."""
    return _MARKDOWN.sub(r"\\\1", " ".join(_CONTROL.sub(" ", text).split()))


def _address(url: str) -> str:
    return re.sub(r"[\s<>{}\\\"]", lambda match: f"%{ord(match[0]):02X}", _CONTROL.sub("", url))


# --- BibTeX --------------------------------------------------------------------------------------------


def bibtex(papers: Sequence[Paper]) -> str:
    """Returns the papers as BibTeX entries."""
    entries = []
    for key, paper in zip(_keys(papers), papers, strict=True):
        fields = {
            "title": "{" + _tex(paper.title) + "}",
            "author": " and ".join(_tex_name(author) for author in paper.authors),
            "year": str(paper.year or ""),
            "doi": _tex(paper.doi or ""),
            "eprint": _tex(paper.arxiv_id or ""),
            "eprinttype": "arxiv" if paper.arxiv_id else "",
            "url": _address(paper.url or ""),
        }
        entries.append(Entry("misc", key, [Field(name, value) for name, value in fields.items() if value]))
    text: str = write_string(Library(entries))
    return text


@lru_cache(maxsize=1)
def _encoder() -> UnicodeToLatexEncoder:
    return UnicodeToLatexEncoder(unknown_char_policy="keep", unknown_char_warning=False)


def _tex(text: str) -> str:
    """Returns a text as TeX sets it; formulas whose braces are balanced stay as they are."""
    text = " ".join(_CONTROL.sub(" ", text).split())
    pieces, done = [], 0
    for match in _MATHS.finditer(text):
        if _balanced(match[1]):
            pieces += [_encoder().unicode_to_latex(text[done : match.start()]), match[0]]
            done = match.end()
    pieces.append(_encoder().unicode_to_latex(text[done:]))
    return "".join(pieces)


def _tex_name(name: str) -> str:
    """Returns a name; one with "and" in it is kept whole by braces."""
    tex = _tex(name)
    return "{" + tex + "}" if re.search(r"\band\b", name, re.IGNORECASE) else tex


def _balanced(text: str) -> bool:
    depth = 0
    for character in re.sub(r"\\.", "", text):
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0 and not re.search(r"(?<!\\)%", text) and "\\" not in text[-1:]


def _keys(papers: Sequence[Paper]) -> list[str]:
    """Returns a key for each paper, such as "apis2024honeymap"; the same papers have the same keys."""
    keys: list[str] = []
    for paper in papers:
        author = fold(next(iter(_name(paper.authors[0]).values()))) if paper.authors else ""
        words = [word for word in re.findall(r"[a-z0-9]+", fold(paper.title)) if word not in STOPWORDS]
        year = str(paper.year or "")
        key = re.sub(r"[^a-z0-9]", "", author) + year + "".join(words[: 1 if author or year else 3])
        key = key[:60] or "paper"
        suffixes = ("", *_LETTERS, *(str(n) for n in range(len(papers))))
        keys.append(next(key + suffix for suffix in suffixes if key + suffix not in keys))
    return keys


# --- CSL-JSON ------------------------------------------------------------------------------------------


def csl(key: str, paper: Paper) -> dict[str, Any]:
    """Returns a paper as an item of CSL-JSON 1.0.2."""
    item: dict[str, Any] = {"id": key, "type": "article", "title": paper.title}
    item["author"] = [_name(author) for author in paper.authors]
    item["issued"] = {"date-parts": [[paper.year]]} if paper.year else None
    item |= {"DOI": paper.doi, "URL": paper.url}
    if paper.arxiv_id:
        item |= {"archive": "arXiv", "archive_location": paper.arxiv_id}
    return {name: value for name, value in item.items() if value}


def _name(author: str) -> dict[str, str]:
    """Returns the parts of a name; one of a single word, or of a group, is left whole."""
    author = " ".join(_CONTROL.sub(" ", author).split())
    family, comma, given = author.partition(",")
    if comma and given.strip() and "," not in given:
        return {"family": family.strip(), "given": given.strip()}
    words = author.split()
    if len(words) < 2 or len(words) > 4 or not all(word[0].isupper() for word in (words[0], words[-1])):
        return {"literal": author}
    return {"family": words[-1], "given": " ".join(words[:-1])}
