"""Pairings: which part of one clause goes with which, where a sentence speaks of two things side by side.

"A excels at small scale and fails at large scale" has the words of "A excels at large scale and fails at small scale".
Clauses of a sentence and of its evidence are compared by the words that stand in one clause only. Where two clauses of
the sentence each take words from the same two clauses of the evidence, their parts have changed partners. A number
that stands alone in a sentence is compared with what stands at its place in the parallel clause; names and numbers in
two lists of one length go together in their order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import combinations, permutations, product
from typing import NamedTuple

from citewell.text import STOPWORDS, fold, stem
from citewell.verification.opposites import opposites_of, senses

_CONTRAST = r"while|whereas|but|though|although|where|yet"
# Clauses with a subject of their own, and all that commas and "and" part.
_JOINTS = (
    re.compile(rf"[;:]\s|,\s(?=and\b)|,?\s(?=(?:{_CONTRAST})\b)", re.IGNORECASE),
    re.compile(rf"[;:,]\s|[()]|\s(?=(?:and|or|{_CONTRAST}|which|who)\b)", re.IGNORECASE),
)
_MOST_CLAUSES = 12  # more are no comparison, and may be there to cost time
_REPEATED = (
    0.6  # the least Dice coefficient of the words of two clauses with those of the two they may repeat
)
_WORD = re.compile(r"[^\W_]+(?:[-.,/'\u2019][^\W_]+)*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:x|k|m)?")
_ORDER = frozenset("before after above below then more without".split())
# Up to the comma, or to the subject where there is none.
_FRONT = re.compile(
    r"\W*(on|in|with|for|at|under|using|by)\b(?:(?:\s[^\s,;]+){1,6}?\s(?<!\bof\s)(?<!\bin\s)(?<!\bon\s)(?<!\band\s)"
    r"(?<!\bwith\s)(?<!\bfor\s)(?<!\bto\s)(?<!\bby\s)(?<!\bat\s)(?=(?:it|they|we|the|an?|this|these|its|their)\s)"
    r"|(?:\s[^\s,;]+){1,8},\s)",
    re.IGNORECASE,
)
_NONE = frozenset[str]()
_VALUE = r"[-+]?\d+(?:\.\d+)?"
_MEASURE = rf"{_VALUE}(?:x|\u00d7|%| ?[A-Za-z\u03bc]{{1,3}}(?![\w-]))?"
_NUMBERS = re.compile(rf"(?<![\w.]){_MEASURE}(?:, {_MEASURE}){{0,6}},? and {_MEASURE}(?![\w-])")
_HAS_NUMBER = re.compile(rf"(?<![\w.-]){_VALUE}(?![\w-])")
_PREPOSITIONS = frozenset("on in for with at under over against from by to when after before".split())
_MEASURED = frozenset(
    map(
        stem,
        "reach achieve attain obtain score take need cost yield average total percent fold times".split(),
    )
)
_EMPTY = (
    STOPWORDS
    | frozenset(
        """
        respectively roughly approximately around nearly almost least far even still however whereas yet though
        finally former latter they those
        """.split()
    )
) - _ORDER


def problem(claim: str, sentence: str) -> str | None:
    """Returns what a claim has paired otherwise than a sentence of its evidence, or None."""
    if (crossed := _crossed(claim, sentence)) is not None:
        one, other = (_spelt(claim, word) for word in crossed)
        return f'The source has "{one}" and "{other}" the other way round.'
    if (listed := _out_of_order(claim, sentence)) is not None:
        return f'By its place in the list of the source, "{_spelt(claim, listed[0])}" goes with {listed[1]}.'
    if (taken := _taken(claim, sentence)) is not None:
        return f'The source gives {taken[0]} to another than "{_spelt(claim, taken[1])}".'
    return None


def _spelt(text: str, word: str) -> str:
    tokens = (token for match in _WORD.finditer(text) for token in _token(match[0]))
    return next((token for token in tokens if stem(token) == word), word)


class _Clause(NamedTuple):
    """The words of a clause that carry content, and every word with its neighbours, the edges being empty."""

    tokens: tuple[str, ...]
    beside: Mapping[str, tuple[str, str]]

    def edges(self, token: str) -> set[str]:
        """Returns whether a word is the first or the last of the clause."""
        return {
            edge for edge, word in (("first", self.tokens[0]), ("last", self.tokens[-1])) if word == token
        }


def keeps(claim: str, sentence: str, one: str, other: str) -> bool:
    """Returns whether two numbers stand in clauses of their own, each with further words, in both texts."""
    for joint in _JOINTS:
        cells = _cells(_clauses(claim, joint), _clauses(sentence, joint))
        first, second = (
            [cell for cell, words in cells.items() if n in words[:-1] + words[1:]] for n in (one, other)
        )
        if any(k != m and i != j for k, i in first for m, j in second):
            return True
    return False


def _crossed(claim: str, sentence: str) -> tuple[str, str] | None:
    """Returns a word of each of two clauses that have changed partners."""
    for joint in _JOINTS:
        ours, theirs = _clauses(unfronted(claim), joint), _clauses(unfronted(sentence), joint)
        if not (1 < len(ours) <= _MOST_CLAUSES and 1 < len(theirs) <= _MOST_CLAUSES):
            continue
        cells = _cells(ours, theirs)
        for (k, m), (i, j) in product(combinations(range(len(ours)), 2), permutations(range(len(theirs)), 2)):
            moved, back = cells.get((k, j), []), cells.get((m, i), [])
            moved = moved or _opposed(back, ours[k], ours[m], theirs[j])
            straight = cells.get((k, i)), cells.get((m, j))
            if not (moved and back and all(straight)) or not _repeats(
                (ours[k], ours[m]), (theirs[i], theirs[j])
            ):
                continue
            if (found := _parallel(moved, theirs[j], back, theirs[i])) is not None:
                return found
    return None


def _opposed(moved: Sequence[str], into: _Clause, left: _Clause, instead: _Clause) -> list[str]:
    """Returns the opposites of words that a clause has in their stead, though they may stand elsewhere too."""
    return [
        word
        for word in into.tokens
        if word not in left.tokens
        and word in instead.tokens
        and not opposites_of().get(word, _NONE).isdisjoint(moved)
    ]


def unfronted(text: str) -> str:
    """Returns a text without the phrase in front that is said of all of it: "On long texts, …"."""
    front = _FRONT.match(text)
    if front is None or re.search(
        rf"(?:,|\b(?:and|than|{_CONTRAST}))\s{front[1]}\b", text[front.end() :], re.IGNORECASE
    ):
        return text
    return text[front.end() :]


def _repeats(ours: Sequence[_Clause], theirs: Sequence[_Clause]) -> bool:
    """Returns whether two clauses have most of the words of two others, and are not a small part of them."""
    said = {word for clause in ours for word in clause.tokens}
    held = {word for clause in theirs for word in clause.tokens}
    return 2 * len(said & held) >= _REPEATED * (len(said) + len(held))


def _parallel(
    moved: Sequence[str], one: _Clause, back: Sequence[str], other: _Clause
) -> tuple[str, str] | None:
    """Returns a word of each of two clauses that has the same place in them, or is of the same sort."""
    for first, second in product(moved, back):
        alike = any(a == b != "" for a, b in zip(one.beside[first], other.beside[second], strict=True))
        sort = bool(_NUMBER.fullmatch(first)), any(char.isdigit() for char in first)
        same_sort = sort[1] and sort == (bool(_NUMBER.fullmatch(second)), any(map(str.isdigit, second)))
        opposed = second in opposites_of().get(first, _NONE)
        if alike or same_sort or opposed or one.edges(first) & other.edges(second):
            return first, second
    return None


def _cells(ours: Sequence[_Clause], theirs: Sequence[_Clause]) -> Mapping[tuple[int, int], list[str]]:
    """Returns for a clause of each text the words that stand in these two and in no other clause."""
    first, second = _only(ours), _only(theirs)
    cells: dict[tuple[int, int], list[str]] = {}
    for word in first:
        if word in second:
            cells.setdefault((first[word], second[word]), []).append(word)
    return cells


def _only(clauses: Sequence[_Clause]) -> dict[str, int]:
    every = Counter(word for clause in clauses for word in set(clause.tokens))
    return {word: place for place, clause in enumerate(clauses) for word in clause.tokens if every[word] == 1}


def _clauses(text: str, joint: re.Pattern[str]) -> list[_Clause]:
    return [found for part in joint.split(text) if (found := _clause(part)).tokens]


@lru_cache(maxsize=1_024)
def _clause(text: str) -> _Clause:
    plain = _THOUSANDS.sub("", text)
    every = [(token, token in _EMPTY) for match in _WORD.finditer(plain) for token in _token(match[0])]
    words = ["", *(token for token, _ in every), ""]
    kept = [(place, token) for place, (token, empty) in enumerate(every, 1) if not empty]
    beside = {stem(token): (words[place - 1], words[place + 1]) for place, token in kept}
    return _Clause(tuple(stem(token) for _, token in kept), beside)


def _token(word: str) -> Iterator[str]:
    """Yields a word in small letters, or its parts; names with digits stay whole."""
    word = fold(word)
    if any(char.isdigit() for char in word):
        yield word.removesuffix("x") if word[0].isdigit() else word
    else:
        yield from (part for part in re.split(r"\W+", word) if part)


# --- a number of the parallel clause -----------------------------------------------------------------------


class _Slot(NamedTuple):
    """The numbers of a clause, the words before and behind them, and the preposition that follows the last."""

    numbers: frozenset[str]
    before: tuple[str, ...]
    behind: tuple[str, ...]
    joint: str


def _taken(claim: str, sentence: str) -> tuple[str, str] | None:
    """Returns a number and a word of a claim that stand in parallel clauses, each without its own partner."""
    theirs = _slots(sentence)
    ours = _slots(claim) if len(theirs) > 1 else ()
    said = {word for clause in _clauses(claim, _JOINTS[1]) for word in clause.tokens}
    front = _FRONT.match(claim)
    for slot in ours:
        if front and len(ours) == 1 and not slot.joint:  # "on sand, it grows by 3%"
            slot = slot._replace(behind=_clause(front[0]).tokens, joint=front[1].lower())
        for own, other in permutations(theirs, 2):
            shared = (slot.numbers & own.numbers) - other.numbers
            telling = {number for number in shared if len(number) > 1}  # no "type 1"
            if telling and not said & other.numbers - own.numbers:
                if (word := _partner(slot, said, own, other)) is not None:
                    return min(telling), word
    return None


def _partner(slot: _Slot, said: AbstractSet[str], own: _Slot, other: _Slot) -> str | None:
    """Returns what stands in the other clause where a number's own has something that the claim leaves out."""
    pairs = [(own.before, other.before[-len(own.before) :], slot.before)]
    if own.joint == other.joint == slot.joint != "":
        pairs.append((own.behind, other.behind[: len(own.behind)], slot.behind))
    for mine, instead, ours in pairs:
        alone = set(mine).difference(instead)
        if alone and said.isdisjoint(alone):
            if found := [word for word in ours if word in instead and word not in (*own.before, *own.behind)]:
                return found[-1]
    return None


