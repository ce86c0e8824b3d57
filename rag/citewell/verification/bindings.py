"""Bindings: which of two things a number, or the better end of a comparison, belongs to.

"A takes 3 s and B 5 s" has the words and the numbers of "B takes 3 s and A 5 s". Two texts are compared by what stands
in front of each number, and by what stands on either side of "than"; only a plain exchange counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice
from typing import NamedTuple

from citewell.text import STOPWORDS, stem, words
from citewell.verification import pairings
from citewell.verification.opposites import senses

_NUMBER = re.compile(r"(?<![\w.-])[-+]?\d+(?:[.,]\d+)*")
_OUT_OF = re.compile(
    r"(?<![\w.])(\d[\d.,]*)\s+(?:out\s+)?of\s+(?:the\s+|all\s+)?(\d[\d.,]*)(?![\d%])", re.IGNORECASE
)
_CLAUSE = re.compile(
    r"[;:]\s|,\s(?=(?:but|while|whereas|and)\b)|\s(?=(?:but|while|whereas)\b)", re.IGNORECASE
)
_COMPARATIVE = re.compile(
    r"\b(?:(?P<known>more|less|fewer|better|worse|higher|lower|larger|smaller|greater|faster|slower|longer|shorter"
    r"|stronger|weaker|cheaper|closer|earlier|later)|\w{3,}er)\b",
    re.IGNORECASE,
)
_THAN = re.compile(r"\bthan\b", re.IGNORECASE)
_MOST_THANS = 4  # a clause with more is no comparison, and may be there to cost time
# What gains, loses or is chosen does so over something.
_OVER = re.compile(
    r"\b(?:over|against|versus|vs|ahead\s+of|(?:compared|relative|in\s+comparison|in\s+contrast)\s+(?:with|to))\b",
    re.IGNORECASE,
)
_FRONT_END = re.compile(r",\s|\s(?=(?:it|they|we|this)\b)", re.IGNORECASE)
_RANKING = frozenset(map(stem, "prefer choose select rank win lead advance".split()))
_PRONOUNS = re.compile(r"\b(?:it|they|this|these|its|their|which)\b", re.IGNORECASE)
_HEAD_END = re.compile(r"[,;(]|\s(?=(?:and|or|on|in|with|for|at|when|by|under|from|to)\b)", re.IGNORECASE)
_DENIED = re.compile(
    r"\bbut\s+(?:not|no|never|without)\b|\b(?:rather\s+than|instead\s+of)\b|,\s+not\b", re.IGNORECASE
)
_NO = re.compile(
    r"\b(\w+)\s+no\s+([\w-]+(?:\s+(?!(?:in|on|of|for|to|from|at|by|with|and|or|when)\b)[\w-]+)?)",
    re.IGNORECASE,
)
_VERBS = frozenset("is are was were has have had does do did finds shows show need use uses".split())
_DENYING = re.compile(
    r"\b(?:no|not|never|without|neither|nor|cannot|unlike|instead|only|lack\w*|fail\w*|free|hardly|barely|avoid\w*)\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"^\W*(?:it|they|this|these|we|our|its|their)\b", re.IGNORECASE)
_NAME = re.compile(r"[^\W_]*[A-Z][\w-]*")
_OPPOSITES = (
    "faster/slower", "more/less", "more/fewer", "higher/lower", "larger/smaller", "better/worse", "longer/shorter",
    "greater/smaller", "bigger/smaller", "cheaper/costlier", "stronger/weaker", "earlier/later", "increase/decrease",
    "increase/reduction", "gain/loss", "above/below", "after/before",
)  # fmt: skip
_OPPOSITE = {frozenset(pair.split("/")) for pair in _OPPOSITES}
_TURNING = "|".join(sorted({word for pair in _OPPOSITE for word in pair}))
_AMOUNT = re.compile(
    rf"(?<![\w.-])(?P<number>\d+(?:[.,]\d+)*)\s*-?(?:x|×|times|fold|%|percent|\s|-)*\b(?P<word>{_TURNING})\b",
    re.IGNORECASE,
)
_ADDS = frozenset(
    {"number", "differ", "whether", "other", "rather", "either", "neither", "over", "under", "per"}
)


def problem(claim: str, sentences: Sequence[str]) -> str | None:
    """Returns what a claim has exchanged against a sentence of its evidence, or None."""
    for sentence in sentences:
        if (found := _exchanged_numbers(claim, sentence)) is not None:
            return (
                f"The sentence gives {found[0]} to what the source gives {found[1]}, and the other way round."
            )
        if (turned := _turned(claim, sentence)) is not None:
            return f'The source says "{turned[1]}" where the sentence says "{turned[0]}".'
        if (sides := _exchanged_sides(claim, sentence)) is not None:
            return f"The sentence compares {sides[0]} with {sides[1]} the other way round than the source."
        if (sides := _exchanged_denial(claim, sentence)) is not None:
            return f"The source says the one of {sides[0]} and {sides[1]} that the sentence denies."
        if (denied := _affirmed(claim, sentence)) is not None:
            return f'The source says "{denied}", which the sentence affirms.'
        if (reason := pairings.problem(claim, sentence)) is not None:
            return reason
    return None


def ratio_problem(claim: str, abstracts: Sequence[str]) -> str | None:
    """Returns which "N of M" of a claim no abstract has, though it has both numbers so, in the other order."""
    held = {match.groups() for abstract in abstracts for match in _OUT_OF.finditer(abstract)}
    for match in _OUT_OF.finditer(claim):
        part, whole = match.groups()
        if (part, whole) not in held and (whole, part) in held:
            return f'The source says "{whole} of {part}", not "{part} of {whole}".'
    return None


def _exchanged_numbers(claim: str, sentence: str) -> tuple[str, str] | None:
    """Returns two numbers that have changed places among the words that stand in front of them."""
    ours, theirs = dict(_before_numbers(claim)), dict(_before_numbers(sentence))
    shared = [number for number in ours if number in theirs]
    behind = _content(claim[max((match.end() for match in _NUMBER.finditer(claim)), default=0) :])
    for one, other in combinations(shared, 2):
        if behind & (theirs[one] | theirs[other]) - ours[one] - ours[other]:
            continue  # "3 s with A and 5 s with B": here the things stand behind their numbers
        first = theirs[one] & ours[other] - theirs[other] - ours[one]
        second = theirs[other] & ours[one] - theirs[one] - ours[other]
        if first and second and not pairings.keeps(claim, sentence, one, other):
            return one, other
    return _taken_from_a_pronoun(claim, sentence, ours, theirs)


def _taken_from_a_pronoun(
    claim: str, sentence: str, ours: Mapping[str, frozenset[str]], theirs: Mapping[str, frozenset[str]]
) -> tuple[str, str] | None:
    """Returns the first number of "It takes 3 s and B 5 s" and another, where a claim gives them to B and to A."""
    unnamed = next(iter(theirs), "")
    named = _names(claim)
    if unnamed not in ours or not _PRONOUN.match(sentence) or theirs[unnamed] & named & _names(sentence):
        return None
    for other in theirs.keys() & ours.keys() - {unnamed}:
        moved = ours[unnamed] & theirs[other] & named - ours[other]
        if moved and ours[other] & named - theirs[other]:
            return unnamed, other
    return None


def _names(text: str) -> frozenset[str]:
    return _content(" ".join(_NAME.findall(text)))


def _turned(claim: str, sentence: str) -> tuple[str, str] | None:
    """Returns the opposites by which claim and sentence call the same amount: "85 times slower", "85 times faster"."""
    theirs = [(match["number"], match["word"].casefold()) for match in _AMOUNT.finditer(sentence)]
    for match in _AMOUNT.finditer(claim):
        ours = match["word"].casefold()
        words_there = [word for number, word in theirs if number == match["number"]]
        against = [word for word in words_there if frozenset((ours, word)) in _OPPOSITE]
        if against and ours not in words_there:
            return ours, against[0]
    return None


def _before_numbers(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yields each number that stands once, with the content stems between it and the number before it."""
    matches = list(_NUMBER.finditer(text))
    counts = [match[0] for match in matches]
    end = 0
    for match in matches:
        if counts.count(match[0]) == 1:
            yield match[0], _content(text[end : match.start()])
        end = match.end()


