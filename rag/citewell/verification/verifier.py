"""The verdict on a sentence of a language model: shown with its quotes, or withheld with a reason.

The checks run from the cheap and certain to the fitted one; the first that fails names the reason, in words that
the model can repair the sentence from. One bad citation rejects a sentence, so that nobody sees a wrong
reference beside a right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from citewell.chunking import sentence_spans
from citewell.citations import Cited, Claim, Draft, Quote, Source
from citewell.embedding.base import Embedder
from citewell.planted import planted_spans, touches_planted, unplanted
from citewell.text import content_stems, is_number, words
from citewell.types import Check, Rejected, Span
from citewell.verification import (
    additions,
    bindings,
    markup,
    names,
    numbers,
    quotation,
    substitution,
    support,
)

_LONGEST_CLAIM = 4_000  # characters
_LONGEST_SENTENCE = 1_000
_QUOTED_IN_REASON = 80
_SECOND_SENTENCE_ADDS = 2  # content words of the claim that the first chosen sentence does not have


class _Failed(Exception):
    """A check that a sentence does not pass."""

    def __init__(self, check: Check, reason: str) -> None:
        super().__init__(reason)
        self.check = check
        self.reason = reason


def verify(
    claim: Claim, sources: Sequence[Source], embedder: Embedder | None, threshold: float | None = None
) -> list[Draft | Rejected]:
    """Returns for every sentence of a claim a draft that may be shown, or why it may not.

    Args:
        claim: what the model wrote; several sentences share its citations.
        sources: the sources it was given.
        embedder: makes the vectors that content is compared with; without one words alone are compared.
        threshold: the support a sentence needs, 0..1; by default the fitted one.
    """
    if len(claim.text) > _LONGEST_CLAIM:
        return [Rejected(claim.text[:_LONGEST_SENTENCE], _too_long(claim.text), "format")]
    text = markup.clean(claim.text)
    sentences = [text[span.start : span.end] for span in sentence_spans(text)]
    if not any(char.isalnum() for char in text):
        return [Rejected(claim.text, "The sentence is empty; write a sentence.", "format")]
    judged = [_judged(sentence, claim.cited, sources, embedder, threshold) for sentence in sentences]
    broken = len(sentences) > 1 and markup.problem(
        text, [_without_planted(source).paper.abstract for source in sources]
    )
    if broken and not any(isinstance(j, Rejected) and j.check == broken.check for j in judged):
        return [Rejected(text, broken.reason, broken.check)]  # markup that the cut between sentences hid
    return judged


def _judged(
    sentence: str,
    cited: Sequence[Cited],
    sources: Sequence[Source],
    embedder: Embedder | None,
    threshold: float | None,
) -> Draft | Rejected:
    try:
        return _draft(sentence, cited, sources, embedder, threshold)
    except _Failed as failed:
        return Rejected(sentence, failed.reason, failed.check)


def _draft(
    sentence: str,
    cited: Sequence[Cited],
    sources: Sequence[Source],
    embedder: Embedder | None,
    threshold: float | None,
) -> Draft:
    """Returns the draft of a sentence that passes every check.

    Raises:
        _Failed: it does not pass one.
    """
    if len(sentence) > _LONGEST_SENTENCE:
        raise _Failed("format", _too_long(sentence))
    by_number = {source.number: source for source in sources}
    known = {number: by_number[number] for number in (c.source for c in cited) if number in by_number}
    read = [_without_planted(source) for source in known.values()]
    abstracts = [source.paper.abstract for source in read]
    if (fault := markup.problem(sentence, abstracts)) is not None:
        raise _Failed(fault.check, fault.reason)
    if any(_repeats_title(sentence, source.paper.title) for source in sources):
        raise _Failed("format", "This is a title and no statement; say what the abstract says.")
    _require_sources(cited, by_number)
    quotes = {
        quote: by_number[given.source]
        for given in cited
        for quote in _quotes(given, by_number[given.source], sentence, sources)
    }
    reason = numbers.problem(sentence, abstracts, list(known)) or bindings.ratio_problem(sentence, abstracts)
    if reason is not None:
        raise _Failed("number", reason)
    if (reason := names.problem(sentence, abstracts, list(known))) is not None:
        raise _Failed("name", reason)
    evidence = [_in_context(quote, source) for quote, source in quotes.items()]
    if (reason := markup.order(evidence)) is not None:
        raise _Failed("instruction", reason)
    if (reason := bindings.problem(sentence, evidence)) is not None:
        raise _Failed("polarity", reason)
    if (reason := additions.problem(sentence, abstracts)) is not None:
        raise _Failed("content", reason)
    _require_support(sentence, evidence, read, embedder, threshold)
    return Draft(sentence, tuple(quotes), "verified")


def _require_support(
    sentence: str,
    evidence: Sequence[str],
    sources: Sequence[Source],
    embedder: Embedder | None,
    threshold: float | None,
) -> None:
    verdict = support.judge(sentence, evidence, sources, embedder, threshold)
    if not verdict.supported:
        raise _Failed(verdict.check, verdict.reason or "The quotes do not support the sentence.")
    reason = substitution.problem(sentence, evidence, sources, embedder)
    if (reason := reason or substitution.exchange(sentence, evidence)) is not None:
        raise _Failed("content", reason)


def _without_planted(source: Source) -> Source:
    """Returns a source as the checks read it: without the sentences that speak to a reading assistant."""
    abstract = source.paper.abstract
    if not planted_spans(abstract):
        return source
    left = [unplanted(abstract, span) for span in source.spans]
    kept = [at for at, span in enumerate(left) if span is not None]
    texts = [abstract[span.start : span.end] for span in left if span is not None]
    ends = list(accumulate(len(text) + 1 for text in texts))
    spans = tuple(Span(end - len(text) - 1, end - 1) for text, end in zip(texts, ends, strict=True))
    vectors = None if source.vectors is None else source.vectors[kept]
    return Source(source.number, replace(source.paper, abstract=" ".join(texts)), spans, vectors)


def _repeats_title(sentence: str, title: str) -> bool:
    return f" {' '.join(words(sentence))} " in f" {' '.join(words(title))} "


def _too_long(text: str) -> str:
    return f"The sentence has {len(text)} characters; write at most {_LONGEST_SENTENCE}."


def _require_sources(cited: Sequence[Cited], by_number: dict[int, Source]) -> None:
    if not cited:
        raise _Failed("citation", "The sentence cites no source; give a source's number and its exact words.")
    for given in cited:
        if given.source not in by_number:
            listed = ", ".join(map(str, sorted(by_number)))
            raise _Failed("citation", f"There is no source {given.source}; the sources are {listed}.")


def _quotes(given: Cited, source: Source, sentence: str, sources: Sequence[Source]) -> list[Quote]:
    """Returns the ranges of the source that a citation rests on: what it quotes, or what supports it best."""
    paper = source.paper
    if given.quote is None:
        spans: Sequence[Span] = _best_sentences(sentence, source)
    else:
        spans = quotation.find(given.quote, paper.abstract, source.spans)
    if not spans:
        raise _Failed("quote", _why_not_found(given, source, sources))
    shown = [Quote(paper, span, paper.abstract[span.start : span.end]) for span in spans]
    for quote in shown:
        if touches_planted(paper.abstract, quote.span):
            raise _Failed("instruction", f"{_short(quote.text)} speaks to an assistant; it supports nothing.")
    if not quotation.says_something(" ".join(quote.text for quote in shown)):
        raise _Failed(
            "quote",
            f"The quote {_short(shown[0].text)} of source {source.number} says too little; quote more.",
        )
    return shown


def _why_not_found(given: Cited, source: Source, sources: Sequence[Source]) -> str:
    if given.quote is None:
        return f"Source {source.number} has no sentence that supports this one; cite its exact words."
    quoted = _short(given.quote)
    elsewhere = [
        other.number
        for other in sources
        if other is not source and quotation.find(given.quote, other.paper.abstract, other.spans)
    ]
    if elsewhere and given.quote.strip():
        return f"The quote {quoted} is not in source {source.number} but in source {elsewhere[0]}."
    return f"The quote {quoted} is not in source {source.number}; copy its exact words."


def _in_context(quote: Quote, source: Source) -> str:
    """Returns the whole sentences that a quote is taken from, so that a "not" it leaves out is heard."""
    abstract, (start, end) = quote.paper.abstract, quote.span
    left = (unplanted(abstract, s) for s in source.spans if s.start < end and start < s.end)
    touched = [s for s in left if s is not None and s.start < end and start < s.end]
    return abstract[touched[0].start : touched[-1].end] if touched else quote.text


def _best_sentences(sentence: str, source: Source) -> list[Span]:
    """Returns the sentence of the abstract that shares most words with a claim, and one that adds others."""
    wanted = set(content_stems(sentence))
    abstract = source.paper.abstract
    held = [
        (wanted & set(content_stems(abstract[span.start : span.end])), span)
        for span in (unplanted(abstract, whole) for whole in source.spans)
        if span is not None
    ]
    if not wanted or not held:
        return []
    best, first = max(held, key=lambda item: _weight(item[0]))
    if not best:
        return []
    more, second = max(held, key=lambda item: _weight(item[0] - best))
    return sorted({first, second}) if len(more - best) >= _SECOND_SENTENCE_ADDS else [first]


def _weight(stems: set[str]) -> int:
    """Returns how many stems there are; a number counts as two."""
    return len(stems) + sum(is_number(stem) for stem in stems)


def _short(quote: str) -> str:
    quote = " ".join(quote.split())
    return f'"{quote}"' if len(quote) <= _QUOTED_IN_REASON else f'"{quote[:_QUOTED_IN_REASON]}\u2026"'
