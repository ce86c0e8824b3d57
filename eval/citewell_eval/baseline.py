"""Baselines: the rows of an earlier run, and how a later one differs from it, case by case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from citewell.errors import UsageError
from pydantic import BaseModel, ConfigDict, ValidationError

from citewell_eval.files import write_text
from citewell_eval.measures import Measured
from citewell_eval.statistics import Estimate, difference

_DIGITS = 6


class Baseline(BaseModel):
    """An earlier run: what made it, and by measure and case what was gained of what was possible."""

    model_config = ConfigDict(frozen=True)

    suite: str
    system: str
    measures: dict[str, dict[str, tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Change:
    """How a measure differs from the baseline over the cases that both have.

    Attributes:
        name: the measure.
        difference: new minus old, with its paired interval.
        worse: cases whose score fell, the worst first: id, old score, new score.
        better: the same of cases whose score rose.
        regressed: whether the whole interval is on the bad side of zero.
    """

    name: str
    difference: Estimate
    worse: tuple[tuple[str, float, float], ...]
    better: tuple[tuple[str, float, float], ...]
    regressed: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run against a baseline; cases that only one of them has are named and not compared."""

    baseline: str
    changes: tuple[Change, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    missing: tuple[str, ...]
    """Measures of the baseline that this run does not have."""


def compare(measured: Sequence[Measured], baseline: Baseline, cases: Sequence[str]) -> Comparison:
    """Returns how a run over these cases differs from its baseline."""
    before = {case for rows in baseline.measures.values() for case in rows}
    known = {m.measure.name for m in measured}
    both = sorted(before & set(cases))
    changes = [
        _change(m, old, both) for m in measured if (old := baseline.measures.get(m.measure.name)) is not None
    ]
    return Comparison(
        baseline.system,
        tuple(changes),
        tuple(case for case in cases if case not in before),
        tuple(sorted(before - set(cases))),
        tuple(
            name for name, rows in baseline.measures.items() if name not in known and rows.keys() & set(both)
        ),
    )


def _change(measured: Measured, old: Mapping[str, tuple[float, float]], both: Sequence[str]) -> Change:
    new = _rounded(measured)
    # What one run did not measure of a case had nothing to gain there.
    common = [case for case in both if case in new or case in old]
    tables = [np.array([rows.get(case, (0.0, 0.0)) for case in common]).reshape(-1, 2) for rows in (new, old)]
    found = difference(tables[0], tables[1], measured.measure.statistic)
    sign = 1 if measured.measure.better == "higher" else -1
    moved = _moved(measured, common, new, old) if measured.measure.per_case else []
    worse = sorted((m for m in moved if sign * (m[2] - m[1]) < 0), key=lambda m: (sign * (m[2] - m[1]), m[0]))
    better = sorted(
        (m for m in moved if sign * (m[2] - m[1]) > 0), key=lambda m: (-sign * (m[2] - m[1]), m[0])
    )
    regressed = found.high < 0 if sign > 0 else found.low > 0
    return Change(measured.measure.name, found, tuple(worse), tuple(better), bool(regressed))


def _moved(
    measured: Measured,
    cases: Sequence[str],
    new: Mapping[str, tuple[float, float]],
    old: Mapping[str, tuple[float, float]],
) -> list[tuple[str, float, float]]:
    found = []
    for case in cases:
        scores = [measured.measure.score(*rows.get(case, (0.0, 0.0))) for rows in (old, new)]
        if round(scores[0], _DIGITS) != round(scores[1], _DIGITS):
            found.append((case, scores[0], scores[1]))
    return found


def as_baseline(suite: str, system: str, measured: Sequence[Measured]) -> Baseline:
    """Returns what is kept of a run."""
    rows = {m.measure.name: _rounded(m) for m in measured}
    return Baseline(suite=suite, system=system, measures=rows)


def _rounded(measured: Measured) -> dict[str, tuple[float, float]]:
    """Returns the rows as they are kept, so that nothing differs from itself by a rounding."""
    rows = zip(measured.cases, measured.rows.round(_DIGITS).tolist(), strict=True)
    return {case: (row[0], row[1]) for case, row in rows}


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Writes the file beside, then swaps; a line a measure, so that a change can be read in a diff.

    Raises:
        UsageError: it cannot be written.
    """
    lines = ",\n".join(
        f" {json.dumps(name)}: {json.dumps(rows, separators=(',', ':'))}"
        for name, rows in baseline.measures.items()
    )
    head = (
        f'{{"suite": {json.dumps(baseline.suite)}, "system": {json.dumps(baseline.system)}, "measures": {{\n'
    )
    write_text(path, f"{head}{lines}\n}}}}\n")


def read_baseline(path: Path) -> Baseline:
    """Returns the baseline of a file.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    try:
        return Baseline.model_validate_json(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"Cannot read the baseline {path}: {error.strerror}. Make one with `citewell eval baseline`."
        ) from error
    except ValidationError as error:
        raise UsageError(
            f"{path} is no baseline. Make one with `citewell eval baseline --output {path}`."
        ) from error
