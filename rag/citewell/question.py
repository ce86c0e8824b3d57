"""The shape of a question: what it asks for, what it names, which words must be answered.

No model: closed word lists and capital letters. A shape that is not recognised is a plain fact question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from citewell.text import STOPWORDS, content_stems, stem, words

Shape = Literal["fact", "number", "definition", "comparison", "list"]

_NUMBER = re.compile(
    r"\b(how\s+(many|much|fast|large|big|long|far|often|high|small|slow|expensive|accurate)"
    r"|(what|which)\s+(\w+\s+)?(percentage|fraction|share|number|accuracy|score|rate|factor|speed|speed-?up|proportion"
    r"|size|value|error|precision|recall|cost|gain|improvement|reduction)s?|percent|by\s+what|how\s+\w+\s+(faster"
    r"|smaller|larger|better|slower|cheaper))\b",
    re.IGNORECASE,
)
_DEFINITION = re.compile(
    r"^\W*((so\s+)?what(\s+exactly)?(\s+is|'s|\s+are)\s+(an?\s+|the\s+)?[^?]{1,60}\??$|define\b|definition\b"
    r"|explain\s+(the\s+term|what)\b|what\s+do(es)?\s+.*\b(mean|stand\s+for)\b|what\s+is\s+meant\b)",
    re.IGNORECASE,
)
_COMPARISON = re.compile(
    r"\b(compar\w+|versus|vs|differ\w*|better|worse|faster|slower|more|less|fewer|larger|smaller|than|against|beat\w*"
    r"|outperform\w*|each|both|respectively)\b",
    re.IGNORECASE,
)
_KINDS = (
    r"(papers|articles|works|studies|publications|methods|approaches|techniques|models|algorithms|frameworks|systems"
    r"|recipes|benchmarks|data\s?sets|tools|strategies|solutions|ideas|options|attempts)"
)
_LIST = re.compile(
    rf"(\b(which|name|list|are\s+there(\s+any)?)\b(?!\s+(one|two|three|four)\b)(\s+[\w-]+){{0,3}}?\s+{_KINDS}\b"
    rf"|\bwhat\s+(other\s+)?{_KINDS}\b|^\W*{_KINDS}\s+(on|about|that|for|which|in|with|to)\b"
    r"|\b(papers|articles|works|studies|methods|approaches)\s*\??$"
    r"|\bwho\s+(works?|uses?|applies|studies|proposes)\b|\bwhat\s+is\s+there\s+(on|about)\b"
    r"|\banything\s+(here\s+|in\s+\w+\s+\w+\s+)?(on|about|for)\b|\bwhat\s+can\s+i\s+use\b)",
    re.IGNORECASE,
)
_FOCUS = re.compile(
    r"\b(?:how\s+(?:many|much)|what|which)\s+((?:(?!(?:does|do|did|is|are|was|were|has|have|had|can|could|of|on|in|for|to|by"
    r"|with|from|at|would|will|should|needs?|makes?|lets?|made|caused|used?|uses|using|when|that|than|it|they|the|an?|and"
    r"|or|between|under|gets?|reach|obtain|takes?|happens?|works?|best)\b)[\w@.+-]+\s*){1,4})",
    re.IGNORECASE,
)
_GENERIC = frozenset(
    content_stems(
        "method methods approach approaches technique techniques model models algorithm algorithms way idea kind "
        "sort type "
        "thing problem framework system reason main new two three part"
    )
)
_TOKEN = re.compile(r"[^\W_](?:[\w@+.-]*\w)?")
_NEGATION = re.compile(
    r"\b(no|not|never|without|cannot|can't|don't|doesn't|isn't|aren't|free)\b", re.IGNORECASE
)
_PREMISE = re.compile(
    r"^\W*(why|how\s+come|how\s+(long|many|much)\b.*\b(must|need\w*|require\w*|have\s+to|has\s+to))\b", re.I
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart.

    Attributes:
        text: the question.
        shape: what kind of answer it asks for.
        stems: distinct stems of its content words, in order.
        names: its names (capitals inside, digits, or a capital past the first word), as written.
        name_stems: stems of the words of its names.
        focus: stems of what it asks for: "GPU" of "What GPU was it run on?".
        asks_number: whether the answer is a number.
        asserts: whether it takes something for granted that could be denied ("Why does it need …?").
    """

    text: str
    shape: Shape
    stems: tuple[str, ...]
    names: tuple[str, ...]
    name_stems: frozenset[str]
    focus: tuple[str, ...]
    asks_number: bool
    asserts: bool


def analyse(text: str) -> Question:
    """Returns the shape and the parts of a question."""
    names = _names(text)
    found = _FOCUS.search(text)
    focus = [s for s in content_stems(found.group(1)) if s not in _GENERIC] if found else []
    asks_number = bool(_NUMBER.search(text))
    return Question(
        text=text,
        shape=_shape(text, names, asks_number),
        stems=tuple(content_stems(text)),
        names=tuple(names),
        name_stems=frozenset(stem(word) for name in names for word in words(name) if word not in STOPWORDS),
        focus=tuple(focus),
        asks_number=asks_number,
        asserts=bool(_PREMISE.search(text)) and not _NEGATION.search(text),
    )


def _shape(text: str, names: list[str], asks_number: bool) -> Shape:
    if _LIST.search(text) and not asks_number:
        return "list"
    if len(names) >= 2 and _COMPARISON.search(text):
        return "comparison"
    if asks_number:
        return "number"
    return "definition" if _DEFINITION.search(text) else "fact"


def _names(text: str) -> list[str]:
    names: list[str] = []
    last_end = -1
    for position, match in enumerate(_TOKEN.finditer(text)):
        token = match.group()
        inner = any(char.isupper() for char in token[1:]) or any(char.isdigit() for char in token)
        capital = position > 0 and token[0].isupper()
        if not (inner or capital) or len(token) < 2 or token.isdigit() or token.casefold() in STOPWORDS:
            continue
        if names and capital and match.start() == last_end + 1 and text[last_end] == " ":
            names[-1] += " " + token  # "Cosine Adapter" is one name
        else:
            names.append(token)
        last_end = match.end()
    return list(dict.fromkeys(names))
