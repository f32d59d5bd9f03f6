"""Conditions → verdict.

A condition is an estimate and the region in which it is asked to lie, tolerance included. Several conditions are one
question, "do all hold?", answered with both errors controlled:

- *reproduced* only if every condition's own 95 % interval lies inside its region. A condition that does not hold passes
  with a chance of at most 2.5 %, so the chance that all pass is no greater: an intersection–union test, which needs no
  correction.
- *not reproduced* only if some condition's interval lies wholly outside its region. Among many conditions that hold,
  one would do so by chance. So each has a share of 5 % for this error, and the shares of all conditions of a claim add
  up to one (Bonferroni; of Holm's procedure the first step, which suffices for "some fails"). Its interval is taken at
  the confidence at which a condition that holds is outside with a chance of 5 % · share, at least at 95 %.
- *inconclusive* otherwise: more seeds or test images could decide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.statistics.estimates import Estimate
from reports.statistics.intervals import CONFIDENCE

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
NOT_RUN, NOT_JUDGED = "not run", "not judged at this scale"
MANY = 4  # largest number of leading conditions that are all shown
VERDICTS = (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, NOT_RUN, NOT_JUDGED)


@dataclass(frozen=True)
class Condition:
    """`low` ≤ estimate ≤ `high` is asked.

    text: names the estimate. estimate None: it has no value, for `reason`. weight: relative share of the check's error.
    leads: shown in any case; of the other conditions only those that decide.
    """

    text: str
    estimate: Estimate | None
    low: float = -math.inf
    high: float = math.inf
    unit: str = "pp"
    weight: float = 1.0
    leads: bool = False
    reason: str = ""


def verdict(condition: Condition, share: float = 1.0) -> str:
    """Verdict on one condition that has this share of its claim's error."""
    if condition.estimate is None:
        return INCONCLUSIVE
    if math.isinf(condition.low) and math.isinf(condition.high):
        return REPRODUCED  # shown for comparison only
    low, high = condition.estimate.bounds(CONFIDENCE)
    if condition.low <= low and high <= condition.high:
        return REPRODUCED
    low, high = condition.estimate.bounds(refuting_confidence(condition, share))
    return NOT_REPRODUCED if low > condition.high or high < condition.low else INCONCLUSIVE


def refuting_confidence(condition: Condition, share: float) -> float:
    """Confidence of the interval that refutes; a region with one side can be missed on that side only."""
    sides = 1 if math.isinf(condition.low) or math.isinf(condition.high) else 2
    return max(CONFIDENCE, 1 - (1 - CONFIDENCE) * share * 2 / sides)


def verdicts(conditions: Sequence[Condition], share: float = 1.0) -> list[str]:
    """Verdict on each condition of a check that has this share of its claim's error."""
    total = sum(condition.weight for condition in conditions)
    return [verdict(condition, share * condition.weight / total) for condition in conditions]


def all_hold(verdicts: Sequence[str]) -> str:
    """Verdict of a check from its conditions', or of a claim from its checks'.

    `not reproduced` decides; otherwise `not run` leaves the question open, then `inconclusive`. What cannot be judged
    at this scale does not count.
    """
    counted = [verdict for verdict in verdicts if verdict != NOT_JUDGED]
    if not counted:
        return NOT_JUDGED
    return next((verdict for verdict in (NOT_REPRODUCED, NOT_RUN, INCONCLUSIVE) if verdict in counted), REPRODUCED)


def select_shown(conditions: Sequence[Condition], verdicts: Sequence[str]) -> tuple[list[Condition], int]:
    """Conditions to show, and the number of others.

    Leading conditions, unless they are many, and the other that decides most clearly: if all hold, the one nearest to
    failing. Instead of many leading conditions, the three that decide.
    """
    decisive = all_hold(verdicts)
    leading = [condition for condition in conditions if condition.leads]
    leading = leading if len(leading) <= MANY else []
    others = [pair for pair in zip(conditions, verdicts, strict=True) if pair[0] not in leading]
    deciding = sorted((condition for condition, verdict in others if verdict == decisive), key=margin)
    shown = leading + deciding[: 1 if leading else 3]
    return shown, len(conditions) - len(shown)


def margin(condition: Condition) -> float:
    """Distance of the interval's end from the edge of the region, in half-widths; negative if it reaches outside."""
    if condition.estimate is None:
        return -math.inf
    low, high = condition.estimate.bounds(CONFIDENCE)
    return min(low - condition.low, condition.high - high) / max((high - low) / 2, 1e-9)
