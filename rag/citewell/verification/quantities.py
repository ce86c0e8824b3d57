r"""Quantities of a text: numbers with unit, sign, bound and what they count.

TeX, its remains on listing pages ("512times512", "sim2%", "10^{-3}"), Unicode and words ("twice", "two-fold",
"four million") come to one form. Digits inside names (GPT-4, ResNet-50, F1) are no quantities, nor are markers
of a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from citewell.text import STOPWORDS, stem
from citewell.verification.numerals import digit_names, in_digits, list_markers
from citewell.verification.units import CURRENCIES, unit_at

Kind = Literal["plain", "range", "change", "size", "power", "ordinal", "date"]
Bound = Literal["", "more", "less", "most"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, or several that belong together.

    Attributes:
        text: how it is written, with digits for words.
        kind: plain; range (3-5); change (from 3 to 5); size (64x64); power (n^2); ordinal (3rd); date.
        values: the numbers, in order; of a date year, month and day, 0 where one is not given.
        unit: the one name of its unit, "" where there is none.
        bound: whether it is said to be more than, less than, or at most this.
        counted: stems of the content words that follow in its clause, at most four.
        before: the word in front of it, as written.
    """

    text: str
    kind: Kind
    values: tuple[Decimal, ...]
    unit: str = ""
    bound: Bound = ""
    counted: tuple[str, ...] = ()
    before: str = ""


_NUMBER = (
    r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!,?\d)|\d{1,3}(?: \d{3})+(?![\d.,]\d|\d)"
    r"|\d{1,40}(?:\.\d{1,40})?|\.\d{1,40})"
)
_TEN = r"10 ?\^ ?[+-]?\d{1,3}(?!\.?\d)"
_SIGN = r"(?:(?<![\w)\]|^/\x00])[+-]|\b(?:minus|negative) )?"
_ATOM = re.compile(
    rf"(?<![\w.])(?P<sign>{_SIGN})(?P<money>[$\u20ac\u00a3\u00a5] ?)?"
    rf"(?:(?P<ten>{_TEN})|x(?P<by>\d+(?:\.\d+)?)(?!\w)"
    rf"|(?P<number>{_NUMBER})(?: ?(?:x|times|\*|cdot) ?(?P<scaled>{_TEN})|[eE](?P<e>[+-]?\d{{1,3}})(?!\w))?)"
)
_SCALE = re.compile(
    r"[ -]?(million|billion|trillion|thousand|hundred)s?(?![a-z])| ?(bn|mn|B|M)(?![\w])|([kKbT])(?!\w)"
)
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "k": 3, "m": 6, "mn": 6, "b": 9,
           "bn": 9, "t": 12}  # fmt: skip
