"""Intervals and paired differences: seeded, right at the edges, and as wide as they should be."""

import math

import numpy as np
import pytest
from citewell_eval.statistics import NOTHING, difference, estimate, ratio, share
from scipy import stats


def test_a_share_has_a_seeded_interval_close_to_the_exact_one():
    measured = share([True] * 75 + [False] * 25)
    assert measured == share([True] * 75 + [False] * 25)
    exact = stats.binomtest(75, 100).proportion_ci(method="exact")
    assert measured.value == 0.75
    assert measured.low == pytest.approx(exact.low, abs=0.02)
    assert measured.high == pytest.approx(exact.high, abs=0.02)


def test_nothing_to_measure_is_no_number():
    assert math.isnan(share([]).value)
    assert estimate(np.zeros((3, 2))) is NOTHING
    assert math.isnan(difference(np.zeros((0, 2)), np.zeros((0, 2))).value)


def test_a_ratio_is_of_sums_so_that_cases_with_more_count_more():
    assert float(ratio(np.array([[1.0, 1.0], [1.0, 4.0]]))) == pytest.approx(0.4)


def test_a_paired_difference_sees_what_separate_intervals_hide():
    rng = np.random.default_rng(1)
    old = np.column_stack([rng.random(80), np.ones(80)])
    new = old + [0.05, 0.0]
    alone = estimate(old)
    assert alone.high - alone.low > 0.05
    paired = difference(new, old)
    assert paired.value == pytest.approx(0.05) and paired.low == pytest.approx(0.05)


def test_noise_is_no_difference():
    rng = np.random.default_rng(2)
    flips = np.column_stack([rng.integers(0, 2, 100), np.ones(100)]).astype(float)
    other = flips.copy()
    other[:4, 0] = 1 - other[:4, 0]
    found = difference(other, flips)
    assert found.low <= 0 <= found.high
