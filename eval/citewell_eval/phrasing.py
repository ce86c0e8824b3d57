"""Questions about single sentences of an abstract, made by patterns: numbers, facts and definitions.

A pattern asks for what stands behind a cue ("reduces memory by …", "outperforms …", "we introduce X, a …"), so
that the question repeats the cue and leaves the rest to the answer. A sentence that no pattern fits asks nothing.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from citewell.chunking import sentence_spans
from citewell.types import Paper

# A name that no word of English is: "FreeNoise", "XNOR-Net", "GPT-2".
COINED = r"(?<![\w-])[A-Za-z0-9]*[A-Za-z](?:[\w@+.-]*\w)?(?<=\w)\+{0,2}"
_IS_COINED = re.compile(r"[a-z\d][A-Z]|[A-Z]{2}|[A-Za-z]-?\d|\d[A-Z]")
_BEFORE_COLON = re.compile(r"([A-Z][\w@+.-]*[\w+]):\s")
_UNIT = r"(?:%|x\b|×|times\b|-?fold\b|(?:percentage )?points?\b|dB\b)"
_NUMBER = rf"(?:\$?\d[\d,]*(?:\.\d+)?(?:\s?(?:-|–|--)\s?\d+(?:\.\d+)?)?(?:[\s-]?{_UNIT})?)"
_ABOUT = (
    r"(?:(?:up to|over|more than|about|around|at least|nearly|almost|approximately|roughly|an average of|as much as"
    r"|an additional) )?"
)
_NUMBER_WORD = r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_THINGS = (
    r"(?:datasets|data sets|benchmarks|tasks|images|videos|tokens|languages|domains|hours of speech|subjects|patients"
    r"|participants|users|volunteers|adults|children|students|countries|species|sites|hospitals|genes|problems"
    r"|simulations|environments|games|samples|pairs|documents|papers|questions|plots|cycles)"
)
_PEOPLE = re.compile(r"(?:subjects|patients|participants|users|volunteers|adults|children|students)$")
_EVALUATED = re.compile(
    r"\b(?:experiment|evaluat|test|result|outperform|validat|demonstrat|benchmarks)", re.IGNORECASE
)
_OWN = re.compile(r"\b(?:we|our|ours|it|its|this|the proposed|the resulting)\b", re.IGNORECASE)
_NOT = re.compile(
    r"\b(?:not|no|never|cannot|without|neither|fails? to|whether|if|previous|prior|existing)\b", re.IGNORECASE
)
_POINTS = re.compile(
    r"\b(?:this|these|those|our|ours|their|them|they|it|we|such|which|that|former|latter|while|by|both)\b"
)
_BASES = {
    "improv": ("improve", "improved"), "reduc": ("reduce", "reduced"), "increas": ("increase", "increased"),
    "lower": ("lower", "lowered"), "cut": ("cut", "cut"), "boost": ("boost", "boosted"),
    "outperform": ("outperform", "outperformed"), "decreas": ("decrease", "decreased"), "rais": ("raise", "raised"),
    "surpass": ("surpass", "surpassed"), "shorten": ("shorten", "shortened"), "exceed": ("exceed", "exceeded"),
    "accelerat": ("accelerate", "accelerated"), "speed": ("speed up", "sped up"),
}  # fmt: skip
_ENDINGS = r"(?:s|es|ed|d|ing|ting|e)?"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a question is about: a name that the paper coins, or else the paper by its title."""

    paper: Paper
    name: str | None

    def owns(self, sentence: str) -> bool:
        """Returns whether a sentence speaks of this work and not of another's."""
        return self.name is not None and (self.name in sentence or _OWN.search(sentence) is not None)

    @property
    def quoted(self) -> str:
        """The title in quotation marks."""
        return f"“{self.paper.title.strip().rstrip('.')}”"

    @property
    def shown(self) -> str:
        """The name, or else the title."""
        return self.name or self.quoted


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the facts of its answer (groups of alternatives), and the sentence that they come from.

    The kind is one of a case, or `finding` for a fact and `expansion` for a definition, which are asked for apart.
    `describes` is set where the question names neither name nor title: the words it identifies the paper by.
    """

    kind: str
    question: str
    facts: tuple[tuple[str, ...], ...]
    sentence: str
    describes: str = ""


Pattern = Callable[[Subject, str, random.Random], Iterator[Asked]]


def coined(word: str) -> bool:
    """Returns whether a word is a name of somebody's making: "FreeNoise", "GPT-2", not "Bayesian"."""
    return len(word) > 2 and _IS_COINED.search(word) is not None


