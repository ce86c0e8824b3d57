r"""One spelling for numbers: TeX, Unicode and number words come to digits, units and plain signs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_RAISED = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        **dict.fromkeys("\u2014\u2015", " - "),
        **dict.fromkeys("\u2248\u223c\u2243\u223d\u2245", "~"),
        **dict.fromkeys("\u00b5", "\u03bc"),
        **dict.fromkeys("\u00d7\u2715\u2a2f", "x"),
        **dict.fromkeys("\u2264\u2a7d", "<="),
        **dict.fromkeys("\u2265\u2a7e", ">="),
        **dict.fromkeys("\u2217\u22c5", "*"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
    }
)
# TeX's opening dollar has no space behind it, its closing one none before it and no digit behind it (pandoc's rule).
_MATHS = re.compile(r"\$(?=\S)([^$\n]{0,200}?[^\s$\\]|[^$\s])\$(?!\d)")
_RULES = (
    (re.compile(r"\\(?:[,;:! ])|~(?=[A-Za-z])"), " "),
    (re.compile(r"\\(?=[%$&_#{}])"), ""),
    (re.compile(r"\\"), " "),
    (re.compile(r"(?<=\d)\{,\}(?=\d)"), ","),
    (re.compile(r"([\^_]) ?\{ ?"), r"\1"),
    (re.compile(r"[{}]"), " "),
    (re.compile(r"(?<![A-Za-z])(?:sim|approx)(?= ?[\d.])"), "~"),
    (re.compile(r"(?<![A-Za-z])(?:leq?)(?= ?[\d.])"), "<="),
    (re.compile(r"(?<![A-Za-z])(?:geq?)(?= ?[\d.])"), ">="),
    (re.compile(r"(?<![A-Za-z0-9])(?<!\d )times ?(?=\d)"), "x"),
    (re.compile(r"(?i)\bper[ -]?cents?\b"), "%"),
    (re.compile(r"(?<![\w.^])(\d+(?:[.,]\d+)*)\+(?=[ -]?[A-Za-z]|[.,;)]|$)"), r">=\1"),
    (re.compile(r"(?<=[\d -])([kcmn\u03bc]?m)\^([23])\b"), r"\1\2"),
)

_ONES = dict(
    zip(
        "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen".split(),
        range(2, 20),
        strict=True,
    )
)
_TENS = dict(
    zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True)
)
_SMALL = rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:one|{'|'.join(list(_ONES)[:8])}))?|{'|'.join(reversed(_ONES))}|zero(?!-))"
_PARTS = {
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "eighth": 8,
    "tenth": 10,
}
_ORDINALS = "second third fourth fifth sixth seventh eighth ninth tenth".split()
_TIMES = {"twice": 2, "thrice": 3, "double": 2, "triple": 3, "treble": 3, "quadruple": 4}

_FRACTION = re.compile(rf"\b(an?|one|{_SMALL})[ -]({'|'.join(_PARTS)})(s?)\b( of\b)?", re.I)
_FOLD = re.compile(rf"\b({_SMALL}|hundred|thousand)-?fold\b", re.I)
# "doubles the speed", but not "double descent" or "triple store".
_MULTIPLE = re.compile(
    r"\b(twice|thrice|(?:double|triple|treble|quadruple)[sd]|(?:doubl|tripl|trebl|quadrupl)ing"
    r"|(?:double|triple|treble|quadruple)(?= (?:the|that|its|their|our|those|as|to)\b))\b",
    re.I,
)
_HUNDRED = re.compile(rf"\b({_SMALL}|an?|one)[ -]hundred(?:(?: and)? ({_SMALL}))?\b", re.I)
_ONE_SCALE = re.compile(r"\b(?:an?|one)[ -](thousand|million|billion|trillion)\b", re.I)
_DOZEN = re.compile(r"\b(?:a |one )?dozen\b", re.I)
_WORDED = re.compile(rf"\b{_SMALL}\b(?! \d{{3}}(?!\d))", re.I)  # "two 150m models" have no 2,150
# "Second, we …" lists, "a second model" counts up, "per second" measures: none of them is looked up.
_ORDINAL = re.compile(
    rf"(?<!^)(?<![.;:,] )(?<!\bper )(?<!\bper-)(?<!\ba )(?<!\bone )(?<!\beach )(?<!\bevery )(?<!\d )(?<!\d-)(?<!/)"
    rf"\b({'|'.join(_ORDINALS)})(?=[- ](?!(?:and|or|of|is|was|are|in|than|one|by|to|we|for|with|from)\b)[A-Za-z])",
    re.I,
)

_MARKER = re.compile(
    r"(?:\(|(?:^|(?<=[;:,.] )|(?<=\band ))(?=1?\d[).]|[ivx]))(1?\d|[ivx]{1,4}|[a-h])[.)](?=\s|,|$)"
)
_LABELS = (
    tuple(map(str, range(1, 20))),
    ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"),
    tuple("abcdefgh"),
)
_NAME = re.compile(r"(?<![\w^.$])[A-Za-z\u0370-\u03ff\u2113][\w]*(?:(?:[-.]|(?<=\d)/)\w+)*")
_NO_DIGIT_NAME = re.compile(r"[xX]\d+(?:\.\d+)?|[kcmn\u03bc]?m[23]")  # "x2" and "km2"
_NO_NAME = frozenset("sub pre post mid non near over under about by to of from than only with at in".split())


def in_digits(text: str) -> str:
    """Returns the text with numbers in digits, TeX taken off, and one sign for each meaning."""
    text = _RAISED.sub(lambda match: "^" + match[0].translate(_SUPERSCRIPTS), text)
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)
    text = _MATHS.sub(lambda match: match[1] if match[1][0] in "_^" else f" {match[1]} ", text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return _worded(" ".join(text.split()))


def list_markers(text: str) -> list[re.Match[str]]:
    """Returns the markers of lists: (1) (2), 1) 2), (i) (ii), (a) (b); one may also open the text."""
    found = list(_MARKER.finditer(text))
    taken = []
    for labels in _LABELS:
        expected = 0
        for match in found:
            if match[1] in labels and (
                match[1] == labels[min(expected, len(labels) - 1)] or match.start() == 0
            ):
                expected = labels.index(match[1]) + 1
                taken.append(match)
    return taken


def digit_names(text: str) -> Iterator[re.Match[str]]:
    """Yields the words that begin with a letter and hold a digit: "GPT-4", "F1", "top-1", but not "by-2x"."""
    for match in _NAME.finditer(text):
        head, dash, tail = match[0].partition("-")
        if not any(char.isdigit() for char in match[0]) or _NO_DIGIT_NAME.fullmatch(match[0]):
            continue
        number = dash and tail[:1].isdigit() and head.islower()
        if not (number and (head in _NO_NAME or text[match.end() : match.end() + 1] == "%")):
            yield match


def _worded(text: str) -> str:
    text = _FRACTION.sub(_fraction, text)
    text = _FOLD.sub(lambda m: f"{_small(m[1])}-fold", text)
    text = _MULTIPLE.sub(lambda m: f"{_times(m[1])}x", text)
    text = _HUNDRED.sub(lambda m: str(100 * _small(m[1]) + (_small(m[2]) if m[2] else 0)), text)
    text = _ONE_SCALE.sub(r"1 \1", text)
    text = _DOZEN.sub("12", text)
    text = _WORDED.sub(lambda m: str(_small(m[0])), text)
    return _ORDINAL.sub(lambda m: f"{_ORDINALS.index(m[1].lower()) + 2}th", text)


def _small(word: str) -> int:
    """Returns the value of a number word up to ninety-nine, of "a", "one", "hundred" or "thousand"."""
    tens, _, ones = word.lower().replace("-", " ").partition(" ")
    if tens in _TENS:
        return _TENS[tens] + (_ONES.get(ones, 1) if ones else 0)
    return {"zero": 0, "hundred": 100, "thousand": 1000, **_ONES}.get(tens, 1)


def _times(word: str) -> int:
    return next(value for stem, value in _TIMES.items() if word.lower()[:5] == stem[:5])


def _fraction(match: re.Match[str]) -> str:
    """Returns "1/3" for "a third of" and "2/3" for "two thirds"; "a third" alone counts and is left."""
    article, part, plural, of = match[1].lower(), match[2].lower(), match[3], match[4] or ""
    if (article in ("a", "an") and not of) or (article not in ("a", "an", "one") and not plural):
        return match[0]
    return f"{_small(article)}/{_PARTS[part]}{of}"
