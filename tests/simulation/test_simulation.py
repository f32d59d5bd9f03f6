"""Coverage of 95 % intervals is 93–97 %, and verdicts are seldom wrong: a fast part of docs/statistics.md's tables.

Simulated runs with a known truth. Bounds are widened by twice the Monte Carlo error.
"""

import numpy as np
import pytest

from reports.claims import judge
from reports.claims.schema import PREDICATES
from reports.claims.verdict_rule import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from reports.statistics import cloud_distances, curves
from reports.statistics.frontier_distance import trade_off_beyond
from reports.statistics.frontier_estimates import by_jackknife
from tests.simulation import __main__ as command
from tests.simulation import claim_power, false_verdicts, interval_coverage
from tests.simulation.simulated_runs import World, binomials, panels, simulate_images

STATISTICS = {**curves.DISTANCES, "trade-off": trade_off_beyond}


def check(contains: np.ndarray, low: float = 0.93, high: float = 0.97) -> None:
    error = np.sqrt(0.95 * 0.05 / len(contains))
    assert low - 2 * error <= contains.mean() <= high + 2 * error


@pytest.mark.parametrize("share", [0.1, 0.55, 0.97])
@pytest.mark.parametrize("n", [300, 1000, 10_000])
def test_wilson(share, n):
    check(interval_coverage.wilson(share, n, 20_000, np.random.default_rng(0)))


@pytest.mark.parametrize(("seeds", "n"), [(3, 300), (3, 10_000), (5, 1000)])
@pytest.mark.parametrize(("share", "spread"), [(0.55, 2.0), (0.97, 0.4)])
def test_a_point_over_seeds(share, spread, seeds, n):
    check(interval_coverage.point(share, n, seeds, spread, 1500, np.random.default_rng(0)))


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_difference(seeds):
    """Difference of methods, whose networks of one seed are correlated, and of one network at two λ."""
    asked, rng = [interval_coverage.MEAN, interval_coverage.STEP], np.random.default_rng(1)
    for contains in interval_coverage.contrasts_covered(World(interval_coverage.CURVES, seeds, 500), asked, 80, rng):
        check(contains)


def test_two_networks_on_the_same_images():
    check(interval_coverage.paired((0.55, 0.5), 500, 300, np.random.default_rng(0)))


def by_seed(name: str, seeds: int, n: int, spread: tuple[float, float], runs: int, rng) -> np.ndarray:
    """interval_coverage.distance over seeds, from arrays alone: fast. Trainings are independent at all points."""
    statistic = STATISTICS[name]
    curve, frontier = (np.array([*side.values()], float) for side in interval_coverage.CURVES.values())
    truth, with_value = statistic(curve, frontier), []
    for _ in range(runs):
        sides = [np.broadcast_to(side / 100, (seeds, *side.shape)) for side in (curve, frontier)]
        noisy = [np.clip(s + np.array(spread) / 100 * rng.standard_normal(s.shape), 0, 1) for s in sides]
        pairs = zip(*(100 * binomials(side, n, rng) / n for side in noisy), strict=True)
        with_value.append(by_jackknife(list(pairs), statistic))
    return interval_coverage.covered(truth, map(interval_coverage.bounds, filter(None, with_value)))


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("seeds", [3, 5])
def test_a_distance_to_the_frontier(name, seeds):
    check(by_seed(name, seeds, 1000, (0.3, 1.5), 150, np.random.default_rng(0)))


def test_a_distance_of_one_seed():
    """With fewer images the gap's interval covers more often, because of the curves' corners, and is not reported."""
    world, names = World(interval_coverage.CURVES, 1, 1000), ("gap", "volume")
    for contains in interval_coverage.distances_covered(names, world, 50, np.random.default_rng(0)):
        check(contains)


def test_simulated_runs_have_the_truth_they_are_given():
    rng, truth = np.random.default_rng(0), {"a": {0.0: (95.0, 20.0), 1.0: (90.0, 60.0)}}
    for seeds in (1, 4):
        points = [panel.points[["lam", "sa", "ra"]].to_numpy() for panel in panels(World(truth, seeds, 400), 150, rng)]
        for lam, means in truth["a"].items():
            of_lambda = np.concatenate([rows[rows[:, 0] == lam, 1:] for rows in points])
            assert len(of_lambda) == 150 * seeds and of_lambda.mean(axis=0) == pytest.approx(np.array(means), abs=0.8)
    right = simulate_images(np.array([(0.9, 0.6), (0.8, 0.5)]), np.array([0, 1]), 4000, rng)
    assert (right[:, 0] >= right[:, 1]).all()  # robust is clean too
    assert np.corrcoef(right[:, 0])[0, 1] > 0.1  # what is hard for one network is hard for the other