_TO = re.compile(r" ?(-|~|to|through|up to|-to-) ?(?=[\d.+$~-])")
_AND = re.compile(r" and (?=[\d.+$~-])")
_FROM = re.compile(r"\bfrom (?:about |around |roughly |approximately |an? |~ ?)*$", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween (?:about |around |roughly |approximately |~ ?)*$", re.IGNORECASE)
_SIZE = re.compile(
    r"(?<![\w.])(?:(?<![\w)])-)?\d+(?: ?(?:x|times|\*|by) ?(?!10 ?\^)\d+)+(?![\w.]*\d)(?!\.\d)"
)
_RAISED = re.compile(
    r"(?:(?<=[A-Za-z)\]|\u0370-\u03ff])\^|(?<=\d)(?<!10)\^|(?<=[)\]|])_)[(]? ?"
    r"([+-]?\d{1,9}(?:\.\d{1,9})?)(?:/(\d{1,9}))?"
)
_MAGNITUDE = re.compile(
    r"(?<![\w.])(?:(?P<n>-?\d{1,3}(?:\.\d+)?|an?|one)(?:(?:-| to |-to-)(?P<m>\d+))?[ -])?"
    r"orders?[ -]of[ -](?:a )?magnitudes?\b",
    re.IGNORECASE,
)
_HALF = re.compile(r"\b(?:half|halves?|halved|halving)\b", re.IGNORECASE)
_VAGUE = re.compile(
    r"\b(?:(?:few|several|many|some) (dozen|hundred|thousand|million|billion)"
    r"|(dozen|hundred|thousand|million|billion|trillion)s)\b",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"(?<![\w.])(\d{1,4}(?:\.\d+)?)(?:st|nd|rd|th)\b")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?P<m>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<y>(?:1[6-9]|20)\d\d)"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\w-])(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?![\w-])",
        rf"\b{_MONTH} {_DAY}(?:,? {_YEAR})?(?![\w%]|\.\d)",
        rf"\b{_DAY} (?:of )?{_MONTH}(?:,? {_YEAR})?\b",
        rf"\b{_MONTH},? (?:of )?{_YEAR}\b",
    )
)
_DECADE = re.compile(r"\b(\d{4})'?s\b")
_VERSION = re.compile(r"(?<![\w.])\d{1,6}(?:\.\d{1,6}){2,}(?![\w.]*\d)")
# Lengths are bounded so that no abstract, however hostile, takes more than linear time.
_ADDRESS = re.compile(
    r"(?<![a-z])[a-z]{1,20}://\S+|www\.\S+|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[a-z]\S*|\barxiv:\S+"
    r"|(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.[a-z]{2,20}/\S*",
    re.IGNORECASE,
)
_MASK = "\x00"

_NEUTRAL = r"(?:(?:an?|the|about|around|approximately|roughly|some|by|of|to|just|even|factor of|~|\$|=|-) ?)*"
_BOUNDS: tuple[tuple[Bound, str], ...] = (
    ("most", r"\b(?:up to|at most|(?:no|not) (?:more|greater|larger|higher|longer) than|maximum(?: of)?"
             r"|as (?:much|many|high|large|long|far) as|not exceed\w*)|<="),
    ("more", r"\b(?:at least|(?:no|not) (?:less|fewer|lower|smaller) than|minimum(?: of)?"
             r"|(?:more|greater|larger|higher|longer|bigger|better) than|exceed\w*|beyond|surpass\w*|upwards? of"
             r"|in excess of)|>=?"),
    ("less", r"\b(?:(?:less|fewer|lower|smaller|shorter) than|under|below|within)|<"),
)  # fmt: skip
_BEFORE = tuple(
    (bound, re.compile(rf"(?:{pattern}) ?{_NEUTRAL}$", re.IGNORECASE)) for bound, pattern in _BOUNDS
)
_OVER = re.compile(rf"(?:\b(\w+) )?\b(?:over|above) {_NEUTRAL}$", re.IGNORECASE)
# "averaged over 5 runs": "over" bounds a number behind these, or when the number measures something.
_BEFORE_OVER = frozenset(
    """
    a achieve achieves achieved an are at by contain containing contains comprises comprising cover covering
    covers exceed exceeds for from has have having includes including is just of on reach reached reaches
    reaching takes than the to uses using well were with
    """.split()
)
_MEASURES = frozenset({"%", "x", "dB", "percentage point", "dollar", "euro", "GB", "MB", "TB", "half"})
_NO_BOUND = re.compile(
    r"\b(?:averag\w+|improv\w+|gains?|advantages?|superior\w*|trained|comput\w+|repeat\w*|sum\w*|mean|median|aggregat\w+"
    r"|evaluat\w+|tested|integrat\w+|runs?|learn\w*|generali[sz]\w+|between) (?:\w+ )?(?:over|above|under|within)"
    r" (?:the )?$",
    re.IGNORECASE,
)
_BEHIND: tuple[tuple[Bound, re.Pattern[str]], ...] = (
    (
        "more",
        re.compile(
            r"\+(?![\w.])|,? (?:\w+ )?or (?:more|greater|higher|larger|above|longer)\b|,? and above\b|,? at least\b"
        ),
    ),
    ("most", re.compile(r",? (?:\w+ )?or (?:less|fewer|lower|smaller|below|under)\b|,? at most\b")),
)
_CLAUSE_END = re.compile(
    r"[.;:,()\x00]|\b(?:and|or|but|while|with|than|on|in|by|for|to|from|of|over|across|using|when|which|that)\b|\d"
)
# "roughly a second" is 1 s; "in a second step" counts up. A bare "a day" mostly is a rate.
_SINGLE = re.compile(
    r"(?:\b(?:about|around|roughly|approximately|nearly|almost|under|within|than|over|just|only|least|most|takes?"
    r"|took|taking|lasts?|lasted|lasting|(?P<loose>in|after|for))|[<>~]=?) ?(?P<article>an?|one)[ -]"
    r"(?=(?:(?:milli|micro|nano)seconds?|minute|hour|day|week|month|year|decade|century)(?![\w-])"
    r"|second(?![\w-])(?(loose)(?!,))(?:[.,;)]|$| (?:on|per|for|of|and|or|to|with|in|at|by|when|from|while|which"
    r"|using|each|instead|than)\b))",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z]+")
