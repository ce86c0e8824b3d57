"""Earlier turns for a language model, and the check of the standalone question that it writes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ValidationError

from citewell.chunking import count_tokens
from citewell.text import STOPWORDS, fold, numbers
from citewell.types import Answer

_MARKUP = re.compile(r"[<>`\[\]{}|\\]|\*\*|__|://|\bwww\.|^[#*>-]")
_TOKEN = re.compile(r"[^\W_](?:[\w@+./:-]*\w)?")
_INNER_MARK = re.compile(r"[\d@./:]")
# What a question may open with, beside question words and function words.
_ASKING = frozenset(
    "according compare define describe discuss find list name since summarise summarize than".split()
)


class _Condensed(BaseModel):
    question: str


def bounded(history: Sequence[Answer], max_tokens: int) -> Sequence[Answer]:
    """Returns the newest turns whose transcript fits in `max_tokens` cl100k_base tokens, oldest first."""
    first = len(history)
    while first > 0:
        max_tokens -= count_tokens(transcript(history[first - 1 : first]))
        if max_tokens < 0:
            break
        first -= 1
    return history[first:]


def transcript(history: Sequence[Answer]) -> str:
    """Returns the turns as text: what was asked, what was answered, and the titles that it cites."""
    return "\n".join(line for turn in history for line in _lines(turn))


def accept(reply: str, question: str, history: Sequence[Answer], max_chars: int) -> str | None:
    """Returns the standalone question that a language model wrote, or None when it cannot be trusted.

    It must be one plain line of at most `max_chars` characters, bare or as {"question": …}, and every name and
    number in it must stand in the question or in the earlier turns.
    """
    condensed = _question_of(reply.strip())
    if condensed is None or not 0 < len(condensed) <= max_chars or _MARKUP.search(condensed):
        return None
    if any(unicodedata.category(char)[0] == "C" or char in "\u2028\u2029" for char in condensed):
        return None
    known = fold("\n".join([question, *_texts(history)]))
    if not set(numbers(condensed)) <= set(numbers(known)):
        return None
    return condensed if all(_stands_in(known, name) for name in _names(condensed)) else None


def _lines(turn: Answer) -> Iterator[str]:
    yield f"Q: {_one_line(turn.standalone_question)}"
    yield f"A: {_one_line(turn.text)}"
    titles = [f"[{citation.number}] {_one_line(citation.title)}" for citation in turn.citations]
    if titles:
        yield f"Cited: {'; '.join(titles)}"


def _texts(history: Sequence[Answer]) -> Iterator[str]:
    for turn in history:
        yield from (turn.question, turn.standalone_question, turn.text)
        for citation in turn.citations:
            yield from (citation.title, citation.quote)
        if turn.abstention is not None:
            yield from (result.title for result in turn.abstention.nearest)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _question_of(reply: str) -> str | None:
    if not reply.startswith("{"):
        return reply
    try:
        return _Condensed.model_validate_json(reply).question.strip()
    except ValidationError:
        return None


def _names(text: str) -> Iterator[str]:
    """Yields the words that a model must not invent: with a capital, a digit or the dots of an address."""
    for position, match in enumerate(_TOKEN.finditer(text)):
        token = match[0]
        plain = token == "I" or (position == 0 and fold(token) in STOPWORDS | _ASKING)
        if not plain and (any(char.isupper() for char in token) or _INNER_MARK.search(token)):
            yield token


def _stands_in(known: str, name: str) -> bool:
    token = fold(name)
    forms = {token, token.removesuffix("s"), token + "s"}
    return any(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", known) for form in forms if form)
