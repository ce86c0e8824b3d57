"""Replies: what a language model writes, cut into claims while it is still writing.

Asked for one JSON object a sentence, models also wrap objects in fences and lists, spread them over lines, rename
keys, or write prose with `[n]` markers. All of that is read; nothing of it is believed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from citewell.chunking import sentence_spans
from citewell.circling import Circling
from citewell.citations import Cited, Claim

MAX_CLAIMS = 64
_MAX_OBJECT = 20_000  # characters
_DEEPEST = 20  # braces and brackets inside each other
_THINKS, _THOUGHT = ("<think>", "<thinking>"), ("</think>", "</thinking>")
_LONGEST_TAG = 11
_MAX_LINE = 4_000
_MAX_TEXT = 2_000  # characters of a sentence, and of a quote
_MAX_CITATIONS = 16
_TOLD = 500  # characters of what could not be read that are kept

_SENTENCE_KEYS = ("sentence", "text", "claim", "statement", "answer")
_LIST_KEYS = ("sentences", "claims", "answer", "answers", "results")
_CITATION_KEYS = ("citations", "citation", "cites", "cite", "sources", "source", "references", "evidence")
_SOURCE_KEYS = ("source", "source_id", "id", "number", "n", "index")
_QUOTE_KEYS = ("quote", "quotes", "text", "words", "span", "evidence")

_LIST_OPENS = re.compile(r'"(?:' + "|".join(_LIST_KEYS) + r')"\s*:\s*\[\s*\{$')
_LONGEST_OPENING = 200  # characters of an object before the list that it is about
_SURROGATE = re.compile("[\ud800-\udfff]")
_SOURCE_TEXT = re.compile(
    r"[\s\[\](){}#]*(?:sources?[\s#\[(]*)?\d{1,6}(?:[\s,;&\[\]]+\d{1,6})*[\s\[\](){}]*", re.I
)
# What looks behind keeps a run of spaces from being scanned again from each of its spaces.
_MARKER = re.compile(
    r"(?<!\s)\s*(?:\[\s*(?:sources?\s*)?\d{1,3}(?:\s*[,;]\s*\d{1,3})*\s*\]|【\s*\d{1,3}[^】]{0,20}】"
    r"|\(\s*sources?\s*\d{1,3}(?:\s*(?:,|and|&)\s*\d{1,3})*\s*\))",
    re.IGNORECASE,
)
_MARKERS = "(?:" + _MARKER.pattern + ")+"
_AFTER_STOP = re.compile(r"([.!?])(" + _MARKERS + ")", re.IGNORECASE)
_BEFORE_SENTENCE = re.compile(r"(?<=[.!?])(?=" + _MARKERS + ")", re.IGNORECASE)
_ACCORDING = re.compile(
    r"^(?:according to|as \w+ (?:in|by)|in|per|from)(?:" + _MARKERS + r"\s*(?:,|and\b)\s*)+(?P<first>\w)",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(r"(\*\*|__)(.+?)\1")
_BULLET = re.compile(r"^(?:[-*•+>]|#{1,6}|\(?\d{1,2}[.)])\s+")
_JSON_LEFT = re.compile(r"""[\]},:]|[\[{]\s*["'{]|"\w+"\s*:""")
_LIST_ENDS = re.compile(r"\W*\"cannot_answer\"\s*:\s*false\W*$")
_DECLINES = re.compile(
    r"\W*(?:\{?\s*\"?cannot[_ ]answer\b(?!\"\s*:\s*false)|(?:i\s+)?can(?:not|'t)\s+answer\b)", re.IGNORECASE
)

# The structure that an endpoint with structured output is asked for; it streams like the lines of the prompt.
_OBJECT = {"type": "object", "additionalProperties": False}
_CITED = {"source": {"type": "integer"}, "quote": {"type": "string"}}
_CITATIONS = {"type": "array", "items": {**_OBJECT, "required": list(_CITED), "properties": _CITED}}
_CLAIM = {"sentence": {"type": "string"}, "citations": _CITATIONS}
_CLAIMS = {"type": "array", "items": {**_OBJECT, "required": list(_CLAIM), "properties": _CLAIM}}
_REPLY = {"cannot_answer": {"type": "boolean"}, "sentences": _CLAIMS}
SCHEMA: Mapping[str, object] = {**_OBJECT, "required": list(_REPLY), "properties": _REPLY}


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
    """Yields what a reply holds, each sentence as soon as it is complete; what the pieces raise is raised.

    A reply that goes on and on, or in circles, is not read to its end; the last item says so.
    """
    for number, item in enumerate(_items(pieces)):
        if number == MAX_CLAIMS:
            text = "" if isinstance(item, CannotAnswer) else item.text
            yield Malformed(_told(text), f"The reply goes on after {MAX_CLAIMS} sentences.")
            return
        yield item


def _items(pieces: Iterable[str]) -> Iterator[Item]:
    scanner, circling = _Scanner(), Circling()
    for part in (part for piece in pieces for part in circling.parts(piece)):
        for text, whole in scanner.feed(part):
            yield from _read(text, whole)
        if (repeated := circling.feed(part)) is not None:
            yield Malformed(_told(repeated), "The reply goes in circles and is not read on.")
            return
    for text, whole in scanner.rest():
        yield from _read(text, whole)
    if scanner.thinks:
        yield Malformed("<think>", "The reply ended before the model had finished thinking.")


Cut = tuple[str, bool]  # a text, and whether it is an object


class _Scanner:
    """Cuts a reply into JSON objects and the lines between them, looking at every character once."""

    def __init__(self) -> None:
        self._prose: list[str] = []
        self._object: list[str] = []
        self._brace: int | None = (
            None  # where in the prose a brace stands that nothing but white space follows
        )
        self._depth = self._brackets = 0
        self._quoted = self._escaped = False
        self._thought: str | None = None  # the end of what a reasoning model thinks aloud, while it does

    @property
    def thinks(self) -> bool:
        """Whether the model is thinking aloud."""
        return self._thought is not None

    def feed(self, piece: str) -> Iterator[Cut]:
        """Yields all that the piece completes."""
        for char in piece:
            if self._thought is not None:
                self._think(char)
                continue
            complete = self._inside(char) if self._depth else self._outside(char)
            if complete:
                yield from complete

    def rest(self) -> Iterator[Cut]:
        """Yields what was not completed."""
        if self._object:
            yield "".join(self._object), True
        yield from self._line()

    def _outside(self, char: str) -> Sequence[Cut]:
        self._prose.append(char)
        if char in '"}' and self._brace is not None:
            return self._open()
        if char == "{":
            self._brace = len(self._prose) - 1
        elif not char.isspace():
            self._brace = None
        if char == ">" and (tag := self._tag()):
            del self._prose[-len(tag) :]
            if tag in _THOUGHT:  # some servers leave out where the thought began
                self._prose = []
            else:
                self._thought = ""
            return self._line()
        ends = char == "\n" and self._brace is None
        return self._line() if ends or len(self._prose) > _MAX_LINE else ()

    def _tag(self) -> str:
        """Returns the tag around thoughts that the prose ends with, or nothing."""
        end = "".join(self._prose[-_LONGEST_TAG:])
        return next((tag for tag in (*_THINKS, *_THOUGHT) if end.endswith(tag)), "")

    def _open(self) -> list[Cut]:
        """Returns what stands before an object that has begun, and the object if that is all of it."""
        opened = self._prose[self._brace :]
        del self._prose[self._brace :]
        complete = self._line()
        for char in opened:
            complete += self._inside(char)
        return complete

    def _think(self, char: str) -> None:
        ended = (self._thought or "") + char
        self._thought = None if ended.endswith(_THOUGHT) else ended[-_LONGEST_TAG:]

    def _line(self) -> list[Cut]:
        line, self._prose, self._brace = "".join(self._prose), [], None
        return [(line, False)] if line.strip() else []

    def _inside(self, char: str) -> Sequence[Cut]:
        self._object.append(char)
        broken = self._quoted and char == "\n" or len(self._object) > _MAX_OBJECT
        if self._escaped:
            self._escaped = False
        elif self._quoted:
            self._escaped, self._quoted = char == "\\", char != '"'
        elif char == '"':
            self._quoted = True
        elif char in "{}[]":
            self._depth += (char == "{") - (char == "}")
            self._brackets += (char == "[") - (char == "]")
            broken = broken or self._depth + self._brackets > _DEEPEST
            if char == "{" and self._depth > 1 and self._lists():
                self._object, self._depth, self._brackets = ["{"], 1, 0
        if self._depth > 0 and not broken:
            return ()
        text = "".join(self._object)
        self._object, self._depth, self._brackets, self._quoted, self._escaped = [], 0, 0, False, False
        return [(text, True)]

    def _lists(self) -> bool:
        """Returns whether the object has just begun to list sentences; they do not wait until the list is whole."""
        return len(self._object) <= _LONGEST_OPENING and bool(_LIST_OPENS.search("".join(self._object)))


def _read(text: str, whole: bool) -> Iterator[Item]:
    if not whole:
        yield from _prose(text)
        return
    try:
        document = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        yield Malformed(_told(text), "This is not a complete JSON object.")
        return
    yield from _objects(document)


def _told(text: str) -> str:
    """Returns as much of the text as is kept, with "?" for half surrogate pairs, which nothing can print."""
    return _SURROGATE.sub("?", text[:_TOLD])


def _objects(document: Any) -> Iterator[Item]:  # noqa: ANN401 (anything a model may write)
    """Yields what a decoded value holds; an object that lists others is opened."""
    if isinstance(document, str):
        yield from _prose(document)
    elif not isinstance(document, dict):
        yield Malformed(_told(json.dumps(document)), "This is not a sentence of the answer.")
    elif str(document.get("cannot_answer")).casefold() == "true":
        yield CannotAnswer()
    elif nested := next(
        (document[key] for key in _LIST_KEYS if isinstance(document.get(key), list | dict)), None
    ):
        for item in nested if isinstance(nested, list) else [nested]:
            yield from _objects(item)
    else:
        yield _claim(document)


def _claim(document: dict[str, Any]) -> Claim | Malformed:
    told = json.dumps(document, ensure_ascii=False)
    text = next((document[key] for key in _SENTENCE_KEYS if isinstance(document.get(key), str)), None)
    if text is None:
        return Malformed(_told(told), "The object has no sentence.")
    given: Any = next((document[key] for key in _CITATION_KEYS if document.get(key) is not None), [])
    cited: list[Cited] = []
    for item in given if isinstance(given, list) else [given]:
        found = _cited(item, _quotes(document.get("quote")))
        if not found:
            return Malformed(_told(told), "A citation is not of the form {source, quote}.")
        cited += found
    return _checked(text, cited, told)


def _checked(text: str, cited: list[Cited], told: str) -> Claim | Malformed:
    """Returns the claim, or what is wrong about the size or the characters of what was `told`."""
    if _SURROGATE.search(told):
        return Malformed(_told(told), "The sentence or a quote holds half a surrogate pair; leave it out.")
    if len(text) > _MAX_TEXT:
        return Malformed(_told(text), f"The sentence has {len(text)} characters; write at most {_MAX_TEXT}.")
    longest = max((len(item.quote or "") for item in cited), default=0)
    if longest > _MAX_TEXT:
        return Malformed(_told(text), f"A quote has {longest} characters; copy at most {_MAX_TEXT}.")
    text, marked = _cut_markers(text)
    cited = cited + [Cited(n, None) for n in marked if n not in {item.source for item in cited}]
    if len(cited) > _MAX_CITATIONS:
        return Malformed(
            _told(text), f"There are too many citations, {len(cited)}; give at most {_MAX_CITATIONS}."
        )
    return Claim(text, tuple(cited))


def _cited(given: Any, quotes: list[str]) -> list[Cited]:  # noqa: ANN401 (anything a model may write)
    """Returns the sources of a citation, each with each of its quotes; nothing when it names no source."""
    number = given
    if isinstance(given, dict):
        number = next((given[key] for key in _SOURCE_KEYS if key in given), None)
        quotes = next((found for key in _QUOTE_KEYS if (found := _quotes(given.get(key)))), quotes)
    words: Sequence[str | None] = [quote for quote in quotes if quote.strip()] or quotes[:1] or [None]
    return [Cited(source, quote) for source in _numbers(number) for quote in words]


def _quotes(given: Any) -> list[str]:  # noqa: ANN401 (anything a model may write)
    return [text for text in (given if isinstance(given, list) else [given]) if isinstance(text, str)]


def _numbers(given: Any) -> list[int]:  # noqa: ANN401 (anything a model may write)
    """Returns the numbers in 2, "2", "[2]", "source 2" or "[1], [2]"; nothing where something else is said."""
    if isinstance(given, bool) or not isinstance(given, int | str):
        return []
    text = str(given)[:_TOLD]
    return [int(digits) for digits in re.findall(r"\d+", text)] if _SOURCE_TEXT.fullmatch(text) else []


def _cut_markers(text: str) -> tuple[str, list[int]]:
    """Returns the text without its `[n]` markers, and their numbers."""
    text = text.strip()
    marked = [int(digits) for found in _MARKER.finditer(text) for digits in re.findall(r"\d+", found[0])]
    text = _ACCORDING.sub(lambda found: found["first"].upper(), text)
    return _MARKER.sub("", text).strip(), list(dict.fromkeys(marked))


def _prose(line: str) -> Iterator[Item]:
    """Yields the sentences of a line of prose; a marker belongs to the sentence that it follows or ends.

    In a line that begins with a marker, each belongs to the sentences behind it.
    """
    line = " ".join(line.split())
    if _DECLINES.match(line):
        yield CannotAnswer()
        return
    if not any(char.isalpha() for char in line) or line.startswith("```") or _LIST_ENDS.match(line):
        return
    if _JSON_LEFT.match(line):
        yield Malformed(_told(line), "This is a piece of JSON, not a sentence.")
        return
    plain = _BULLET.sub("", _EMPHASIS.sub(r"\2", line))
    if not _MARKER.match(plain):
        yield from _sentences(_AFTER_STOP.sub(lambda found: found[2].rstrip() + found[1], plain), [])
        return
    for part in _BEFORE_SENTENCE.split(plain):
        text, marked = _cut_markers(part)
        yield from _sentences(text, [Cited(number, None) for number in marked])


def _sentences(text: str, cited: list[Cited]) -> Iterator[Item]:
    """Yields the sentences of the text, each with the citations given and those that it marks itself."""
    for start, end in sentence_spans(text):
        claim = _checked(text[start:end], cited, text[start:end])
        if isinstance(claim, Claim) and not claim.cited and (claim.text.endswith(":") or not claim.text):
            yield Malformed(_told(claim.text), "This is not a sentence of the answer.")
        else:
            yield claim
