"""The parts of a question that may ask for several things, each put as a question of its own.

Closed word lists and the names of the question; nothing is known of the collection. So a split is only a proposal:
"training and inference speed" is split as "ARPG and M-VAR" is. `findings` tells by the papers found whether the parts
have a subject each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from citewell.question import analyse
from citewell.text import STOPWORDS, content_stems

MOST = 4  # parts; what has more is a list
_LONGEST = 400  # characters; what is longer tells a story
_PREPOSITION = r"(?:of|for|on|in|by|from|with|at|to|about|between|through|via|under|using)"
_ARTICLE = r"(?:the|an?|its|their)\s+"
_WH = r"(?:what|which|how|why|who|whom|whose|when|where)"
_AUXILIARY = r"(?:is|are|was|were|do|does|did|can|could|has|have|had|will|would|should)"
# Where one question ends and another begins; "and how?" alone is none, as `_is_whole` finds.
_ENDS = (
    rf"(?:\?+\s+(?:(?:and|but|also)\b,?\s*)?|\s*;\s+(?:and\s+)?)(?=(?:{_PREPOSITION}\s+)?(?:{_WH}|{_AUXILIARY})\b)"
    rf"|\s*;\s+(?=[^?]+\??$)"
    rf"|,?\s+(?:and|but)\s+(?:also\s+)?(?=(?:{_PREPOSITION}\s+)?{_WH}\b)"
)
_CLAUSE = re.compile(_ENDS, re.IGNORECASE)
# "What is X, how fast is Y, and why …": a comma ends a question only where it began as one.
_ASKS = re.compile(rf"\W*(?:{_PREPOSITION}\s+)?(?:what|which|how|why|who)\b", re.IGNORECASE)
_LISTED = re.compile(rf"{_ENDS}|,\s+(?=(?:what|how|why)\b)", re.IGNORECASE)
_LED = re.compile(rf"{_PREPOSITION}\s+{_WH}\b", re.IGNORECASE)
_VERB = re.compile(rf"\b{_AUXILIARY}\b", re.IGNORECASE)
_SENTENCES = re.compile(r"[.!?]\s+\w")
_PRONOUN = re.compile(r"\b(it|its|they|their|them)\b", re.IGNORECASE)
_ONE_OTHER = re.compile(
    r"[,:;–—-]\s*(?:and\s+)?(?:once|(?:the\s+)?(?:one|first|second|other))\s+", re.IGNORECASE
)
_AND = re.compile(r",?\s+(?:and|&)\s+", re.IGNORECASE)
_WORD = re.compile(r"[^\s,;:?!()]+")
_HEADED = re.compile(rf"(?:(?!{_PREPOSITION}\b)[\w@+.’'-]+\s+){{1,5}}({_PREPOSITION})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a question.

    Attributes:
        text: the part as a question that stands alone.
        subject: what it is about that the other parts are not, in the words of the question.
    """

    text: str
    subject: str


def parts(text: str) -> tuple[Part, ...]:
    """Returns the parts that a question seems to have, in order, two to four; none where it seems to be one."""
    # Of several sentences all but one tell a story, in which "and" joins anything.
    ways = (
        (_clauses, _one_other) if _SENTENCES.search(text) else (_clauses, _one_other, _headed, _coordinated)
    )
    splits = (split(text.strip()) for split in ways)
    found = next((split for split in splits if len(split) > 1), []) if len(text) <= _LONGEST else []
    return tuple(found) if len(found) <= MOST else ()


def _clauses(text: str) -> list[Part]:
    """Splits "What is X, and how fast is Y?"."""
    found: list[Part] = []
    for clause in (piece.strip(" ,") for piece in (_LISTED if _ASKS.match(text) else _CLAUSE).split(text)):
        if found and (clause := _resolved(clause, found[-1].text)) == "":
            return []
        found.append(Part(clause, clause))
    return found if all(_is_whole(part.text) for part in found) else []


def _is_whole(clause: str) -> bool:
    """Returns whether a clause can be looked up alone: "how fast?" and "with what memory?" cannot."""
    if _LED.match(clause) and not _VERB.search(clause):
        return False
    return len(content_stems(clause)) > 1 or bool(analyse(f"_ {clause}").names)


