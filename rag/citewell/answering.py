"""Answers: what may be shown of what a language model writes, numbered, and quotes where nothing of it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from citewell.author import Author, Written
from citewell.citations import Draft, Numbering
from citewell.conversation import Standalone, bounded, rewrite
from citewell.errors import GenerationError
from citewell.question import analyse
from citewell.sources import Shown
from citewell.types import Answer, Failed, Rejected, Sentence, SentenceReady, SentenceRejected

MOST = 12  # sentences shown of a model's answer, however many it writes


def compose(drafts: Iterable[Written]) -> Iterator[SentenceReady | SentenceRejected | Failed]:
    """Yields each drafted sentence as ready, with its citations, or as rejected, with the reason."""
    numbering, told = Numbering(), set[tuple[str, str]]()
    for draft in drafts:
        if isinstance(draft, Failed):
            yield draft
            continue
        kind = draft.check if isinstance(draft, Rejected) else "shown"
        if (key := (kind, draft.text.casefold())) in told:
            continue  # a model that repeats itself is not told twice
        told.add(key)
        outcome = draft if isinstance(draft, Rejected) else numbering.cite(draft)
        yield SentenceRejected(outcome) if isinstance(outcome, Rejected) else SentenceReady(*outcome)


def again(answer: Answer) -> Iterator[SentenceReady]:
    """Yields the sentences of an answer that was given before, each with the citations it introduces."""
    told = 0
    for sentence in answer.sentences:
        fresh = tuple(c for c in answer.citations if c.number in sentence.citations and c.number > told)
        told = max(told, *sentence.citations)
        yield SentenceReady(sentence, fresh)


def write(
    author: Author, question: str, shown: Sequence[Shown], quoted: Callable[[], Iterable[Draft]]
) -> Iterator[Written]:
    """Yields what a model writes and, where nothing of it stands, verbatim quotes.

    A model that says that the sources hold no answer, and nothing else, is believed: then there is no answer. Where a
    model fails before it has finished, quotes follow what stands.

    Args:
        author: the model at work.
        question: the question, standing alone.
        shown: what it may answer from.
        quoted: drafts the quotes.
    """
    standing: list[Draft] = []
    spoken = failed = False
    for written in author.write(question, shown):
        spoken, failed = True, failed or isinstance(written, Failed)
        standing += [written] if isinstance(written, Draft) else []
        yield written
        if len(standing) == MOST:
            return
    if not standing and (spoken or not author.declined):
        yield from quoted()
    elif failed and not author.stopped:
        said = {quote.text for draft in standing for quote in draft.quotes}
        yield from (draft for draft in quoted() if said.isdisjoint(quote.text for quote in draft.quotes))


def notice(author: Author, sentences: Sequence[Sentence], error: str | None) -> str | None:
    """Returns in one line what a reader should know about how a model's answer came about."""
    verdicts = {sentence.verdict for sentence in sentences}
    if error is not None and "verified" in verdicts:
        return f"The answer is incomplete. {error}" + (
            " Verbatim quotes follow." if "quoted" in verdicts else ""
        )
    if not sentences:
        return error
    if sentences[0].verdict == "verified":
        return None
    why = "Nothing that the language model wrote could be verified"
    if author.declined:
        why = "The language model found no answer in these abstracts"
    return f"{error or why + '.'} These are verbatim quotes instead."


def understand(question: str, history: Sequence[Answer], author: Author | None, limit: int) -> Standalone:
    """Returns the question as it stands alone: put so by the model, if it invents nothing, else by rules.

    Args:
        question: as asked.
        history: the answers of the earlier turns, oldest first.
        author: the model, None where there is none.
        limit: how many tokens of the history are read.
    """
    history = bounded(history, limit)
    alone = rewrite(question, history)
    if author is None or not history or not (alone.follows or not analyse(question).names):
        return alone
    try:
        text = author.condense(question, history)
    except GenerationError:
        return alone
    return alone if text is None else replace(alone, text=text)
