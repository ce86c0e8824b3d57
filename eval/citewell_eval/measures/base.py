"""What a measure is: a name, and one row a case that a statistic is taken of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from citewell_eval.outcomes import Outcome
from citewell_eval.statistics import Array, Estimate, Statistic, estimate, ratio

Better = Literal["higher", "lower"]


class Row(NamedTuple):
    """What one case adds: `gained` of `possible`; a case with nothing possible does not count."""

    gained: float
    possible: float


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of a run.

    Attributes:
        name: as papers print it, such as `nDCG@10`.
        family: `retrieval`, `citations`, `answers`, `refusal` or `safety`.
        row: what a case adds; None for a case that it does not measure.
        better: which way is better.
        zero_tolerance: any case that is not perfect is a fault, whatever the interval says.
        statistic: what is taken of the rows; by default all gained over all possible.
    """

    name: str
    family: str
    row: Callable[[Outcome], Row | None]
    better: Better = "higher"
    zero_tolerance: bool = False
    statistic: Statistic = ratio

    @property
    def per_case(self) -> bool:
        """Whether a case has a score of its own."""
        return self.statistic is ratio

    def score(self, gained: float, possible: float) -> float:
        """Returns the score of a case; what has nothing to gain has lost nothing."""
        if possible:
            return gained / possible
        return 1.0 if self.better == "higher" else 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure of one run: its rows by case, and the estimate over them."""

    measure: Measure
    cases: tuple[str, ...]
    rows: Array
    estimate: Estimate

    @property
    def scores(self) -> dict[str, float]:
        """The score of each case, where cases have scores of their own."""
        if not self.measure.per_case:
            return {}
        rows = zip(self.cases, self.rows.tolist(), strict=True)
        return {case: self.measure.score(*row) for case, row in rows}

    @property
    def imperfect(self) -> list[str]:
        """The cases that do not score best."""
        best = 1.0 if self.measure.better == "higher" else 0.0
        return [case for case, score in self.scores.items() if score != best]


def measure_all(measures: Sequence[Measure], outcomes: Sequence[Outcome]) -> list[Measured]:
    """Returns those measures that have a case to measure."""
    found = []
    for measure in measures:
        rows = {o.case.id: row for o in outcomes if (row := measure.row(o)) is not None}
        if any(row.possible for row in rows.values()):
            table = np.array(list(rows.values()), dtype=float)
            found.append(Measured(measure, tuple(rows), table, estimate(table, measure.statistic)))
    return found


def hit(value: bool | float) -> Row:
    """Returns the row of a case that is worth one."""
    return Row(float(value), 1.0)
