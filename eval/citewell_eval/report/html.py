"""A report as one HTML file that asks nothing of any network: plots, and the cases that did not come out right."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.resources import files

from citewell.terminal import counted
from plotly.offline import get_plotlyjs

from citewell_eval.measures import Measured
from citewell_eval.reliability import Bin
from citewell_eval.report.markup import bar, table, text
from citewell_eval.report.model import Report
from citewell_eval.report.plots import Figure, Operating, operating, reliability, risk_coverage
from citewell_eval.report.wording import (
    FAULTS,
    Told,
    Worse,
    change,
    counted_cases,
    interval,
    number,
    timing_line,
    verdict,
)
from citewell_eval.report.worst import worst
from citewell_eval.statistics import Estimate

_WORSE = 200  # cases shown that got worse


def html(report: Report) -> str:
    """Returns the page."""
    told = Told(report)
    figures: dict[str, Figure] = {}
    sections = [
        ("Measures", _measures(told)),
        *([("Against the baseline", _comparison(told))] if report.comparison else []),
        ("Kinds of cases", _kinds(report)),
        *([("The gate", _gate(report, figures))] if report.curve else []),
        *([("The support score", _support(report, figures))] if report.support else []),
        *([("Errors", _errors(report))] if report.errors else []),
        (f"Cases that did not come out right ({len(told.wrong):,})", worst(told)),
    ]
    body = "".join(f"<section><h2>{title}</h2>{content}</section>" for title, content in sections)
    return _page(text(f"citewell eval: {report.suite}"), _head(report) + f"<main>{body}</main>", figures)


def _page(title: str, body: str, figures: dict[str, Figure]) -> str:
    scripts = [get_plotlyjs() if figures else "", _read("page.js")]
    allowed = " ".join(
        f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    )
    data = json.dumps(figures).replace("<", "\\u003c")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}; form-action \'none\'">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{_read('page.css')}</style></head><body>{body}"
        f'<script type="application/json" id="figures">{data}</script>'
        f"{''.join(f'<script>{script}</script>' for script in scripts)}</body></html>\n"
    )


def _read(name: str) -> str:
    return files("citewell_eval.report").joinpath(name).read_text(encoding="utf-8")


def _head(report: Report) -> str:
    word, why = verdict(report)
    faults = "".join(
        f"<li><strong>{FAULTS[fault.kind]}</strong> {text(fault.message)}</li>" for fault in report.faults
    )
    about = [f"suite {report.suite}", counted(len(report.outcomes), "case"), report.system]
    about += [f"support judged by {report.judge}"] if report.judge else []
    about += [line] if (line := timing_line(report)) else []
    return (
        f'<header class="{word.lower()}"><p class="about">{text(" · ".join(about))}</p>'
        f"<h1>citewell eval: <span>{word}</span></h1><p>{text(why)}.</p>"
        + (f'<ul class="faults">{faults}</ul>' if faults else "")
        + "</header>"
    )


def _measures(told: Told) -> str:
    """Returns a table a family; its bars show value, interval and limit."""
    head = ["measure", "value", "0 to 1", "95 % interval", "limit", "cases"]
    head += ["change"] if told.report.comparison else []
    note = (
        '<p class="note">A bar is the value, its whisker the 95 % interval of the bootstrap over cases, '
        "the upright stroke its limit. A change is the value that rose (▲) or fell (▼), with its paired interval.</p>"
    )
    return note + "".join(
        table(text(family), head, [_measure(measured, told) for measured in own], "measures")
        for family, own in told.families
    )


def _measure(measured: Measured, told: Told) -> list[str]:
    measure, estimate = measured.measure, measured.estimate
    bad = measure.name in told.faulty
    limit = told.report.limits.get(measure.name)
    if measure.zero_tolerance:
        limit = 1.0 if measure.better == "higher" else 0.0
    mark = '<span class="fault">✗ fault</span> ' if bad else ""
    lower = ' <span class="where">lower is better</span>' if measure.better == "lower" else ""
    row = [
        f"{mark}{text(measure.name)}{lower}",
        number(estimate.value),
        bar(estimate, limit, bad),
        interval(estimate),
        told.limit(measured) or "none",
        f"{counted_cases(measured):,}",
    ]
    return [*row, change(told.changes.get(measure.name))] if told.report.comparison else row


def _comparison(told: Told) -> str:
    comparison = told.report.comparison
    if comparison is None:
        return ""
    parts = [f"Compared with {text(comparison.baseline)}", f"{len(comparison.added):,} cases new"]
    parts += [
        f"{len(comparison.removed):,} gone",
        f"{counted(len(told.worse), 'case')} worse in some measure",
    ]
    summary = f"<p>{' · '.join(parts)}.</p>"
    if not told.worse:
        return summary
    cut = (
        f"<p>The first {_WORSE} of {len(told.worse):,}; the JSON report has all.</p>"
        if told.worse[_WORSE:]
        else ""
    )
    head = ["case", "measure", "before", "now"]
    rows = [row for worse in told.worse[:_WORSE] for row in _worse(worse)]
    return summary + cut + table("Cases that got worse", head, rows, "worse")


def _worse(worse: Worse) -> Iterator[list[str]]:
    question = f": {text(worse.outcome.case.question)}" if worse.outcome else ""
    for name, (old, new) in worse.scores.items():
        yield [
            f'<span class="id">{text(worse.case)}</span>{question}',
            text(name),
            number(old, 2),
            number(new, 2),
        ]
        question = ""


def _kinds(report: Report) -> str:
    rows = []
    for kind in report.kinds:
        share = kind.right / kind.cases
        drawn = bar(Estimate(share, float("nan"), float("nan")))
        rows.append([text(kind.kind), f"{kind.right:,} of {kind.cases:,}", drawn, f"{share:.0%}"])
    return table("Cases that came out right, by kind", ["kind", "right", "0 to 1", "share"], rows, "kinds")


def _gate(report: Report, figures: dict[str, Figure]) -> str:
    run = operating(report.outcomes)
    figures["curve"] = risk_coverage(report.curve, run)
    caption = (
        "Risk and coverage: the gate answers questions by falling confidence; "
        f"the further right, the more it answers. {_stood(run)}"
    )
    rows = [[f"{p.confidence:.3f}", f"{p.coverage:.1%}", f"{p.risk:.1%}"] for p in report.curve]
    numbers = table("Risk by coverage", ["confidence at least", "coverage", "risk"], rows, "numbers")
    first = _figure("curve", caption, numbers)
    if not report.confidence:
        return first
    figures["confidence"] = reliability(report.confidence, "confidence", "questions with an answer")
    caption = (
        "Reliability of the confidence that the collection answers a question. "
        "Bars on the dashed line are perfectly reliable; the number of questions stands above each."
    )
    second = _figure("confidence", caption, _bins("Reliability of the confidence", report.confidence))
    return f'<div class="pair">{first}{second}</div>'


def _stood(run: Operating | None) -> str:
    if run is None:
        return "This run answered nothing."
    told = f"This run (◆) answered {run.coverage:.0%} of the questions, {run.risk:.1%} of those wrongly"
    if run.threshold is None:
        return f"{told}; it refused some for other reasons than the gate's confidence."
    return f"{told}: all those with a confidence of {run.threshold:.2f} or more."


def _support(report: Report, figures: dict[str, Figure]) -> str:
    figures["support"] = reliability(report.support, "probability of support", "true sentences")
    caption = (
        "Reliability of the probability that a quote says what the sentence of a scripted model says. "
        "Bars on the dashed line are perfectly reliable; the number of sentences stands above each."
    )
    return _figure("support", caption, _bins("Reliability of the support score", report.support))


def _bins(caption: str, bins: Sequence[Bin]) -> str:
    rows = [[f"{b.low:.1f}–{b.high:.1f}", f"{b.number:,}", f"{b.mean:.3f}", f"{b.true:.3f}"] for b in bins]
    return table(caption, ["probability", "number", "mean probability", "share true"], rows, "numbers")


def _figure(name: str, caption: str, numbers: str) -> str:
    """Returns a plot, what it shows in words, and its numbers for those who cannot see or draw it."""
    return (
        f'<figure><div class="plot" role="img" aria-label="{text(caption)}" data-figure="{name}"></div>'
        f"<figcaption>{text(caption)}</figcaption>"
        f"<details><summary>The numbers</summary>{numbers}</details></figure>"
    )


def _errors(report: Report) -> str:
    rows = [[text(case), text(error)] for case, error in report.errors.items()]
    return table("Cases that could not be run", ["case", "what went wrong"], rows, "errors")
