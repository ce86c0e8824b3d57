"""An oracle of its own for what an answer shows: it shares no code with the verifier, and is cruder and stricter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from citewell.types import Answer, Paper

_RUN = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W_]+")
_MARKS = ("://", "www.", "](", "![", "][", "]:", "[^", "[.]", "<", ">", "`", "@", "&#", "&lt", "javascript:", "data:",
          "mailto:", "file:", "\\", "{", "}", "=====", "|")  # fmt: skip
_HOST = re.compile(r"[\w-]\.(?:com|example|org|net|io)\b", re.IGNORECASE)
_HIDDEN = ("Cc", "Cf", "Cn", "Co", "Cs")
_SELECTOR = re.compile("[\u034f\u180b-\u180f\u3164\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Words that open a true sentence about the papers and are not in their abstracts; any other may be a name.
_OPENERS = frozenset("after at in methane on removing the trained within".split())
_VALUES = dict(zip(
    "two three four five six seven eight nine ten eleven twelve sixteen twenty thirty forty fifty sixty seventy "
    "eighty ninety hundred thousand million billion trillion half twice double triple dozen".split(),
    "2 3 4 5 6 7 8 9 10 11 12 16 20 30 40 50 60 70 80 90 100 1000 million billion trillion half twice double triple "
    "dozen".split(),
    strict=True,
))  # fmt: skip


def faults(answer: Answer, papers: Mapping[str, Paper]) -> list[str]:
    """Returns everything that an answer shows and the abstracts it cites do not hold, in words."""
    return [*_citation_faults(answer, papers), *_sentence_faults(answer, papers)]


def _citation_faults(answer: Answer, papers: Mapping[str, Paper]) -> Iterator[str]:
    mentioned = list(dict.fromkeys(number for s in answer.sentences for number in s.citations))
    if [c.number for c in answer.citations] != mentioned or mentioned != list(range(1, len(mentioned) + 1)):
        yield f"numbers {[c.number for c in answer.citations]} for mentions of {mentioned}"
    for citation in answer.citations:
        paper = papers[citation.paper_id]
        if (citation.title, citation.url) != (paper.title, paper.url):
            yield f"reference {citation.title!r} {citation.url!r} is not the paper's own"
        if not citation.quote or paper.abstract[citation.start : citation.end] != citation.quote:
            yield f"quote {citation.quote!r} is not at {citation.start}:{citation.end}"


def _sentence_faults(answer: Answer, papers: Mapping[str, Paper]) -> Iterator[str]:
    by_number = {citation.number: citation for citation in answer.citations}
    for sentence in answer.sentences:
        if not sentence.citations:
            yield f"{sentence.text!r} cites nothing"
        cited = " \n ".join(papers[by_number[n].paper_id].abstract for n in sentence.citations)
        for fault in text_faults(sentence.text, cited):
            yield f"{fault} in {sentence.text!r}"


def text_faults(text: str, cited: str) -> Iterator[str]:
    """Yields what a sentence holds and the abstracts that it cites do not: numbers, names, links, hidden characters."""
    for char in text:
        if (unicodedata.category(char) in _HIDDEN or _SELECTOR.match(char)) and char not in cited:
            yield f"hidden U+{ord(char):04X}"
    shown, held = _plain(text), _plain(cited)
    numbers = _numbers(held)
    for number in _numbers(shown) - numbers:
        yield f"number {number}"
    words = {word.casefold() for word in _WORD.findall(held)}
    for match in _WORD.finditer(shown):
        word = match[0]
        opens = not shown[: match.start()].strip() and word.casefold() in _OPENERS
        if any(char.isupper() for char in word) and not opens and word.casefold() not in words:
            yield f"name {word}"
    for mark in _MARKS:
        if mark in shown and mark not in held:
            yield f"mark {mark}"
    for host in _HOST.findall(shown):
        if host not in held:
            yield f"host {host}"


def _plain(text: str) -> str:
    seen = (" " if c.isspace() else "" if unicodedata.category(c) in _HIDDEN else c for c in text)
    text = unicodedata.normalize("NFKC", "".join(seen))
    return "".join(str(unicodedata.digit(char, char)) if char.isdigit() else char for char in text)


def _numbers(text: str) -> set[str]:
    runs = {run.replace(",", "") for run in _RUN.findall(text)}
    return runs | {_VALUES[word] for word in re.findall(r"[a-z]+", text.casefold()) if word in _VALUES}
