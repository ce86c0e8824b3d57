"""Rules that make a follow-up stand on its own.

Three things make a question lean on earlier turns, tried in this order: it is a set phrase ("why?", "tell me
more"), it changes one part of the question before ("how about FreeNoise?", "and on ImageNet?"), or it points at
something ("it", "that method", "the second one", "[2]"). A short question about what every paper has ("which
dataset was used?") also leans. Whatever names its own subject stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from citewell.conversation import patterns
from citewell.conversation.pointing import Pointing
from citewell.conversation.subjects import (
    SETTING,
    Subject,
    joined,
    own_names,
    papers_of,
    several,
    subjects_of,
    topic,
    words_for,
)
from citewell.text import fold
from citewell.types import Answer

_LONGEST = 600  # characters; a longer question says what it is about
_LONGEST_WRITTEN = 1_200
_SHORT = 8  # words

Found = tuple[str, tuple[str, ...]]
Rule = Callable[[str, Sequence[Subject], Sequence[Answer]], Found | None]


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question that can be understood without the turns before it.

    Attributes:
        text: the question; as it was asked where it does not follow.
        papers: ids of the papers of earlier turns that it is about, to be carried forward as candidates.
        follows: whether it leaned on earlier turns.
    """

    text: str
    papers: tuple[str, ...]
    follows: bool


def rewrite(question: str, history: Sequence[Answer]) -> Standalone:
    """Returns the question as it would be asked without the earlier turns, which come oldest first."""
    asked = " ".join(question.split())
    if history and 0 < len(asked) <= _LONGEST:
        text = _without_lead(asked)
        about = subjects_of(history[-1])
        for rule in _RULES if about else ():
            found = rule(text, about, history)
            if found is not None:
                written = _as_sentence(found[0])
                if len(written) > _LONGEST_WRITTEN:
                    break
                papers = dict.fromkeys([*found[1], *_cited_before(written, history)])
                return Standalone(written, tuple(papers), True)
    return Standalone(question, (), False)


def _without_lead(asked: str) -> str:
    """Returns the question without "okay, and"; "and FreeLong?" is said as "what about FreeLong?"."""
    lead = patterns.LEAD.match(asked)
    text = asked[lead.end() :] if lead else asked
    return f"what about {text}" if lead and lead["joining"] and patterns.BARE_WHAT.fullmatch(text) else text


def _set_phrase(text: str, about: Sequence[Subject], history: Sequence[Answer]) -> Found | None:
    before, papers = _before(history[-1]), _papers(about)
    if patterns.DIFFERENCE.fullmatch(text) and (both := several(history)):
        return f"How do {joined(both)} differ?", _papers(both)
    if patterns.MORE.fullmatch(text):
        return f"Tell me more about {joined(about)}.", papers
    if patterns.OTHERS.fullmatch(text):  # the papers cited before are not asked for again
        other, found = patterns.LISTED.subn(r"\1other ", before)
        return (f"{other}?" if found else f"Which other papers are like {joined(about)}?"), ()
    if patterns.AGAIN.fullmatch(text):
        return f"{before}?", papers
    if patterns.SIMPLER.fullmatch(text):
        return f"Explain more simply: {_uncapitalised(before)}?", papers
    if wh := patterns.BARE_WH.fullmatch(text):
        asked = "why" if patterns.WHY.fullmatch(wh["wh"]) else wh["wh"]
        return _asked_anew(asked, before, about), papers
    return None


def _asked_anew(wh: str, before: str, about: Sequence[Subject]) -> str:
    """Returns "Why does X do Y?" for "why" after "How does X do Y", but "How fast is X, and why?"."""
    verb_first = patterns.VERB_FIRST.match(before)
    if verb_first and fold(wh) not in ("who", "than what"):
        return f"{wh} {_uncapitalised(before[verb_first.end() :])}?"
    if patterns.DEFINITION.match(before) and (linked := patterns.LINKED_BY.match(wh)):
        return f"{wh} is {joined(about)}?" if linked["measure"] else f"{wh} does {joined(about)} work?"
    return f"{before}, and {wh}?"