_LAST_WORD = re.compile(r"([A-Za-z][\w.]*)[ -]?$")

Reading = tuple[Kind, tuple[Decimal, ...], str]


@lru_cache(maxsize=256)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Returns the quantities of the text; years of dates count as numbers of their own too."""
    return tuple(_Reader(text).quantities())


class _Reader:
    """Reads one kind of quantity after the other; what is understood is masked from those behind."""

    def __init__(self, text: str) -> None:
        self._whole = in_digits(text)
        self._left = self._whole

    def quantities(self) -> Iterator[Quantity]:
        self._mask(_ADDRESS.finditer(self._left))
        self._mask(name for name in digit_names(self._left) if not name[0].isdigit() and "-" in name[0])
        for pattern in _DATES:
            yield from self._take(pattern, _date)
        yield from self._take(_DECADE, lambda m: ("date", (Decimal(m[1]),), "decade"))
        yield from self._take(_RAISED, lambda m: ("power", tuple(Decimal(v) for v in m.groups() if v), ""))
        self._mask(list_markers(self._left))
        yield from self._take(_MAGNITUDE, _magnitude)
        yield from self._take(_SIZE, _size)
        yield from self._take(_VERSION, lambda m: ("plain", tuple(map(Decimal, m[0].split("."))), "version"))
        yield from self._take(_ORDINAL, lambda m: ("ordinal", (Decimal(m[1]),), ""))
        self._mask(digit_names(self._left))
        yield from self._numbers()
        yield from self._single()
        yield from self._take(_HALF, lambda m: ("plain", (Decimal("0.5"),), "half"))
        yield from self._take(_VAGUE, lambda m: ("plain", (Decimal(1),), (m[1] or m[2]).lower() + "s"))

    def _mask(self, found: Iterable[re.Match[str]]) -> None:
        left = list(self._left)
        for match in found:
            start, end = match.span()
            left[start:end] = _MASK * (end - start)
        self._left = "".join(left)

    def _take(self, pattern: re.Pattern[str], read: Callable[[re.Match[str]], Reading]) -> Iterator[Quantity]:
        found = list(pattern.finditer(self._left))
        for match in found:
            kind, values, unit = read(match)
            yield self._quantity(match.start(), match.end(), kind, values, unit)
        self._mask(found)

    def _numbers(self) -> Iterator[Quantity]:
        end = 0
        while (match := _ATOM.search(self._left, end)) is not None:
            value, unit, end = self._amount(match)
            if not unit and (self._left[end : end + 1].isalpha() or self._left[end : end + 1] == "_"):
                continue  # "3DGS": a name that begins with a digit
            kind: Kind = "plain"
            values: tuple[Decimal, ...] = (value,)
            following = self._second(match.start(), end)
            if following is not None and unit in ("", following[2]):
                kind, other, unit, end = following
                values = (value, other)
            yield self._quantity(match.start(), end, kind, values, unit)

    def _single(self) -> Iterator[Quantity]:
        for match in _SINGLE.finditer(self._left):
            unit, end = unit_at(self._left, match.end())
            yield self._quantity(match.start("article"), end, "plain", (Decimal(1),), unit)

    def _amount(self, match: re.Match[str]) -> tuple[Decimal, str, int]:
        """Returns the value of a number, its unit, and where both end."""
        value, end = _value(match), match.end()
        if match["by"]:
            return value, "x", end
        if (scale := _SCALE.match(self._left, end)) is not None:
            value = value.scaleb(_SCALES[(scale[1] or scale[2] or scale[3]).lower()])
            end = scale.end()
        if match["money"]:
            return value, CURRENCIES[match["money"][0]], end
        return value, *unit_at(self._left, end)

    def _second(self, start: int, end: int) -> tuple[Kind, Decimal, str, int] | None:
        """Returns the other end of a range or change that begins with the number at `start:end`."""
        before = self._left[max(0, start - 40) : start]
        joint = _AND.match(self._left, end) if _BETWEEN.search(before) else _TO.match(self._left, end)
        atom = _ATOM.match(self._left, joint.end()) if joint else None
        if joint is None or atom is None:
            return None
        changes = _FROM.search(before) and "to" in joint[0]
        return "change" if changes else "range", *self._amount(atom)

    def _quantity(self, start: int, end: int, kind: Kind, values: tuple[Decimal, ...], unit: str) -> Quantity:
        before = self._whole[max(0, start - 60) : start]
        behind = self._left[end : end + 120]
        stop = _CLAUSE_END.search(behind)
        following = _WORD.findall(behind[: stop.start()] if stop else behind)
        counted = tuple(stem(word.lower()) for word in following if word.lower() not in STOPWORDS)
        last = _LAST_WORD.search(before)
        text = self._whole[start:end].strip()
        return Quantity(
            text,
            kind,
            values,
            unit,
            _bound(before, behind, unit, values),
            counted[:4],
            last[1] if last else "",
        )


def _bound(before: str, behind: str, unit: str, values: Sequence[Decimal]) -> Bound:
    for bound, pattern in _BEHIND:
        if pattern.match(behind):
            return bound
    if _NO_BOUND.search(before):
        return ""
    for bound, pattern in _BEFORE:
        if pattern.search(before):
            return bound
    over = _OVER.search(before)
    measures = unit in _MEASURES or values[0] >= 1_000
    return "more" if over and (measures or (over[1] or "").lower() in _BEFORE_OVER) else ""


def _value(match: re.Match[str]) -> Decimal:
    value = Decimal((match["number"] or match["by"] or "1").replace(",", "").replace(" ", ""))
    ten = match["ten"] or match["scaled"]
    if ten or match["e"]:
        value = value.scaleb(int((match["e"] or ten.partition("^")[2]).replace(" ", "")))
    return -value if match["sign"].strip() in ("-", "minus", "negative") else value


def _date(match: re.Match[str]) -> Reading:
    given = match.groupdict()
    month = given.get("m") or "0"
    number = int(month) if month.isdigit() else 1 + _MONTHS.index(month[:3].lower())
    return "date", tuple(Decimal(part) for part in (given.get("y") or 0, number, given.get("d") or 0)), ""


def _size(match: re.Match[str]) -> Reading:
    """Returns the sides; pixels go without saying."""
    unit, _ = unit_at(match.string, match.end())
    return "size", tuple(map(Decimal, re.findall(r"-?\d+", match[0]))), "" if unit == "pixel" else unit


def _magnitude(match: re.Match[str]) -> Reading:
    """Returns how many orders of magnitude; 0 for "orders of magnitude" alone."""
    if match["m"]:
        return "range", (Decimal(match["n"]), Decimal(match["m"])), "order of magnitude"
    first = match["n"] or ""
    number = Decimal(first) if first[-1:].isdigit() else Decimal(1 if first or match[0][5] != "s" else 0)
    return "plain", (number,), "order of magnitude"
