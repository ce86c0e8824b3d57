"""Reads what a language model wrote for LlamaIndex: sentences, `[n]` markers, and whether it says it does not know."""

from __future__ import annotations

import re
from typing import NamedTuple

from citewell.chunking import sentence_spans

_NUMBERS = r"(?:sources?\s*)?\d+(?:\s*(?:,|;|-|–|and|&)\s*(?:sources?\s*)?\d+)*"
_MARKER = re.compile(rf"\s*\[\s*({_NUMBERS})\s*\]", re.IGNORECASE)
# "It is wet. [2] It is red." cites source 2 for what stands before it.
_BEHIND_STOP = re.compile(rf"([.!?])((?:\s*\[\s*{_NUMBERS}\s*\])+)", re.IGNORECASE)
_RANGE = re.compile(r"(\d+)(?:\s*[-–]\s*(?:sources?\s*)?(\d+))?", re.IGNORECASE)
_LONGEST_RANGE = 50  # "[2-2024]" is no range of sources

_SOURCES = r"(?:sources?|contexts?|passages?|documents?|texts?|abstracts?|papers?|excerpts?|information)"
_TELL = (
    r"(?:contain|mention|provide|specify|state|include|report|discuss|address|say|answer|describe|give|indicate|cover"
    r"|offer|explain|help)"
)
_DONT_KNOW = re.compile(
    r"\bempty response\b"
    r"|\b(?:i|we)\s+(?:do\s+not|don't|cannot|can't|can\s+not|could\s+not|couldn't|am\s+not\s+able\s+to|am\s+unable\s+to"
    r"|was\s+unable\s+to)\s+(?:\w+\s+)?(?:know|find|answer|determine|tell|say|provide)\b"
    r"|\b(?:unable|not\s+possible|impossible)\s+to\s+(?:find|answer|determine|provide|say|tell)\b"
    r"|\bcannot\s+(?:be\s+)?(?:find|found|answer|answered|determined?)\b"
    r"|\b(?:not|n't)\s+(?:\w+\s+)?(?:enough|sufficient)\s+(?:information|context|details?)\b"
    r"|\binsufficient\s+(?:information|context)\b"
    r"|\bno\s+(?:\w+\s+){0,2}?(?:information|mention|details|answer)\b(?![-\s](?:loss|leak|theor|gain|flow|exchange|bottleneck))"
    rf"|\b{_SOURCES}\b(?:(?!\b(?:that|which)\b)[^.;]){{0,60}}?\b(?:do(?:es)?\s+not|don't|doesn't|did\s+not|didn't)\s+(?:\w+\s+)?{_TELL}"
    rf"|\b(?:none|neither)\s+of\s+(?:the|these)\s+(?:\w+\s+){{0,2}}?{_SOURCES}\b"
    r"|\b(?:is|are|was|were)\s+not\s+(?:\w+\s+)?(?:mentioned|specified|stated|provided|given|reported|discussed|addressed"
    rf"|available|found)\s+(?:in|by)\s+(?:the|these|any)\s+(?:\w+\s+){{0,2}}?{_SOURCES}\b",
    re.IGNORECASE,
)


class Said(NamedTuple):
    """A sentence without its markers, and the distinct numbers in them, in order."""

    text: str
    numbers: tuple[int, ...]


def split(text: str) -> list[Said]:
    """Returns the sentences of a reply; a line always ends one."""
    lines = _BEHIND_STOP.sub(r"\2\1", text).splitlines()
    pieces = [line[start:end] for line in lines for start, end in sentence_spans(line)]
    said = [Said(_MARKER.sub("", piece).strip(), _numbers(piece)) for piece in pieces]
    return [one for one in said if any(char.isalnum() for char in one.text)]


def says_it_does_not_know(text: str) -> bool:
    """Returns whether a reply refuses: LlamaIndex's "Empty Response", nothing, or an opening sentence that says so.

    Only the opening sentence counts: an answer that ends in "The sources do not say more" is one. The pattern
    knows English phrases such as "I don't know", "the sources do not mention", "no information".
    """
    said = split(text.replace("’", "'"))
    return not said or bool(_DONT_KNOW.search(said[0].text))


def _numbers(piece: str) -> tuple[int, ...]:
    numbers: list[int] = []
    for marker in _MARKER.finditer(piece):
        for first, last in _RANGE.findall(marker.group(1)):
            ends = (int(first), int(last or first))
            within = 0 <= ends[1] - ends[0] < _LONGEST_RANGE
            numbers += range(ends[0], ends[1] + 1) if within else ends
    return tuple(dict.fromkeys(numbers))
