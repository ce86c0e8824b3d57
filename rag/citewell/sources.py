"""Sources: what a language model is given to read, numbered, harmless, and no longer than it may be.

An abstract is somebody else's text. Before a model reads it, what is invisible is taken out, and what looks like the
fence around the sources, like the head of another source, or like a turn of the conversation is broken up by
as little as a character, so that the model still can quote it and the verifier still finds the quote.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from citewell.chunking import count_tokens
from citewell.citations import Source
from citewell.evidence import Evidence
from citewell.retriever import Retrieval
from citewell.types import Span

_INVISIBLE = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u3164\uffa0\ufffc"
)
_ROLES = r"(?:system|user|assistant|human|ai|instructions?|developer|tool)"
_BREAK = "·"  # put behind the first character: enough for a model, and folded away when quotes are looked up
_ARMED = re.compile(
    r"[<\uff1c](?=[|\uff5c/!?<]|(?:source|document|context|system|user|assistant|script|img|iframe|svg|a\s|think"
    r"|tool|(?:s|bos|eos|pad|unk|(?:start|end)_of_\w+)>))"
    r"|\[(?=/?INST\]|\[?/?SYS)"
    r"|^[^\S\n]*#(?=#{0,5}\s*" + _ROLES + r"\b)"
    r"|`(?=``)|~(?=~~)"
    r"|\{(?=\s*\"(?:sentence|citations|cannot_answer|supported|question)\")"
    r"|!(?=\[)",
    re.IGNORECASE | re.MULTILINE,
)
_HEAD = re.compile(
    r"^[^\S\n]*(?:\[(?=\d{1,3}\])|source(?=\s+\d{1,3}\s*[:.\]])|" + _ROLES + r"(?=\s*:))", re.I | re.M
)
_OMITTED = "…"


@dataclass(frozen=True, slots=True)
class Shown:
    """A source and the words of its abstract that the model reads, the gaps marked by "…"."""

    source: Source
    text: str


def fence(token: Callable[[int], str] = secrets.token_hex) -> str:
    """Returns a line that no abstract can have foreseen."""
    return f"=====SOURCES-{token(8)}====="


def sanitise(text: str, fence: str) -> str:
    """Returns the text without invisible characters and without anything that could pass for a part of the prompt.

    The verifier finds a quote of it in the original by folding away white space, compatibility forms, repeated "=",
    and "·", which stands where something was broken up.
    """
    visible = unicodedata.normalize("NFC", "".join(map(_visible, text)))
    token = fence.strip("=").partition("-")[2]
    if token:
        visible = re.sub(r"\s*".join(map(re.escape, token)), _BREAK, visible, flags=re.IGNORECASE)
    visible = re.sub("={5,}", "====", visible)
    visible = _ARMED.sub(lambda found: found[0] + _BREAK, visible)
    return _HEAD.sub(lambda found: _BREAK + found[0].lstrip(), visible)


def _visible(char: str) -> str:
    if char in "\n\t" or char in "\r\v\f\u2028\u2029\x85":
        return "\n" if char != "\t" else " "
    category = unicodedata.category(char)
    hidden = category in ("Cc", "Cf", "Cs", "Co", "Cn") or char in _INVISIBLE
    return "" if hidden or "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef" else char


def render_sources(shown: Sequence[Shown], fence: str) -> str:
    """Returns the numbered sources, each under its title."""
    return "\n\n".join(
        f"[{item.source.number}] {_line(item.source.paper.title, fence)}\n{_line(item.text, fence)}"
        for item in shown
    )


def _line(text: str, fence: str) -> str:
    return " ".join(sanitise(" ".join(text.split()), fence).split())


def build(evidence: Evidence, retrieval: Retrieval, budget: int) -> tuple[Shown, ...]:
    """Returns what a model reads of the papers of the evidence, at most `budget` cl100k_base tokens of it.

    Whole abstracts as long as they fit, best first; then, of those that do not, their best sentences.
    """
    kept: list[list[Span]] = []
    left = budget
    for index, read in enumerate(evidence.papers):
        spans = [sentence.span for sentence in evidence.of(index)]
        cost = count_tokens(read.paper.title) + count_tokens(read.paper.abstract)
        kept.append(spans if cost <= left else [])
        left -= cost if cost <= left else 0
    for sentence in sorted(evidence.sentences, key=lambda sentence: -sentence.score):
        own = kept[sentence.paper]
        cost = count_tokens(sentence.text) + (
            0 if own else count_tokens(evidence.papers[sentence.paper].paper.title)
        )
        if sentence.span not in own and cost <= left:
            own.append(sentence.span)
            left -= cost
    shown: list[Shown] = []
    for index, spans in enumerate(kept):
        if spans:
            shown.append(_shown(len(shown) + 1, evidence, index, retrieval, sorted(spans)))
    return tuple(shown)


def _shown(number: int, evidence: Evidence, index: int, retrieval: Retrieval, spans: Sequence[Span]) -> Shown:
    read = evidence.papers[index]
    passages = retrieval.passages.get(read.candidate.row)
    known = evidence.of(index)
    vectors = None if passages is None else passages.chunks[[sentence.place for sentence in known]]
    source = Source(number, read.paper, tuple(sentence.span for sentence in known), vectors)
    abstract, pieces, end = read.paper.abstract, [], 0
    for span in spans:
        gap = abstract[end : span.start]
        pieces += [f" {_OMITTED} " if gap.strip() else gap, abstract[span.start : span.end]]
        end = span.end
    pieces += [f" {_OMITTED}"] if abstract[end:].strip() else []
    return Shown(source, "".join(pieces).strip())
