"""What a collection's own text says about words: abbreviations spelt out, compounds, words of one family, phrases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from citewell.text import STOPWORDS, fold, stem, stems, words
from ranking_sets import Lexicon, Question, Scores

_BRACKETED = re.compile(r"([^()]{4,120})\(\s*([A-Za-z][A-Za-z-]{0,8}[A-Z][A-Za-z0-9-]{0,6})\s*\)")
_ABBREVIATION = re.compile(r"\b\w*[A-Z]\w*[A-Z]\w*\b")
_SHORTEST_PART, _SHORTEST_WHOLE, _SHORTEST_ROOT = 3, 7, 5
_ENDING = 2  # letters by which stems of one family may differ

Pair = tuple[str, str]


class Alternative:
    """Other words for some of a question's words.

    Args:
        said: the stems that the question has.
        other: the stems that may stand for them, all together.
        places: the papers in which they do; None for any.
    """

    __slots__ = ("other", "places", "said")

    def __init__(
        self, said: Sequence[str], other: Sequence[str], places: Iterable[int] | None = None
    ) -> None:
        self.said, self.other = said, other
        self.places = None if places is None else sorted(places)


class Expander:
    """Finds other words for the words of questions.

    Args:
        lexicon: the words of the papers.
        texts: title and abstract of each paper.
        questions: the questions that will be asked, whose pairs of words are looked up in one pass.
    """

    def __init__(
        self, lexicon: Lexicon, texts: Sequence[tuple[str, str]], questions: Sequence[Question]
    ) -> None:
        self._lexicon, self._texts, self._questions = lexicon, texts, questions

    def alternatives(self, question: Question, kind: str) -> list[Alternative]:
        """Returns what stands for words of the question; `kind` is compounds, acronyms or families."""
        find = {"compounds": self._compounds, "acronyms": self._acronyms, "families": self._families}[kind]
        return [one for one in find(question) if set(one.other).isdisjoint(question.roots)]

    def phrase(self, pair: Pair) -> set[int]:
        """Returns the papers in which two stems of a question stand side by side."""
        return self._phrases.get(pair, set())

    # --- compounds ------------------------------------------------------------------------------------------

    def _compounds(self, question: Question) -> list[Alternative]:
        found = []
        for first, second in neighbours(question):
            if self._lexicon.frequency(joined := stem(first + second)):
                found.append(Alternative((stem(first), stem(second)), (joined,)))
        for word in question.terms:
            for pair in _splits(word):
                if places := self.phrase(pair):
                    found.append(Alternative((stem(word),), pair, places))
        return found

    @cached_property
    def _phrases(self) -> Mapping[Pair, set[int]]:
        wanted: dict[Pair, set[int]] = {}
        for question in self._questions:
            for pair in (*pairs(question), *(pair for word in question.terms for pair in _splits(word))):
                wanted[pair] = set()
        lexicon = self._lexicon
        for place, texts in enumerate(zip(lexicon.titles, lexicon.bodies, strict=True)):
            for text in texts:
                for pair in zip(text, text[1:], strict=False):
                    if pair in wanted:
                        wanted[pair].add(place)
        return wanted

    # --- abbreviations --------------------------------------------------------------------------------------

    def _acronyms(self, question: Question) -> list[Alternative]:
        found = []
        roots = question.roots
        written = {stem(fold(word)) for word in _ABBREVIATION.findall(question.text)}
        for short, longs in self.spelt_out.items():
            for long in longs:
                if short in written:
                    found.append(Alternative((short,), long))
                elif set(long) <= set(roots):
                    found.append(Alternative(long, (short,)))
        return found

    @cached_property
    def spelt_out(self) -> Mapping[str, set[tuple[str, ...]]]:
        """The content stems that each abbreviation stands for, as the papers say in brackets.

        Found as Schwartz and Hearst (2003) do: the letters of the short form, from the last, in the words before it.
        """
        found: dict[str, set[tuple[str, ...]]] = {}
        for _, body in self._texts:
            for before, short in _BRACKETED.findall(body):
                long = _long_form(before, short)
                roots = tuple(dict.fromkeys(stem(word) for word in words(long) if word not in STOPWORDS))
                if len(roots) > 1 and len(key := stems(short)) == 1:
                    found.setdefault(key[0], set()).add(roots)
        return found

    # --- families -------------------------------------------------------------------------------------------

    def _families(self, question: Question) -> list[Alternative]:
        found = []
        for root in question.roots:
            for other in self._by_beginning.get(root[:_SHORTEST_ROOT], ()):
                same = _shared(root, other)
                if other != root and same >= max(len(root), len(other)) - _ENDING:
                    found.append(Alternative((root,), (other,)))
        return found

    @cached_property
    def _by_beginning(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for root in self._lexicon.vocabulary:
            if len(root) >= _SHORTEST_ROOT and root.isalpha():
                found.setdefault(root[:_SHORTEST_ROOT], []).append(root)
        return found


def neighbours(question: Question) -> list[Pair]:
    """Returns the pairs of words that follow one another in the question, neither a function word."""
    said = words(question.text)
    return [(a, b) for a, b in zip(said, said[1:], strict=False) if a not in STOPWORDS and b not in STOPWORDS]


def pairs(question: Question) -> list[Pair]:
    """Returns the stems of the pairs of words that follow one another in the question."""
    return [(stem(first), stem(second)) for first, second in neighbours(question)]


def within(text: Sequence[str], pair: Pair, window: int) -> bool:
    """Returns whether two stems stand within so many words of one another, in any order."""
    seen: dict[str, int] = {}
    for place, root in enumerate(text):
        if root in pair:
            other = pair[1] if root == pair[0] else pair[0]
            if other in seen and place - seen[other] < window:
                return True
            seen[root] = place
    return False


def expanded(lexicon: Lexicon, found: Sequence[Alternative], title_weight: float, weight: float) -> Scores:
    """Returns what alternatives add to the BM25 score of each paper.

    A paper with the other words counts, times `weight`, as if it had said those of the question; the best counts.
    """
    best: dict[tuple[str, ...], Scores] = {}
    for one in found:
        said = tuple(one.said)
        other = sum((lexicon.bm25(root, title_weight) for root in one.other), np.zeros(lexicon.papers))
        other *= weight * lexicon.most(said) / lexicon.most(one.other)
        if one.places is not None:
            other *= np.isin(np.arange(lexicon.papers), one.places)
        best[said] = np.maximum(best.get(said, other), other)
    total = np.zeros(lexicon.papers)
    for said, other in best.items():
        held = sum((lexicon.bm25(root, title_weight) for root in said), np.zeros(lexicon.papers))
        total += np.maximum(other - held, 0.0)
    return total


def _splits(word: str) -> list[Pair]:
    if len(word) < _SHORTEST_WHOLE or not word.isalpha():
        return []
    cuts = range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
    return [(stem(word[:cut]), stem(word[cut:])) for cut in cuts]


def _long_form(before: str, short: str) -> str:
    """Returns the words before a bracket that the letters in it abbreviate, "" if they do not."""
    letters = [char for char in short.lower() if char.isalnum()]
    if letters[-1] == "s" and short[-1] == "s" and len(letters) > 2:
        letters.pop()  # of the plural
    text, place = before.rstrip().lower(), len(before.rstrip())
    for number, letter in enumerate(reversed(letters), 1):
        first = number == len(letters)
        place -= 1
        while place >= 0 and (text[place] != letter or first and place and text[place - 1].isalnum()):
            place -= 1
        if place < 0:
            return ""
    long = text[place:]
    return long if len(long.split()) <= min(len(letters) + 5, 2 * len(letters)) else ""


def _shared(first: str, second: str) -> int:
    """Returns how many letters two words begin alike with."""
    for place, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return place
    return min(len(first), len(second))
