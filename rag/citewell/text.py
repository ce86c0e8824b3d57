"""Words, stems and numbers of a text, the same for questions, evidence and the lexical index.

Words are cut and stemmed as SQLite FTS5's `porter unicode61 remove_diacritics 2` tokenizer does, so a stem
found here can be looked up in the index.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache

import Stemmer

_WORD = re.compile(r"[^\W_]+")
_SHORTEST_STEMMED, _LONGEST_STEMMED = 3, 64  # bytes
_LATE = re.compile(r"(log|bl)(?:y|i|ies|ied)$")
_DOUBLED = re.compile(r"kk(?:ing|ed)$")
_MEASURED = re.compile(r"[aeiou][^aeiou]|[^aeiou]y[^aeiouy]")  # Porter's m > 0: a vowel, then a consonant
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

# Function words and question words; they say how something is asked, not what is asked about.
STOPWORDS = frozenset(
    """
    a about above after again against all also although am among an and any are as at be because been before
    being below between both but by can cannot could did do does doing done down during each either else ever
    for from further get give given gives had has have having he her here hers him his how i if in into is it
    its itself just let like made make makes many may me might more most much must my no nor not of off on once
    one only or other others our out over own per please s same she should shows show so some such t tell than
    that the their them then there these they this those through to too under until up upon us use used uses
    using very via was we were what when where which while who whom whose why will with within without would
    you your explain describe paper papers abstract abstracts author authors study studies article work works
    proposed propose proposes introduce introduced introduces present presented presents called mean means
    exactly actually know find say says said want need know someone something anything does doesn don
    der die das und ist ein eine wie was welche welcher welches le la les des une un est que quel quelle comment
    el los las una es como cual cuales que il lo gli di e che quale
    """.split()
)

NUMBER_WORDS = frozenset(
    """
    two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand million
    billion trillion dozen half twice double triple twofold threefold tenfold
    """.split()
)

_stemmers = threading.local()


def fold(text: str) -> str:
    """Returns the text in lower case without diacritics."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def words(text: str) -> list[str]:
    """Returns the folded words of the text, in order, with repeats."""
    return _WORD.findall(fold(text))


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Returns the Porter stem of one folded word, as the lexical index stores it."""
    if not _SHORTEST_STEMMED <= len(word.encode()) <= _LONGEST_STEMMED:
        return word
    if not hasattr(_stemmers, "porter"):
        _stemmers.porter = Stemmer.Stemmer("porter")
    # FTS5 has two rules that Porter added after his paper and the library of stemmers lacks, and undoubles "k".
    if (late := _LATE.search(word)) and _MEASURED.search(word[: late.start()]):
        word = word[: late.start()] + ("log" if late[1] == "log" else "ble")
    stemmed: str = _stemmers.porter.stemWord(word)
    return stemmed[:-1] if _DOUBLED.search(word) else stemmed


def stems(text: str) -> list[str]:
    """Returns the stems of all words of the text, in order, with repeats."""
    return [stem(word) for word in words(text)]


def content_stems(text: str) -> list[str]:
    """Returns the distinct stems of the words that carry content, in order of first mention."""
    return list(dict.fromkeys(stem(word) for word in words(text) if word not in STOPWORDS))


def is_number(word: str) -> bool:
    """Returns whether a folded word is a number, in digits ("512", "25x") or as a word or its stem ("twice")."""
    return word[:1].isdigit() or word in NUMBER_WORDS


def numbers(text: str) -> list[str]:
    """Returns the numbers of the text as written, without a trailing separator."""
    return _NUMBER.findall(text)
