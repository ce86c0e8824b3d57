"""Baselines are kept and compared case by case; only what an interval bears out is a regression."""

from __future__ import annotations

import pytest
from citewell.errors import UsageError
from citewell_eval.baseline import as_baseline, compare, read_baseline, write_baseline
from citewell_eval.measures import Measured, measure_all
from citewell_eval.measures.answers import MEASURES
from citewell_eval.measures.refusal import MEASURES as REFUSAL
from made_up_outcomes import RIGHT, answer, case, outcome

MANY = [f"c{number:02}" for number in range(40)]


def measured(right: int, cases: list[str] = MANY) -> list[Measured]:
    """The measures of a run in which the first cases are answered right and the others refused."""
    outcomes = [
        outcome(case(id), RIGHT if n < right else answer(confidence=0.1)) for n, id in enumerate(cases)
    ]
    return measure_all([*MEASURES, *REFUSAL], outcomes)


def change(name: str, new: list[Measured], old: list[Measured]):
    comparison = compare(new, as_baseline("s", "before", old), MANY)
    return next(change for change in comparison.changes if change.name == name)


def test_the_same_run_has_changed_in_nothing():
    comparison = compare(measured(30), as_baseline("s", "before", measured(30)), MANY)
    assert all(c.difference == (0, 0, 0) and not c.regressed and not c.worse for c in comparison.changes)
    assert (comparison.added, comparison.removed, comparison.missing) == ((), (), ())


def test_a_clear_loss_is_a_regression_and_names_the_cases():
    found = change("fact correctness", measured(30), measured(40))
    assert found.regressed and found.difference.value == pytest.approx(-0.25)
    assert [case for case, _, _ in found.worse] == MANY[30:]
    assert found.worse[0][1:] == (1.0, 0.0)
    assert change("answerable refused", measured(30), measured(40)).regressed


def test_one_case_more_or_less_is_noise_and_a_gain_is_none():
    assert not change("fact correctness", measured(39), measured(40)).regressed
    gained = change("fact correctness", measured(40), measured(30))
    assert not gained.regressed and [case for case, _, _ in gained.better] == MANY[30:]


def test_cases_that_only_one_run_has_are_named():
    comparison = compare(measured(9, MANY[:9]), as_baseline("s", "before", measured(9, MANY[1:10])), MANY[:9])
    assert comparison.added == ("c00",) and comparison.removed == ("c09",)


def test_new_cases_that_fail_are_no_regression():
    hard = [f"new{number}" for number in range(20)]
    cases = [*MANY[:20], *hard]
    comparison = compare(measured(20, cases), as_baseline("s", "before", measured(20, MANY[:20])), cases)
    assert all(c.difference.value == 0 and not c.worse for c in comparison.changes)
    assert comparison.added == tuple(hard)


def test_what_a_case_no_longer_measures_counts_as_lost():
    """A refusal cites nothing: the measure `fact correctness when answered` does not count it, the other does."""
    assert change("fact correctness when answered", measured(20), measured(40)).difference.value == 0
    assert change("fact correctness", measured(20), measured(40)).regressed


def test_a_measure_that_is_gone_is_named():
    comparison = compare(measured(5)[1:], as_baseline("s", "before", measured(5)), MANY)
    assert comparison.missing == ("fact correctness",)


def test_a_baseline_is_read_as_it_was_written(tmp_path):
    kept = as_baseline("s", "before", measured(30))
    write_baseline(tmp_path / "new" / "b.json", kept)
    assert read_baseline(tmp_path / "new" / "b.json") == kept
    assert compare(measured(30), kept, MANY).changes[0].difference.value == 0


def test_a_baseline_that_cannot_be_read_or_written_is_named(tmp_path):
    with pytest.raises(UsageError, match="Cannot read the baseline.*citewell eval baseline"):
        read_baseline(tmp_path / "none.json")
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(UsageError, match="is no baseline"):
        read_baseline(tmp_path / "b.json")
    with pytest.raises(UsageError, match="Cannot write"):
        write_baseline(tmp_path / "b.json" / "c.json", as_baseline("s", "x", []))
