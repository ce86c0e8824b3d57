"""Replies: what a language model writes, cut into claims while it is still writing.

Asked for one JSON object a sentence, models also wrap objects in fences and lists, spread them over lines, rename
keys, or write prose with `[n]` markers. All of that is read; nothing of it is believed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from citewell.chunking import sentence_spans
from citewell.citations import Cited, Claim

MAX_CLAIMS = 64
_MAX_OBJECT = 20_000  # characters
_THINKS, _THOUGHT = ("<think>", "<thinking>"), ("</think>", "</thinking>")
_LONGEST_TAG = 11
_MAX_LINE = 4_000
_MAX_SENTENCE = 2_000
_MAX_CITATIONS = 16
_TOLD = 500  # characters of what could not be read that are kept

_SENTENCE_KEYS = ("sentence", "text", "claim", "statement", "answer")
_LIST_KEYS = ("sentences", "claims", "answer", "answers", "results")
_CITATION_KEYS = ("citations", "citation", "cites", "cite", "sources", "source", "references", "evidence")
_SOURCE_KEYS = ("source", "source_id", "id", "number", "n", "index")
_QUOTE_KEYS = ("quote", "quotes", "text", "words", "span", "evidence")
_MARKER = re.compile(
    r"\s*(?:\[\s*(?:sources?\s*)?(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*\]|【\s*(\d{1,3})[^】]{0,20}】"
    r"|\(\s*sources?\s*(\d{1,3}(?:\s*(?:,|and|&)\s*\d{1,3})*)\s*\))",
    re.IGNORECASE,
)
_AFTER_STOP = re.compile(r"([.!?])((?:" + _MARKER.pattern + r")+)", re.IGNORECASE)
_EMPHASIS = re.compile(r"(\*\*|__)(.+?)\1")
_BULLET = re.compile(r"^\s*(?:[-*•+]|\(?\d{1,2}[.)])\s+")
_DECLINES = re.compile(r"\W*(?:\{?\s*\"?cannot[_ ]answer\b|(?:i\s+)?can(?:not|'t)\s+answer\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something a model wrote that is no claim, and why."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class CannotAnswer:
    """The model says that the sources do not hold the answer."""


Item = Claim | Malformed | CannotAnswer


def parse(pieces: Iterable[str]) -> Iterator[Item]:
    """Yields what a reply holds, each sentence as soon as it is complete; what the pieces raise is raised."""
    for number, item in enumerate(_items(pieces)):
        if number == MAX_CLAIMS:
            return
        yield item


def _items(pieces: Iterable[str]) -> Iterator[Item]:
    scanner = _Scanner()
    for piece in pieces:
        for text, whole in scanner.feed(piece):
            yield from _read(text, whole)
    for text, whole in scanner.rest():
        yield from _read(text, whole)


class _Scanner:
    """Cuts a reply into JSON objects and the lines between them, looking at every character once."""

    def __init__(self) -> None:
        self._prose: list[str] = []
        self._object: list[str] = []
        self._brace: int | None = (
            None  # where in the prose a brace stands that nothing but white space follows
        )
        self._depth = 0
        self._quoted = self._escaped = False
        self._thought: str | None = None  # the end of what a reasoning model thinks aloud, while it does

    def feed(self, piece: str) -> Iterator[tuple[str, bool]]:
        """Yields (text, whether it is an object) for all that the piece completes."""
        for char in piece:
            if self._thought is not None:
                self._think(char)
                continue
            complete = self._inside(char) if self._depth else self._outside(char)
            if complete is not None:
                yield complete

    def rest(self) -> Iterator[tuple[str, bool]]:
        """Yields what was not completed."""
        if self._object:
            yield "".join(self._object), True
        elif "".join(self._prose).strip():
            yield "".join(self._prose), False

    def _outside(self, char: str) -> tuple[str, bool] | None:
        self._prose.append(char)
        if char in '"}' and self._brace is not None:
            before, opened = "".join(self._prose[: self._brace]), self._prose[self._brace :]
            self._prose, self._brace = [], None
            for inner in opened[:-1]:
                self._inside(inner)
            whole = self._inside(char)
            return whole or ((before, False) if before.strip() else None)
        if char == "{":
            self._brace = len(self._prose) - 1
        elif not char.isspace():
            self._brace = None
        if char == ">" and "".join(self._prose[-_LONGEST_TAG:]).endswith(_THINKS):
            self._prose, self._thought = [], ""
            return None
        ends = char == "\n" and self._brace is None
        return self._line() if ends or len(self._prose) > _MAX_LINE else None

    def _think(self, char: str) -> None:
        ended = (self._thought or "") + char
        self._thought = None if ended.endswith(_THOUGHT) else ended[-_LONGEST_TAG:]

    def _line(self) -> tuple[str, bool] | None:
        line, self._prose, self._brace = "".join(self._prose), [], None
        return (line, False) if line.strip() else None

    def _inside(self, char: str) -> tuple[str, bool] | None:
        self._object.append(char)
        broken = self._quoted and char == "\n" or len(self._object) > _MAX_OBJECT
        if self._escaped:
            self._escaped = False
        elif self._quoted:
            self._escaped, self._quoted = char == "\\", char != '"'
        elif char == '"':
            self._quoted = True
        else:
            self._depth += (char == "{") - (char == "}")
        if self._depth > 0 and not broken:
            return None
        text = "".join(self._object)
        self._object, self._depth, self._quoted, self._escaped = [], 0, False, False
        return text, True


def _read(text: str, whole: bool) -> Iterator[Item]:
    if not whole:
        yield from _prose(text)
        return
    try:
        document = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        yield Malformed(text[:_TOLD], "This is not a complete JSON object.")
        return
    yield from _objects(document)


def _objects(document: Any) -> Iterator[Item]:  # noqa: ANN401 (anything a model may write)
    """Yields what a decoded object holds; one that lists others is opened."""
    if document.get("cannot_answer"):
        yield CannotAnswer()
        return
    for key in _LIST_KEYS:
        if isinstance(document.get(key), list):
            for item in document[key]:
                if isinstance(item, dict):
                    yield from _objects(item)
            return
    yield _claim(document)


def _claim(document: dict[str, Any]) -> Claim | Malformed:
    told = json.dumps(document, ensure_ascii=False)[:_TOLD]
    text = next((document[key] for key in _SENTENCE_KEYS if isinstance(document.get(key), str)), None)
    if text is None:
        return Malformed(told, "The object has no sentence.")
    if len(text) > _MAX_SENTENCE:
        return Malformed(
            text[:_TOLD], f"The sentence has {len(text)} characters; write at most {_MAX_SENTENCE}."
        )
    given: Any = next((document[key] for key in _CITATION_KEYS if document.get(key) is not None), [])
    listed = given if isinstance(given, list) else [given]
    own_quote = document.get("quote")
    cited = [_cited(item, own_quote if isinstance(own_quote, str) else None) for item in listed]
    if len(cited) > _MAX_CITATIONS or None in cited:
        return Malformed(told, "A citation is not of the form {source, quote}, or there are too many.")
    text, marked = _cut_markers(text)
    known = [item for item in cited if item is not None]
    known += [Cited(number, None) for number in marked if number not in {item.source for item in known}]
    return Claim(text.strip(), tuple(known))


def _cited(given: Any, quote: str | None) -> Cited | None:  # noqa: ANN401 (anything a model may write)
    if isinstance(given, dict):
        number = next((given[key] for key in _SOURCE_KEYS if key in given), None)
        quoted = next((given[key] for key in _QUOTE_KEYS if isinstance(given.get(key), str)), quote)
    else:
        number, quoted = given, quote
    digits = re.fullmatch(r"\W*(?:source\s*)?(\d{1,6})\W*", str(number), re.IGNORECASE)
    if digits is None or isinstance(number, bool):
        return None
    return Cited(int(digits[1]), quoted)


def _cut_markers(text: str) -> tuple[str, list[int]]:
    """Returns the text without its `[n]` markers, and their numbers."""
    marked: list[int] = []
    for found in _MARKER.finditer(text):
        marked += [int(digits) for digits in re.findall(r"\d+", found[0])]
    return _MARKER.sub("", text), list(dict.fromkeys(marked))


def _prose(line: str) -> Iterator[Item]:
    """Yields the sentences of a line of prose; a marker belongs to the sentence that it follows or ends."""
    line = line.strip()
    if _DECLINES.match(line):
        yield CannotAnswer()
        return
    if not any(char.isalpha() for char in line) or line.startswith("```"):
        return
    moved = _AFTER_STOP.sub(
        lambda found: found[2].rstrip() + found[1], _BULLET.sub("", _EMPHASIS.sub(r"\2", line))
    )
    for start, end in sentence_spans(moved):
        text, marked = _cut_markers(moved[start:end])
        text = text.strip()
        if not marked and (text.endswith(":") or not text):
            yield Malformed(text[:_TOLD], "This is not a sentence of the answer.")
        else:
            yield Claim(text[:_MAX_SENTENCE], tuple(Cited(number, None) for number in marked))
