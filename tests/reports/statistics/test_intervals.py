"""The intervals against scipy's own and against simulated coverage; the gap against areas computed by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics import frontier_distance, intervals


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (210, 450), (450, 450), (9443, 10_000)])
def test_wilson_is_scipys(k, n):
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert np.allclose(intervals.wilson(k, n), (theirs.low, theirs.high))


def test_wilson_works_on_arrays():
    low, high = intervals.wilson([1, 5], [10, 10])
    assert low.shape == high.shape == (2,) and (low < high).all()


@pytest.mark.parametrize("n", [1, 7, 64, 360, 1000])
def test_wilson_never_leaves_the_rate_out(n):
    """By rounding it did, at none and at all, and matplotlib refuses a bar of negative length."""
    k = np.arange(n + 1)
    low, high = intervals.wilson(k, n)
    assert (low <= k / n).all() and (k / n <= high).all() and low[0] == 0 and high[-1] == 1


def test_t_interval_is_scipys():
    values = [61.0, 62.5, 60.2]
    theirs = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert np.allclose(intervals.t_interval(values), (np.mean(values), *theirs))


def test_t_interval_covers_the_mean_95_times_in_100():
    samples = np.random.default_rng(0).normal(62, 1.5, size=(4000, 3))
    bounds = np.array([intervals.t_interval(sample) for sample in samples])
    assert np.mean((bounds[:, 1] <= 62) & (bounds[:, 2] >= 62)) == pytest.approx(0.95, abs=0.012)


def test_t_interval_refuses_a_single_seed():
    with pytest.raises(ValueError, match="wilson"):
        intervals.t_interval([61.0])


def test_monotone():
    assert intervals.monotone_within_intervals([1, 2, 3], [1, 2, 3])
    assert not intervals.monotone_within_intervals([1, 3, 2], [1, 3, 2])
    assert intervals.monotone_within_intervals([0, 2, 1], [2, 4, 3])  # 2, 2, 2 fits through all three
    assert intervals.monotone_within_intervals([3, 2, 1], [3, 2, 1], rising=False)


def test_monotone_sees_a_slow_reversal_that_no_two_neighbours_show():
    lows, highs = np.array([3.0, 2.0, 1.0, 0.0]), np.array([4.5, 3.5, 2.5, 1.5])
    assert all(intervals.monotone_within_intervals(lows[i : i + 2], highs[i : i + 2]) for i in range(3))
    assert not intervals.monotone_within_intervals(lows, highs)


def test_gap_of_a_parallel_curve_is_its_height():
    frontier = np.array([(90, 60), (94, 50), (97, 10)])
    assert frontier_distance.distance_to_frontier(frontier + [0, 3], frontier) == pytest.approx(3)
    assert frontier_distance.distance_to_frontier(frontier - [0, 2], frontier) == pytest.approx(-2)


def test_gap_is_taken_over_the_common_range_and_exact():
    frontier = [(90, 60), (100, 0)]  # RA = 60 - 6 (SA - 90)
    curve = [(96, 40), (92, 40)]  # flat, in either order: the gap runs from -8 at 92 to +16 at 96
    assert frontier_distance.distance_to_frontier(curve, frontier) == pytest.approx(4)
    assert frontier_distance.common_range(curve, frontier) == (92, 96)


def test_gap_without_a_common_range_is_nan():
    assert math.isnan(frontier_distance.distance_to_frontier([(80, 40), (81, 39)], [(90, 60), (95, 50)]))
    assert math.isnan(frontier_distance.distance_to_frontier([(92, 40)], [(90, 60), (95, 50)]))


def test_curve_that_turns_back_in_sa_is_still_a_function():
    sa, ra = frontier_distance.as_function([(96, 10), (95, 20), (96, 30)])
    assert sa.tolist() == [95, 96] and ra.tolist() == [20, 20]


def test_area_is_the_gap_times_the_common_range():
    frontier, curve = [(90, 60), (100, 0)], [(96, 40), (92, 40)]
    assert frontier_distance.area_to_frontier(curve, frontier) == pytest.approx(16)  # 4 pp of RA over 4 pp of SA
    assert frontier_distance.area_to_frontier(frontier, curve) == pytest.approx(-16)
    assert math.isnan(frontier_distance.area_to_frontier([(80, 40), (81, 39)], frontier))


def test_area_is_the_polygons_by_the_shoelace_formula():
    """Where one curve lies above the other over the same SA, they bound a polygon."""
    rng = np.random.default_rng(0)
    sa = np.sort(rng.uniform(80, 99, 6))
    low = np.column_stack([sa, rng.uniform(10, 30, 6)])
    high = np.column_stack([[sa[0], *np.sort(rng.uniform(sa[0], sa[-1], 3)), sa[-1]], rng.uniform(40, 60, 5)])
    x, y = np.concatenate([low, high[::-1]]).T
    shoelace = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    assert frontier_distance.area_to_frontier(high, low) == pytest.approx(shoelace)


def test_hypervolume_by_hand():
    assert frontier_distance.hypervolume([(90, 50)]) == pytest.approx(45)
    assert frontier_distance.hypervolume([(90, 50), (80, 60), (85, 40)]) == pytest.approx(
        45 + 8
    )  # the last is dominated
    assert frontier_distance.hypervolume([(90, 50), (80, 60)], reference=(80, 40)) == pytest.approx(1)
    assert frontier_distance.hypervolume([(90, 50)], reference=(95, 0)) == 0
    assert frontier_distance.hypervolume([(100, 100)]) == 100


def test_hypervolume_is_the_share_of_the_square_that_is_dominated():
    """By inclusion and exclusion over all subsets of points, another algorithm."""
    rng = np.random.default_rng(1)
    for points in rng.uniform(0, 100, (20, 6, 2)):
        subsets = (itertools.combinations(points, size) for size in range(1, 7))
        signed = ((-1) ** (len(some) + 1) * np.min(some, axis=0).prod() for part in subsets for some in part)
        assert frontier_distance.hypervolume(points) == pytest.approx(sum(signed) / 100)
