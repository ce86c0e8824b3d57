"""Finding a model's quote in an abstract: verbatim but for typography.

White space, quotation marks, dashes, ellipses, ligatures, Unicode compatibility forms, invisible characters and
TeX's backslashes and dollar signs do not count; words, numbers and their order do. The ranges returned are
ranges of the abstract as given, so what is shown is always its own text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from citewell.text import STOPWORDS, words
from citewell.types import Span

MIN_CONTENT_WORDS = 3
_MIN_PART_WORDS = 2

# What nearly every abstract says; a quote of such words alone supports nothing.
_EMPTY_WORDS = frozenset(
    """
    achieve achieves achieved achieving address addresses advances aim aims analysis applications approach
    approaches art available baseline baselines based benchmark benchmarks code compared comparable competitive
    comprehensive conduct conducted contribution contributions data dataset datasets demonstrate demonstrated
    demonstrates demonstrating develop developed different diverse effective effectiveness efficient empirical
    evaluate evaluated evaluation existing experiment experimental experiments extensive find findings first
    framework furthermore general github however improve improved improvement improvements improves including
    investigate key leading lead main method methods model models moreover multiple new novel numerical
    outperform outperforming outperforms performance performances previous previously prior problem problems
    proposed proposing public publicly recent recently research result results set settings several significant
    significantly simple solution state strong study superior system systems task tasks technique techniques
    theoretical towards validate various well
    """.split()
)
_QUOTATION_MARKS = "\"'`«»´‘’‚‛“”„‟′″‵‶‹›"
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_MARKS = _QUOTATION_MARKS + "\\$"
_BLANK = "\u00b7\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufffc"
_FOLDED = str.maketrans({**dict.fromkeys(_MARKS + _BLANK, ""), **dict.fromkeys(_DASHES, "-")})
# A space behind one of these is not text: it may come from breaking up what looks like a part of the prompt.
_SPACELESS = " -<[#{!~"
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
_ELLIPSIS = re.compile(r"[\[(<]? ?\.(?: ?\.){2,} ?[\])>]?")
_NAME = re.compile(r"[^\W_]+[A-Z0-9][^\W_]*")
# Selectors of a letter's variant, marks by category but nothing to see.
_VARIANT = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_EDGES = " .,;:!?-"
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Folded:
    """A text without its typography; `origins[i]` is where the character `text[i]` stands in the original."""

    text: str
    origins: tuple[int, ...]


def fold(text: str) -> Folded:
    """Returns the text with typographic variants folded, and where each character comes from."""
    folded: list[str] = []
    origins: list[int] = []
    for origin, char in enumerate(text):
        for out in _fold_char(char):
            last = folded[-1] if folded else " "
            if (out == " " and last in _SPACELESS) or (out == last and out in "-="):
                continue
            if out == "-" and folded and last == " ":
                folded.pop()
                origins.pop()
                if folded and folded[-1] == "-":
                    continue
            folded.append(out)
            origins.append(origin)
    while folded and folded[-1] == " ":
        folded.pop()
        origins.pop()
    return Folded("".join(folded), tuple(origins))


@lru_cache(maxsize=4_096)
def _fold_char(char: str) -> str:
    if char.isspace():
        return " "
    if unicodedata.category(char) in _UNSEEN or _VARIANT.match(char):
        return ""
    return unicodedata.normalize("NFKD", char.translate(_FOLDED)).translate(_FOLDED)


@lru_cache(maxsize=64)
def _folded_abstract(abstract: str) -> Folded:
    return fold(abstract)


def find(quote: str, abstract: str, sentences: Sequence[Span]) -> tuple[Span, ...]:
    """Returns where the quote stands in the abstract, widened to whole words; nothing where it does not.

    A quote with an ellipsis is several parts, found in this order. Parts of one sentence come back as one range,
    since what was left out between them could turn their meaning. Punctuation at the edges and the case of the
    first letter are free.

    Args:
        quote: the words as the model gave them.
        abstract: the abstract as given.
        sentences: the ranges of its sentences, ascending.
    """
    held = _folded_abstract(abstract)
    wanted = fold(quote).text
    whole = _locate(wanted, held, 0)
    if whole is not None:
        return (_widen(abstract, held, whole, wanted),)
    parts = [part for part in _ELLIPSIS.split(wanted) if part.strip(_EDGES)]
    if len(parts) < 2 or any(len(words(part)) < _MIN_PART_WORDS for part in parts):
        return ()
    found, after = [], 0
    for part in parts:
        span = _locate(part, held, after)
        if span is None:
            return ()
        found.append(_widen(abstract, held, span, part))
        after = span.end
    return tuple(_joined(found, sentences))


def says_something(text: str) -> bool:
    """Returns whether a quote has three words of content that not every abstract has; a name counts as two."""
    content = {word for word in words(text) if word not in STOPWORDS and word not in _EMPTY_WORDS}
    names = set(_NAME.findall(text))
    # Chinese, Japanese and Korean write several words without a space between them.
    return len(content) + len(names) + len(_CJK.findall(text)) // 2 >= MIN_CONTENT_WORDS


def _locate(wanted: str, held: Folded, after: int) -> Span | None:
    """Returns the range of the folded abstract at which the wanted text stands first."""
    wanted = wanted.strip(_EDGES)
    if not wanted:
        return None
    for variant in dict.fromkeys((wanted, wanted[0].swapcase() + wanted[1:])):
        start = held.text.find(variant, after)
        if start >= 0:
            return Span(start, start + len(variant))
    return None


def _widen(abstract: str, held: Folded, span: Span, wanted: str) -> Span:
    """Returns the range of the abstract for one of its folded form.

    It takes in whole words, the quotation marks and dollar signs around them, and the quote's full stop.
    """
    start, end = held.origins[span.start], held.origins[span.end - 1] + 1
    while start > 0 and _within_word(abstract, start):
        start -= 1
    while end < len(abstract) and _within_word(abstract, end):
        end += 1
    while start > 0 and abstract[start - 1] in _MARKS:
        start -= 1
    while end < len(abstract) and abstract[end] in _MARKS:
        end += 1
    if wanted[-1] in ".!?" and abstract[end : end + 1] == wanted[-1]:
        end += 1
    return Span(start, end)


def _within_word(text: str, cut: int) -> bool:
    """Returns whether a cut before `text[cut]` would split a word or a number such as 2.5 or -3."""
    before, here = text[cut - 1], text[cut]
    if _wordlike(here) and _wordlike(before):
        return True
    if here in ".,-" and before.isdigit():
        return text[cut + 1 : cut + 2].isdigit()
    if before in ".," and here.isdigit():
        return cut > 1 and text[cut - 2].isdigit()
    return here == "%" and before.isdigit()


def _wordlike(char: str) -> bool:
    return char.isalnum() or unicodedata.combining(char) > 0 or char == "_"


def _joined(found: Sequence[Span], sentences: Sequence[Span]) -> Iterator[Span]:
    pending = found[0]
    for span in found[1:]:
        if (
            any(s.start <= pending.end - 1 and span.start < s.end for s in sentences)
            or span.start <= pending.end
        ):
            pending = Span(pending.start, max(pending.end, span.end))
        else:
            yield pending
            pending = span
    yield pending
