"""Replies that go in circles: the end of the text is the same again and again, but for its numbers.

A small model that decodes without chance falls into such a circle and stays in it until it reaches its most tokens,
which takes half a minute or more. Nothing that it adds can be shown: a sentence that was told is not told twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TIMES, _LONGEST = 4, 400  # how often the end stands there, and the most characters that are repeated
_COUNTED_TIMES, _LONGEST_COUNTED = 16, 100  # where numbers differ, as they may in a row of true sentences
_LEAST = 240  # characters that it fills: more than ruled lines, indentation and lists of citations have
_KEY = 24
_STEP = 32  # characters after which the end is looked at again
_DIGITS = re.compile(r"\d+")


class Circling:
    """Watches a reply as it is written; counts that run on, as in "source 1 … source 2 …", are circles too."""

    def __init__(self) -> None:
        self._end = ""
        self._unseen = 0

    def parts(self, piece: str) -> Iterator[str]:
        """Yields the piece in parts to `feed`, so that the same is found however a reply is cut into pieces."""
        start = 0
        while start < len(piece):
            end = start + _STEP - self._unseen
            yield piece[start:end]
            start = end

    def feed(self, part: str) -> str | None:
        """Returns what the text ends with again and again, once it does, as it stood there last."""
        self._unseen += len(part)
        self._end += part
        if self._unseen < _STEP:
            return None
        self._unseen = 0
        self._end = self._end[-2 * _TIMES * _LONGEST :]  # with numbers of many digits
        period = _period(self._end, _TIMES, _LONGEST)
        period = period or _period(_DIGITS.sub("0", self._end), _COUNTED_TIMES, _LONGEST_COUNTED)
        return None if period is None else self._end[-period:]


def _period(text: str, times: int, longest: int) -> int | None:
    """Returns the length of the shortest text that stands `times` times at the end and fills `_LEAST` characters."""
    key, at = text[-_KEY:], len(text) - _KEY
    while (at := text.rfind(key, 0, at + _KEY - 1)) >= 0:
        period = len(text) - _KEY - at
        length = max(_LEAST, times * period)
        if period > longest or length > len(text):
            return None
        if text[-length:-period] == text[period - length :]:
            return period
    return None