@pytest.mark.parametrize(
    "case", false_verdicts.cases(), ids=lambda case: f"{case.predicate}-{case.edge[:9]}".replace(" ", "_")
)
def test_a_claim_that_is_just_false_is_seldom_reproduced(case):
    """At most 2.5 % plus three Monte Carlo errors."""
    runs = 20
    answers = false_verdicts.case_verdicts(case, 3, 1000, runs, np.random.default_rng(3))
    allowed = 0.025 + 3 * np.sqrt(0.025 * 0.975 / runs)
    assert answers.count(REPRODUCED) / len(answers) <= allowed
    if len(answers) > 1:  # not of an exact number: just false is false
        assert answers.count(NOT_REPRODUCED) / len(answers) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_clouds_that_are_just_apart_are():
    rng = np.random.default_rng(4)
    sets = (false_verdicts.cloud_sets(false_verdicts.JUST_APART, rng) for _ in range(80))
    sets = [cloud_distances.standardised([clouds])[0] for clouds in sets]
    ratios = np.log([cloud_distances.isolation(cloud_distances.distances(clouds))["ratio"] for clouds in sets])
    assert ratios.mean() == pytest.approx(np.log(1.5), abs=3 * ratios.std() / np.sqrt(len(ratios)))


def test_every_predicate_is_simulated():
    assert {case.predicate for case in false_verdicts.cases()} == set(PREDICATES)


def test_the_command_writes_between_the_marks_and_nowhere_else(tmp_path, monkeypatch, capsys):
    page = tmp_path / "statistics.md"
    marks = [f"<!-- {word} {name} -->" for name in ("coverage", "rates", "power") for word in ("begin", "end")]
    page.write_text("\n".join(["before", marks[0], "was there", *marks[1:], "after"]))
    held = {"interval": "t", "of": "3", "coverage": 0.95, "error": 0.01}
    wrong = {"predicate": "gap", "edge": "e"} | dict.fromkeys(false_verdicts.SIZES, (0.02, 0.03, 100))
    monkeypatch.setattr(interval_coverage, "table", lambda runs: [held | {"runs": runs}])
    monkeypatch.setattr(false_verdicts, "table", lambda runs: [wrong])
    powers = {"claim": 3, "text": "c", "scale": "s"} | dict.fromkeys(claim_power.SEEDS, (0.8, 0.01))
    monkeypatch.setattr(claim_power, "table", lambda runs: [powers])
    monkeypatch.setattr("sys.argv", ["simulation", "--out", str(page), "--runs", "7"])
    command.main()
    text = page.read_text()
    assert text.startswith("before\n") and "| t | 3 | 95.0 ± 1.0 | 7 |" in text and "was there" not in text
    assert "| gap | e | 2.0 ± 1.4 / 3.0 |" in text and text.endswith("\nafter")
    assert "| 3. c | s | 80 / 1 | 80 / 1 |" in text
    monkeypatch.setattr("sys.argv", ["simulation", "--out", str(tmp_path / "gone.md")])
    with pytest.raises(SystemExit):
        command.main()
    assert "cannot be read" in capsys.readouterr().err


def test_one_seed_on_few_images_has_no_gap_and_no_area_but_a_hypervolume():
    rng, labels = np.random.default_rng(0), list(interval_coverage.CURVES)
    for seeds, n, has_gap in ((1, 300, False), (1, 1000, True), (3, 300, True)):
        (panel,) = panels(World(interval_coverage.CURVES, seeds, n), 1, rng)
        distances = {name: curves.distance(curves.pair(panel.points, *labels), name) for name in curves.DISTANCES}
        assert distances["volume"] is not None
        assert [distances[name] is not None for name in ("gap", "area")] == [has_gap, has_gap]
        assert has_gap or curves.gap(panel.points, *labels)["doubt"]


def test_a_true_claim_is_reproduced_and_one_seed_decides_nothing():
    """Claim 13, a large effect, at the paper's scale; the opposite truth is refuted."""
    (claim,) = [claim for claim in judge.all_claims() if claim.id == 13]
    assert claim_power.rates(claim, "paper", 3, 10) == (1.0, 0.0)
    assert claim_power.rates(claim, "paper", 1, 10) == (0.0, 0.0)
    assert np.isnan(claim_power.rates(next(c for c in judge.all_claims() if c.id == 6), "laptop", 3, 2)[0])


def test_every_claim_is_simulated_as_its_checks_ask():
    """Each check finds its networks, λ, widths and attack in the simulated panels."""
    for claim in judge.all_claims():
        (answer,) = claim_power.claim_verdicts(claim, "paper", 2, 1, np.random.default_rng(0))
        assert answer in (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE)