def subject_of(paper: Paper) -> Subject:
    """Returns what questions about a paper are about: the name in its title or the one it introduces, or its title."""
    if (found := _BEFORE_COLON.match(paper.title)) is not None:
        name = found[1]
        inside = re.search(rf"(?<=[a-z,] ){re.escape(name)}(?!\w)", paper.abstract)
        if inside or (coined(name) and name in paper.abstract):
            return Subject(paper, name)
    introduced = [match["name"] for match in _INTRODUCED.finditer(paper.abstract) if coined(match["name"])]
    return Subject(paper, introduced[0] if introduced else None)


def questions(subject: Subject, rng: random.Random) -> list[Asked]:
    """Returns every question that the patterns make of a paper's abstract, none that gives its answer away."""
    abstract = subject.paper.abstract
    sentences = [" ".join(abstract[span.start : span.end].split()) for span in sentence_spans(abstract)]
    found = [
        asked
        for sentence in sentences
        for pattern in _PATTERNS
        for asked in pattern(subject, sentence, rng)
        if _sound(asked, subject)
    ]
    return list({asked.question: asked for asked in found}.values())


_TELLING = re.compile(r"[^\W\d]|[%×.]|\d{3}")  # a bare "10" stands anywhere


def _sound(asked: Asked, subject: Subject) -> bool:
    """Returns whether the facts stand in the abstract as it is, and the question says none of them."""
    question, abstract = asked.question.casefold(), subject.paper.abstract.casefold()
    said = [fact.casefold() for group in asked.facts for fact in group]
    return (
        all(_TELLING.search(fact) and fact in abstract and fact not in question for fact in said)
        and asked.question.count("(") == asked.question.count(")")
        and len(asked.question) <= _LONGEST
    )


# --- numbers -------------------------------------------------------------------------------------------

_LONGEST = 200
_BY = re.compile(
    rf"\b(?P<verb>{'|'.join(_BASES)}){_ENDINGS} "
    rf"(?P<what>(?!in |of |on |over |for )[^.,;:()\d]{{3,70}}?) by {_ABOUT}(?P<fact>{_NUMBER})"
)
_OF = re.compile(
    r"\b(?:achiev|reach|attain|obtain|yield)(?:s|es|ed|e|ing|ed)? (?:an?|the) (?P<what>[\w@ -]{2,40}?) of "
    rf"{_ABOUT}(?P<fact>{_NUMBER})(?P<where> (?:on|for|in|at) [^.,;:()]{{3,50}}?)?"
    r"(?=[.,;:(]| (?:and|while|with|which)\b|$)"
)
_RANKED = re.compile(r"\b(?:new|competitive|state-of-the-art|impressive|remarkable|strong|record|low|high) ")
_THAN = re.compile(
    rf"(?P<fact>{_NUMBER})\s?(?P<how>faster|smaller|cheaper|larger|slower) "
    r"(?P<what>(?:inference|training|sampling|generation|convergence) )?than (?P<other>[^.,;:()]{3,60}?)"
    r"(?=[.,;:(]| (?:and|while|with|on|at|for|which|without)\b|$)"
)
_SIZE = re.compile(
    rf"(?P<fact>{_NUMBER}) (?P<what>improvement|reduction|increase|decrease|speedup|speed-up|drop|gain)s? "
    r"(?P<where>(?:in|over) [^.,;:()]{3,50}?)(?=[.,;:(]| (?:and|while|with|compared|on|at|for|which|without)\b|$)"
)
_COUNT = re.compile(
    rf"\b(?P<cue>on|across|over|with|of|from|contain\w*|compris\w+|includ\w+|covering|spanning) {_ABOUT}(?:all )?"
    rf"(?P<fact>(?:\d[\d,.]*[KkMB]?(?: (?:million|billion|thousand))?|{_NUMBER_WORD}) "
    rf"(?P<noun>(?:[a-z][a-z-]+ ){{0,2}}{_THINGS}))\b"
)


