"""Measures of citations: whether they are there, stand, and support what they are put to.

Citation recall and precision are ALCE's (Gao et al. 2023, section 4.3), averaged over the sentences, or the citations,
of an answer and then over answers. A sentence is recalled when the passages it cites support it together. A citation
of such a sentence is precise unless it is irrelevant: alone it does not support the sentence, and the others do without
it. What supports is a function, so that the verifier, a recorded judge and a live one can be asked alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from citewell.types import Citation, Paper, Sentence

from citewell_eval.judging import Passage, Support
from citewell_eval.measures.base import Measure, Row
from citewell_eval.outcomes import Outcome

FAMILY = "citations"

_NUMERAL = re.compile(r"\d+(?:[.,]\d+)*")
# Inside a sentence: a capital that is not its first letter's, or a letter beside a digit.
_NAME = re.compile(
    r"\b(?=\w*[A-Z0-9])(?=\w*[A-Za-z])(?:\w*[a-z0-9][A-Z]\w*|[A-Z]{2,}\w*|[A-Z]\w*\d\w*|\d+[A-Z]\w*)"
)


def measures(support: Support) -> tuple[Measure, ...]:
    """Returns the measures of citations, with what decides whether passages support a sentence."""
    return (
        Measure("citation validity", FAMILY, _validity, zero_tolerance=True),
        Measure("verbatim quotes", FAMILY, _verbatim, zero_tolerance=True),
        Measure("sentences cited", FAMILY, _cited, zero_tolerance=True),
        Measure("citation recall", FAMILY, lambda outcome: _mean(_recalled(outcome, support))),
        Measure("citation precision", FAMILY, lambda outcome: _mean(_precise(outcome, support))),
        Measure("right papers cited", FAMILY, _right_papers),
        Measure("number support", FAMILY, lambda outcome: _held(outcome, numerals)),
        Measure("name support", FAMILY, lambda outcome: _held(outcome, names)),
    )


def _sentences(outcome: Outcome) -> Sequence[Sentence]:
    return outcome.answer.sentences if outcome.answer and outcome.answered else ()


def _by_number(outcome: Outcome) -> dict[int, Citation]:
    return {c.number: c for c in outcome.answer.citations} if outcome.answer else {}


def _validity(outcome: Outcome) -> Row | None:
    """Each number that a sentence cites has its citation, and numbers run 1, 2, 3 … by first mention."""
    mentioned = [number for sentence in _sentences(outcome) for number in sentence.citations]
    known = _by_number(outcome)
    if list(dict.fromkeys(mentioned)) != list(known):
        return Row(sum(number in known for number in mentioned) * 0.5, max(len(mentioned), 1))
    return Row(len(mentioned), len(mentioned))


def _verbatim(outcome: Outcome) -> Row:
    cited = outcome.answer.citations if outcome.answer else ()
    stands = [outcome.papers[c.paper_id].abstract[c.start : c.end] == c.quote != "" for c in cited]
    return Row(sum(stands), len(stands))


def _cited(outcome: Outcome) -> Row:
    sentences = _sentences(outcome)
    return Row(sum(bool(sentence.citations) for sentence in sentences), len(sentences))


def _right_papers(outcome: Outcome) -> Row | None:
    """Citations of papers that answer the question; whatever is cited for what nothing answers is wrong."""
    if not outcome.case.papers and outcome.case.answerable:
        return None  # nobody said which papers are right
    cited = outcome.answer.citations if outcome.answer and outcome.answered else ()
    return Row(
        sum(c.paper_id in outcome.relevance for c in cited) / len(cited) if cited else 0.0, bool(cited)
    )


def _mean(scores: list[bool]) -> Row | None:
    return Row(sum(scores) / len(scores), 1.0) if scores else None


def _judged(outcome: Outcome) -> Sequence[Sentence]:
    """What a judge is asked about; of scripted sentences it is known whether they are true."""
    return () if outcome.case.writes else _sentences(outcome)


def _recalled(outcome: Outcome, support: Support) -> list[bool]:
    return [_supported(sentence, outcome, support) for sentence in _judged(outcome)]


def _supported(sentence: Sentence, outcome: Outcome, support: Support) -> bool:
    passages = _passages(sentence, outcome)
    return bool(passages) and support(sentence.text, passages)


def _precise(outcome: Outcome, support: Support) -> list[bool]:
    scores: list[bool] = []
    for sentence in _judged(outcome):
        passages = _passages(sentence, outcome)
        missing = len(sentence.citations) - len(passages)
        scores += [False] * missing
        if not passages or not support(sentence.text, passages):
            scores += [False] * len(passages)
        elif len(passages) == 1:
            scores.append(True)
        else:
            for index, passage in enumerate(passages):
                others = passages[:index] + passages[index + 1 :]
                scores.append(support(sentence.text, [passage]) or not support(sentence.text, others))
    return scores


def _passages(sentence: Sentence, outcome: Outcome) -> list[Passage]:
    known = _by_number(outcome)
    cited = [known[number] for number in dict.fromkeys(sentence.citations) if number in known]
    return [Passage(outcome.papers[c.paper_id], c.quote) for c in cited]


def _held(outcome: Outcome, find: Callable[[str], Iterable[str]]) -> Row:
    """What is found in each sentence, and how much of it stands in the papers that the sentence cites."""
    held = possible = 0
    for sentence in _sentences(outcome):
        papers: list[Paper] = [passage.paper for passage in _passages(sentence, outcome)]
        stands = {form for paper in papers for form in find(f"{paper.title}\n{paper.abstract}")}
        text = "\n".join(f"{paper.title}\n{paper.abstract}" for paper in papers).casefold()
        wanted = list(find(sentence.text))
        possible += len(wanted)
        held += sum(form in stands or not form[0].isdigit() and form.casefold() in text for form in wanted)
    return Row(held, possible)


def numerals(text: str) -> list[str]:
    """Returns the numbers written in digits, without what groups thousands; blind to units, unlike the verifier."""
    found = (re.sub(r",(?=\d{3}(?!\d))", "", match) for match in _NUMERAL.findall(text))
    return [number.lstrip("0") or "0" if number.isdigit() else number for number in found]


def names(text: str) -> list[str]:
    """Returns words written like names: capitals inside, several capitals, letters with digits."""
    return _NAME.findall(text)