def _changed_part(text: str, about: Sequence[Subject], history: Sequence[Answer]) -> Found | None:
    if than := patterns.THAN.fullmatch(text):
        return f"Is {joined(about)} {than['what']}?", _papers(about)
    if asked_about := patterns.ABOUT.fullmatch(text):
        return _exchanged(asked_about["what"], about, history)
    under = patterns.PREPOSITIONAL.fullmatch(text)
    if under is None or len(text.split()) > _SHORT or patterns.HAS_VERB.search(text):
        return None
    before = _before(history[-1])
    if patterns.DEFINITION.match(before):
        before = f"How does {joined(about)} do"
    before = re.sub(rf"\s{re.escape(text.split()[0])}\s[^,]*$", "", before, flags=re.IGNORECASE)
    return f"{before} {_uncapitalised(under['what'])}?", _papers(about)


def _exchanged(what: str, about: Sequence[Subject], history: Sequence[Answer]) -> Found | None:
    """Returns the question before, asked about something else; or what it was about, asked about `what`."""
    if patterns.METHODS.match(what):  # "what about methods that …?" says what it is about
        return None
    before = _before(history[-1])
    what = patterns.OWN.sub("the ", what)
    pointing = Pointing(about, history)
    new = pointing.resolve(what)
    if SETTING.fullmatch(what):
        return f"What about {joined(about)} on {what}?", _papers(about)
    if new == what and not own_names(f"about {what}"):
        return f"What about {what} {'of' if what.startswith('the ') else 'with'} {joined(about)}?", _papers(
            about
        )
    papers = tuple(pointing.papers)
    if new not in (what, pointing.name):  # "the code" has become "the code of FreeNoise"
        return f"What about {new}?", papers
    if len(about) == 1 and about[0].name in before:
        return before.replace(about[0].name, new) + "?", papers
    return f"Tell me about {new}.", papers


def _pointing(text: str, about: Sequence[Subject], history: Sequence[Answer]) -> Found | None:
    pointing = Pointing(about, history)
    resolved = pointing.resolve(text)
    if resolved == text:
        return None
    if resolved.strip(" ?.!") == pointing.name:  # nothing but "the second one"
        resolved = f"Tell me about {pointing.name}."
    return resolved, tuple(pointing.papers)


def _aspect(text: str, about: Sequence[Subject], history: Sequence[Answer]) -> Found | None:
    """Reads "which dataset was used?", which asks for what every paper has, as asked of the last turn's paper."""
    asked_for = [word for word in words_for(text) if word not in patterns.ASPECTS]
    is_asked = patterns.ASKS.match(text) or text.endswith("?") or " " not in text
    is_aspect = is_asked and words_for(text) and not asked_for and not re.search(r"\ban?\b", text)
    if len(text.split()) > _SHORT or own_names(text) or not (is_aspect or patterns.WAS_DONE.fullmatch(text)):
        return None
    kept = patterns.TRAILING_THEN.sub("", text).rstrip(" ?.!")
    return f"{kept} {'for' if patterns.ASKS.match(kept) else 'of'} {joined(about)}?", _papers(about)


_RULES: tuple[Rule, ...] = (_set_phrase, _changed_part, _pointing, _aspect)


def _before(turn: Answer) -> str:
    """Returns the question of a turn without what earlier rewriting added and without its question mark."""
    before = patterns.ADDED.sub("", " ".join(turn.standalone_question.split()).rstrip(" ?.!"))
    return before if len(before) <= _LONGEST else f"What do the abstracts say about {topic(before)}"


def _cited_before(text: str, history: Sequence[Answer]) -> list[str]:
    """Returns the ids of the papers of earlier turns that the text names."""
    known = {fold(paper.name): paper.papers for turn in history for paper in papers_of(turn)}
    return [paper_id for name in own_names(text) for paper_id in known.get(fold(name), ())]


def _papers(subjects: Sequence[Subject]) -> tuple[str, ...]:
    return tuple(paper_id for subject in subjects for paper_id in subject.papers)


def _as_sentence(text: str) -> str:
    mark = "" if text[-1:] in "?.!" else "?" if patterns.ASKS.match(text) else "."
    return (
        text if any(char.isupper() for char in text.split(" ", 1)[0]) else text[:1].upper() + text[1:]
    ) + mark


def _uncapitalised(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text if any(char.isupper() for char in first[1:]) else text[:1].lower() + text[1:]
