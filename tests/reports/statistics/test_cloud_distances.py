"""Energy distances against scipy and the definition; ratios on clouds with a known answer."""

import numpy as np
import pytest
from scipy import stats

from reports.statistics import cloud_distances, estimates


def cloud(centre, points=60, seed=0, axes=2):
    return np.random.default_rng(seed).normal(size=(points, axes)) + centre


def line(steps, points=1000):
    """The same cloud, moved along a line."""
    return [cloud(0, points) + [step, 0] for step in steps]


def test_in_one_dimension_it_is_scipys():
    first, other = cloud(0, 50, 1, axes=1), cloud(0.7, 80, 2, axes=1)
    matrix = cloud_distances.distances([first, other])
    assert matrix[0, 1] == pytest.approx(stats.energy_distance(first[:, 0], other[:, 0]))
    assert matrix[0, 1] == pytest.approx(matrix[1, 0]) and matrix[0, 0] == matrix[1, 1] == pytest.approx(0, abs=1e-7)


def test_in_two_dimensions_it_is_the_definition():
    first, other = cloud(0, 7, 1), cloud(1, 5, 2)

    def mean(a, b):
        return np.mean([np.hypot(*(x - y)) for x in a for y in b])

    squared = 2 * mean(first, other) - mean(first, first) - mean(other, other)
    assert cloud_distances.distances([first, other])[0, 1] == pytest.approx(np.sqrt(squared))


def test_two_points_are_as_far_as_the_root_of_twice_their_distance():
    assert cloud_distances.distances([np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])])[0, 1] == pytest.approx(
        np.sqrt(2 * 5)
    )


def test_normal_clouds_against_their_closed_form():
    """E|X−Y| of standard normals in two dimensions is √π; for shifted normals scipy's Rice distribution gives it."""
    first, other = cloud(0, 2500, 1), cloud([2.0, 0.0], 2500, 2)
    across = np.sqrt(2) * stats.rice(2.0 / np.sqrt(2)).mean()
    expected = np.sqrt(2 * across - 2 * np.sqrt(np.pi))
    assert cloud_distances.distances([first, other])[0, 1] == pytest.approx(expected, rel=0.04)


def test_standardised_axes_count_alike_whatever_their_units():
    clouds = [cloud(0, seed=1), cloud(1, seed=2)]
    stretched = [part * [1000, 0.01] for part in clouds]
    plain, other = (cloud_distances.distances(*cloud_distances.standardised([part])) for part in (clouds, stretched))
    assert np.allclose(plain, other)


def test_the_scale_is_the_deviation_within_clouds_not_between_them():
    seeds = ([[cloud(0, seed=1), cloud(shift, seed=2)]] for shift in (1, 100))
    near, far = (cloud_distances.standardised(clouds)[0][0] for clouds in seeds)
    assert np.ptp(near) == pytest.approx(np.ptp(far))


def test_an_axis_without_spread_does_not_crash():
    flat = [cloud(0, seed=i) * [1, 0] for i in range(3)]
    assert np.isfinite(cloud_distances.distances(*cloud_distances.standardised([flat]))).all()


def test_equal_small_steps_give_either_end_one_and_a_half():
    for steps in ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3]):
        matrix = cloud_distances.distances(line([0.1 * step for step in steps]))
        for end in (matrix, matrix[::-1, ::-1]):
            assert cloud_distances.isolation(end)["ratio"] == pytest.approx(1.5, abs=0.03)


def test_an_isolated_cloud_stands_out_and_the_other_end_does_not():
    matrix = cloud_distances.distances(line([0, 4, 4.2, 4.4, 4.6, 5]))
    zero, last = cloud_distances.isolation(matrix), cloud_distances.isolation(matrix[::-1, ::-1])
    assert zero["ratio"] > 4 and last["ratio"] < 1
    assert zero["step"] == matrix[0, 1] and zero["largest"] == matrix[1:, 1:].max() and zero["step_ratio"] > 1


def test_leaving_one_out_is_computing_without_it():
    clouds = [cloud(0, 6, 1), cloud(1, 5, 2), cloud(3, 7, 3)]
    left = cloud_distances.leave_one_out(clouds, lambda d: cloud_distances.isolation(d)["ratio"])
    for a, b in ((0, 0), (1, 4), (2, 6)):
        without = [np.delete(part, b, axis=0) if i == a else part for i, part in enumerate(clouds)]
        assert left[a][b] == pytest.approx(cloud_distances.isolation(cloud_distances.distances(without))["ratio"])


def test_the_jackknife_covers_what_it_estimates():
    """Simulated clouds of 40 points: the interval covers the geometric mean of their ratios."""

    def draw(rng):
        return [rng.normal(size=(40, 2)) + [centre, 0] for centre in (0, 1.5, 1.8, 2.6)]

    rng = np.random.default_rng(0)
    middle = np.exp(
        np.mean([np.log(cloud_distances.isolation(cloud_distances.distances(draw(rng)))["ratio"]) for _ in range(400)])
    )
    intervals = [cloud_distances.jackknife(draw(rng), "ratio").bounds(0.95) for _ in range(150)]
    assert np.mean([low <= middle <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.05)


def test_over_seeds_is_a_t_interval_of_logarithms():
    ratio = estimates.ratio(estimates.over_seeds(np.log([1.0, 2.0, 4.0])))
    theirs = stats.t.interval(0.95, 2, loc=np.log(2), scale=stats.sem(np.log([1, 2, 4])))
    assert (ratio.value, *ratio.bounds(0.95)) == pytest.approx((2.0, *np.exp(theirs)))


def test_compare_takes_one_seed_by_its_points_and_several_by_seeds():
    seeds = cloud_distances.standardised(
        [[cloud(step, 30, seed=10 * seed + step) for step in range(4)] for seed in range(3)]
    )
    single, three = cloud_distances.compare(seeds[:1]), cloud_distances.compare(seeds)
    jackknife = cloud_distances.jackknife(seeds[0], "ratio")
    assert (single["ratio_low"], single["ratio_high"]) == jackknife.bounds(0.95)
    assert single["ratio"] == jackknife.value
    assert np.isnan(single["floor"]) and 0 < three["floor"] < three["apart"]
    assert three["ratio_low"] < three["ratio"] < three["ratio_high"]


@pytest.mark.filterwarnings("error")
def test_equal_clouds_have_no_ratio_and_no_crash():
    same = [cloud(0)] * 4
    assert (cloud_distances.distances(same) == 0).all()
    assert np.isnan(list(cloud_distances.compare([same]).values())[4:7]).all()  # the ratio and its interval
