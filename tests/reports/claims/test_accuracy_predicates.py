"""Predicates on SA and RA with a known truth: reproduced, not reproduced, inconclusive, missing, one seed."""

import numpy as np
import pytest

from reports.claims import schema
from reports.claims.verdict_rule import INCONCLUSIVE, NOT_REPRODUCED, ONE_SEED, REPRODUCED, check_verdict, verdicts
from reports.statistics import curves
from reports.statistics.contrasts import MissingNetworks
from tests.reports.claims_world import S1, panel

DUAL, NORMAL, AT = "OAT (dual BN)", "OAT (normal BN)", "PGD-AT"
RISING = {0.0: (97, 37), 0.1: (96, 47), 0.2: (96, 51), 0.3: (95.5, 55), 0.4: (95, 58), 1.0: (94, 62)}
FLAT = {lam: (93.5, 62.2 + 0.2 * lam) for lam in S1}
FRONTIER = {0.0: (97, 8), 0.1: (96, 40), 0.2: (95.4, 49), 0.3: (94.8, 54), 0.4: (94.3, 57), 1.0: (92, 61)}


def moved(curve: dict, sa: float = 0.0, ra: float = 0.0, only=None) -> dict:
    return {lam: (s + sa, r + ra) if only in (None, lam) else (s, r) for lam, (s, r) in curve.items()}


def judged(measured, predicate: str, **args) -> str:
    model, function, _ = schema.PREDICATES[predicate]
    conditions = function(measured, model.model_validate(args))
    return check_verdict(conditions, verdicts(conditions))


def noisy(curves: dict, **fields):
    return panel(curves, spread=0.15, rng=np.random.default_rng(3), **fields)


def wild(curves: dict):
    return panel(curves, seeds=2, spread=4.0, rng=np.random.default_rng(3))


RISES = {"label": DUAL, "metric": "ra", "direction": "rises", "lambdas": "S1", "least": 5, "slack": 0.2}


def test_monotone():
    assert judged(noisy({DUAL: RISING}), "monotone", **RISES) == REPRODUCED
    assert judged(noisy({DUAL: FLAT}), "monotone", **RISES) == NOT_REPRODUCED  # no rise to speak of
    assert judged(noisy({DUAL: moved(RISING, ra=-20, only=0.3)}), "monotone", **RISES) == NOT_REPRODUCED  # a dent
    assert judged(wild({DUAL: RISING}), "monotone", **RISES) == INCONCLUSIVE
    falls = RISES | {"direction": "falls", "least": 1}
    assert judged(panel({DUAL: RISING}, spread=0.05), "monotone", **falls | {"metric": "sa"}) == REPRODUCED
    assert judged(noisy({DUAL: RISING}), "monotone", **falls) == NOT_REPRODUCED


def test_monotone_sees_a_slow_reversal_that_no_two_neighbours_show():
    slow = {lam: (95, ra) for lam, ra in zip(S1, (40, 60, 58, 56, 54, 52), strict=True)}  # each step < 12/5
    assert judged(noisy({DUAL: slow}), "monotone", **RISES) == NOT_REPRODUCED
    gentle = {lam: (95, ra) for lam, ra in zip(S1, (40, 60, 59.5, 59, 58.5, 58), strict=True)}
    assert judged(noisy({DUAL: gentle}), "monotone", **RISES) == REPRODUCED  # 2 pp back of 18 is less than a fifth


def test_one_seeds_interval_is_over_test_images():
    measured = panel({DUAL: RISING}, seeds=1)
    model, function, _ = schema.PREDICATES["monotone"]
    (whole, *pairs) = function(measured, model.model_validate(RISES))
    low, high = whole.estimate.bounds(0.95)
    half = (
        1.96 * 100 * np.sqrt((0.62 * 0.38 + 0.37 * 0.63) / 10_000)
    )  # Newcombe's is close to Wald's so far from 0 and 1
    assert (low, high) == pytest.approx((25 - half, 25 + half), abs=0.03)
    assert "test images only" in whole.estimate.kind and len(pairs) == 14
    assert judged(measured, "monotone", **RISES) == ONE_SEED  # however narrow: another training may differ
    assert judged(panel({DUAL: FLAT}, seeds=1), "monotone", **RISES) == ONE_SEED


