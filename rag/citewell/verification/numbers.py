"""Numbers: every quantity of a sentence must stand in the abstracts it cites, with unit, sign and bound.

Nothing is rounded or converted. What a number is of is compared where the abstract makes it plain: a sentence
that speaks of 12 datasets is wrong where the abstract counts 12 tasks and 5 datasets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from citewell.text import stems
from citewell.verification.names import names_digit
from citewell.verification.numerals import list_markers
from citewell.verification.quantities import Quantity, quantities
from citewell.verification.units import unit_at

_LISTED = 6
_SMALL = 10
_RANGE = "-"  # stands before the lower end of a range, which says more than a lower bound
_FIRST_YEAR, _LAST_YEAR = 1500, 2100
_PAIRS = re.compile(r"\b(?:both|pair|pairs|dual|twin|two)\b", re.IGNORECASE)
_DURATIONS = frozenset("ns μs ms s min h day week month year decade".split())
_PER = re.compile(r"\b(?:per|each|every)\b", re.IGNORECASE)
_BOUND_WORDS = {"more": "more than", "less": "less than", "most": "up to"}


def problem(sentence: str, abstracts: Sequence[str], numbers: Sequence[int]) -> str | None:
    """Returns why the numbers of a sentence are not those of the abstracts, or None.

    Args:
        sentence: the sentence.
        abstracts: the abstracts it cites, as given.
        numbers: their numbers as sources, for the reason.
    """
    held = [quantity for abstract in abstracts for quantity in quantities(abstract)]
    usable = [usable for quantity in held for usable in _usable(quantity)]
    where = "source " + " and ".join(map(str, numbers))
    for wanted in quantities(sentence):
        same = [found for found in usable if _same(wanted, found)]
        if not same:
            same = [found for found in usable if _same_rate(wanted, found, sentence, abstracts)]
        if not same and not _stands_otherwise(wanted, held, abstracts):
            return _missing(wanted, held, where)
        if same and (reason := _misread(wanted, same, usable, where)) is not None:
            return reason
        if same and (thing := _renamed(wanted, same, sentence, abstracts)) is not None:
            return f'The sentence says "{wanted.text}" of what {where} does not mention; there it is of "{thing}".'
    return None


def _usable(quantity: Quantity) -> Iterator[Quantity]:
    """Yields what a sentence may take from a quantity of an abstract: itself, or one end of it."""
    yield quantity
    if quantity.kind == "change":
        yield replace(quantity, kind="range")
        for value in quantity.values:
            yield replace(quantity, kind="plain", values=(value,))
    elif quantity.kind == "range":
        # "25-35%" is up to 35% and at least 25%, but not 25%.
        low, high = min(quantity.values), max(quantity.values)
        if quantity.unit == "" and _FIRST_YEAR <= low < high < _LAST_YEAR:
            yield from (replace(quantity, kind="plain", values=(year,)) for year in quantity.values)
        yield replace(quantity, text=f"{high} {quantity.unit}", kind="plain", values=(high,), bound="most")
        yield replace(
            quantity, text=f"{low} {quantity.unit}", kind="plain", values=(low,), bound="more", before=_RANGE
        )
        yield replace(quantity, kind="change")
    elif quantity.kind == "size":
        for value in quantity.values:
            yield replace(quantity, kind="plain", values=(value,))
    elif quantity.kind == "date" and quantity.unit == "" and quantity.values[0]:
        yield replace(quantity, kind="plain", values=quantity.values[:1])


def _same(wanted: Quantity, found: Quantity) -> bool:
    if wanted.kind == found.kind == "date" and wanted.unit == found.unit:
        return all(part in (0, given) for part, given in zip(wanted.values, found.values, strict=True))
    if (wanted.kind, wanted.unit) != (found.kind, found.unit):
        return False
    if wanted.unit == "order of magnitude" and wanted.values == (Decimal(0),):
        return found.values != (Decimal(1),)
    return wanted.values == found.values


def _same_rate(wanted: Quantity, found: Quantity, sentence: str, abstracts: Sequence[str]) -> bool:
    """Returns whether "17% per degree" is put apart on one of the two sides: "per degree, … by 17%"."""
    for one, other, texts in ((wanted, found, [sentence]), (found, wanted, abstracts)):
        unit, _, below = other.unit.partition("/")
        if one.unit == unit and any(below in _below(text) for text in texts):
            return _same(replace(one, unit=other.unit), other)
    return False


def _below(text: str) -> set[str]:
    """Returns the units of which a text says "per" one, "each" or "every"."""
    return {unit for match in _PER.finditer(text) if (unit := unit_at(text, match.end())[0])}


def _stands_otherwise(wanted: Quantity, held: Sequence[Quantity], abstracts: Sequence[str]) -> bool:
    """Returns whether a number stands in the abstracts in a form that is not a quantity, or in two."""
    if wanted.kind == "change":
        plain = [
            quantity.values[0]
            for quantity in held
            if quantity.kind == "plain" and quantity.unit == wanted.unit
        ]
        first, second = wanted.values
        return first in plain and second in plain[plain.index(first) + 1 :]
    if wanted.kind != "plain" or wanted.unit:
        return False
    value = wanted.values[0]
    if wanted.text.isdigit() and any(
        names_digit(wanted.before + wanted.text, abstract) for abstract in abstracts
    ):
        return True  # "GPT 4" where the abstract has "GPT-4"
    return value > 1 and any(
        (value == 2 and _PAIRS.search(abstract) is not None) or value == len(list_markers(abstract))
        for abstract in abstracts
    )


def _misread(
    wanted: Quantity, same: Sequence[Quantity], usable: Sequence[Quantity], where: str
) -> str | None:
    """Returns how a number that stands in the abstract is bounded or counted differently there."""
    fitting = [found for found in same if _bound_fits(wanted, found)]
    if not fitting:
        return f"The sentence says {_with_bound(wanted)}, but {where} says {_with_bound(same[0])}."
    other = _counted_otherwise(wanted, fitting, usable)
    return (
        f'The sentence says "{wanted.text}" where {where} counts {other.text} of the same.' if other else None
    )


def _with_bound(quantity: Quantity) -> str:
    return f'"{_BOUND_WORDS[quantity.bound]} {quantity.text}"' if quantity.bound else f'"{quantity.text}"'


def _counted_otherwise(
    wanted: Quantity, fitting: Sequence[Quantity], usable: Sequence[Quantity]
) -> Quantity | None:
    """Returns what the abstract has of the things counted, where it gives the sentence's number to others."""
    if wanted.kind != "plain" or wanted.unit not in ("", "%") or not wanted.counted:
        return None
    if any(not found.counted or set(wanted.counted) & set(found.counted) for found in fitting):
        return None
    return next(
        (
            other
            for other in usable
            if other.kind == "plain"
            and other.unit == wanted.unit
            and other.values != wanted.values
            and other.counted[:1] == wanted.counted[:1]
        ),
        None,
    )


