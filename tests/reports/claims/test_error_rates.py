"""Simulated coverage of intervals and error rates of verdicts."""

import numpy as np
import pytest
from scipy.special import ndtri

from reports.claims import schema, tradeoff_predicates
from reports.claims.verdict_rule import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, ClaimCondition, all_hold, verdicts
from reports.statistics import estimates, frontier_distance, frontier_estimates, intervals
from reports.statistics.frontier_estimates import Pair
from tests.simulation.simulated_runs import World, panels

TRIES = 3000
SLIP = 0.01  # three standard errors of a rate of 2.5 % in so many tries


def covers(sample, truth: float, confidence: float = 0.95) -> float:
    ends = [estimate.bounds(confidence) for estimate in sample]
    return float(np.mean([low <= truth <= high for low, high in ends]))


@pytest.mark.parametrize("confidence", [0.95, 0.995])
def test_intervals_over_seeds_cover(confidence):
    rng = np.random.default_rng(0)
    sample = [estimates.over_seeds(values) for values in rng.normal(60, 1.5, (TRIES, 3))]
    assert covers(sample, 60, confidence) == pytest.approx(confidence, abs=0.012)


def test_two_seeds_with_the_same_count_have_an_interval_of_positive_width():
    """At 99 % of 450 images and a training deviation of 0.15 pp, seeds often have the same count."""
    rng = np.random.default_rng(0)
    step = 100 / 450
    values = np.round(rng.normal(99, 0.15, (TRIES, 2)) / step) * step
    naive = [estimates.over_seeds(pair) for pair in values]
    rounded = [estimates.over_seeds(pair, rounding=step**2 / 12) for pair in values]
    assert covers(naive, 99) < 0.7
    assert covers(rounded, 99) >= 0.95


def correct(probabilities, images: int, common: float, individual: float, rng) -> np.ndarray:
    """Which of the same images networks have right, (networks, λ, 2, images).

    An image's difficulty is partly common to all networks, partly a network's own at every λ. probabilities: (networks,
    λ, 2), clean and robust.
    """
    probabilities = np.asarray(probabilities)
    networks, lambdas = probabilities.shape[:2]
    hardness = np.sqrt(common) * rng.standard_normal((1, 1, images))
    hardness = hardness + np.sqrt(individual) * rng.standard_normal((networks, 1, images))
    hardness = hardness + np.sqrt(1 - common - individual) * rng.standard_normal((networks, lambdas, images))
    return hardness[:, :, None] < ndtri(probabilities)[..., None]


def test_an_accuracy_of_none_or_all_has_an_interval():
    low, high = estimates.of_accuracy(450, 450).bounds(0.95)
    assert 98 < low < 100 and high == pytest.approx(100)
    low, high = intervals.wilson(210, 450)
    assert estimates.of_accuracy(210, 450).bounds(0.95) == pytest.approx((100 * low, 100 * high))


@pytest.mark.parametrize(("common", "individual"), [(0.0, 0.9), (0.5, 0.4)])
def test_gap_to_the_frontier_covers_however_networks_are_correlated(common, individual):
    rng = np.random.default_rng(0)
    curve, other = (
        np.array([[0.58, 0.28], [0.61, 0.22], [0.65, 0.10]]),
        np.array([[0.54, 0.3], [0.6, 0.24], [0.7, 0.0]]),
    )
    truth = frontier_distance.distance_to_frontier(100 * curve, 100 * other)
    gaps = []
    for _ in range(100):
        images = correct(np.stack([curve, other, other, other]), 1000, common, individual, rng)
        both = images[0], images[[1, 2, 3], [0, 1, 2]]  # one network at three λ, and three networks at one each
        gaps.append(frontier_estimates.estimate_distance(Pair([], both), frontier_distance.distance_to_frontier))
    with_value = [gap for gap in gaps if gap]
    assert len(with_value) > 95 and covers(with_value, truth) >= 0.93 - 2 * 0.025  # two Monte Carlo errors


