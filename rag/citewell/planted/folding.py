"""Folding: a text as patterns look at it, without accents, invisible characters and letters in disguise."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_STRAIGHT = {
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2018\u2019\u201a", "'"),
}
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_LONGEST = 3  # characters that one may be written out as: a ligature, but no whole phrase
# Cyrillic and Greek letters, and the Latin ones that they look like.
_CYRILLIC = "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456\u0455\u0458"
_CYRILLIC_CAPITALS = "\u0410\u0421\u0415\u041e\u0420\u0425\u0406\u0405\u0408\u041c\u0422\u041d\u041a\u0412"
_GREEK = "\u03b1\u03bf\u03b5\u03c1\u03c5\u03b9"
_GREEK_CAPITALS = "\u0391\u039f\u0395\u03a1\u03a4\u0399\u0397\u039a\u039c\u039d\u0392"
_LOOKALIKES = str.maketrans(
    _CYRILLIC + _CYRILLIC_CAPITALS + _GREEK + _GREEK_CAPITALS, "aceopxyisjACEOPXISJMTHKBaoepuiAOEPTIHKMNB"
)
_LATIN = re.compile("[A-Za-z]")
_WORD = re.compile(r"[^\W\d_]+")


def folded(text: str) -> tuple[str, Sequence[int]]:
    """Returns the folded text, its case kept, and where each of its characters stands in the text."""
    if text.isascii():
        return text, range(len(text))
    table = {char: _folded_char(char) for char in set(text)}
    plain = "".join([table[char] for char in text])
    origins: Sequence[int] = range(len(text))
    if any(len(out) != 1 for out in table.values()):
        origins = [at for at, char in enumerate(text) for _ in table[char]]
    if any(ord(char) in _LOOKALIKES for char in table):
        plain = _WORD.sub(_without_lookalikes, plain)
    return plain, origins


def _folded_char(char: str) -> str:
    if char.isspace() or char.isascii():
        return char
    if unicodedata.category(char) in _UNSEEN or _BLANK.match(char):
        return ""
    out = unicodedata.normalize("NFKD", _STRAIGHT.get(char, char))
    out = "".join(part for part in out if not unicodedata.combining(part))
    return out if len(out) <= _LONGEST else char


def _without_lookalikes(word: re.Match[str]) -> str:
    """Returns a word that has a Latin letter without the letters of other scripts that look like one."""
    found = word.group()
    return found if found.isascii() or not _LATIN.search(found) else found.translate(_LOOKALIKES)
