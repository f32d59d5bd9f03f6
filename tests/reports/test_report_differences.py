"""Differences against scipy's tests, published examples, and simulated coverage."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports import differences


def points(values: dict, n=450, lambdas=(0.0, 1.0)) -> pd.DataFrame:
    """label → per seed SA; the same at every λ, and RA half of it."""
    rows = [
        {"label": label, "seed": seed, "lam": lam, "n": n, "sa": sa, "ra": sa / 2}
        for label, seeds in values.items()
        for seed, sa in enumerate(seeds)
        for lam in lambdas
    ]
    return pd.DataFrame(rows)


def test_welch_is_scipys():
    one, two = [61.0, 62.5, 60.2], [58.1, 60.9, 59.0, 57.2]
    theirs = stats.ttest_ind(one, two, equal_var=False)
    bounds = theirs.confidence_interval()
    found = differences.welch(one, two)
    assert found == pytest.approx((np.mean(one) - np.mean(two), bounds.low, bounds.high, theirs.pvalue))


def test_paired_is_scipys_and_unpaired_is_not():
    data = points({"row": [60.0, 70.0, 80.0], "default": [59.0, 68.5, 79.5]})
    paired = differences.compare(data, "row", "default", [0.0, 1.0], "sa", paired=True)
    theirs = stats.ttest_rel([60, 70, 80], [59, 68.5, 79.5])
    bounds = theirs.confidence_interval()
    assert (paired["low"], paired["high"], paired["p"]) == pytest.approx((bounds.low, bounds.high, theirs.pvalue))
    assert paired["kind"] == "paired t, 3 seeds"
    unpaired = differences.compare(data, "row", "default", [0.0, 1.0], "sa")
    assert unpaired["kind"] == "Welch t, 3 and 3 seeds" and unpaired["p"] > 0.8 > paired["p"]


def test_the_same_network_twice_differs_by_nothing_at_all():
    data = points({"row": [60.0, 70.0], "default": [60.0, 70.0]})
    found = differences.compare(data, "row", "default", [0.0], "ra", paired=True)
    assert (found["difference"], found["low"], found["high"], found["p"]) == (0, 0, 0, 1)


def test_newcombe_is_the_published_example():
    """56/70 against 48/80: 0.2, 0.0524 to 0.3339 (Newcombe, Stat. Med. 1998, table II, method 10)."""
    data = pd.concat([points({"a": [100 * 56 / 70]}, 70, [0.0]), points({"b": [100 * 48 / 80]}, 80, [0.0])])
    found = differences.compare(data, "a", "b", [0.0], "sa")
    assert found["kind"] == "counts"
    assert (found["difference"], found["low"], found["high"]) == pytest.approx((20, 5.24, 33.39), abs=0.01)
    assert 0.001 < found["p"] < 0.05


@pytest.mark.parametrize("values", [{"row": [80.0, 80.0], "default": [82.0, 82.0]}, {"row": [80.0], "default": [82.0]}])
def test_seeds_that_agree_or_are_single_take_the_counts(values):
    found = differences.compare(points(values), "row", "default", [0.0, 1.0], "sa")
    assert found["kind"] == "counts" and found["low"] < -2 < found["high"] and found["p"] > 0.05
    one = differences.compare(points(values), "row", "default", [0.0], "sa")
    assert (one["low"], one["high"]) == pytest.approx((found["low"], found["high"]))  # averaging λ adds no images


def test_a_seed_that_lacks_a_lambda_is_left_out_and_a_method_without_any_is_none():
    data = points({"row": [60.0, 70.0, 80.0], "default": [59.0, 68.0, 79.0]})
    data = data[~((data.label == "row") & (data.seed == 1) & (data.lam == 1))]
    found = differences.compare(data, "row", "default", [0.0, 1.0], "sa")
    assert found["values"] == [60, 80] and found["kind"] == "Welch t, 2 and 3 seeds"
    assert differences.compare(data, "row", "default", [0.0, 0.5], "sa") is None
    assert differences.compare(data, "row", "nobody", [0.0], "sa") is None


def test_holm_is_the_textbooks_and_leaves_out_what_was_not_tested():
    found = differences.holm([0.01, np.nan, 0.04, 0.03, 0.005])
    assert found[[0, 2, 3, 4]] == pytest.approx([0.03, 0.06, 0.06, 0.02]) and np.isnan(found[1])
    assert differences.holm([0.6, 0.7]).tolist() == [1, 1] and len(differences.holm([])) == 0


def test_welch_covers_a_difference_of_0_95_times_in_100():
    rng = np.random.default_rng(0)
    pairs = rng.normal(60, 1, (2000, 3)), rng.normal(60, 2, (2000, 3))
    covered = [low <= 0 <= high for _, low, high, _ in map(differences.welch, *pairs)]
    assert 0.94 <= np.mean(covered) <= 0.98


def test_the_interval_excludes_0_exactly_where_p_is_below_5_percent():
    rng = np.random.default_rng(1)
    found = [differences.welch(rng.normal(61, 1, 3), rng.normal(60, 1, 3)) for _ in range(200)]
    shares = zip(*(rng.binomial(450, share, 200) / 4.5 for share in (0.55, 0.5)), strict=True)
    counted = [differences.compare(points({"a": [a], "b": [b]}), "a", "b", [0.0], "sa") for a, b in shares]
    found += [tuple(one[name] for name in ("difference", "low", "high", "p")) for one in counted]
    excluded = [low > 0 or high < 0 for _, low, high, _ in found]
    assert excluded == [p < 0.05 for *_, p in found] and 10 < sum(excluded) < 350


def test_the_pages_row_names_the_largest_difference():
    data = points({"a": [60.0, 61.0, 62.0], "b": [60.0, 61.0, 62.5]})
    data.loc[(data.label == "a") & (data.lam == 1), "sa"] += 3
    row = differences.table(data, "a", "b", [0.0, 0.5, 1.0], "all")
    assert row["at λ"] == "all: 0, 1" and row["Largest ΔSA, pp"] == "+2.8 (λ=1)"
    assert row["Mean ΔSA, pp"].startswith("+1.3 [") and "Welch" in row["Mean ΔSA, pp"]
    empty = differences.table(data, "a", "nobody", [0.0], "all")
    assert empty["Mean ΔSA, pp"] == empty["Largest ΔRA, pp"] == "–" and empty["at λ"] == "all: none"
