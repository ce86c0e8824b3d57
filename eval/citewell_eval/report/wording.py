"""Words and numbers that every form of a report uses alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from citewell.terminal import clean, counted
from citewell.types import Answer, Citation

from citewell_eval.baseline import Change
from citewell_eval.measures import Measured
from citewell_eval.outcomes import Outcome
from citewell_eval.report.model import Fault, Report, is_right
from citewell_eval.statistics import Estimate

UNKNOWN = "–"
FAULTS = {"invariant": "BROKEN", "limit": "LIMIT", "regression": "WORSE"}


@dataclass(frozen=True)
class Worse:
    """A case that scores worse than in the baseline: by measure the old and the new score."""

    outcome: Outcome | None
    case: str
    scores: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Told:
    """A report with what several of its forms look up by measure or by case."""

    report: Report

    @cached_property
    def changes(self) -> dict[str, Change]:
        """How each measure differs from the baseline."""
        comparison = self.report.comparison
        return {change.name: change for change in comparison.changes} if comparison else {}

    @cached_property
    def faulty(self) -> set[str]:
        """The measures that a fault names."""
        return {fault.measure for fault in self.report.faults}

    @cached_property
    def faults_of(self) -> dict[str, list[Fault]]:
        """The faults that name a case."""
        found: dict[str, list[Fault]] = {}
        for fault in self.report.faults:
            for case in fault.cases:
                found.setdefault(case, []).append(fault)
        return found

    @cached_property
    def wrong(self) -> list[Outcome]:
        """The cases that break a promise, then those that did not come out right otherwise."""
        broken = {case for fault in self.report.faults if fault.kind == "invariant" for case in fault.cases}
        found = [o for o in self.report.outcomes if o.case.id in broken or not is_right(o)]
        return sorted(found, key=lambda outcome: outcome.case.id not in broken)

    @cached_property
    def scores(self) -> dict[str, dict[str, float]]:
        """The scores of each case, by measure, where there was something to gain."""
        found: dict[str, dict[str, float]] = {}
        for measured in self.report.measured:
            possible = dict(zip(measured.cases, measured.rows[:, 1].tolist(), strict=True))
            for case, score in measured.scores.items():
                if possible[case]:
                    found.setdefault(case, {})[measured.measure.name] = score
        return found

    @cached_property
    def worse(self) -> list[Worse]:
        """The cases that score worse than in the baseline, those that lost the most measures first."""
        found: dict[str, dict[str, tuple[float, float]]] = {}
        for name, change in self.changes.items():
            for case, old, new in change.worse:
                found.setdefault(case, {})[name] = (old, new)
        outcomes = {outcome.case.id: outcome for outcome in self.report.outcomes}
        ranked = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
        return [Worse(outcomes.get(case), case, scores) for case, scores in ranked]

    @property
    def families(self) -> list[tuple[str, list[Measured]]]:
        """The measures by family, in order."""
        return [
            (family, list(own)) for family, own in groupby(self.report.measured, lambda m: m.measure.family)
        ]

    def limit(self, measured: Measured) -> str:
        """Returns what a measure has to reach: "≥ 0.9"; empty where nothing is asked of it."""
        if measured.measure.zero_tolerance:
            return "= 1" if measured.measure.better == "higher" else "= 0"
        limit = self.report.limits.get(measured.measure.name)
        sign = "≥" if measured.measure.better == "higher" else "≤"
        return "" if limit is None else f"{sign} {limit:g}"


def passed(report: Report) -> bool:
    """Returns whether nothing is wrong with a run."""
    return not report.faults


def verdict(report: Report) -> tuple[str, str]:
    """Returns PASSED or FAILED, and why in a line."""
    right = sum(map(is_right, report.outcomes))
    came_out = f"{right:,} of {counted(len(report.outcomes), 'case')} came out right"
    failed = f", {counted(len(report.errors), 'error')}" if report.errors else ""
    if not report.faults:
        return "PASSED", f"{came_out}{failed}; {_kept(report)}"
    kinds = Counter(fault.kind for fault in report.faults)
    words = {"invariant": "broken promise", "limit": "missed limit", "regression": "regression"}
    told = [counted(number, words[kind]) for kind, number in kinds.items()]
    return "FAILED", f"{', '.join(told)}; {came_out}{failed}"


def _kept(report: Report) -> str:
    if report.comparison is None:
        return "every promise and limit holds"
    return "every promise and limit holds, and no measure got worse"


def number(value: float, digits: int = 3) -> str:
    """Returns a value such as 0.913, a dash where there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else UNKNOWN


