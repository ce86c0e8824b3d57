"""A report as JSON, with every case. What differs between two runs of the same code stands under `timings` only."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict

from citewell_eval.measures import Measured
from citewell_eval.outcomes import Outcome
from citewell_eval.report.model import Report, is_right
from citewell_eval.report.wording import Told, counted_cases, passed

_RANKED = 10  # papers of a ranking that are kept
_HALVES = re.compile("[\ud800-\udfff]")
_VARYING = ("usage", "timings")  # of an answer


def document(report: Report) -> dict[str, object]:
    """Returns the report as what JSON can write: no NaN, keys always in one order."""
    told = Told(report)
    whole = {
        "suite": report.suite,
        "system": report.system,
        "judge": report.judge,
        "passed": passed(report),
        "faults": [fault._asdict() for fault in report.faults],
        "measures": [_measure(measured, report) for measured in report.measured],
        "kinds": [kind._asdict() for kind in report.kinds],
        "curve": [point._asdict() for point in report.curve],
        "reliability": {
            "confidence": [part._asdict() for part in report.confidence],
            "support": [part._asdict() for part in report.support],
        },
        "comparison": _comparison(report),
        "errors": report.errors,
        "cases": [_case(outcome, told) for outcome in report.outcomes],
        "timings": _timings(report),
    }
    return {key: _written(value) for key, value in whole.items()}


def _measure(measured: Measured, report: Report) -> dict[str, object]:
    measure = measured.measure
    return {
        "name": measure.name,
        "family": measure.family,
        **measured.estimate._asdict(),
        "cases": counted_cases(measured),
        "better": measure.better,
        "zero_tolerance": measure.zero_tolerance,
        "limit": report.limits.get(measure.name),
    }


def _comparison(report: Report) -> dict[str, object] | None:
    return None if report.comparison is None else asdict(report.comparison)


def _case(outcome: Outcome, told: Told) -> dict[str, object]:
    case, answer = outcome.case, outcome.answer
    kept = None
    if answer is not None:
        kept = {key: value for key, value in answer.to_dict().items() if key not in _VARYING}
    return {
        "id": case.id,
        "kind": case.kind,
        "question": case.question,
        "answerable": case.answerable,
        "right": is_right(outcome),
        "scores": told.scores.get(case.id, {}),
        "ranking": outcome.ranking[:_RANKED],
        "answer": kept,
        "error": outcome.error,
    }


def _timings(report: Report) -> dict[str, object]:
    return {
        "run": None if report.timings is None else report.timings._asdict(),
        "cases": {
            o.case.id: {
                "seconds": o.seconds,
                **{key: dict(sorted(getattr(o.answer, key).items())) for key in _VARYING},
            }
            for o in report.outcomes
            if o.answer is not None
        },
    }


def _written(value: object) -> object:
    """Returns a value as JSON in UTF-8 can hold it: null for numbers that are none, U+FFFD for half a pair."""
    if isinstance(value, str):
        return _HALVES.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _written(value._asdict())
    if isinstance(value, Mapping):
        return {str(_written(key)): _written(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_written(own) for own in value]
    return value