def _by(subject: Subject, sentence: str, rng: random.Random) -> Iterator[Asked]:
    for match in _BY.finditer(sentence):
        base, done = _BASES[match["verb"]]
        what = match["what"]
        if _POINTS.search(what) or _NOT.search(sentence[: match.start()]) or "respectively" in sentence:
            continue
        if subject.owns(sentence):
            question = f"By how much does {subject.name} {base} {what}?"
        elif re.match(r"(?:the|its) ", what):
            continue
        else:
            question = f"According to {subject.quoted}, by how much {_be(what)} {what} {done}?"
        yield Asked("number", question, ((match["fact"],),), sentence)


def _be(what: str) -> str:
    """Returns "are" for things in the plural, told by the last word before a preposition."""
    head = re.split(r" (?:of|in|for|on|over|at|to|from|with) ", what)[0]
    return "are" if re.search(r"[^su]s$", head) else "is"


def _of(subject: Subject, sentence: str, rng: random.Random) -> Iterator[Asked]:
    for match in _OF.finditer(sentence):
        what, where = _RANKED.sub("", match["what"]), match["where"] or ""
        once = subject.paper.abstract.count(what.split()[-1]) == 1
        if not once or _POINTS.search(where) or " of " in what or "respectively" in sentence:
            continue
        if subject.owns(sentence):
            yield Asked(
                "number", f"What {what} does {subject.name} achieve{where}?", ((match["fact"],),), sentence
            )
        else:
            question = f"According to {subject.quoted}, what {what} is achieved{where}?"
            yield Asked("number", question, ((match["fact"],),), sentence)


def _than(subject: Subject, sentence: str, rng: random.Random) -> Iterator[Asked]:
    for match in _THAN.finditer(sentence):
        if not subject.owns(sentence) or _POINTS.search(match["other"]):
            continue
        who = f"{match['what'].strip()} with {subject.name}" if match["what"] else subject.name
        yield Asked(
            "number",
            f"How much {match['how']} than {match['other']} is {who}?",
            ((match["fact"],),),
            sentence,
        )


def _size(subject: Subject, sentence: str, rng: random.Random) -> Iterator[Asked]:
    for match in _SIZE.finditer(sentence):
        if _POINTS.search(match["where"]) or "respectively" in sentence:
            continue
        what = f"{match['what']} {match['where']}"
        if subject.owns(sentence):
            question = f"How large is the {what} that {subject.name} brings?"
        else:
            question = f"According to {subject.quoted}, how large is the {what}?"
        yield Asked("number", question, ((match["fact"],),), sentence)


def _count(subject: Subject, sentence: str, rng: random.Random) -> Iterator[Asked]:
    for match in _COUNT.finditer(sentence):
        noun, cue = match["noun"], match["cue"]
        if len(re.findall(rf"\b{noun.split()[-1]}\b", subject.paper.abstract)) > 1:
            continue
        before = sentence[: match.start()]
        if _PEOPLE.search(noun) and "train" not in before:
            question = f"How many {noun} does the paper {subject.quoted} report on?"
        elif re.search(r"\b(?:pre-?)?train(?:ed|s|ing)?\b[^.,;]{0,20}$", before) and subject.owns(sentence):
            question = f"On how many {noun} is {subject.name} trained?"
        elif cue in ("on", "across", "over") and _EVALUATED.search(before):
            start = "Across" if cue == "across" else "On"
            question = f"{start} how many {noun} is {subject.name} evaluated?" if subject.owns(sentence) else (
                f"{start} how many {noun} does the evaluation in {subject.quoted} run?"
            )  # fmt: skip
        elif (
            cue[:6] in ("contai", "compri", "includ")
            and subject.name
            and before.rstrip().endswith(subject.name)
        ):
            question = f"How many {noun} does {subject.name} contain?"
        else:
            continue
        yield Asked("number", question, ((match["fact"],),), sentence)


# --- facts and definitions -----------------------------------------------------------------------------

