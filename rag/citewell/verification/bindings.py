"""Bindings: which of two things a number, or the better end of a comparison, belongs to.

"A takes 3 s and B 5 s" has the words and the numbers of "B takes 3 s and A 5 s". Two texts are compared by what stands
in front of each number, and by what stands on either side of "than"; only a plain exchange counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice

from citewell.text import STOPWORDS, stem, words

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
_DENIED = re.compile(
    r"\bbut\s+(?:not|no|never|without)\b|\b(?:rather\s+than|instead\s+of)\b|,\s+not\b", re.IGNORECASE
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
        if first and second:
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
    """Returns two words that have changed sides of the same comparative."""
    for word, left, right in _comparisons(claim):
        for other, their_left, their_right in _comparisons(sentence):
            if word != other:
                continue
            moved = left & their_right - their_left - right
            back = right & their_left - their_right - left
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


def _comparisons(text: str) -> Iterator[tuple[str, frozenset[str], frozenset[str]]]:
    """Yields each comparative with the content stems before "than" and those behind it, within its clauses."""
    for clause in _CLAUSE.split(text):
        for than in islice(_THAN.finditer(clause), _MOST_THANS):
            found = list(_COMPARATIVE.finditer(clause, 0, than.start()))
            found = [match for match in found if match["known"]] or found  # "better" rather than "computer"
            if found and (word := found[-1][0].casefold()) not in _ADDS:
                before = clause[: found[-1].start()] + " " + clause[found[-1].end() : than.start()]
                yield word, _content(before), _content(clause[than.end() :])


def _content(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words(text) if word not in STOPWORDS)


def _spelt(text: str, stems: frozenset[str]) -> str:
    return f'"{next(word for word in words(text) if stem(word) in stems)}"'
