"""The cases of a report that did not come out right, as HTML: what was asked, what was expected, and what was said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from citewell.terminal import counted
from citewell.types import Answer

from citewell_eval.outcomes import DEPTH, Outcome
from citewell_eval.report.markup import highlighted, stands, text
from citewell_eval.report.wording import Told, expected, how_wrong, quoted

_SHOWN = 300  # cases; a retrieval set has thousands of queries
_NEAREST = 5


def worst(told: Told) -> str:
    """Returns the cases, those that break a promise first, with what filters them by kind."""
    cases = told.wrong
    if not cases:
        return "<p>Every case came out right.</p>"
    shown = cases[:_SHOWN]
    cut = f"<p>The first {_SHOWN} of {len(cases):,}; the JSON report has all.</p>" if cases[_SHOWN:] else ""
    return (
        _filter(shown)
        + cut
        + '<div id="cases">'
        + "".join(_case(outcome, told) for outcome in shown)
        + "</div>"
    )


def _filter(cases: list[Outcome]) -> str:
    """Returns the controls, which stay hidden where no script runs."""
    options = "".join(
        f'<option value="{text(kind)}">{text(kind)} ({number:,})</option>'
        for kind, number in Counter(outcome.case.kind for outcome in cases).most_common()
    )
    return (
        '<div class="filter" id="filter" hidden><label for="kind">Kind</label> '
        f'<select id="kind"><option value="">all ({len(cases):,})</option>{options}</select> '
        '<button type="button" id="unfold">Unfold all</button> '
        f'<span id="shown" role="status">{counted(len(cases), "case")}</span></div>'
    )


def _case(outcome: Outcome, told: Told) -> str:
    case = outcome.case
    faults = "".join(
        f"<li>{text(fault.message)}</li>"
        for fault in told.faults_of.get(case.id, [])
        if fault.kind == "invariant"
    )
    body = [f'<ul class="broken">{faults}</ul>' if faults else "", _asked(outcome), *_said(outcome)]
    return (
        f'<details class="case" data-kind="{text(case.kind)}"><summary>'
        f'<span class="wrong">{text(how_wrong(outcome))}</span> '
        f'<span class="question">{text(case.question)}</span> '
        f'<span class="where">{text(case.id)} · {text(case.kind)}</span></summary>'
        f'<div class="inside">{"".join(body)}{_scores(told.scores.get(case.id, {}))}</div></details>'
    )


def _asked(outcome: Outcome) -> str:
    rows = [("asked before", text(" › ".join(outcome.case.history)))] if outcome.case.history else []
    answer = outcome.answer
    if answer is not None and answer.standalone_question != outcome.case.question:
        rows.append(("understood as", text(answer.standalone_question)))
    rows += [(label, text(value)) for label, value in expected(outcome)]
    if outcome.relevance:
        ranks = [n for n, paper in enumerate(outcome.ranking, 1) if paper in outcome.relevance]
        rows.append(("right papers ranked", ", ".join(map(str, ranks)) or f"not among the first {DEPTH}"))
    return (
        '<dl class="facts">' + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"
    )


def _said(outcome: Outcome) -> Iterator[str]:
    answer = outcome.answer
    if outcome.error is not None:
        yield f'<p class="error"><strong>Error:</strong> {text(outcome.error)}</p>'
    if answer is None:
        return
    yield f'<p class="label">What was said, with confidence {answer.confidence:.2f}</p>'
    if answer.abstention is not None:
        nearest = "".join(f"<li>{text(r.title)}</li>" for r in answer.abstention.nearest[:_NEAREST])
        yield f'<div class="refusal"><p>{text(answer.abstention.message)}</p>'
        yield (
            f"<p>Nearest papers, which are not an answer:</p><ul>{nearest}</ul></div>"
            if nearest
            else "</div>"
        )
    elif answer.sentences:
        sentences = "".join(
            f"<li>{text(s.text)} <span class='cites'>{''.join(f'[{n}]' for n in s.citations)}</span></li>"
            for s in answer.sentences
        )
        yield f'<ol class="said">{sentences}</ol>'
    else:
        yield "<p>Nothing.</p>"
    yield from _papers(outcome, answer)
    for rejected in answer.rejected:
        yield f'<p class="withheld">Withheld: <del>{text(rejected.text)}</del> {text(rejected.reason)}</p>'


def _papers(outcome: Outcome, answer: Answer) -> Iterator[str]:
    for paper_id, citations in quoted(answer):
        paper = outcome.papers.get(paper_id)
        abstract = paper.abstract if paper else ""
        lost = [citation for citation in citations if not stands(citation, abstract)]
        numbers = " ".join(f"[{citation.number}]" for citation in citations)
        expectation = "expected" if paper_id in outcome.relevance else "not expected"
        yield f'<div class="paper"><p class="title">{numbers} {text(citations[0].title)} '
        yield f'<span class="where">{expectation} · {text(paper_id)}</span></p>'
        yield f"<blockquote>{highlighted(abstract, citations)}</blockquote>" if abstract else ""
        for citation in lost:
            yield f'<p class="error">[{citation.number}] does not stand there: “{text(citation.quote)}”</p>'
        yield "</div>"


def _scores(scores: dict[str, float]) -> str:
    if not scores:
        return ""
    return (
        '<p class="scores">'
        + " · ".join(f"{text(name)} {score:.2f}" for name, score in scores.items())
        + "</p>"
    )