# A description up to where it ends; a comma within a row of adjectives is no end.
_WHAT = (
    r"(?P<what>(?:[^.;:,()]|\([A-Za-z-]{1,12}\)){12,160})"
    r"(?=\.(?:\s|$)|[;:] |, (?:which|that|where|an?|to|in|with|by|designed|enabling|allowing)\b|$)"
)
_INTRODUCED = re.compile(
    r"\b(?:introduc|propos|present|develop|releas|construct|creat)(?:e|es|ed|s|ing)? (?:[a-z-]+ ){0,4}?"
    rf"(?P<name>{COINED})(?: \([^()]*\))?, (?:an?|the first) {_WHAT}"
)
_IS_A = re.compile(rf"(?:^|[.,;] )(?P<name>{COINED})(?: \([^()]*\))? is an? {_WHAT}")
_NAMES = r"[A-Z][\w@+.-]*\w(?:[ -][A-Z0-9][\w.-]*)?"
_LIST = (
    rf"(?P<list>{_NAMES}(?:, {_NAMES}){{0,3}}(?:,? and {_NAMES})?)"
    r"(?=[.,;:(]| (?:show|demonstrate|by|in|with|while|and)\b|$)"
)
_TESTED_ON = re.compile(
    rf"\b(?P<verb>[Ee]xperiments|evaluated|tested|[Rr]esults|[Ee]valuations?|validated) on (?:the )?{_LIST}"
)
_BEATS = re.compile(
    rf"\b(?:outperform|surpass)(?:s|es|ed|ing)? (?:[a-z-]+ ){{0,4}}?(?:(?:such as|like|including) )?{_LIST}"
)
_BASED_ON = re.compile(
    r"\bis (?P<how>based on|built on|inspired by|derived from) (?P<what>[^.,;:()]{6,80})(?=[.,;:(]|$)"
)
_DOES = re.compile(
    r" (?P<verb>combin|replac|extend|unifi|exploit|leverag|eliminat|integrat|decompos|rel)(?P<ending>es|s|ies) "
    r"(?P<on>on )?(?P<what>[^.,;:()]{6,80}?)(?=[.,;:(]| (?:to|by|in order|which|that|while|so|for)\b|$)"
)
_VERBS = {"combin": "combine", "replac": "replace", "unifi": "unify", "leverag": "leverage", "eliminat": "eliminate",
          "integrat": "integrate", "decompos": "decompose", "rel": "rely"}  # fmt: skip
_SHOWN = re.compile(
    r"^(?:[\w ]{0,40}, )?[Ww]e (?:\w+ly |also )?(?P<verb>show|prove|find|demonstrate|observe) that (?P<what>.{30,})[.]$"
)
_SHOWS = re.compile(r"\b(?:show|prove|find|demonstrate|observe)s? that\b")
_LOOSE = re.compile(
    r"\b(?:also|even)\b|^(?:this|these|those|it|they|such|both|similar|the (?:above|same|latter|former))\b"
)
_TEX = re.compile(r"[\\{}^_$]")
_MOST_WORDS = 40
_EXPANSION = re.compile(r"(?P<words>(?:[\w-]+[ ,]+){1,8})\((?P<short>[A-Z][A-Za-z0-9-]*[A-Z][A-Za-z0-9-]*)\)")
_PRAISE = re.compile(
    r"\b(?:novel|new|simple|simple yet effective|powerful|innovative|effective|yet|and effective) "
)
_BRACKETS = re.compile(r" ?\([A-Za-z-]+\)")
_DANGLES = re.compile(r" (?:on|of|for|in|to|and|or|the|an?|intended|able|used|aimed)$")
_CUT = re.compile(r" (?:that|which|designed|by|to|with|using|where|based|capable|built|in which)\b")


def _introduced(subject: Subject, sentence: str, rng: random.Random) -> Iterator[Asked]:
    for match in (*_INTRODUCED.finditer(sentence), *_IS_A.finditer(sentence)):
        name, what = match["name"], match["what"].strip()
        if not coined(name) or _POINTS.search(_CUT.split(what)[0]) or name in what:
            continue
        core = _core(what)
        if not _POINTS.search(core.replace(" that ", " ").replace(" which ", " ").replace(" by ", " ")):
            yield Asked("definition", f"What is {name}?", ((core,),), sentence)
        plain = _PRAISE.sub("", _BRACKETS.sub("", what))
        points = _POINTS.search(plain.replace(" that ", " ").replace(" which ", " "))
        if 4 <= len(plain.split()) <= 18 and not points:
            long = len(plain.split()) > 7
            asks = f"What is the name of the {plain}?" if long else f"What is the {plain} called?"
            yield Asked("fact", asks, ((name,),), sentence, describes=plain)