def test_values():
    args = {"points": [{"label": DUAL, "lam": 1, "sa": 94, "ra": 62}, {"label": DUAL, "lam": 0, "sa": 97}]}
    args |= {"within": {"sa": 1, "ra": 2}}
    assert judged(noisy({DUAL: RISING}), "values", **args) == REPRODUCED
    assert judged(noisy({DUAL: moved(RISING, ra=6)}), "values", **args) == NOT_REPRODUCED
    assert judged(noisy({DUAL: moved(RISING, sa=1)}), "values", **args) == INCONCLUSIVE  # on the tolerance's edge


def test_an_interval_ends_at_100_percent():
    model, function, _ = schema.PREDICATES["values"]
    curves = {DUAL: {0.0: (99.9, 50)}}
    args = {"points": [{"label": DUAL, "lam": 0, "sa": 99.5}], "within": {"sa": 0.5}}
    (condition,) = function(panel(curves, spread=0.05), model.model_validate(args))
    assert condition.estimate.bounds(0.999)[1] == 100


def test_within_range():
    args = {"label": NORMAL, "metric": "ra", "lambdas": "S4", "low": 59.81, "high": 64.62}
    assert judged(noisy({NORMAL: FLAT}), "within_range", **args) == REPRODUCED
    assert judged(noisy({NORMAL: moved(FLAT, ra=-9, only=0.2)}), "within_range", **args) == NOT_REPRODUCED
    args = {"label": NORMAL, "metric": "sa", "lambdas": "S4", "high": 94}
    assert judged(noisy({NORMAL: FLAT}), "within_range", **args) == INCONCLUSIVE  # 93.5, a seed's noise from 94
    assert judged(noisy({NORMAL: moved(FLAT, sa=3)}), "within_range", **args) == NOT_REPRODUCED


def test_flat_is_judged_against_the_other_methods_change():
    args = {"label": NORMAL, "metric": "ra", "lambdas": "S4", "against": DUAL, "part": 1 / 3}
    assert judged(noisy({NORMAL: FLAT, DUAL: RISING}), "flat", **args) == REPRODUCED
    assert judged(noisy({NORMAL: RISING, DUAL: RISING}), "flat", **args) == NOT_REPRODUCED
    assert judged(noisy({NORMAL: moved(FLAT, ra=-20, only=0.3), DUAL: RISING}), "flat", **args) == NOT_REPRODUCED
    assert judged(noisy({NORMAL: FLAT, DUAL: FLAT}), "flat", **args) == INCONCLUSIVE  # nothing to be flat against
    assert judged(wild({NORMAL: FLAT, DUAL: RISING}), "flat", **args) == INCONCLUSIVE


def test_compared_within():
    args = {"label": DUAL, "of": AT, "lambdas": "S1", "within": {"sa": 1, "ra": 2}}
    assert judged(panel({DUAL: RISING, AT: RISING}, spread=0.05), "compared", **args) == REPRODUCED
    assert judged(noisy({DUAL: moved(RISING, ra=9), AT: RISING}), "compared", **args) == NOT_REPRODUCED
    dent = moved(RISING, ra=-40, only=0.2)  # 7 pp in the mean
    assert judged(noisy({DUAL: dent, AT: RISING}), "compared", **args) == NOT_REPRODUCED
    assert judged(wild({DUAL: RISING, AT: RISING}), "compared", **args) == INCONCLUSIVE


