"""The number of seeds that would settle a check, against simulated verdicts with that many seeds."""

import numpy as np
import pytest

from reports.claims import seeds_to_settle
from reports.claims.verdict_rule import (
    INCONCLUSIVE,
    NOT_REPRODUCED,
    ONE_SEED,
    REPRODUCED,
    ClaimCondition,
    check_verdict,
    verdicts,
)
from reports.statistics import estimates
from tests.reports.claims_world import panel


def measured(mean: float, sd: float = 1.0, seeds: int = 3, **region) -> ClaimCondition:
    """A condition on a number whose seeds have exactly this mean and standard deviation."""
    values = np.linspace(-1, 1, seeds)
    return ClaimCondition("", estimates.over_seeds(mean + sd * values / values.std(ddof=1)), **region)


def decided(conditions, seeds: int, wanted: str, runs: int = 1500) -> float:
    """Rate of a verdict when the numbers are as measured and this many seeds are trained."""
    rng, answers = np.random.default_rng(0), []
    for _ in range(runs):
        simulated = [
            ClaimCondition(
                "", estimates.over_seeds(rng.normal(c.estimate.value, c.estimate.spread.sd, seeds)), c.low, c.high
            )
            for c in conditions
        ]
        answers.append(check_verdict(simulated, verdicts(simulated)))
    return answers.count(wanted) / runs


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        ([measured(1.0, low=0.0)], REPRODUCED),
        ([measured(0.2, low=-1.0, high=1.0)], REPRODUCED),
        ([measured(-1.0, low=0.0)], NOT_REPRODUCED),
        ([measured(1.2, low=0.0), measured(1.0, low=0.0)], REPRODUCED),
        ([measured(5.0, low=0.0), measured(-1.0, low=0.0)], NOT_REPRODUCED),
    ],
)
def test_that_many_seeds_decide_with_80_percent_power(conditions, wanted):
    """One seed less does not; the normal approximation is a little too hopeful, and chances that add up too careful."""
    settled = seeds_to_settle.seeds_to_settle(conditions, INCONCLUSIVE)
    assert settled.more == settled.seeds - 3
    assert 0.74 <= decided(conditions, settled.seeds, wanted) <= 0.93
    assert decided(conditions, settled.seeds - 2, wanted) < 0.8


def test_a_decided_check_needs_no_more():
    assert seeds_to_settle.seeds_to_settle([measured(9.0, low=0.0)], REPRODUCED) is None


def test_what_cannot_be_told_says_why():
    on_the_edge = seeds_to_settle.seeds_to_settle([measured(0.01, low=0.0)], INCONCLUSIVE)
    assert on_the_edge.seeds is None and "too near the edge" in on_the_edge.reason
    single_seed = ClaimCondition("", estimates.of_accuracy(60, 100), low=50)
    assert "second seed" in seeds_to_settle.seeds_to_settle([single_seed], ONE_SEED).reason
    none = ClaimCondition("", None, low=50, reason="no SA in common")
    assert "no value" in seeds_to_settle.seeds_to_settle([none], INCONCLUSIVE).reason


def test_the_text_names_the_hours_of_one_more_seed_of_the_networks_compared():
    curves = {"OAT": {0.0: (90, 50), 1.0: (80, 60)}, "PGD-AT": {0.0: (90, 40), 1.0: (80, 50)}, "other": {0.0: (9, 9)}}
    measured_panel = panel(curves, seeds=2)
    seconds = {"OAT": 5400.0, "PGD-AT": 1800.0, "other": 99999.0}
    trials = measured_panel.trials.assign(lr=0.1, device="cpu", measure_seconds=0.0)
    trials = trials.assign(train_seconds=trials.label.map(seconds))
    keys = {"OAT-0", "PGD-AT-0-0", "PGD-AT-1-1"}
    priced = type(measured_panel)(**{**vars(measured_panel), "trials": trials})
    hours = 1.5 + 2 * 0.5  # of OAT, and twice of PGD-AT
    assert seeds_to_settle.hours_per_seed(priced, keys) == {"cpu": pytest.approx(hours)}
    text = seeds_to_settle.settle_text(seeds_to_settle.Settled(7, more=4), priced, keys)
    assert text == "7 seeds would decide with 80 % power: 4 more, about 10 hours on cpu"
    assert seeds_to_settle.settle_text(None, priced, keys) == ""
    untimed = type(priced)(**{**vars(priced), "trials": trials.assign(train_seconds=np.nan)})
    assert seeds_to_settle.settle_text(seeds_to_settle.Settled(7, more=4), untimed, keys).endswith("4 more")
