"""Polarity: whether a claim says the opposite of its evidence, which similarity does not see.

Words that say more or less, make or hinder, better or worse turn a statement, and so do negations. The parity of a
clause is the product of their signs: "A does not lower B" and "A raises B" have one parity. What is compared is each
clause of the evidence that speaks of the claim. Parity and disputed words are features of the fitted model; where a
claim and a sentence say the same but for the turn, `contradiction` names it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from citewell.text import STOPWORDS, fold, stem
from citewell.verification.opposites import Family, graded, opposites_of, senses, strict_opposites

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_POSSESSIVE = re.compile(r"['\u2019]s$")
_CLAUSE = re.compile(
    r"(?<=[,;:])\s|\s(?=(?:but|while|whereas|although|and|which|that|resulting|leading)\b)", re.IGNORECASE
)
_CLAUSE_WORDS = 6  # shorter pieces join the next: a clause has to say what it is about
_LEAST_CLAUSE = 4  # for the rules, which look for a clause that the claim repeats
_NO_EFFECT = re.compile(
    r"(?:\b(?:no|not|without|nor|neither|lack\w*)|n['\u2019]t)\b[^.;]{0,40}\b(?:associat|differen|effect|affect|chang|evidence"
    r"|correlat|relat|influence|impact|alter|signific|improv|benefit)",
    re.IGNORECASE,
)
_UNIVERSAL = re.compile(
    r"(?i)\b(?:all|every|each|only|always|never|none|no|entire(?:ly)?|solely|exclusively)\b"
)

_NEGATIONS = frozenset("no not never without lack lacks lacking lacked fail fails failed neither nor unable cannot "
                       "absence none hardly rarely unlikely nothing barely little".split())  # fmt: skip
_ABOVE = frozenset(map(stem, "outperform exceed surpass beat outstrip".split()))
_BELOW = "trail"
_ALL = frozenset("all every always never none only exclusively entirely".split())
_SOME = frozenset("some sometimes several most mostly many often partly partially few half".split())
# "X-deficient" says the same without them, and "low" says "little".
_WANTING = frozenset("lack lacks lacking lacked absence little barely".split())
# Words that deny without a negation: "training-free" needs no training, "is challenging" is not easy.
_DENYING = re.compile(
    r"(?:limit|lack|miss|challeng|instab|unstab|diffic|imposs|insuffic|prohibit|neglect|ignor|overlook|avoid|elimin"
    r"|remov|exclud|exclus|skip|omit|suffer|fail|relax|agnostic|independ|irrespect|regardless|absen|negligib|prevent"
    r"|restrict|degrad|inconsist|unlike|unable)\w*|free|rather|instead|hard|only|fixed|before|beyond|non\w*"
)
_NOT_ALL = re.compile(r"(?:\bnot|n['\u2019]t)(?: \S+){0,3} (?:all|every|each|always)\b")
_ANY = re.compile(r"\b(?:no|none|not|never)\b(?!.*\b(?:all|every|each|always|some|most|many)\b).*\bany\b")
_PREFIXES = ("un", "in", "im", "ir", "dis", "non", "de", "il", "mis")

_NEGATION_REACH = 5  # words
_NEIGHBOURS = 3
_SIDE = 12
_LEAST_SUBJECT = 3  # words of content; fewer say too little to be the same statement
_REPEATED = 0.75


class Turn(NamedTuple):
    """A word that turns a statement: its place among the words, what it is about, and 1 or -1."""

    place: int
    family: Family
    sign: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A text read for its polarity.

    Attributes:
        words: the folded words, in order.
        stems: the stem of each.
        content: places of the words that carry content, negations left out.
        about: the stems at those places.
        turns: the words that say more or less, make or hinder, better or worse.
        negations: places of the negations.
        no_effect: whether it says that there is no effect, difference or association.
    """

    words: tuple[str, ...]
    stems: tuple[str, ...]
    content: tuple[int, ...]
    about: frozenset[str]
    turns: tuple[Turn, ...]
    negations: tuple[int, ...]
    no_effect: bool

    @property
    def subject(self) -> frozenset[str]:
        """The stems of content that do not turn anything."""
        return self.around(-1, len(self.words))

    @property
    def parity(self) -> int:
        """The product of all signs, 1 or -1."""
        negative = sum(turn.sign < 0 for turn in self.turns) + len(self.negations)
        return -1 if negative % 2 else 1

    def signed(self, turn: Turn) -> int:
        """Returns the sign of a turn, reversed by a negation shortly before it."""
        near = sum(turn.place - _NEGATION_REACH <= place < turn.place for place in self.negations)
        return -turn.sign if near % 2 else turn.sign

    def around(self, place: int, reach: int) -> frozenset[str]:
        """Returns the subject stems within `reach` words of a place."""
        turning = {turn.place for turn in self.turns}
        return frozenset(
            self.stems[p] for p in self.content if p != place and abs(p - place) <= reach and p not in turning
        )