def _resolved(clause: str, before: str) -> str:
    """Returns a clause with the name in place of a pronoun; nothing where it leans on a clause that has no name."""
    pronoun = _PRONOUN.search(clause)
    if pronoun is None or analyse(f"_ {clause}").names:
        return clause
    names = analyse(before).names
    owner = "'s" if pronoun[0].casefold() in ("its", "their") else ""
    return clause[: pronoun.start()] + names[0] + owner + clause[pronoun.end() :] if names else ""


def _one_other(text: str) -> list[Part]:
    """Splits "Two ideas for Z, one by X, the other by Y"."""
    head, *others = _ONE_OTHER.split(text)
    if len(others) < 2:
        return []
    return [Part(f"{head}: {other.strip(' ?,')}", other.strip(" ?,")) for other in others]


def _headed(text: str) -> list[Part]:
    """Splits "the speed of X and the size of Y", where either side has a head and the same preposition."""
    for joint in _AND.finditer(text):
        before, after = text[: joint.start()], text[joint.end() :]
        head = _HEADED.match(after)
        if head and re.search(rf"\w\s+{head[1]}\s+\S", before, re.IGNORECASE):
            return [Part(before, before), Part(after, after)]
    return []


def _coordinated(text: str) -> list[Part]:
    """Splits "What do X, Y and the Z do?": each part has one of them and all that stands around."""
    for joint in _AND.finditer(text):
        right = _right(text, joint.end())
        left = _left(text, joint.start(), right[2]) if right else None
        if not right or not left:
            continue
        start, firsts = left
        around = text[:start], text[right[0] :]
        last = re.sub(f"^{_ARTICLE}", "", right[1]) if re.search(f"{_ARTICLE}$", around[0]) else right[1]
        conjuncts = [*firsts, last]
        return [Part(f"{around[0]}{one}{around[1]}".strip(), one) for one in conjuncts]
    return []


def _right(text: str, start: int) -> tuple[int, str, str] | None:
    """Returns where the conjunct that begins at `start` ends, the conjunct, and the preposition before it."""
    led = re.compile(rf"(?:({_PREPOSITION})\s+)?({_ARTICLE})?", re.IGNORECASE).match(text, start)
    if led is None:
        return None
    name = _name_at(text, led.end())
    # Beside names, a bare word is no subject: "How far does FreeLong improve quality and cut costs?"
    bare = led.end() == start and bool(analyse(text).names)
    end = led.end() + len(name) if name else start if bare else _run(text, led.end())
    if end == led.end():
        return None
    return end, text[led.end(1) if led[1] else start : end].strip(), led[1] or ""


def _left(text: str, end: int, preposition: str) -> tuple[int, list[str]] | None:
    """Returns where the conjuncts that end at `end` begin, and the conjuncts.

    One with a preposition before it, as in "of X and of Y", begins at the same preposition.
    """
    if preposition:
        places = [m.end() for m in re.finditer(rf"\b{preposition}\s+", text[:end], re.IGNORECASE)]
        return (places[-1], [text[places[-1] : end]]) if places else None
    names = [name for name in analyse(text).names if re.search(rf"\b{re.escape(name)}$", text[:end])]
    if names:
        firsts = [max(names, key=len)]
        start = end - len(firsts[0])
        while (listed := _listed(text[:start])) is not None:
            firsts.insert(0, listed)
            start = text[:start].rindex(listed)
        return start, firsts
    start = end
    for word in reversed(list(_WORD.finditer(text, 0, end))):
        if text[word.end() : start].strip() or word[0].casefold() in STOPWORDS:
            break
        start = word.start()
    return (start, [text[start:end]]) if start < end else None


def _listed(before: str) -> str | None:
    """Returns the name before a comma at the end of the text."""
    names = analyse(before).names
    return next((name for name in names if re.search(rf"\b{re.escape(name)},\s*$", before)), None)


def _name_at(text: str, start: int) -> str:
    held = [name for name in analyse(text).names if text.startswith(name, start)]
    return max(held, key=len, default="")


def _run(text: str, start: int) -> int:
    """Returns where the words that carry content end that begin at `start`."""
    end = start
    for word in _WORD.finditer(text, start):
        if text[end : word.start()].strip() or word[0].casefold() in STOPWORDS:
            break
        end = word.end()
    return end
