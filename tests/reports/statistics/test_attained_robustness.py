"""At which SA a method has more RA, on curves whose answer is plain."""

import pandas as pd
import pytest
from scipy import stats

from reports.statistics.attained_robustness import best_ra, lead_by_accuracy, levels_text


def curves(ours: list[list[tuple]], theirs: list[list[tuple]], n: int = 10_000) -> pd.DataFrame:
    """Points of both methods: per seed, (SA, RA) of each λ."""
    rows = []
    for method, seeds in (("ours", ours), ("theirs", theirs)):
        for seed, curve in enumerate(seeds):
            rows += [{"method": method, "seed": seed, "sa": sa, "ra": ra, "n": n} for sa, ra in curve]
    return pd.DataFrame(rows)


def test_a_level_counts_the_best_point_with_at_least_this_sa():
    curve = pd.DataFrame({"sa": [70.0, 75.0, 80.0], "ra": [40.0, 45.0, 10.0]})
    assert [best_ra(curve, level) for level in (60, 71, 75, 76, 80, 81)] == [45.0, 45.0, 45.0, 10.0, 10.0, 0.0]


def test_it_leads_where_its_curve_is_above_and_trails_where_it_reaches_nothing():
    ours, theirs = [[(70.0, 50.0), (72.0, 45.0)]] * 3, [[(70.0, 40.0), (74.0, 30.0)]] * 3
    leads = lead_by_accuracy(curves(ours, theirs), "ours", "theirs")
    assert leads == {70: 1, 71: 1, 72: 1, 73: -1, 74: -1}
    assert lead_by_accuracy(curves(ours, theirs), "theirs", "ours") == {level: -lead for level, lead in leads.items()}


@pytest.mark.parametrize("spread", [0.2, 1.0, 4.0])
def test_it_is_sure_where_students_interval_over_seeds_excludes_0(spread):
    gains = [1.0, 1.0 + spread, 1.0 + 2 * spread]
    points = curves([[(70.0, 40.0 + gain)] for gain in gains], [[(70.0, 40.0)]] * 3)
    low = stats.ttest_1samp(gains, 0).confidence_interval(0.95).low
    assert lead_by_accuracy(points, "ours", "theirs") == {70: int(low > 0)}


def test_one_seed_says_nothing_and_only_seeds_of_both_count():
    assert lead_by_accuracy(curves([[(70.0, 50.0)]], [[(70.0, 40.0)]] * 3), "ours", "theirs") == {}
    points = curves([[(70.0, 50.0)]] * 2, [[(70.0, 40.0)], [(70.0, 40.0)], [(70.0, 90.0)]])
    assert lead_by_accuracy(points, "ours", "theirs") == {70: 1}


def test_levels_are_written_as_ranges():
    assert levels_text([69, 70, 71, 76, 78, 79]) == "69–71, 76, 78–79" and levels_text([]) == "–"
