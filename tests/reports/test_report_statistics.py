"""The intervals against scipy's own and against simulated coverage; the gap against areas computed by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from reports import statistics


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (210, 450), (450, 450), (9443, 10_000)])
def test_wilson_is_scipys(k, n):
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert np.allclose(statistics.wilson(k, n), (theirs.low, theirs.high))


def test_wilson_works_on_arrays():
    low, high = statistics.wilson([1, 5], [10, 10])
    assert low.shape == high.shape == (2,) and (low < high).all()


@pytest.mark.parametrize("n", [1, 7, 64, 360, 1000])
def test_wilson_never_leaves_the_rate_out(n):
    """By rounding it did, at none and at all, and matplotlib refuses a bar of negative length."""
    k = np.arange(n + 1)
    low, high = statistics.wilson(k, n)
    assert (low <= k / n).all() and (k / n <= high).all() and low[0] == 0 and high[-1] == 1


def test_t_interval_is_scipys():
    values = [61.0, 62.5, 60.2]
    theirs = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert np.allclose(statistics.t_interval(values), (np.mean(values), *theirs))


def test_t_interval_covers_the_mean_95_times_in_100():
    samples = np.random.default_rng(0).normal(62, 1.5, size=(4000, 3))
    intervals = np.array([statistics.t_interval(sample) for sample in samples])
    assert np.mean((intervals[:, 1] <= 62) & (intervals[:, 2] >= 62)) == pytest.approx(0.95, abs=0.012)


def test_t_interval_refuses_a_single_seed():
    with pytest.raises(ValueError, match="wilson"):
        statistics.t_interval([61.0])


def test_monotone():
    assert statistics.monotone_within_intervals([1, 2, 3], [1, 2, 3])
    assert not statistics.monotone_within_intervals([1, 3, 2], [1, 3, 2])
    assert statistics.monotone_within_intervals([0, 2, 1], [2, 4, 3])  # 2, 2, 2 fits through all three
    assert statistics.monotone_within_intervals([3, 2, 1], [3, 2, 1], rising=False)


def test_monotone_sees_a_slow_reversal_that_no_two_neighbours_show():
    lows, highs = np.array([3.0, 2.0, 1.0, 0.0]), np.array([4.5, 3.5, 2.5, 1.5])
    assert all(statistics.monotone_within_intervals(lows[i : i + 2], highs[i : i + 2]) for i in range(3))
    assert not statistics.monotone_within_intervals(lows, highs)


def test_gap_of_a_parallel_curve_is_its_height():
    frontier = np.array([(90, 60), (94, 50), (97, 10)])
    assert statistics.distance_to_frontier(frontier + [0, 3], frontier) == pytest.approx(3)
    assert statistics.distance_to_frontier(frontier - [0, 2], frontier) == pytest.approx(-2)


def test_gap_is_taken_over_the_common_range_and_exact():
    frontier = [(90, 60), (100, 0)]  # RA = 60 - 6 (SA - 90)
    curve = [(96, 40), (92, 40)]  # flat, in either order: the gap runs from -8 at 92 to +16 at 96
    assert statistics.distance_to_frontier(curve, frontier) == pytest.approx(4)
    assert statistics.common_range(curve, frontier) == (92, 96)


def test_gap_without_a_common_range_is_nan():
    assert math.isnan(statistics.distance_to_frontier([(80, 40), (81, 39)], [(90, 60), (95, 50)]))
    assert math.isnan(statistics.distance_to_frontier([(92, 40)], [(90, 60), (95, 50)]))


def test_curve_that_turns_back_in_sa_is_still_a_function():
    sa, ra = statistics.as_function([(96, 10), (95, 20), (96, 30)])
    assert sa.tolist() == [95, 96] and ra.tolist() == [20, 20]


def test_gaps_by_seed_leave_out_seeds_that_share_nothing():
    frontier = np.array([(90.0, 60), (95, 50)])
    gaps = statistics.gaps_by_seed([frontier + [0, 1], frontier + [20, 0]], [frontier, frontier])
    assert gaps.tolist() == pytest.approx([1])


def test_bootstrap_counts_have_the_binomials_spread_and_stay_nested():
    counts = np.array([(450, 420, 200)])
    draws = statistics.resampled(counts, 20_000, np.random.default_rng(0))
    assert (draws[..., 2] <= draws[..., 1]).all()
    for column, k in ((1, 420), (2, 200)):
        spread = math.sqrt(450 * (k / 450) * (1 - k / 450))
        assert draws[:, 0, column].mean() == pytest.approx(k, abs=4 * spread / math.sqrt(20_000))
        assert draws[:, 0, column].std() == pytest.approx(spread, rel=0.03)


def test_bootstrap_gap_brackets_the_plain_one_and_repeats():
    frontier = np.array([(10_000, 9000, 6000), (10_000, 9400, 5000), (10_000, 9700, 1000)])
    curve = frontier + [0, 0, 300]
    gap, low, high = statistics.gap_bootstrap(curve, frontier, draws=200)
    assert gap == pytest.approx(3) and low < gap < high
    assert (gap, low, high) == statistics.gap_bootstrap(curve, frontier, draws=200)


def test_bootstrap_gap_covers_the_true_one():
    truth = np.array([(450, 414, 270), (450, 428, 225), (450, 437, 45)]), np.array([(450, 418, 280), (450, 433, 180)])
    true_gap = statistics.distance_to_frontier(*(statistics.percent(counts) for counts in truth[::-1]))
    rng = np.random.default_rng(0)
    frontiers, observed = (statistics.resampled(counts, 100, rng) for counts in truth)
    found = [
        statistics.gap_bootstrap(curve, frontier, draws=100)
        for curve, frontier in zip(observed, frontiers, strict=True)
    ]
    covered = [low <= true_gap <= high for _, low, high in filter(None, found)]
    assert len(covered) > 90 and np.mean(covered) >= 0.9