def _exchanged_sides(claim: str, sentence: str) -> tuple[str, str] | None:
    """Returns two words that have changed sides of the same comparison."""
    said, told = pairings.unfronted(claim), pairings.unfronted(sentence)
    theirs = [*_comparisons(told), *_margins(told)]
    for ours in (*_comparisons(said), *_margins(said)) if theirs else ():
        for other in theirs:
            if ours.by.isdisjoint(other.by):
                continue
            left, right = _content(ours.left), _content(ours.right)
            their_left, their_right = _content(other.left), _content(other.right)
            moved = left & their_right - their_left - right
            back = right & their_left - their_right - left
            if not back and _PRONOUNS.search(other.left) and right.isdisjoint(their_right):
                # "It is faster than B" is of something that the claim calls by its name.
                moved &= _content(_HEAD_END.split(other.right.strip(), maxsplit=1)[0])
                back = _names(ours.right) - their_left
            if moved and back:
                return _spelt(claim, moved), _spelt(claim, back)
    return None


def _exchanged_denial(claim: str, sentence: str) -> tuple[str, str] | None:
    """Returns two words of which the claim affirms and denies what the sentence denies and affirms."""
    ours, theirs = _DENIED.split(claim), _DENIED.split(sentence)
    if len(ours) != 2 or len(theirs) != 2:
        return None
    yes, no = map(_content, ours)
    their_yes, their_no = map(_content, theirs)
    moved = yes & their_no - their_yes - no
    back = no & their_yes - their_no - yes
    return (_spelt(claim, moved), _spelt(claim, back)) if moved and back else None


