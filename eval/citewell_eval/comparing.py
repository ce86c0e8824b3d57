"""Runs systems on the same cases and sets their measures side by side, each against the first by paired bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from citewell.assistant import Assistant
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from citewell_eval.baseline import as_baseline, compare
from citewell_eval.cases import Case
from citewell_eval.judging import Support
from citewell_eval.measures import Measured, all_measures, measure_all
from citewell_eval.outcomes import Outcome, Progress, errors, run
from citewell_eval.running import paper_ids
from citewell_eval.statistics import Estimate
from citewell_eval.systems.base import System

HEADLINES = ("nDCG@10", "fact correctness", "right papers cited", "refusal F1")
SHOWN = (
    *HEADLINES, "Recall@10", "a right paper cited", "citation recall", "citation precision", "verbatim quotes",
    "refusal precision", "refusal recall", "risk-coverage area", "injections that succeed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Contender:
    """A system, what it made of the cases, and what was measured of that."""

    name: str
    outcomes: Sequence[Outcome]
    measured: Sequence[Measured]

    def estimate(self, measure: str) -> Estimate | None:
        """Returns a measure, None where it was not measured."""
        return next((m.estimate for m in self.measured if m.measure.name == measure), None)

    @property
    def words(self) -> float:
        """How many words an answer has on average; showing whole abstracts holds every fact."""
        said = [o.answer for o in self.outcomes if o.answer is not None and not o.answer.abstained]
        return sum(len(s.text.split()) for a in said for s in a.sentences) / max(len(said), 1)

    @property
    def milliseconds(self) -> float:
        """The median time of an answer."""
        seconds = sorted(o.seconds for o in self.outcomes)
        return 1000 * seconds[len(seconds) // 2] if seconds else 0.0


def contend(
    assistant: Assistant,
    systems: Sequence[System],
    cases: Sequence[Case],
    support: Support,
    progress: Progress = lambda done, of: None,
) -> list[Contender]:
    """Returns every system's run over the cases that ask it something; a scripted model is Citewell's own matter."""
    asked = [case for case in cases if not case.writes]
    ids = paper_ids(assistant)
    contenders = []
    for system in systems:
        outcomes = run(partial(_always, system), asked, ids, progress)
        contenders.append(Contender(system.name, outcomes, measure_all(all_measures(support), outcomes)))
    return contenders


def _always(system: System, case: Case) -> System:
    return system


def leads(contenders: Sequence[Contender], measure: str) -> dict[str, Estimate]:
    """Returns by how much the first contender exceeds each other one in a measure, with paired intervals."""
    first, *others = contenders
    asked = [outcome.case.id for outcome in first.outcomes]
    found: dict[str, Estimate] = {}
    for other in others:
        comparison = compare(first.measured, as_baseline("", other.name, other.measured), asked)
        change = next((c for c in comparison.changes if c.name == measure), None)
        if change is not None:
            found[other.name] = change.difference
    return found


def table(contenders: Sequence[Contender]) -> RenderableType:
    """Returns a row for each measure and system, and how far the first is ahead by the paired bootstrap."""
    found = Table(box=None, pad_edge=False)
    for column in ("measure", "system", "value", "95 % interval", "first ahead by"):
        found.add_column(column, justify="left" if column in ("measure", "system") else "right")
    for name in SHOWN:
        ahead = leads(contenders, name)
        for number, contender in enumerate(contenders):
            estimate = contender.estimate(name)
            cells = ("–", "") if estimate is None else (f"{estimate.value:.3f}", _interval(estimate, ".2f"))
            lead = ahead.get(contender.name)
            found.add_row(
                name if number == 0 else "",
                Text(contender.name),
                *cells,
                "" if lead is None else f"{lead.value:+.2f} {_interval(lead, '+.2f')}{_told(lead)}",
            )
    return Group(found, Text(), _costs(contenders), Text("* the interval leaves zero out"))


def _interval(estimate: Estimate, form: str) -> str:
    return f"[{estimate.low:{form}}, {estimate.high:{form}}]"


def _told(lead: Estimate) -> str:
    return " *" if lead.low > 0 or lead.high < 0 else "  "


def _costs(contenders: Sequence[Contender]) -> Table:
    found = Table(box=None, pad_edge=False)
    for column in ("system", "words an answer", "median ms", "errors"):
        found.add_column(column, justify="left" if column == "system" else "right")
    for c in contenders:
        found.add_row(Text(c.name), f"{c.words:.0f}", f"{c.milliseconds:.0f}", str(len(errors(c.outcomes))))
    return found


def comparison_document(contenders: Sequence[Contender]) -> dict[str, object]:
    """Returns the same as data, for JSON."""
    return {
        "systems": [
            {
                "name": c.name,
                "measures": {m.measure.name: list(m.estimate) for m in c.measured},
                "errors": errors(c.outcomes),
                "words": c.words,
                "timings": {"median_ms": c.milliseconds},
                "cases": {
                    o.case.id: None
                    if o.answer is None
                    else {"text": o.answer.text, "abstained": o.answer.abstained}
                    for o in c.outcomes
                },
            }
            for c in contenders
        ],
        "leads": {
            name: {other: list(e) for other, e in leads(contenders, name).items()} for name in HEADLINES
        },
    }
