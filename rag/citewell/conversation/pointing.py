"""Puts names in the place of words that point at earlier turns: "it", "that method", "the second one", "[2]"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

from citewell.conversation import patterns
from citewell.conversation.subjects import (
    Subject,
    choices,
    joined,
    numbered_paper,
    own_names,
    papers_of,
    several,
)
from citewell.text import content_stems, fold
from citewell.types import Answer

_SHORT = 6  # content words; a longer question with "the method" in it says which


class Pointing:
    """Resolves a question's words against the earlier turns; `papers` collects the ids of what they point at.

    `name` is the last name that was put in.

    Args:
        about: what the last turn was about.
        history: the earlier turns, oldest first.
    """

    def __init__(self, about: Sequence[Subject], history: Sequence[Answer]) -> None:
        self._about = about
        self._history = history
        self.papers: list[str] = []
        self.name = ""

    def resolve(self, text: str) -> str:
        """Returns the text with names for what it points at; the same text where it points at nothing."""
        own = own_names(text)
        text = patterns.NUMBERED.sub(self._numbered, text)
        if len(own) < 2:  # "FreeNoise or FreeLong, is the latter faster?" counts its own
            text = patterns.SET.sub(self._set, patterns.ORDINAL.sub(self._ordinal, text))
        if not own and len(content_stems(text)) <= 3:
            text = patterns.WHICH_IS.sub(self._which, text)
        named = patterns.NAMED_THING.sub(self._thing, text)
        if not own and len(content_stems(text)) <= _SHORT:
            named = patterns.THE_THING.sub(self._thing, named)
        # A pronoun after a thing that was pointed at stands for that thing.
        return self._pronoun(text) if named == text else named

    def _name(self, subjects: Sequence[Subject]) -> str:
        self.papers += [paper_id for subject in subjects for paper_id in subject.papers]
        self.name = joined(subjects)
        return self.name

    def _numbered(self, match: re.Match[str]) -> str:
        number = int(match["bracket"] or match["number"] or match["hash"])
        for turn in reversed(self._history):
            if (paper := numbered_paper(turn, number)) is not None:
                return self._name([paper])
        return match[0]

    def _ordinal(self, match: re.Match[str]) -> str:
        chosen = self._chosen(fold(match[match.lastgroup or 0]))
        return self._name(chosen) if chosen else match[0]

    def _chosen(self, ordinal: str) -> Sequence[Subject]:
        if ordinal == "previous":
            return self._about[:1]
        newest_first = self._history[::-1]
        offered = (options for options in map(choices, newest_first) if options)
        if ordinal in ("other", "others"):
            left = [s for s in next(offered, []) if s.papers != self._about[0].papers]
            return left if ordinal == "others" else left[:1]
        if ordinal in ("last", "final", "latter"):
            return (next(offered, []) or papers_of(newest_first[0]) or self._about)[-1:]
        first, last = patterns.PLACES[ordinal]
        counted = chain(offered, map(papers_of, newest_first))
        return next((options[first:last] for options in counted if len(options) >= last), ())

    def _set(self, match: re.Match[str]) -> str:
        both = several(self._history)
        if not both:
            return match[0]
        quantity = fold(match["quantity"] or "")
        if match["between"] or match["aux"]:
            return f"{match['between'] or match['aux']} {self._name(both)}"
        every = match["all"] or quantity in ("both", "all", "the two")
        return self._name(both) if every else f"{quantity} of {self._name(both)}"

    def _which(self, match: re.Match[str]) -> str:
        both = several(self._history)
        return f"which of {self._name(both)} " if both else match[0]

    def _thing(self, match: re.Match[str]) -> str:
        noun = fold(match[match.lastgroup or 0])
        if re.search(rf"\b{re.escape(noun)}", fold(match.string[: match.start()])):
            return match[0]  # the question has said which
        name = self._name(self._about if match.lastgroup == "many" else self._about[:1])
        return f"the {noun} of {name}" if match.lastgroup == "owned" else name

    def _pronoun(self, text: str) -> str:
        match = _unbound_pronoun(text)
        if match is None:
            return self._this_noun(text)
        group = match.lastgroup or 0
        pronoun = fold(match[group])
        before, after = text[: match.start(group)], text[match.end(group) :]
        plural = pronoun in ("they", "them", "their", "these", "those")
        name = self._name(self._about if plural else self._about[:1])
        if pronoun in ("its", "their"):
            owned = patterns.POSSESSED_AT_END.match(text, match.start(group))
            if owned and not patterns.HAS_VERB.match(text):
                return f"{before}the {owned['owned']} of {name}?"
            return f"{before}{name}'s{after}"
        if len(self._about) == 1 and patterns.AUTHORS_DO.match(text, match.start(group)):
            name = f"the authors of {name}"
        return f"{before}{name}{after}"

    def _this_noun(self, text: str) -> str:
        match = patterns.THIS_NOUN.search(text)
        if match is None or own_names(text) or fold(match["noun"]) in fold(text[: match.start()]):
            return text
        name = self._name(self._about[:1])
        return f"{text[: match.start()]}the {match['noun']} of {name}{text[match.end() :]}"


def _unbound_pronoun(text: str) -> re.Match[str] | None:
    """Returns the first pronoun that stands for nothing in its own question; its group is the last of the match."""
    opening = patterns.OPENS_WITH_PRONOUN.match(text)
    if opening and _stands_for_something(opening):
        return opening
    at_end = patterns.PRONOUN_AT_END.search(text)
    if at_end and _stands_for_something(at_end):
        before = text[: at_end.start()]
        if patterns.COMPARES.search(text) or (not own_names(before) and len(content_stems(before)) <= 3):
            return at_end
    anywhere = patterns.ANY_PRONOUN.search(text)
    if anywhere and not content_stems(text[: anywhere.start()]) and _stands_for_something(anywhere):
        return anywhere
    return None


def _stands_for_something(match: re.Match[str]) -> bool:
    group = match.lastgroup or 0
    pronoun = fold(match[group])
    if pronoun == "it":
        return patterns.EXPLETIVE.match(match.string, match.start(group)) is None
    if pronoun in ("this", "that", "these", "those"):
        return patterns.STANDS_ALONE.match(match.string, match.end(group)) is not None
    return True
