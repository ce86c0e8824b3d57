"""Replies that go in circles: the end of the text is the same again and again, but for its numbers.

A small model that decodes without chance falls into such a circle and stays in it until it reaches its most tokens,
which takes half a minute or more. Nothing that it adds can be shown: a sentence that was told is not told twice.
"""

from __future__ import annotations

import re

_TIMES = 4  # how often the end has to stand there
_LEAST = (
    240  # characters that it fills by then: more than ruled lines, indentation and lists of citations have
)
_LONGEST = 400  # characters of what is repeated
_KEY = 24
_STEP = 32  # characters after which the end is looked at again
_DIGITS = re.compile(r"\d+")


class Circling:
    """Watches a reply as it is written; counts that run on, as in "source 1 … source 2 …", make no difference."""

    def __init__(self) -> None:
        self._end = ""
        self._unseen = 0

    def feed(self, piece: str) -> str | None:
        """Returns what the text ends with `_TIMES` times, once it does, as it stood there last."""
        self._unseen += len(piece)
        self._end += piece
        if self._unseen < _STEP:
            return None
        self._unseen = 0
        self._end = self._end[-2 * _TIMES * _LONGEST :]  # with numbers of many digits
        period = _period(_DIGITS.sub("0", self._end)[-_TIMES * _LONGEST :])
        return None if period is None else self._end[-period:]


def _period(text: str) -> int | None:
    """Returns the length of the shortest text that stands `_TIMES` times at the end and fills `_LEAST` characters."""
    key, at = text[-_KEY:], len(text) - _KEY
    while (at := text.rfind(key, 0, at + _KEY - 1)) >= 0:
        period = len(text) - _KEY - at
        length = max(_LEAST, _TIMES * period)
        if period > _LONGEST or length > len(text):
            return None
        if text[-length:-period] == text[period - length :]:
            return period
    return None