def test_the_mean_over_lambda_decides_and_single_lambdas_are_shown():
    model, function, _ = schema.PREDICATES["compared"]
    args = {"label": DUAL, "of": AT, "lambdas": "S1", "within": {"sa": 1, "ra": 2}, "each": True}
    measured = panel({DUAL: moved(RISING, ra=-6, only=0.2), AT: RISING}, spread=0.05)  # 1 pp in the mean
    conditions = function(measured, model.model_validate(args))
    answers = verdicts(conditions)
    single = {c.text: v for c, v in zip(conditions, answers, strict=True) if not c.decides}
    assert len(single) == 12 and single[f"{DUAL} − {AT}, RA(λ=0.2)"] == NOT_REPRODUCED
    assert list(single.values()).count(REPRODUCED) == 11
    assert check_verdict(conditions, answers) == REPRODUCED


def test_methods_together():
    args = {"label": [DUAL, NORMAL], "of": AT, "lambdas": "S1", "least": {"sa": 0, "ra": 0}, "together": True}
    better, worse = moved(RISING, sa=2, ra=4), moved(RISING, sa=-0.5, ra=-1)
    assert judged(noisy({DUAL: better, NORMAL: worse, AT: RISING}), "compared", **args) == REPRODUCED
    assert judged(noisy({DUAL: worse, NORMAL: worse, AT: RISING}), "compared", **args) == NOT_REPRODUCED


def test_compared_at_least_and_equal_to():
    args = {"label": [DUAL, NORMAL], "of": AT, "lambdas": "S1", "least": {"sa": 0, "ra": 0}}
    better = moved(RISING, sa=2, ra=2)
    assert judged(noisy({DUAL: better, NORMAL: better, AT: RISING}), "compared", **args) == REPRODUCED
    worse = moved(RISING, sa=2, ra=-3)
    assert judged(noisy({DUAL: better, NORMAL: worse, AT: RISING}), "compared", **args) == NOT_REPRODUCED
    args = {"label": DUAL, "of": AT, "lambdas": [1], "equals": {"sa": 0.67}, "within": {"sa": 0.6}}
    assert judged(panel({DUAL: moved(RISING, sa=0.67), AT: RISING}, spread=0.02), "compared", **args) == REPRODUCED
    assert judged(panel({DUAL: RISING, AT: RISING}, spread=0.01), "compared", **args) == NOT_REPRODUCED


def test_exceeds_and_better_score():
    args = {"metric": "sa", "label": DUAL, "lam": 0, "of": NORMAL, "of_lam": 0.1, "least": 0}
    assert judged(noisy({DUAL: RISING, NORMAL: FLAT}), "exceeds", **args) == REPRODUCED
    assert judged(noisy({DUAL: FLAT, NORMAL: RISING}), "exceeds", **args) == NOT_REPRODUCED
    narrow = {lam: (*accuracies, {"width": 0.5}) for lam, accuracies in RISING.items()}
    lost = {lam: (70, 30, {"width": 0.5}) for lam in S1}
    args = {"label": ["PGD-ATS"], "of": "OATS (normal BN)", "lambdas": "S1", "widths": [0.5], "least": 5}
    assert judged(noisy({"PGD-ATS": narrow, "OATS (normal BN)": lost}), "better_score", **args) == REPRODUCED
    assert judged(noisy({"PGD-ATS": narrow, "OATS (normal BN)": narrow}), "better_score", **args) == NOT_REPRODUCED


EPSILON = {"label": DUAL, "lambdas": "S1", "scale": {"sa": 1, "ra": 2}, "tolerance": 1}


def test_epsilon():
    assert judged(noisy({DUAL: RISING, AT: FRONTIER}), "epsilon", **EPSILON) == REPRODUCED
    assert judged(panel({DUAL: moved(FRONTIER, ra=-1), AT: FRONTIER}, spread=0.05), "epsilon", **EPSILON) == REPRODUCED
    assert judged(noisy({DUAL: moved(FRONTIER, sa=-2, ra=-5), AT: FRONTIER}), "epsilon", **EPSILON) == NOT_REPRODUCED
    assert judged(wild({DUAL: moved(FRONTIER, ra=-2), AT: FRONTIER}), "epsilon", **EPSILON) == INCONCLUSIVE
    assert judged(panel({DUAL: RISING, AT: FRONTIER}, seeds=1, n=26_000), "epsilon", **EPSILON) == ONE_SEED