def _renamed(
    wanted: Quantity, same: Sequence[Quantity], sentence: str, abstracts: Sequence[str]
) -> str | None:
    """Returns the stem of what an abstract counts, where a sentence counts as many of what no abstract speaks of.

    Small counts are left alone: "two datasets" may well be called two benchmarks.
    """
    if wanted.kind != "plain" or wanted.unit or not wanted.counted or wanted.values[0] <= _SMALL:
        return None
    if wanted.counted[0] in {root for abstract in abstracts for root in stems(abstract)}:
        return None
    spoken = {*stems(sentence), *wanted.counted}
    if any(not found.counted or spoken & set(found.counted) for found in same):
        return None
    return same[0].counted[0]


def _bound_fits(wanted: Quantity, found: Quantity) -> bool:
    """Returns whether a bound is the abstract's; leaving out "more than" understates and is allowed."""
    understates = wanted.bound == "" and found.bound == "more" and found.before != _RANGE
    return wanted.bound == found.bound or understates or _same_time(wanted, found)


def _same_time(one: Quantity, other: Quantity) -> bool:
    """Returns whether two durations differ by no more than "in 9 minutes" and "within 9 minutes"."""
    within = "within" in (one.before.casefold(), other.before.casefold())
    return within and one.unit in _DURATIONS and {one.bound, other.bound} == {"", "less"}


def _missing(wanted: Quantity, held: Sequence[Quantity], where: str) -> str:
    values = {abs(value) for value in wanted.values}
    near = [quantity for quantity in held if values & {abs(value) for value in quantity.values}]
    if near:
        return f'"{wanted.text}" is not in {where}, which has "{near[0].text}".'
    listed = list(dict.fromkeys(quantity.text for quantity in held))[:_LISTED]
    has = f"has: {', '.join(listed)}" if listed else "has no number"
    return f"The number {wanted.text} is not in {where}. {where.capitalize()} {has}."