@lru_cache(maxsize=4_096)
def read(text: str) -> Reading:
    """Returns the reading of a text."""
    words = tuple(_POSSESSIVE.sub("", word) for word in _WORD.findall(fold(text)))
    stems = tuple(stem(word) for word in words)
    negations = tuple(
        i
        for i, word in enumerate(words)
        if (word in _NEGATIONS or word.endswith(("n't", "n\u2019t"))) and words[i + 1 : i + 2] != ("only",)
    )
    denied = frozenset(negations)
    content = tuple(i for i, word in enumerate(words) if word not in STOPWORDS and i not in denied)
    known = senses()
    return Reading(
        words=words,
        stems=stems,
        content=content,
        about=frozenset(stems[i] for i in content),
        turns=tuple(Turn(i, *known[s]) for i, s in enumerate(stems) if s in known and i not in denied),
        negations=negations,
        no_effect=bool(_NO_EFFECT.search(text)),
    )


@lru_cache(maxsize=4_096)
def clauses(sentence: str, least: int = _CLAUSE_WORDS) -> tuple[Reading, ...]:
    """Returns the readings of the clauses of a sentence, each of `least` words or more where the sentence has them."""
    pieces: list[str] = []
    pending = ""
    for part in _CLAUSE.split(sentence):
        pending = f"{pending} {part}".strip()
        if len(pending.split()) >= least:
            pieces.append(pending)
            pending = ""
    if pending:
        pieces[-1:] = [f"{pieces[-1]} {pending}"] if pieces else [pending]
    return tuple(read(piece) for piece in pieces)


def agreement(claim: Reading, clause: Reading) -> int:
    """Returns 1 where claim and clause have one parity, -1 where not, 0 where they share no subject."""
    if not claim.subject & clause.subject:
        return 0
    return claim.parity * clause.parity


def disputes(claim: Reading, sentence: Reading) -> tuple[float, float]:
    """Returns how much the turns of a claim agree with those of a sentence about the same words, and how much not.

    Each turn of the claim is compared with the turn of the sentence that has most of its neighbours.
    """
    agreeing = opposing = 0.0
    for turn in claim.turns:
        near = claim.around(turn.place, 6)
        best, sign = 0.0, 0
        for other in sentence.turns:
            if (turn.family == "worth") != (other.family == "worth"):
                continue
            shared = len(near & sentence.around(other.place, 7))
            same_word = sentence.stems[other.place] == claim.stems[turn.place]
            closeness = (
                shared / len(near) + 0.25 * same_word + 0.1 * (turn.family == other.family) if shared else 0.0
            )
            if closeness > best:
                best, sign = closeness, sentence.signed(other)
        if sign == claim.signed(turn):
            agreeing += best
        else:
            opposing += best
    return agreeing, opposing


def antonyms(claim: Reading, evidence: frozenset[str]) -> int:
    """Returns how many words of the claim the evidence has only as their opposite."""
    opposites = opposites_of()
    return sum(
        bool(opposites.get(word, frozenset()) & evidence) or any(_negates(word, other) for other in evidence)
        for word in {claim.stems[place] for place in claim.content} | set(claim.stems)
        if word not in evidence and (word in opposites or len(word) > 3)
    )


def claims_all(text: str) -> bool:
    """Returns whether a text speaks of all, none or only."""
    return bool(_UNIVERSAL.search(text))