def test_a_collapsed_curve_is_on_the_frontier_where_it_is_and_not_close_to_it():
    """At the SA that it reaches, a collapsed network is even above the frontier: the mean gap there would pass it."""
    collapsed = {lam: (93.5 + 0.1 * place, 61.0 - 0.2 * place) for place, lam in enumerate(reversed(S1))}
    measured = noisy({DUAL: collapsed, AT: FRONTIER})
    assert curves.gap(measured.points, DUAL, AT)["low"] > 0
    assert judged(measured, "epsilon", **EPSILON) == NOT_REPRODUCED  # the networks with λ = 0 and 0.1 are out of reach


def test_the_epsilon_indicator_and_the_hypervolume_are_shown_without_deciding():
    model, function, _ = schema.PREDICATES["epsilon"]
    measured = panel({DUAL: moved(FRONTIER, sa=-1, ra=-1), AT: FRONTIER}, n=100_000)
    indicator, volume, *networks = function(measured, model.model_validate(EPSILON))
    assert not indicator.decides and not volume.decides and all(network.decides for network in networks)
    assert indicator.estimate.value == pytest.approx(1.0, abs=0.01)  # 1 pp of SA is the whole tolerance
    assert volume.estimate.value < 0 and len(networks) == 6


def test_above():
    args = {"label": DUAL, "lambdas": "S1", "at": [0.3, 0.4], "least": 0}
    above = {lam: (sa, ra + 6) for lam, (sa, ra) in FRONTIER.items()}
    assert judged(panel({DUAL: above, AT: FRONTIER}, spread=0.05), "above", **args) == REPRODUCED
    below = {lam: (sa, ra - 6) for lam, (sa, ra) in FRONTIER.items()}
    assert judged(panel({DUAL: below, AT: FRONTIER}, spread=0.05), "above", **args) == NOT_REPRODUCED
    assert judged(panel({DUAL: moved(above, sa=5), AT: FRONTIER}), "above", **args) == INCONCLUSIVE
    assert judged(panel({DUAL: above, AT: FRONTIER}, seeds=1), "above", **args) == ONE_SEED


def test_missing_networks_are_named():
    holes = {lam: accuracies for lam, accuracies in RISING.items() if lam not in (0.1, 0.2)}
    with pytest.raises(MissingNetworks, match=r"OAT \(dual BN\) at λ = 0.1, 0.2$"):
        judged(panel({DUAL: holes}), "monotone", **RISES)
    with pytest.raises(MissingNetworks, match=r"PGD-AT at λ = 0, 0.1, 0.2, 0.3, 0.4, 1, PGD-20"):
        judged(panel({DUAL: {lam: (*a, {"attack": "pgd20"}) for lam, a in RISING.items()}, AT: FRONTIER}), "epsilon",
               **EPSILON | {"attack": "pgd20"})  # fmt: skip
    args = {"label": DUAL, "of": AT, "lambdas": [1], "width": 0.5, "least": {"sa": 0}}
    with pytest.raises(MissingNetworks, match="OAT .* at λ = 1, width 0.5; PGD-AT at λ = 1, width 0.5"):
        judged(panel({DUAL: RISING, AT: FRONTIER}), "compared", **args)


def test_seeds_that_some_network_lacks_are_left_out():
    whole = panel({DUAL: RISING, AT: FRONTIER}, spread=0.1)
    less = whole.points[~((whole.points.label == AT) & (whole.points.seed == 0) & (whole.points.lam == 1))]
    model, function, _ = schema.PREDICATES["compared"]
    args = model.model_validate({"label": DUAL, "of": AT, "lambdas": "S1", "least": {"sa": 0}})
    (condition,) = function(type(whole)(**{**vars(whole), "points": less}), args)
    assert condition.estimate.kind == "moderated t over 2 seeds"
    assert {key.removeprefix(f"{AT}-").removeprefix(f"{DUAL}-")[0] for key in condition.estimate.keys} == {"1", "2"}