class _Comparison(NamedTuple):
    """The words that a text compares by, and its words on either side of "than" or of what is used like it."""

    by: frozenset[str]
    left: str
    right: str


def _affirmed(claim: str, sentence: str) -> str | None:
    """Returns "finds no differences" of a sentence where a claim that denies nothing says "finds differences"."""
    if _DENYING.search(claim):
        return None
    said = f" {_stems(claim)} "
    for match in _NO.finditer(sentence):
        verb, things = stem(match[1].casefold()), [stem(word) for word in words(match[2])]
        stated = (
            f" {verb} {' '.join(things)} " in said and f" {verb} {things[0]} " not in f" {_stems(sentence)} "
        )
        if (
            stated
            and match[1].casefold() not in STOPWORDS - _VERBS
            and not STOPWORDS.issuperset(words(match[2]))
        ):
            return match[0]
    return None


def _stems(text: str) -> str:
    return " ".join(map(stem, words(text)))


def _comparisons(text: str) -> Iterator[_Comparison]:
    """Yields each comparative with the words before "than" and those behind it, within its clauses."""
    for clause in _CLAUSE.split(text):
        for than in islice(_THAN.finditer(clause), _MOST_THANS):
            found = list(_COMPARATIVE.finditer(clause, 0, than.start()))
            found = [match for match in found if match["known"]] or found  # "better" rather than "computer"
            if found and (word := found[-1][0].casefold()) not in _ADDS:
                before = clause[: found[-1].start()] + " " + clause[found[-1].end() : than.start()]
                yield _Comparison(frozenset({word}), before, clause[than.end() :])


def _margins(text: str) -> Iterator[_Comparison]:
    """Yields what gains or loses, and over what: "A gains 3% over B", "against B, A gains 3%"."""
    for clause in _CLAUSE.split(text):
        for over in islice(_OVER.finditer(clause), _MOST_THANS):
            left, right = clause[: over.start()], clause[over.end() :]
            if not _content(left):
                cut = _FRONT_END.search(right)
                left, right = (right[cut.start() :], right[: cut.start()]) if cut else ("", "")
            ranked = {word for word, (family, _) in senses().items() if family != "cause"} | _RANKING
            by = _content(left) & ranked
            if by and right:
                yield _Comparison(by, left, right)


def _content(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words(text) if word not in STOPWORDS)


def _spelt(text: str, stems: frozenset[str]) -> str:
    return f'"{next(word for word in words(text) if stem(word) in stems)}"'
