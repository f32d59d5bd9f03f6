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
- *inconclusive* otherwise: more seeds could decide.
- *inconclusive (one seed)*: every claim is about trainings, and one seed's interval is about other test images only. If
  the spread between trainings is known from other networks (statistics.training_variance), one seed is judged.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.statistics.contrasts import Contrast
from reports.statistics.estimates import Estimate
from reports.statistics.intervals import CONFIDENCE

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
ONE_SEED, NOT_RUN, NOT_JUDGED = "inconclusive (one seed)", "not run", "not judged at this scale"
MANY = 4  # largest number of leading conditions that are all shown
VERDICTS = (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, ONE_SEED, NOT_RUN, NOT_JUDGED)


@dataclass(frozen=True)
class ClaimCondition:
    """`low` ≤ estimate ≤ `high` is asked.

    text: names the estimate. estimate: None if it has no value, for `reason`; a contrast before accuracy_predicates
    measures it. weight: relative share of the check's error.
    leads: shown in any case; of the other conditions only those that decide. decides: False for a supplementary
    condition, which is shown and has no part in the verdict.
    """

    text: str
    estimate: Estimate | Contrast | None
    low: float = -math.inf
    high: float = math.inf
    unit: str = "pp"
    weight: float = 1.0
    leads: bool = False
    reason: str = ""
    decides: bool = True

    @property
    def unbounded(self) -> bool:
        """Whether nothing is asked: the number is shown for comparison."""
        return math.isinf(self.low) and math.isinf(self.high)


def verdict(condition: ClaimCondition, share: float = 1.0) -> str:
    """Verdict on one condition that has this share of its claim's error."""
    if condition.estimate is None:
        return INCONCLUSIVE
    if condition.unbounded:
        return REPRODUCED
    if condition.estimate.one_seed:
        return ONE_SEED
    low, high = condition.estimate.bounds(CONFIDENCE)
    if condition.low <= low and high <= condition.high:
        return REPRODUCED
    low, high = condition.estimate.bounds(refuting_confidence(condition, share))
    return NOT_REPRODUCED if low > condition.high or high < condition.low else INCONCLUSIVE


def refuting_confidence(condition: ClaimCondition, share: float) -> float:
    """Confidence of the interval that refutes; a region with one side can be missed on that side only."""
    sides = 1 if math.isinf(condition.low) or math.isinf(condition.high) else 2
    return max(CONFIDENCE, 1 - (1 - CONFIDENCE) * share * 2 / sides)


def verdicts(conditions: Sequence[ClaimCondition], share: float = 1.0) -> list[str]:
    """Verdict on each condition of a check that has this share of its claim's error.

    Supplementary conditions share an error of their own in the same way.
    """
    total = {decides: sum(c.weight for c in conditions if c.decides == decides) for decides in (True, False)}
    return [verdict(condition, share * condition.weight / total[condition.decides]) for condition in conditions]


def check_verdict(conditions: Sequence[ClaimCondition], verdicts: Sequence[str]) -> str:
    """Verdict of a check: do all conditions hold that decide?"""
    return all_hold([verdict for condition, verdict in zip(conditions, verdicts, strict=True) if condition.decides])


def all_hold(verdicts: Sequence[str]) -> str:
    """Verdict of a claim from its checks'; of a check from its deciding conditions'.

    `not reproduced` decides; otherwise `not run` leaves the question open, then `inconclusive`, and that with the
    remedy if one seed is the reason. What cannot be judged at this scale does not count.
    """
    counted = [verdict for verdict in verdicts if verdict != NOT_JUDGED]
    if not counted:
        return NOT_JUDGED
    order = (NOT_REPRODUCED, NOT_RUN, ONE_SEED, INCONCLUSIVE)
    return next((verdict for verdict in order if verdict in counted), REPRODUCED)


def select_shown(conditions: Sequence[ClaimCondition], verdicts: Sequence[str]) -> list[tuple[ClaimCondition, str]]:
    """Conditions to show, with their verdicts.

    Leading conditions, unless they are many, and the other that decides most clearly: if all hold, the one nearest to
    failing. Instead of many leading conditions, the three that decide.
    """
    decisive = check_verdict(conditions, verdicts)
    judged = list(zip(conditions, verdicts, strict=True))
    leading = [pair for pair in judged if pair[0].leads]
    leading = leading if len(leading) <= MANY else []
    deciding = [pair for pair in judged if pair[1] == decisive and pair[0].decides and pair not in leading]
    return leading + sorted(deciding, key=lambda pair: margin(pair[0]))[: 1 if leading else 3]


def margin(condition: ClaimCondition) -> float:
    """Distance of the interval's end from the edge of the region, in half-widths; negative if it reaches outside."""
    if condition.estimate is None:
        return -math.inf
    low, high = condition.estimate.bounds(CONFIDENCE)
    return min(low - condition.low, condition.high - high) / max((high - low) / 2, 1e-9)