def interval(estimate: Estimate, digits: int = 3) -> str:
    """Returns the interval of an estimate: "0.871–0.952"."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return UNKNOWN
    return f"{estimate.low:.{digits}f}–{estimate.high:.{digits}f}"


def change(found: Change | None, digits: int = 3) -> str:
    """Returns a change with the direction in which the value moved: "▼ −0.021 [−0.040, −0.002]"."""
    if found is None or not math.isfinite(found.difference.value):
        return UNKNOWN
    value, low, high = found.difference
    if not (value or low or high):
        return "="
    arrow = "▲" if value > 0 else "▼" if value < 0 else "="
    told = f"{arrow} {signed(value, digits)}"
    return f"{told} [{signed(low, digits)}, {signed(high, digits)}]" if math.isfinite(low + high) else told


def signed(value: float, digits: int = 3) -> str:
    """Returns a difference with its sign, a true minus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def counted_cases(measured: Measured) -> int:
    """Returns how many cases a measure counts: those in which there was something to gain."""
    return int((measured.rows[:, 1] > 0).sum()) if measured.measure.per_case else len(measured.cases)


def timing_line(report: Report) -> str:
    """Returns what the answers took, in a line; empty where nothing was answered."""
    timings = report.timings
    if timings is None:
        return ""
    parts = [f"latency {timings.median_ms:,.0f} ms median, {timings.p95_ms:,.0f} ms 95th percentile"]
    parts += [f"{timings.tokens:,.0f} tokens"] if timings.tokens else []
    if timings.cost_usd is not None:
        parts.append(f"${timings.cost_usd:.4f}")
    return " · ".join(parts)


def expected(outcome: Outcome) -> list[tuple[str, str]]:
    """Returns what a case asks for: labels and plain texts."""
    case = outcome.case
    rows = [("why there is no answer", case.why)] if case.why else []
    label = "expected papers" if case.answerable else "nearest papers"
    rows += [(label, "; ".join(case.papers))] if case.papers else []
    rows += [("expected facts", "; ".join(" or ".join(group) for group in case.facts))] if case.facts else []
    rows += [("must not be said", "; ".join(case.forbidden))] if case.forbidden else []
    for written in case.writes:
        rows.append(("must be shown" if written.faithful else "must be withheld", written.sentence))
    return rows or [("expected", "an answer" if case.answerable else "a refusal")]


def said(outcome: Outcome) -> list[str]:
    """Returns what was said, a plain text a sentence, or why nothing was."""
    answer = outcome.answer
    if answer is None:
        return [] if outcome.error else ["Only the ranking was measured."]
    if answer.abstention is not None:
        return [f"Refused: {answer.abstention.message}"]
    return [
        " ".join([sentence.text, "".join(f"[{number}]" for number in sentence.citations)]).strip()
        for sentence in answer.sentences
    ] or ["Nothing was said."]


def how_wrong(outcome: Outcome) -> str:
    """Returns in a few words what is wrong with a case of `Told.wrong`."""
    case, answer = outcome.case, outcome.answer
    if is_right(outcome):
        return "breaks a promise"
    if outcome.error is not None:
        return "error"
    if answer is None:
        return "not found"
    if case.says_forbidden(outcome.shown):
        return "says what it must not"
    if case.writes:
        return "a sentence shown or withheld wrongly"
    if answer.abstained:
        return "refused, has an answer"
    if not case.answerable:
        return "answered, has none"
    if not case.states_facts([sentence.text for sentence in answer.sentences]):
        return "facts not said"
    return "no right paper cited"


def quoted(answer: Answer) -> Iterable[tuple[str, Sequence[Citation]]]:
    """Returns the citations of an answer by paper, in order of first mention."""
    found: dict[str, list[Citation]] = {}
    for citation in answer.citations:
        found.setdefault(citation.paper_id, []).append(citation)
    return found.items()


def one_line(text: str, most: int) -> str:
    """Returns a text without control characters, on one line, cut to at most so many characters."""
    plain = " ".join(clean(text).split())
    return plain if len(plain) <= most else plain[: most - 2].rstrip() + " …"
