"""Measures of refusing: what the collection does not answer is to be refused, and nothing else.

Precision, recall and F1 take a refusal as the prediction and an unanswerable question as the truth. The risk-coverage
curve (El-Yaniv and Wiener 2010) answers questions by falling confidence: coverage is the share answered, risk the share
of those that the collection does not answer. The area under it averages the risk over all coverages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from citewell_eval.measures.base import Measure, Row, hit
from citewell_eval.outcomes import Outcome
from citewell_eval.statistics import Array

FAMILY = "refusal"


def _measured(outcome: Outcome) -> bool:
    return not outcome.case.writes and outcome.case.kind != "query"


def _precision(outcome: Outcome) -> Row | None:
    return Row(not outcome.case.answerable, 1.0) if _measured(outcome) and outcome.refused else None


def _recall(outcome: Outcome) -> Row | None:
    return hit(outcome.refused) if _measured(outcome) and not outcome.case.answerable else None


def _f1(outcome: Outcome) -> Row | None:
    """Twice the true refusals over the refusals and the unanswerable questions together."""
    if not _measured(outcome):
        return None
    unanswerable = not outcome.case.answerable
    return Row(2.0 * (outcome.refused and unanswerable), float(outcome.refused) + float(unanswerable))


def _wrongly(outcome: Outcome) -> Row | None:
    return hit(outcome.refused) if _measured(outcome) and outcome.case.answerable else None


def _risk(outcome: Outcome) -> Row | None:
    """The confidence, and whether answering would be wrong; not what is gained of what is possible."""
    if not _measured(outcome) or outcome.answer is None:
        return None
    return Row(float(not outcome.case.answerable), outcome.answer.confidence)


def area(rows: Array) -> Array:
    """Returns the area under the risk-coverage curve of rows (wrong, confidence), shape (..., cases, 2)."""
    order = np.argsort(-rows[..., 1], axis=-1, kind="stable")
    wrong = np.take_along_axis(rows[..., 0], order, axis=-1)
    risks = np.cumsum(wrong, axis=-1) / np.arange(1, wrong.shape[-1] + 1)
    return np.asarray(risks.mean(axis=-1))


class Point(NamedTuple):
    """Answering whatever is at least this confident answers `coverage` of the questions, `risk` of them wrongly."""

    confidence: float
    coverage: float
    risk: float


def curve(outcomes: Sequence[Outcome]) -> list[Point]:
    """Returns the risk-coverage curve, the most confident question first, a point for each confidence."""
    rows = sorted(
        ((row.possible, row.gained) for o in outcomes if (row := _risk(o)) is not None), reverse=True
    )
    points: list[Point] = []
    wrong = 0.0
    for number, (confidence, mistaken) in enumerate(rows, 1):
        wrong += mistaken
        if points and points[-1].confidence == confidence:
            points.pop()
        points.append(Point(confidence, number / len(rows), wrong / number))
    return points


MEASURES = (
    Measure("refusal precision", FAMILY, _precision),
    Measure("refusal recall", FAMILY, _recall),
    Measure("refusal F1", FAMILY, _f1),
    Measure("answerable refused", FAMILY, _wrongly, better="lower"),
    Measure("risk-coverage area", FAMILY, _risk, better="lower", statistic=area),
)
