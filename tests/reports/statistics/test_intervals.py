"""Intervals against scipy and simulated coverage."""

import numpy as np
import pytest
from scipy import stats

from reports.statistics import estimates, intervals


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (210, 450), (450, 450), (9443, 10_000)])
def test_wilson_is_scipys(k, n):
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert np.allclose(intervals.wilson(k, n), (theirs.low, theirs.high))


def test_wilson_works_on_arrays():
    low, high = intervals.wilson([1, 5], [10, 10])
    assert low.shape == high.shape == (2,) and (low < high).all()


@pytest.mark.parametrize("n", [1, 7, 64, 360, 1000])
def test_wilson_never_leaves_the_rate_out(n):
    """Rounding at k = 0 and k = n must not exclude the rate: matplotlib refuses an error bar of negative length."""
    k = np.arange(n + 1)
    low, high = intervals.wilson(k, n)
    assert (low <= k / n).all() and (k / n <= high).all() and low[0] == 0 and high[-1] == 1


def test_the_interval_over_seeds_is_scipys():
    values = [61.0, 62.5, 60.2]
    estimate, theirs = estimates.over_seeds(values), stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert np.allclose((estimate.value, *estimate.bounds(0.95)), (np.mean(values), *theirs))


def test_monotone():
    assert intervals.monotone_within_intervals([1, 2, 3], [1, 2, 3])
    assert not intervals.monotone_within_intervals([1, 3, 2], [1, 3, 2])
    assert intervals.monotone_within_intervals([0, 2, 1], [2, 4, 3])  # 2, 2, 2 fits through all three
    assert intervals.monotone_within_intervals([3, 2, 1], [3, 2, 1], rising=False)


def test_monotone_sees_a_slow_reversal_that_no_two_neighbours_show():
    lows, highs = np.array([3.0, 2.0, 1.0, 0.0]), np.array([4.5, 3.5, 2.5, 1.5])
    assert all(intervals.monotone_within_intervals(lows[i : i + 2], highs[i : i + 2]) for i in range(3))
    assert not intervals.monotone_within_intervals(lows, highs)
