"""From conditions to a verdict.

A condition is an estimate and the region that it is asked to lie in; the region holds the tolerance. Several conditions
are one question, "do all hold?", and it is answered with both errors controlled:

- *reproduced* only if every condition's own 95 % interval lies inside its region. Of a condition that does not hold it
  does so with a chance of at most 2.5 %, and so the chance that all do is no greater: an intersection–union test, which
  needs no correction.
- *not reproduced* only if some condition's interval lies wholly outside its region. Of many conditions that hold, one
  would do so by chance sooner or later. So each is given a share of 5 % for that, and the shares of all conditions of a
  claim add up to one (Bonferroni; of Holm's procedure the first step, which is all that "some fails" takes). Its
  interval is taken at the confidence at which a condition that holds is outside with a chance of 5 %·share, at 95 % at
  least.
- *inconclusive* otherwise: more seeds or test images could tell.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.statistics.estimates import Estimate
from reports.statistics.intervals import CONFIDENCE

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
NOT_RUN, NOT_JUDGED = "not run", "not judged at this scale"
MANY = 4  # conditions that are still read one by one
VERDICTS = (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, NOT_RUN, NOT_JUDGED)


@dataclass(frozen=True)
class Condition:
    """`low` ≤ what ≤ `high` is asked.

    weight: its part of its check's share of error, before they are made to add up. leads: it is shown in any case; of
    the others only those that decide. estimate None: it cannot be told, and `reason` says why.
    """

    what: str
    estimate: Estimate | None
    low: float = -math.inf
    high: float = math.inf
    unit: str = "pp"
    weight: float = 1.0
    leads: bool = False
    reason: str = ""


def verdict(condition: Condition, share: float = 1.0) -> str:
    """Of one condition that has this share of a family's error."""
    if condition.estimate is None:
        return INCONCLUSIVE
    if math.isinf(condition.low) and math.isinf(condition.high):
        return REPRODUCED  # shown beside the others, nothing is asked of it
    low, high = condition.estimate.bounds(CONFIDENCE)
    if condition.low <= low and high <= condition.high:
        return REPRODUCED
    low, high = condition.estimate.bounds(refuting_confidence(condition, share))
    return NOT_REPRODUCED if low > condition.high or high < condition.low else INCONCLUSIVE


def refuting_confidence(condition: Condition, share: float) -> float:
    """A region with one side can be missed on that side only, which is half of the interval's error."""
    sides = 1 if math.isinf(condition.low) or math.isinf(condition.high) else 2
    return max(CONFIDENCE, 1 - (1 - CONFIDENCE) * share * 2 / sides)


def verdicts(conditions: Sequence[Condition], share: float = 1.0) -> list[str]:
    """Of each condition of a check that has this share of its claim's error."""
    total = sum(condition.weight for condition in conditions)
    return [verdict(condition, share * condition.weight / total) for condition in conditions]


def all_hold(found: Sequence[str]) -> str:
    """A check's verdict from its conditions', or a claim's from its checks'.

    One that is not reproduced decides. Else one that was not run leaves the question open, then one that is
    inconclusive. What cannot be judged at this scale does not count.
    """
    counted = [one for one in found if one != NOT_JUDGED]
    if not counted:
        return NOT_JUDGED
    return next((one for one in (NOT_REPRODUCED, NOT_RUN, INCONCLUSIVE) if one in counted), REPRODUCED)


def telling(conditions: Sequence[Condition], found: Sequence[str]) -> tuple[list[Condition], int]:
    """The conditions to show, and how many are left out.

    Those that lead, if there are not many, and of the others the one that decides most clearly: where all hold, the one
    nearest to failing, so that a reader sees how much room there is. Of many that lead, the three that decide.
    """
    decisive = all_hold(found)
    leading = [condition for condition in conditions if condition.leads]
    leading = leading if len(leading) <= MANY else []
    rest = [one for one in zip(conditions, found, strict=True) if one[0] not in leading]
    decides = sorted((condition for condition, one in rest if one == decisive), key=room)
    shown = leading + decides[: 1 if leading else 3]
    return shown, len(conditions) - len(shown)


def room(condition: Condition) -> float:
    """How far inside its region the interval ends, in its half-widths; negative where it reaches outside."""
    if condition.estimate is None:
        return -math.inf
    low, high = condition.estimate.bounds(CONFIDENCE)
    return min(low - condition.low, condition.high - high) / max((high - low) / 2, 1e-9)
