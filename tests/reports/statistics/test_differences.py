"""Differences against scipy's tests, published examples, and by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.measures import correct_bits
from reports.statistics import differences, estimates
from reports.statistics.contrasts import unambiguous_counts
from tests.reports.synthetic import correct_columns


def points(values: dict, n=450, lambdas=(0.0, 1.0), right: dict | None = None) -> pd.DataFrame:
    """Points of methods. values: label → SA per seed, the same at every λ; RA is half. right: label → (n,) booleans."""
    rows = []
    for label, seeds in values.items():
        for seed, sa in enumerate(seeds):
            clean, robust = round(n * sa / 100), round(n * sa / 200)
            row = {"label": label, "seed": seed, "n": n, "sa": sa, "ra": sa / 2, "key": f"{label}-{seed}"}
            row |= {"width": 1.0, "attack": "pgd7", "clean_correct": clean, "robust_correct": robust}
            for lam in lambdas:
                bits = correct_columns(clean, robust, n, label, seed, lam)
                if right:
                    bits = dict.fromkeys(correct_bits.COLUMNS, correct_bits.encode(right[label]))
                rows.append(row | bits | {"lam": lam})
    return pd.DataFrame(rows)


def compare(data: pd.DataFrame, label: str, other: str, lambdas, metric: str = "sa", same_training: bool = False):
    return differences.compare(unambiguous_counts(data), label, other, lambdas, metric, same_training)


def test_seeds_are_paired_as_scipy_pairs_them():
    data = points({"row": [60.0, 70.0, 80.0], "default": [59.0, 68.5, 79.5]}, n=200_000)
    comparison = compare(data, "row", "default", [0.0, 1.0])
    theirs = stats.ttest_rel([60, 70, 80], [59, 68.5, 79.5])
    bounds = theirs.confidence_interval()
    assert (comparison["low"], comparison["high"], comparison["p"]) == pytest.approx(
        (bounds.low, bounds.high, theirs.pvalue), rel=1e-4
    )
    assert comparison["kind"] == "t over 3 seeds" and comparison["value"] == pytest.approx(1)


def test_seeds_that_only_one_method_has_are_left_out():
    data = points({"row": [60.0, 70.0, 80.0], "default": [59.0, 68.0, 79.0]}, n=100)
    data = data[~((data.label == "row") & (data.seed == 1) & (data.lam == 1))]
    comparison = compare(data, "row", "default", [0.0, 1.0])
    assert comparison["values"] == [60, 80] and comparison["other_values"] == [59, 68, 79]
    assert comparison["kind"] == "t over 2 seeds"
    assert compare(data, "row", "default", [0.0, 0.5]) is None
    assert compare(data, "row", "nobody", [0.0]) is None


def test_zero_differences_are_exact_only_for_networks_of_the_same_training():
    data = points({"row": [60.0, 70.0], "default": [60.0, 70.0]})
    alike = compare(data, "row", "default", [0.0], "ra", same_training=True)
    assert (alike["value"], alike["low"], alike["high"], alike["p"]) == (0, 0, 0, 1)
    apart = compare(data, "row", "default", [0.0], "ra")
    assert apart["low"] < 0 < apart["high"] and apart["p"] == pytest.approx(1)  # counts are whole numbers


def test_a_label_of_two_networks_is_compared_with_nothing():
    data = points({"a": [60.0, 61.0], "b": [60.0, 61.0], "c": [59.0, 60.0]})
    twice = pd.concat([data, data[data.label == "a"].assign(key="another")])
    assert compare(twice, "a", "b", [0.0]) is None and compare(twice, "b", "c", [0.0]) is not None


def test_one_seed_on_different_numbers_of_images_is_not_compared():
    data = pd.concat([points({"a": [80.0]}, 70, [0.0]), points({"b": [60.0]}, 80, [0.0])])
    assert compare(data, "a", "b", [0.0]) is None


def pair(gained: int, lost: int, both: int, n: int) -> dict[str, np.ndarray]:
    """Which images two networks have right. gained, lost: by the first, by the second alone; both: by both."""
    first, other = np.zeros((2, n), bool)
    first[: gained + both], other[gained : gained + both + lost] = True, True
    return {"a": first, "b": other}


def test_one_seed_is_paired_image_by_image_as_bonett_and_price_do():
    """Their adjusted Wald interval: (b − c)/(n + 2) ± z √((b + 1 + c + 1 − (b − c)²/(n + 2)) / (n + 2)²)."""
    gained, lost, both, n = 25, 9, 300, 450
    right = pair(gained, lost, both, n)
    data = points({"a": [100 * 325 / n], "b": [100 * 309 / n]}, n, [0.0], right)
    comparison = compare(data, "a", "b", [0.0])
    centre = (gained - lost) / (n + 2)
    half = 1.959964 * np.sqrt((gained + lost + 2 - (gained - lost) ** 2 / (n + 2)) / (n + 2) ** 2)
    assert comparison["kind"] == estimates.PAIRED and comparison["value"] == pytest.approx(100 * 16 / n)
    bounds = (100 * (centre - half), 100 * (centre + half))
    assert (comparison["low"], comparison["high"]) == pytest.approx(bounds, rel=2e-3)
    unpaired = 2 * 1.96 * 100 * np.sqrt((325 * 125 + 309 * 141) / n**3)
    assert comparison["high"] - comparison["low"] < 0.5 * unpaired  # the gain from pairing


@pytest.mark.parametrize(("gained", "lost"), [(25, 9), (9, 25), (3, 3), (0, 0), (0, 6)])
def test_mcnemar_is_scipys_binomial_test(gained, lost):
    right = pair(gained, lost, 100, 200)
    theirs = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert estimates.mcnemar(right["a"], right["b"]) == pytest.approx(theirs)


def test_equal_networks_have_an_interval_of_positive_width():
    right = pair(0, 0, 400, 450)
    data = points({"a": [100 * 400 / 450], "b": [100 * 400 / 450]}, 450, [0.0], right)
    comparison = compare(data, "a", "b", [0.0])
    assert comparison["low"] < -0.3 and comparison["high"] > 0.3 and comparison["p"] == pytest.approx(1)


def test_holm_agrees_with_the_textbook_and_skips_nan():
    adjusted = differences.holm([0.01, np.nan, 0.04, 0.03, 0.005])
    assert adjusted[[0, 2, 3, 4]] == pytest.approx([0.03, 0.06, 0.06, 0.02]) and np.isnan(adjusted[1])
    assert differences.holm([0.6, 0.7]).tolist() == [1, 1] and len(differences.holm([])) == 0


def test_the_interval_excludes_0_exactly_where_p_is_below_5_percent():
    rng = np.random.default_rng(1)
    shares = zip(
        *(rng.binomial(450, share, (60, seeds)) / 4.5 for share in (0.55, 0.5) for seeds in (1, 3)), strict=True
    )
    comparisons = []
    for single, three, other, others in shares:
        for a, b in ((single, other), (three, others)):
            comparisons.append(compare(points({"a": a, "b": b}), "a", "b", [0.0]))
    excluded = [comparison["low"] > 0 or comparison["high"] < 0 for comparison in comparisons]
    assert excluded == [comparison["p"] < 0.05 for comparison in comparisons] and 10 < sum(excluded) < 110


def test_the_pages_row_names_the_largest_difference():
    data = points({"a": [60.0, 61.0, 62.0], "b": [60.0, 61.0, 62.5]}, n=10_000)
    last = (data.label == "a") & (data.lam == 1)
    data.loc[last, ["sa", "clean_correct"]] += [3, 300]
    row = differences.table_row(data, "a", "b", [0.0, 0.5, 1.0], "all")
    assert row["at λ"] == "all: 0, 1" and row["Largest ΔSA, pp"] == "+2.8 (λ=1)"
    assert row["Mean ΔSA, pp"].startswith("+1.3 [") and "t over 3 seeds" in row["Mean ΔSA, pp"]
    empty = differences.table_row(data, "a", "nobody", [0.0], "all")
    assert empty["Mean ΔSA, pp"] == empty["Largest ΔRA, pp"] == "–" and empty["at λ"] == "all: none"
    assert any("other images" in name for name in differences.drop_empty_columns([row, empty])[0])
    one_seed = differences.table_row(data[data.seed == 0], "a", "b", [0.0, 0.5, 1.0], "all")
    assert not any("other images" in name for name in differences.drop_empty_columns([one_seed, empty])[0])


def test_the_pages_row_says_what_other_images_would_change():
    right = pair(25, 9, 300, 450)
    data = points({"a": [100 * 325 / 450] * 2, "b": [100 * 309 / 450] * 2}, 450, right=right)
    row = differences.drop_empty_columns([differences.table_row(data, "a", "b", [0.0, 1.0], "all")])[0]
    low, high = estimates.of_paired_images([1, -1], [right["a"], right["b"]]).bounds(0.95)
    assert row["ΔSA of these networks, other images"] == f"+3.6 [{low:+.1f}, {high:+.1f}]"  # seeds alike add no image
    single_seed = differences.table_row(data[data.seed == 0], "a", "b", [0.0, 1.0], "all")
    p = stats.binomtest(25, 34).pvalue
    assert single_seed["Largest ΔSA, pp"].endswith(f"McNemar p = {2 * p:.2g} for 2 λ)")
    assert single_seed["ΔSA of these networks, other images"] == "–"  # its interval says that anyway