def test_secants_of_a_linear_statistic_are_the_delta_method():
    """The error of a mean difference in RA is that of the differences per image."""
    rng = np.random.default_rng(0)
    right = (rng.normal(size=(3, 1, 2, 400)) + rng.normal(size=400) < ndtri([[0.9], [0.5]])).reshape(3, 2, 400)
    hits = right[:2], right[2:]
    estimate = frontier_estimates.by_secants(hits, lambda curve, other: curve[:, 1].mean() - other[0, 1])
    values = 100 * (right[:2, 1].mean(axis=0) - right[2, 1])
    half = ndtri(0.975) * values.std(ddof=1) / np.sqrt(400)
    assert estimate.value == pytest.approx(values.mean()) and estimate.kind == estimates.PAIRED
    assert estimate.bounds(0.95) == pytest.approx((values.mean() - half, values.mean() + half))
    assert frontier_estimates.by_secants(hits, lambda curve, other: np.nan) is None


def test_the_distance_of_one_seed_is_paired():
    truth = {"OAT (dual BN)": {0.0: (97, 30), 1.0: (90, 60)}, "PGD-AT": {0.0: (96, 30), 1.0: (91, 55)}}
    (panel,) = panels(World(truth, 1, 2000), 1, np.random.default_rng(0))
    scale = {"sa": 1, "ra": 2}
    args = schema.PREDICATES["epsilon"][0](label="OAT (dual BN)", lambdas=[0, 1], scale=scale, tolerance=1)
    assert {c.estimate.kind for c in tradeoff_predicates.epsilon(panel, args)} == {estimates.PAIRED}


# ---- verdicts


def rate(wanted: str, true: float, low: float, high: float, conditions: int = 1, seeds: int = 3) -> float:
    """Rate of a verdict in a check with independent conditions on a mean of `true`."""
    rng = np.random.default_rng(0)
    answers = []
    for values in rng.normal(true, 1.0, (TRIES // conditions, conditions, seeds)):
        asked = [ClaimCondition("", estimates.over_seeds(sample), low, high) for sample in values]
        answers.append(all_hold(verdicts(asked)))
    return answers.count(wanted) / len(answers)


def test_false_reproduced_is_rare_at_the_edge_of_the_tolerance():
    assert rate(REPRODUCED, true=-2.0, low=-2.0, high=np.inf) == pytest.approx(0.025, abs=SLIP)
    assert rate(REPRODUCED, true=2.0, low=-8.0, high=2.0) <= 0.025 + SLIP  # two sides
    assert rate(REPRODUCED, true=-3.0, low=-2.0, high=np.inf) < 0.015  # beyond it, rarer


def test_false_reproduced_of_many_conditions_is_no_likelier():
    """One condition at the edge, the others far inside: the worst case of an intersection–union test."""
    rng, means = np.random.default_rng(0), np.array([0, 40, 40, 40, 40, 40])
    answers = []
    for values in rng.normal(means[:, None], 1, (1000, 6, 3)):
        asked = [ClaimCondition("", estimates.over_seeds(sample), low=0.0) for sample in values]
        answers.append(all_hold(verdicts(asked)))
    assert answers.count(REPRODUCED) / len(answers) == pytest.approx(0.025, abs=0.015)


def test_false_not_reproduced_of_many_conditions_is_controlled():
    """All conditions at the edge, so that each holds: uncorrected, one of 15 would fail in a third of the runs."""
    assert rate(NOT_REPRODUCED, true=0.0, low=0.0, high=np.inf, conditions=15) <= 0.05 + 0.03
    assert rate(NOT_REPRODUCED, true=0.0, low=0.0, high=np.inf, conditions=1) == pytest.approx(0.025, abs=SLIP)


def test_true_and_false_claims_are_decided_with_high_power():
    assert rate(REPRODUCED, true=5.0, low=-2.0, high=np.inf) > 0.95
    assert rate(NOT_REPRODUCED, true=-9.0, low=-2.0, high=np.inf) > 0.95
    assert rate(INCONCLUSIVE, true=-1.0, low=-2.0, high=np.inf, seeds=2) > 0.9
