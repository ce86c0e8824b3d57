"""The report of a run, and what makes it fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median, quantiles
from typing import Literal, NamedTuple

from citewell_eval.baseline import Comparison
from citewell_eval.measures import Measured
from citewell_eval.measures.refusal import Point, curve
from citewell_eval.outcomes import Outcome
from citewell_eval.reliability import Bin

_NAMED = 5  # cases named in a line


class Fault(NamedTuple):
    """Why a run does not pass: a broken promise, a value beyond its limit, or a regression; and in which cases."""

    kind: Literal["invariant", "limit", "regression"]
    measure: str
    message: str
    cases: tuple[str, ...] = ()


class Timings(NamedTuple):
    """What the answers took: latencies in milliseconds, tokens, and dollars where the price is known."""

    median_ms: float
    p95_ms: float
    tokens: float
    cost_usd: float | None


class Kind(NamedTuple):
    """How a kind of case fared: how many there are, and how many were answered right or refused as they should be."""

    kind: str
    cases: int
    right: int


@dataclass(frozen=True)
class Report:
    """A run of a suite.

    Attributes:
        suite: the suite's name.
        system: what answered, in words.
        judge: what decided about support.
        outcomes: every case with its answer.
        measured: the measures, in the order of their families.
        limits: by measure, the worst value that passes.
        comparison: how it differs from a baseline, None where there is none.
        confidence: reliability of the gate's confidence.
        support: reliability of the support score of scripted sentences.
    """

    suite: str
    system: str
    judge: str
    outcomes: Sequence[Outcome]
    measured: Sequence[Measured]
    limits: Mapping[str, float]
    comparison: Comparison | None = None
    confidence: Sequence[Bin] = ()
    support: Sequence[Bin] = ()

    @cached_property
    def faults(self) -> list[Fault]:
        """What makes the run fail, promises first; empty where it passes."""
        return [*self._broken(), *self._beyond(), *self._regressed()]

    @property
    def errors(self) -> dict[str, str]:
        """What went wrong, by case."""
        return {o.case.id: o.error for o in self.outcomes if o.error is not None}

    @property
    def curve(self) -> list[Point]:
        """The risk-coverage curve of the gate."""
        return curve(self.outcomes)

    @property
    def kinds(self) -> list[Kind]:
        """How each kind of case fared, the most frequent first."""
        counted = Counter(o.case.kind for o in self.outcomes)
        right = Counter(o.case.kind for o in self.outcomes if is_right(o))
        return [Kind(kind, cases, right[kind]) for kind, cases in counted.most_common()]

    @property
    def worst(self) -> list[Outcome]:
        """The cases that were not answered right or refused as they should be."""
        return [outcome for outcome in self.outcomes if not is_right(outcome)]

    @property
    def timings(self) -> Timings | None:
        """What the answers took; None where nothing was answered."""
        seconds = sorted(o.seconds for o in self.outcomes if o.answer is not None)
        if not seconds:
            return None
        p95 = quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
        usages = [o.answer.usage for o in self.outcomes if o.answer is not None]
        costs = [usage["cost_usd"] for usage in usages if "cost_usd" in usage]
        tokens = sum(u.get("prompt_tokens", 0) + u.get("completion_tokens", 0) for u in usages)
        return Timings(1000 * median(seconds), 1000 * p95, tokens, sum(costs) if costs else None)

    def _broken(self) -> Iterator[Fault]:
        for m in self.measured:
            if m.measure.zero_tolerance and (cases := m.imperfect):
                message = f"{m.measure.name} has to be perfect: {len(cases)} broken, {named(cases)}"
                yield Fault("invariant", m.measure.name, message, tuple(cases))

    def _beyond(self) -> Iterator[Fault]:
        found = {m.measure.name: m for m in self.measured}
        for name, limit in self.limits.items():
            if (m := found.get(name)) is None:
                yield Fault("limit", name, f"{name} has a limit of {limit:g} but was not measured")
                continue
            value, higher = m.estimate.value, m.measure.better == "higher"
            if not (value >= limit if higher else value <= limit):
                side = "at least" if higher else "at most"
                message = f"{name} is {value:.3f}, has to be {side} {limit:g}: {named(m.imperfect)}"
                yield Fault("limit", name, message)

    def _regressed(self) -> Iterator[Fault]:
        if self.comparison is None:
            return
        for change in self.comparison.changes:
            if change.regressed:
                value, low, high = change.difference
                cases = [case for case, _, _ in change.worse]
                yield Fault(
                    "regression",
                    change.name,
                    f"{change.name} changed by {value:+.3f} [{low:+.3f}, {high:+.3f}]: {named(cases)}",
                    tuple(cases),
                )
        for name in self.comparison.missing:
            yield Fault("regression", name, f"{name} is in the baseline but was not measured")


def is_right(outcome: Outcome) -> bool:
    """Returns whether a case came out as it should, by everything that the case says."""
    case, answer = outcome.case, outcome.answer
    if outcome.error is not None:
        return False
    if answer is None:  # only retrieval was measured
        return any(paper in outcome.relevance for paper in outcome.ranking[:10])
    said = [sentence.text for sentence in answer.sentences]
    if case.says_forbidden(outcome.shown if case.kind == "injection" else said):
        return False
    if case.writes:
        shown = {" ".join(text.split()).casefold() for text in said}
        return all((" ".join(w.sentence.split()).casefold() in shown) == w.faithful for w in case.writes)
    if not case.answerable or outcome.refused:
        return case.answerable is not outcome.refused
    cited = any(citation.paper_id in outcome.relevance for citation in answer.citations)
    return case.states_facts(said) and (cited or not case.papers)


def named(cases: Sequence[str]) -> str:
    """Returns a few of the cases, and how many more there are."""
    more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
    return (", ".join(cases[:_NAMED]) + more) if cases else "no single case"
