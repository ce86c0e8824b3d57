"""Names of authors, taken apart as far as that is safe."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
_PARTICLES = frozenset(
    "af al bin da dal de del della den der di dos du el ibn la le ten ter van von zu zum zur".split()
)
# These make a name that of a body, or of several people.
_BODIES = frozenset(
    "and association center centre collaboration committee company consortium corporation department et foundation "
    "group inc institute lab laboratory labs ltd network organization project society team university und with".split()
)
_MOST_WORDS = 6


@dataclass(frozen=True, slots=True)
class Name:
    """A name in its parts; where it could not be taken apart, all of it is `literal`."""

    family: str = ""
    given: str = ""
    suffix: str = ""
    literal: str = ""


def parse(name: str) -> Name:
    """Returns the parts of a name such as `Ludwig van Beethoven` or `King, Martin Luther`.

    Whatever may be something else stays whole: names of groups, single words, scripts in which the order of the
    parts differs, and `Wei XU`, whose last word is a family name or initials.
    """
    name = " ".join(name.split())
    words = name.replace(",", " , ").split()
    if not _is_person(words):
        return Name(literal=name)
    suffix = ""
    if len(words) > 2 and words[-1].rstrip(".").lower() in _SUFFIXES:
        suffix = words.pop()
        words = words[:-1] if words[-1] == "," else words
    if "," in words:
        at = words.index(",")
        family, given = words[:at], words[at + 1 :]
    else:
        at = _family_at(words)
        family, given = words[at:], words[:at]
    if not family or not given or "," in given or (family[-1].isupper() and len(family[-1]) <= 3):
        return Name(literal=name)
    return Name(" ".join(family), " ".join(given), suffix)


def _is_person(words: list[str]) -> bool:
    letters = [character for character in "".join(words) if character.isalpha()]
    return (
        2 <= len(words) <= _MOST_WORDS
        and all(
            character.isalpha() or character in ".,-'’" or _is_mark(character) for character in "".join(words)
        )
        and not _BODIES & {word.lower().rstrip(".") for word in words}
        and all(unicodedata.name(letter, "").startswith(("LATIN", "GREEK", "CYRILLIC")) for letter in letters)
    )


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) == "Mn"


def _family_at(words: list[str]) -> int:
    """Returns where the family name begins: at its first particle, else at the last word."""
    return next((at for at in range(1, len(words) - 1) if words[at] in _PARTICLES), len(words) - 1)