def _negates(one: str, other: str) -> bool:
    return len(one) != len(other) and any(one == p + other or other == p + one for p in _PREFIXES)


class _Compared(NamedTuple):
    """A comparison: what it compares by, what stands on either side, and 1 where it puts the left above the right."""

    word: str
    left: frozenset[str]
    right: frozenset[str]
    sign: int


def contradiction(claim: str, sentences: Sequence[str]) -> str | None:
    """Returns why a claim contradicts the words it otherwise repeats, or None.

    High precision is meant, not recall: a claim that puts things in its own words is left to the fitted model. Where
    clauses of a sentence repeat the claim, they alone count, and one that repeats it without contradiction acquits it.

    Args:
        claim: the claim.
        sentences: the sentences of its evidence.
    """
    ours = read(graded(claim))
    told = [graded(sentence) for sentence in sentences]
    if any(ours.words == read(sentence).words for sentence in told):
        return None
    return _contradicted(ours, told, _CLAUSE_WORDS) or _contradicted(ours, told, _LEAST_CLAUSE)


def _contradicted(claim: Reading, sentences: Sequence[str], least: int) -> str | None:
    """Returns how all clauses of `least` words that repeat a claim contradict it, or None."""
    found = []
    for sentence in sentences:
        whole = read(sentence)
        close = [clause for clause in clauses(sentence, least) if _repeats(claim, clause)]
        if not close and _repeats(claim, whole):
            close = [whole]
        found += [_contradiction(claim, theirs) for theirs in close]
    return found[0] if found and all(found) else None


def _repeats(claim: Reading, sentence: Reading) -> bool:
    wanted = {
        word for word in claim.subject if not strict_opposites().get(word, frozenset()) & sentence.about
    }
    return len(wanted) >= _LEAST_SUBJECT and len(wanted & sentence.about) >= _REPEATED * len(wanted)


def _contradiction(claim: Reading, sentence: Reading) -> str | None:
    ours, theirs = _comparison(claim), _comparison(sentence)
    if ours is not None and theirs is not None and _crossed(ours, theirs):
        same = ours.sign == theirs.sign and _alike(ours.word, theirs.word)
        if not same:
            return None  # "B is worse than A" is what "A is better than B" says
        if not ours.left & theirs.left:  # "on long texts" may stand behind both
            return "The sentence swaps the two sides of the source's comparison."
    return _reversed(claim, sentence) or _negated(claim, sentence) or _overstated(claim, sentence)


def _reversed(claim: Reading, sentence: Reading) -> str | None:
    """Returns which word of the claim is the opposite of the sentence's word beside the same words."""
    for place in _turning(claim, sentence):
        near = claim.around(place, _NEIGHBOURS)
        for other in _turning(sentence, claim):
            if not _opposite(claim.stems[place], sentence.stems[other]):
                continue
            if _grades(claim, place) != _grades(sentence, other):
                continue
            beside = near & sentence.around(other, _NEIGHBOURS) or _same_next(claim, place, sentence, other)
            if beside and _denied(claim, place) == _denied(sentence, other):
                return f'The source says "{sentence.words[other]}" where the sentence says "{claim.words[place]}".'
    return None


def _same_next(claim: Reading, place: int, sentence: Reading, other: int) -> bool:
    """Returns whether one word of content follows both places: "more accurate" and "less accurate"."""
    following = claim.stems[place + 1 : place + 2]
    return place + 1 in claim.content and following == sentence.stems[other + 1 : other + 2]


def _turning(reading: Reading, other: Reading) -> list[int]:
    """Returns the places of words that have an opposite and do not stand in the other text."""
    known = senses().keys() | strict_opposites().keys()
    return [
        place
        for place, word in enumerate(reading.stems)
        if word in known and word not in other.stems and place not in reading.negations
        if not _bounds(reading.words[place : place + 3])
    ]


def _bounds(words: Sequence[str]) -> bool:
    """Returns whether words open a bound, which turns nothing: "more than 88 hours"."""
    return words[1:2] == ("than",) and words[-1][:1].isdigit()


