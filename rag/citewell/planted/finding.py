"""Finding what is planted: the sentences that hold an order, a part of a prompt, a link or another source."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache

from citewell.planted.folding import folded
from citewell.planted.orders import ANYWHERE, BY_HEAD, GOES_ON, IDEOGRAPHIC, Place, Rule
from citewell.types import Span

_LEAST_WORDS = 3  # that a part of a sentence has to have to be read by itself
_NEAR = 400  # characters around a quotation that are read
_QUOTING_WORDS = 4  # so many words around a quotation, one of them of `_TELLS_OF`, make it one

# Parts of a prompt, pictures, links and scripts. Each begins with a character, so that the search is fast.
_FORGED = re.compile(
    r"<(?:\|(?:im_|end|start|sys|user|assist|eot|begin|pad|tool|fim)\w{0,20}\|?>|<sys>|!--"
    r"|/?(?:system|sources?|documents?|instructions?|assistant|human)>"
    r"|/?(?:img|script|iframe|svg|object|embed|form|input|style|link|meta|html|body|button|video|audio|details)"
    r"(?=[\s/>])[^<>]{0,200}|a\s[^<>=]{0,40}=|(?:div|span|p)\s[\w-]{1,20}\s?=)"
    r"|\[(?:/?inst\]|/?(?:system|assistant|user)\]|[^\[\]\n]{1,20}\]:\s?(?:https?:|//|www\.)"
    r"|[^\[\]\n]{1,200}\]\(\s?<?(?:\w{2,12}:|//|www\.|[\w-]{1,60}\.[a-z]{2,6}/))"
    r"|!\[[^\[\]\n]{0,200}\]\s?[\[(]"
    r"|\{\s{0,3}\"(?:role|sentence|citations|cannot_answer|system|instructions?)\"\s?:"
    r"|=(?<!==)={4,}+(?:\s?sources|\s*\n)|#(?<!##)#{1,5}\s?(?:system|instructions?|assistant|user|response)\b"
    r"|data:text/|&lt;(?:a|img|script)\b|javascript:\S|on(?:error|load|click|focus|mouse\w{2,8})\s?=\s?[\\\"'\w]"
)
# A line that could be the head of another source: "[2] Another Paper".
_HEADER = re.compile(
    r"(?:^|(?<=[.!?\"')])[^\S\n]{0,9}\n)\s{0,9}(?:\[\d{1,3}\]|source \d{1,3}\s?[:.])[^\n]{0,200}(?:\n|$)"
)
_BLOCK_END = re.compile(r"\n[^\S\n]*\n")
_HIDING = re.compile("[\x1b\u202d\u202e\U000e0001-\U000e007f]+")  # terminal codes, reversed text, tags
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]{0,3}\s+(?=[^a-z\s])|(?<=[\u3002\uff01\uff1f])|\n[^\S\n]*\n")
_WORD = re.compile(r"[^\W\d_]+")
_OPENS_SENTENCE = frozenset("[!?>")
_OPENS_ORDER = frozenset(".(:;{\u2013\u2014\u2026\u3002\uff01\uff1f|#\u2022")
_BEFORE_ORDER = frozenset("please kindly just now then instead simply bitte".split())
_NEITHER: frozenset[Place] = frozenset()
_ORDER: frozenset[Place] = frozenset({"order"})
_BOTH: frozenset[Place] = frozenset({"order", "sentence"})
_QUOTATION = re.compile(
    r"\"[^\"]{1,600}\"|``[^`\"]{1,600}''|(?<!\w)'(?:[^'\"]|(?<=\w)'(?=\w)){1,300}+'(?!\w)"
)
_TELLS_OF = re.compile(
    r"\b(?:attack|inject|jailbr|prompt|adversar|instruct|command|phrase|trigger|malicious|hidden|suffix|such as"
    r"|e\.g|like|call|title|question|ask|respon|participant|user|model|llm)"
)


def touches_planted(abstract: str, span: Span) -> bool:
    """Returns whether a range of an abstract has a character that is planted."""
    found = planted_spans(abstract)
    # Ranges do not overlap, so only the last one that begins before the end can reach into it.
    before = bisect_left(found, (span.end,)) - 1
    return before >= 0 and found[before].end > span.start


def unplanted(abstract: str, span: Span) -> Span | None:
    """Returns the longest part of a range that is not planted, None where it has less than three words."""
    if not touches_planted(abstract, span):
        return span
    found = planted_spans(abstract)
    cuts = found[bisect_right(found, span.start, key=lambda cut: cut.end) : bisect_left(found, (span.end,))]
    bounds = [span.start, *(bound for cut in cuts for bound in cut), span.end]
    parts = [_trimmed(abstract, start, end) for start, end in zip(bounds[::2], bounds[1::2], strict=True)]
    longest = max(parts, key=lambda part: part.end - part.start)
    return longest if len(abstract[longest.start : longest.end].split()) >= _LEAST_WORDS else None


def _trimmed(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return Span(start, start + len(piece.strip()))


@lru_cache(maxsize=1_024)
def planted_spans(abstract: str) -> tuple[Span, ...]:
    """Returns the ranges of an abstract that speak to a reading assistant, ascending: one or more whole sentences.

    It takes time linear in the length of the abstract, whatever stands there.
    """
    cased, origins = folded(abstract)
    text = cased.lower() if len(cased.lower()) == len(cased) else cased
    cuts = [0, *(match.end() for match in _SENTENCE_END.finditer(cased)), len(text)]
    hidden = (bisect_left(origins, match.start()) for match in _HIDING.finditer(abstract))
    places = [*_ordered(text, cuts), *_forged(text), *(Span(at, at + 1) for at in hidden)]
    pieces: list[Span] = []
    for start, end in _going_on(places, text, cuts):
        joins = pieces and pieces[-1].end == start
        pieces[-1:] = [Span(pieces[-1].start, end)] if joins else [*pieces[-1:], Span(start, end)]
    return tuple(Span(origins[start], origins[end - 1] + 1) for start, end in pieces)


def _at(place: int, cuts: Sequence[int]) -> int:
    """Returns which sentence a place of the text lies in; sentence n is `text[cuts[n] : cuts[n + 1]]`."""
    return min(bisect_right(cuts, place), len(cuts) - 1) - 1


def _ordered(text: str, cuts: Sequence[int]) -> Iterator[Span]:
    """Yields a range in each sentence in which a rule applies."""
    quotations: list[Span] | None = None
    known_to = 0  # the end of the last sentence in which one does
    last, last_end = "", 0
    for word in _WORD.finditer(text):
        head, start = word.group(), word.start()
        # Most words stand amid a sentence, where no order begins.
        amid = start == last_end + 1 and text[last_end] == " " and last not in _BEFORE_ORDER
        last, last_end = head, word.end()
        rules = BY_HEAD.get(head)
        if rules is None or start < known_to or (amid and head not in ANYWHERE):
            continue
        at = _at(start, cuts)
        if (match := _applied(rules, text, word.span(), cuts[at])) is None:
            continue
        if quotations is None:
            quotations = [Span(*quotation.span()) for quotation in _QUOTATION.finditer(text)]
        if not _told_of(text, start, quotations, cuts):
            yield Span(start, match.end())
            known_to = cuts[at + 1]
    if not text.isascii():
        yield from (Span(*match.span()) for match in IDEOGRAPHIC.finditer(text))


def _applied(rules: Sequence[Rule], text: str, head: tuple[int, int], sentence: int) -> re.Match[str] | None:
    """Returns what follows a word by one of the rules for it, None where none applies."""
    start, end = head
    stands: frozenset[Place] | None = None
    for rule in rules:
        if rule.place != "anywhere":
            stands = _places(text, start, sentence) if stands is None else stands
            if rule.place not in stands:
                continue
        if (match := rule.tail.match(text, end)) is not None and not _in_compound(text, start, end):
            return match
    return None


def _in_compound(text: str, start: int, end: int) -> bool:
    """Returns whether a word is a part of one with a hyphen, such as "write-only"."""
    behind = text[end : end + 2]
    return text[max(0, start - 1) : start] == "-" or (behind[:1] == "-" and behind[1:].isalpha())


def _places(text: str, start: int, sentence: int) -> frozenset[Place]:
    """Returns whether a word stands where an order begins, and where a sentence does."""
    before = text[max(sentence, start - 12) : start].rstrip(" \n\t*_`\"'")
    if before[-1:].isalnum() or before[-1:] == ",":
        return _ORDER if before.rstrip(",").rpartition(" ")[2] in _BEFORE_ORDER else _NEITHER
    if before.endswith(("i.e.", "e.g.")):
        return _NEITHER
    if not before or before[-1] in _OPENS_SENTENCE:
        return _BOTH
    return _ORDER if before[-1] in _OPENS_ORDER else _NEITHER


def _told_of(text: str, place: int, quotations: Sequence[Span], cuts: Sequence[int]) -> bool:
    """Returns whether a place lies in quotation marks, in a sentence that tells of an order."""
    at = bisect_right(quotations, (place, len(text))) - 1
    if at < 0 or quotations[at].end <= place:
        return False
    start, end = quotations[at]
    around = text[cuts[_at(start, cuts)] : start][-_NEAR:]
    around += " " + text[end : cuts[_at(end - 1, cuts) + 1]][:_NEAR]
    return len(_WORD.findall(around)) >= _QUOTING_WORDS and _TELLS_OF.search(around) is not None


def _forged(text: str) -> Iterator[Span]:
    """Yields the ranges of markup, of parts of a prompt, and of other sources up to the next blank line."""
    yield from (Span(*match.span()) for match in _FORGED.finditer(text))
    covered = 0
    for match in _HEADER.finditer(text):
        if covered <= match.start() and match.end() < len(text):
            end = _BLOCK_END.search(text, match.end())
            covered = end.start() if end else len(text)
            yield Span(match.end() - 1, covered)


def _going_on(places: Sequence[Span], text: str, cuts: Sequence[int]) -> list[Span]:
    """Returns the sentences that the places lie in, and those directly behind one that go on with its order."""
    found = {at for start, end in places for at in range(_at(start, cuts), _at(end - 1, cuts) + 1)}
    for at in sorted(found):
        while (
            at + 2 < len(cuts) and at + 1 not in found and GOES_ON.search(text[cuts[at + 1] : cuts[at + 2]])
        ):
            at += 1
            found.add(at)
    return [Span(cuts[at], cuts[at + 1]) for at in sorted(found) if cuts[at] < cuts[at + 1]]
