"""Intervals and paired comparisons by the bootstrap over cases.

A measure is a statistic over a table with one row a case. Cases are drawn with replacement, the statistic is taken
of each draw, and the 2.5 % and 97.5 % quantiles bound the interval (Efron 1979, percentile method). Two runs are
compared over the same draws, so that what makes a case hard cancels out (Sakai 2006, paired bootstrap). Draws are
seeded: the same table gives the same digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DRAWS, SEED = 2_000, 20_260_101

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Maps rows of shape (..., cases, width) to values of shape (...)."""


class Estimate(NamedTuple):
    """A value with its 95 % interval; all three are nan where there is nothing to measure."""

    value: float
    low: float
    high: float


NOTHING = Estimate(float("nan"), float("nan"), float("nan"))


def ratio(rows: Array) -> Array:
    """Returns the sum of the first column over the sum of the second, nan where that is zero."""
    total = rows[..., 1].sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, rows[..., 0].sum(axis=-1) / total, np.nan)


def estimate(rows: Array, statistic: Statistic = ratio) -> Estimate:
    """Returns a statistic of the rows, shape (cases, width), with its interval."""
    if not len(rows) or np.isnan(value := float(statistic(rows))):
        return NOTHING
    return Estimate(value, *_interval(statistic(rows[draws(len(rows))])))


def difference(new: Array, old: Array, statistic: Statistic = ratio) -> Estimate:
    """Returns how much a statistic of the new rows exceeds that of the old; rows of one index are one case."""
    if not len(new):
        return NOTHING
    value = float(statistic(new) - statistic(old))
    if np.isnan(value):
        return NOTHING
    drawn = draws(len(new))
    return Estimate(value, *_interval(statistic(new[drawn]) - statistic(old[drawn])))


def share(hits: Sequence[bool]) -> Estimate:
    """Returns the share of hits with its interval."""
    return estimate(np.array([[float(hit), 1.0] for hit in hits]).reshape(-1, 2))


def draws(cases: int) -> NDArray[np.int64]:
    """Returns the indices of every draw, shape (DRAWS, cases)."""
    return np.random.default_rng(SEED).integers(cases, size=(DRAWS, cases))


def _interval(values: Array) -> tuple[float, float]:
    low, high = np.nanquantile(values, (0.025, 0.975))
    return float(low), float(high)