def _core(what: str) -> str:
    """Returns the head of a description where that says enough, else the description."""
    head = _CUT.split(what)[0].strip()
    return head if len(_PRAISE.sub("", head + " ").split()) > 2 and not _DANGLES.search(head) else what


def _listed(subject: Subject, sentence: str, rng: random.Random) -> Iterator[Asked]:
    for pattern in (_TESTED_ON, _BEATS):
        for match in pattern.finditer(sentence):
            names = [name for name in re.split(r",? and |, ", match["list"]) if name]
            if not subject.owns(sentence) or not all(coined(name.replace(" ", "")) for name in names):
                continue
            if subject.name in names:
                continue
            noun = "benchmarks" if "benchmark" in sentence else "datasets"
            asks = f"On which {noun} is {subject.name} evaluated?"
            if pattern is _BEATS:
                asks = f"Which methods does {subject.name} outperform?"
            yield Asked("fact", asks, tuple((name,) for name in names), sentence)


def _predicate(subject: Subject, sentence: str, rng: random.Random) -> Iterator[Asked]:
    name = subject.name
    if name is None or not sentence.startswith((name, "It ")):
        return
    opening = len(name) if sentence.startswith(name) else len("It")
    if (match := _BASED_ON.match(sentence, opening + 1)) is not None and not _POINTS.search(match["what"]):
        yield Asked("fact", f"What is {name} {match['how']}?", ((match["what"].strip(),),), sentence)
    if (match := _DOES.match(sentence, opening)) is not None and not _POINTS.search(match["what"]):
        verb = _VERBS.get(match["verb"], match["verb"])
        asks = f"What does {name} {verb}{' on' if match['on'] else ''}?"
        yield Asked("fact", asks, ((match["what"].strip(),),), sentence)


def _shown(subject: Subject, sentence: str, rng: random.Random) -> Iterator[Asked]:
    match = _SHOWN.match(sentence)
    if match is None or len(_SHOWS.findall(subject.paper.abstract)) > 1:
        return
    asks = rng.choice(
        (
            f"What do the authors of {subject.quoted} {match['verb']}?",
            f"What does the paper {subject.quoted} {match['verb']}?",
        )
    )
    said = match["what"]
    if len(said.split()) <= _MOST_WORDS and not _LOOSE.search(said) and not _TEX.search(said):
        yield Asked("finding", asks, ((said,),), sentence)


def _expanded(subject: Subject, sentence: str, rng: random.Random) -> Iterator[Asked]:
    for match in _EXPANSION.finditer(sentence):
        short, words = match["short"], match["words"].split()
        for length in range(1, len(words) + 1):
            long = " ".join(words[-length:])
            if len(short) > 2 and "," not in long and _spells_out(long, short):
                be, do = ("are", "do") if short.endswith("s") else ("is", "does")
                asks = rng.choice((f"What {do} {short} stand for?", f"What {be} {short} short for?"))
                yield Asked("expansion", asks, ((long,),), sentence, describes=short)
                break


def _spells_out(long: str, short: str) -> bool:
    """Returns whether words are what an acronym stands for: "Adaptive Data-Free Quantization" for "AdaDFQ"."""
    opening = "".join(itertools.takewhile(str.islower, short[1:].removesuffix("s")))
    capitals = [char.lower() for char in short if char.isupper()]
    initials = [part[0].lower() for part in re.split("[ -]", long) if part]
    opens = long.lower().startswith(short[0].lower() + opening)
    return opens and initials[-1] in short.lower() and _runs_through(capitals, initials)


def _runs_through(capitals: list[str], initials: list[str]) -> bool:
    """Returns whether the capitals of an acronym are initials of its words, in order."""
    left = iter(initials)
    return all(char in left for char in capitals)


_PATTERNS: tuple[Pattern, ...] = (
    _by, _of, _than, _size, _count, _introduced, _listed, _predicate, _shown, _expanded,
)  # fmt: skip
