"""Gaps, areas and hypervolumes against values computed by hand and by other algorithms."""

import itertools
import math

import numpy as np
import pytest

from reports.statistics import frontier_distance


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
    """Two curves over the same SA, one above the other, bound a polygon."""
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
        signed = ((-1) ** (len(subset) + 1) * np.min(subset, axis=0).prod() for part in subsets for subset in part)
        assert frontier_distance.hypervolume(points) == pytest.approx(sum(signed) / 100)


def test_epsilon_is_the_least_rise_that_dominates():
    """By bisection: raise every point of the curve until one is at least as good in both."""
    rng = np.random.default_rng(2)
    for curve, point in zip(rng.uniform(0, 100, (20, 6, 2)), rng.uniform(0, 100, (20, 2)), strict=True):
        low, high = -200.0, 200.0
        for _ in range(60):
            middle = (low + high) / 2
            dominated = any(x + middle >= point[0] and y + 2 * middle >= point[1] for x, y in curve)
            low, high = (low, middle) if dominated else (middle, high)
        assert frontier_distance.additive_epsilon(curve, point, (1, 2)) == pytest.approx(high)
