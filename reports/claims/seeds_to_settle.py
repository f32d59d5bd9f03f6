"""How many seeds would settle an inconclusive check: decide it with 80 % power if the measured numbers are true.

Normal approximation for the mean over seeds, at the measured spread between trainings; the interval has the width that
it would have with that many seeds. If every measured number lies in its region, all intervals must come to lie inside
(the chances to miss add up); otherwise one number outside suffices.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from reports.claims.verdict_rule import INCONCLUSIVE, ONE_SEED, ClaimCondition, refuting_confidence
from reports.load.panels import Panel
from reports.statistics.intervals import CONFIDENCE

POWER, MOST_SEEDS = 0.8, 200


@dataclass(frozen=True)
class Settled:
    """seeds: in all, that decide with 80 % power; None for `reason`. more: of them still to be trained."""

    seeds: int | None
    reason: str = ""
    more: int = 0


def seeds_to_settle(conditions: Sequence[ClaimCondition], verdict: str, share: float = 1.0) -> Settled | None:
    """Seeds that would decide a check. None for a check that is decided. share: of the claim's error."""
    if verdict not in (INCONCLUSIVE, ONE_SEED):
        return None
    asked = [condition for condition in conditions if condition.decides and not condition.unbounded]
    if any(condition.estimate is None for condition in asked):
        return Settled(None, "number of seeds unknown: a number has no value yet")
    if any(condition.estimate.spread is None for condition in asked):
        return Settled(None, "number of seeds unknown: a second seed must first show how much trainings vary")
    total = sum(condition.weight for condition in conditions if condition.decides)
    shares = [share * condition.weight / total for condition in asked]
    measured = max(condition.estimate.spread.seeds for condition in asked)
    for seeds in range(max(measured, 2), MOST_SEEDS + 1):
        if power(asked, shares, seeds) >= POWER:
            return Settled(seeds, more=seeds - measured)
    return Settled(None, f"more than {MOST_SEEDS} seeds would be needed: a number is too near the edge of its region")


def power(asked: Sequence[ClaimCondition], shares: Sequence[float], seeds: int) -> float:
    """Chance of a verdict with this many seeds, if the measured numbers are true."""
    outside = [c.estimate.value < c.low or c.estimate.value > c.high for c in asked]
    if any(outside):
        pairs = zip(asked, shares, outside, strict=True)
        return max(chance_outside(c, refuting_confidence(c, share), seeds) for c, share, out in pairs if out)
    return max(0.0, 1 - sum(1 - chance_inside(condition, seeds) for condition in asked))


def standardised(condition: ClaimCondition, confidence: float, seeds: int) -> tuple[float, float, float]:
    """Low and high edge of the region from the number, and the interval's half-width, in standard errors."""
    estimate, spread = condition.estimate, condition.estimate.spread
    edges = np.array([condition.low, condition.high, estimate.value], float)
    if spread.logarithmic:
        edges = np.log(np.maximum(edges, 1e-300))
    error = spread.sd / math.sqrt(seeds)
    return *((edges[:2] - edges[2]) / error), spread.half_width(seeds, confidence) / error


def chance_inside(condition: ClaimCondition, seeds: int) -> float:
    low, high, half = standardised(condition, CONFIDENCE, seeds)
    return max(0.0, float(ndtr(high - half) - ndtr(low + half)))


def chance_outside(condition: ClaimCondition, confidence: float, seeds: int) -> float:
    low, high, half = standardised(condition, confidence, seeds)
    return float(ndtr(low - half) + ndtr(-high - half))


def hours_per_seed(panel: Panel, keys: set[str]) -> dict[str, float]:
    """Device → measured hours that one more seed of these networks takes, with their learning-rate grid.

    keys: of the networks that a check compares. Networks without a measured time are left out.
    """
    trials = panel.trials[(panel.trials.status == "done") & panel.trials.train_seconds.notna()]
    hours = (trials.train_seconds + trials.measure_seconds.fillna(0.0)) / 3600
    trials = trials.assign(hours=hours, device=trials.device.map(str))
    compared = trials.loc[trials.key.isin(keys), ["label", "lam"]].drop_duplicates()
    by_trial = trials.merge(compared).groupby(["device", "label", "lam", "lr"], dropna=False).hours.mean()
    return by_trial.groupby("device").sum().to_dict()


def settle_text(settled: Settled | None, panel: Panel, keys: set[str]) -> str:
    """Say what would settle a check: 7 seeds (4 more, about 0.3 hours on cpu). Empty for a check that is decided."""
    if settled is None:
        return ""
    if settled.seeds is None:
        return settled.reason
    text = f"{settled.seeds} seeds would decide with {100 * POWER:.0f} % power"
    if not settled.more:
        return text
    hours = hours_per_seed(panel, keys)
    cost = " and ".join(f"{hours_text(settled.more * each)} on {kind}" for kind, each in sorted(hours.items()))
    return f"{text}: {settled.more} more" + (f", about {cost}" if cost else "")


def hours_text(hours: float) -> str:
    if hours < 0.1:
        return f"{60 * hours:.2g} minutes"
    return f"{hours:.0f} hours" if hours >= 10 else f"{hours:.2g} hours"