def _slots(text: str) -> tuple[_Slot, ...]:
    return tuple(slot for part in _JOINTS[1].split(text)[:_MOST_CLAUSES] if (slot := _slot(part)).numbers)


@lru_cache(maxsize=1_024)
def _slot(clause: str) -> _Slot:
    tokens = [
        (match.end(), word)
        for match in _WORD.finditer(_THOUSANDS.sub("", clause))
        for word in _token(match[0])
    ]
    words = [stem(word) for _, word in tokens]
    places = [place for place, word in enumerate(words) if _NUMBER.fullmatch(word)]
    if not places:
        return _Slot(frozenset(), (), (), "")
    behind = words[places[-1] + 1 :]
    joint = next((place for place, word in enumerate(behind) if word in _PREPOSITIONS), None)
    return _Slot(
        frozenset(words[place] for place in places),
        tuple(word for word in words[: places[0]] if _is_thing(word)),
        () if joint is None else tuple(word for word in behind[joint:] if _is_thing(word)),
        "" if joint is None else behind[joint],
    )


def _is_thing(word: str) -> bool:
    return word not in _EMPTY and word not in _MEASURED and word not in senses()


# --- two lists of one length -------------------------------------------------------------------------------


def _out_of_order(claim: str, sentence: str) -> tuple[str, str] | None:
    """Returns an item and its number where a claim gives the item another number of two parallel lists."""
    listed = list(_listed(sentence))
    items, numbers = {item for item, _ in listed}, {number for _, number in listed}
    ours = list(_listed(claim))
    for slot in () if ours else _slots(claim):  # a list is cut by its own commas
        named = items.intersection(slot.before) or items.intersection(slot.behind)
        if len(named) == len(slot.numbers) == 1:
            ours.append((min(named), min(slot.numbers)))
    for item, number in ours:
        if item in items and number in numbers and (item, number) not in listed:
            return item, next(held for name, held in listed if name == item)
    return None


def _listed(text: str) -> Iterator[tuple[str, str]]:
    """Yields each item of a list with its number in a list as long: "A, B and C score 1, 2 and 3"."""
    text = _THOUSANDS.sub("", text)
    found = list(_NUMBERS.finditer(text))
    edges = [0, *(edge for match in found for edge in match.span()), len(text)]
    for place, numbers in enumerate(found):
        values = re.findall(_VALUE, numbers[0])
        left, right = text[edges[2 * place] : numbers.start()], text[numbers.end() : edges[2 * place + 3]]
        heads = _items(left, len(values))[-1:] or _items(right, len(values))[:1]
        yield from zip(heads[0] if heads else (), values, strict=False)


def _items(text: str, count: int) -> list[list[str]]:
    """Returns the last word of each item of every list of so many items, in order."""
    item = r"(?:[\w.-]+ ){0,2}[\w.-]+"
    lists = re.finditer(rf"{item}(?:, {item}){{{count - 2}}},? and [\w.-]+", text)
    split = [re.split(r", (?:and )?| and ", found[0]) for found in lists if not _HAS_NUMBER.search(found[0])]
    heads = [[token for item in items for token in _clause(item).tokens[-1:]] for items in split]
    return [words for words in heads if len(words) == count]