def _grades(reading: Reading, place: int) -> bool:
    """Returns whether a word only grades the next: "more slowly" is no opposite of "slower"."""
    words = reading.words[place : place + 2]
    return words[0] in ("more", "less") and words[-1].endswith("ly")


def _opposite(one: str, other: str) -> bool:
    if other in strict_opposites().get(one, ()):
        return True
    # Making and hindering are opposites only in pairs: what results in one thing may suppress another.
    family, sign = senses().get(one, ("cause", 0))
    return family != "cause" and senses().get(other) == (family, -sign)


def _denied(reading: Reading, place: int) -> bool:
    return sum(place - _NEGATION_REACH <= n < place for n in reading.negations) % 2 == 1


def _negated(claim: Reading, sentence: Reading) -> str | None:
    """Returns which negation the claim has and the sentence has not, or the other way round."""
    ours, theirs = _shared_negations(claim, sentence), _shared_negations(sentence, claim)
    if [sentence.words[place] for place in theirs] == ["neither", "nor"] and not claim.negations:
        theirs = theirs[:1]
    if len(ours) % 2 == len(theirs) % 2 or len(claim.negations) != len(ours):
        return None
    if any(turn.sign < 0 and claim.stems[turn.place] not in sentence.stems for turn in claim.turns):
        return None  # it denies in a word of its own
    if ours and _denies(sentence, claim):
        return None
    if ours:
        return f'The sentence says "{claim.words[ours[0]]}" where the source does not.'
    return f'The source says "{sentence.words[theirs[0]]}" where the sentence does not.'


def _denies(reading: Reading, other: Reading) -> bool:
    return any(_DENYING.fullmatch(word) for word in set(reading.words) - set(other.words))


def _shared_negations(reading: Reading, other: Reading) -> list[int]:
    """Returns the plain negations whose next word of content the other text has too."""
    found = []
    for place in reading.negations:
        following = next((p for p in reading.content if place < p <= place + _NEIGHBOURS), None)
        stands = following is not None and reading.stems[following] in other.about
        if stands and reading.words[place] not in _WANTING:
            found.append(place)
    return found


def _overstated(claim: Reading, sentence: Reading) -> str | None:
    ours = [word for word in claim.words if word in _ALL]
    theirs = [word for word in sentence.words if word in _SOME and word not in claim.words]
    if _NOT_ALL.search(" ".join(claim.words)) and _ANY.search(" ".join(sentence.words)):
        return 'The source says "no" of any where the sentence says "not" of all.'
    if not ours or not theirs or not _ALL.isdisjoint(sentence.words):
        return None
    return f'The source says "{theirs[0]}" where the sentence says "{ours[0]}".'


def _comparison(reading: Reading) -> _Compared | None:
    """Returns the one comparison of a text: "A outperforms B", "A is outperformed by B", "A is better than B"."""
    known = senses()
    verbs = [place for place, word in enumerate(reading.stems) if word in _ABOVE or word == _BELOW]
    thans = [place for place, word in enumerate(reading.words) if word == "than"]
    if len(verbs) + len(thans) != 1:
        return None
    place = behind = (verbs or thans)[0]
    sign = -1 if "by" in reading.words[place + 1 : place + 3] else 1
    sign = -sign if reading.stems[place] == _BELOW else sign
    if thans:
        compared = [p for p in range(max(0, behind - _NEGATION_REACH), behind) if reading.stems[p] in known]
        if not compared:
            return None
        place = compared[-1]
        sign = known[reading.stems[place]][1]
    sign = -sign if _denied(reading, place) else sign
    left = frozenset(reading.stems[p] for p in reading.content if p < place and place - p <= _SIDE)
    right = frozenset(reading.stems[p] for p in reading.content if p > behind and p - behind <= _SIDE)
    return _Compared(reading.stems[place], left - right, right - left, sign)


def _crossed(ours: _Compared, theirs: _Compared) -> bool:
    """Returns whether something has changed sides in either direction."""
    return bool(ours.left & theirs.right and ours.right & theirs.left)


def _alike(one: str, other: str) -> bool:
    """Returns whether two words compare by the same: "better" and "outperforms" do, "faster" and "larger" do not."""
    better = _ABOVE | {"better", "superior", _BELOW}
    return one == other or (one in better and other in better)
