"""Predicates on whole trade-offs, on panels whose numbers are known."""

from dataclasses import replace

import pandas as pd
import pytest

from reports.claims.accuracy_predicates import BetterScore, better_score
from reports.claims.tradeoff_predicates import Kept, LargerHypervolume, kept, larger_hypervolume
from reports.claims.verdict_rule import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, all_hold, verdicts
from tests.reports.claims_world import panel

DUAL, NORMAL = "OAT (dual BN)", "OAT (normal BN)"
PAPERS = {  # of SVHN, Sec. 4.2: the ends of dual BN's curve, and a collapsed one
    DUAL: {0.0: (97.07, 37.32), 0.4: (95.5, 58.0), 1.0: (94.43, 62.16)},
    NORMAL: {0.0: (93.9, 61.0), 0.4: (93.5, 61.81), 1.0: (93.0, 62.62)},
}
AREA = {"label": DUAL, "frontier": NORMAL, "lambdas": [0.0, 0.4, 1.0]}


def decided(conditions) -> str:
    return all_hold(verdicts(conditions))


def test_the_hypervolume_of_the_papers_own_curves():
    """By hand: the union of rectangles from half a range below the worst SA and RA of both. A gap at equal SA could not
    be taken: no SA is shared."""
    sa, ra = 93.0 - 4.07 / 2, 37.32 - 25.3 / 2
    dual = (97.07 - sa) * (37.32 - ra) + (95.5 - sa) * (58.0 - 37.32) + (94.43 - sa) * (62.16 - 58.0)
    normal = (93.9 - sa) * (61.0 - ra) + (93.5 - sa) * 0.81 + (93.0 - sa) * 0.81
    box = (97.07 - sa) * (62.62 - ra)
    (condition,) = larger_hypervolume(panel(PAPERS), LargerHypervolume(**AREA))
    assert condition.estimate.value == pytest.approx(100 * (dual - normal) / box, abs=0.1)
    assert decided([condition]) == REPRODUCED
    (reverse,) = larger_hypervolume(panel(PAPERS), LargerHypervolume(**AREA | {"label": NORMAL, "frontier": DUAL}))
    assert reverse.estimate.value == pytest.approx(-condition.estimate.value)
    assert decided([reverse]) == NOT_REPRODUCED


def test_one_seed_on_few_images_has_no_hypervolume():
    (condition,) = larger_hypervolume(panel(PAPERS, seeds=1, n=500), LargerHypervolume(**AREA))
    assert condition.estimate is None and "500 test images" in condition.reason
    assert decided([condition]) == INCONCLUSIVE


def test_the_score_is_the_mean_of_sa_and_ra():
    curves = {"a": {0.0: (90, 20), 1.0: (80, 60)}, "b": {0.0: (91, 16), 1.0: (81, 56)}}
    args = {"lambdas": [0.0, 1.0], "least": 0}
    (condition,) = better_score(panel(curves), BetterScore(label="a", of="b", **args))
    assert condition.estimate.value == pytest.approx((-1 + 4) / 2) and decided([condition]) == REPRODUCED
    (condition,) = better_score(panel(curves), BetterScore(label="b", of="a", **args))
    assert condition.estimate.value == pytest.approx(-1.5) and decided([condition]) == NOT_REPRODUCED


def two_widths(narrow: float):
    """SA 90 and RA 50 at width 1; RA `narrow` at width 0.25."""
    wide = panel({"OATS": dict.fromkeys((0.1, 1.0), (90, 50))})
    small = panel({"OATS": {lam: (85, narrow, {"width": 0.25}) for lam in (0.1, 1.0)}})
    return replace(wide, points=pd.concat([wide.points, small.points], ignore_index=True))


@pytest.mark.parametrize(("narrow", "verdict"), [(20, REPRODUCED), (30, NOT_REPRODUCED)])
def test_a_narrow_width_keeps_at_most_half_of_ra(narrow, verdict):
    args = {"label": "OATS", "lambdas": [0.1, 1.0], "width": 0.25}
    conditions = kept(two_widths(narrow), Kept(metric="ra", keeps="at most", part=0.5, **args))
    assert [condition.estimate.value for condition in conditions] == pytest.approx([narrow, 50, narrow - 25])
    assert decided(conditions) == verdict
    conditions = kept(two_widths(narrow), Kept(metric="sa", keeps="at least", part=0.9, **args))
    assert conditions[-1].estimate.value == pytest.approx(85 - 81) and decided(conditions) == REPRODUCED
