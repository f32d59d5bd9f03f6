"""Figures 4 and 8, read back from the matplotlib figure."""

import shutil

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from scipy import stats

from reports.figures import FIGURES
from reports.plots import by_lambda, label_placement, style
from reports.statistics import curves, training_variance
from tests.reports import synthetic
from tests.reports.load.test_panels import view

FIG4 = FIGURES["fig4"]

FLAT = {lam: (round(450 * 0.94), round(450 * 0.60)) for lam in synthetic.S1}


def lines(ax, label):
    return [line for line in ax.lines if line.get_label() == label]


def draw(name, loaded_view):
    with style.paper():
        return FIGURES[name].draw(loaded_view)


def small(runs, seeds=(0, 1)):
    """Write PGD-AT at λ = 0, 0.4, 1 with counts of 100 images, one more for each seed."""
    counts = {0.0: (97, 10), 0.4: (94, 50), 1.0: (90, 60)}
    trials = [synthetic.planned("PGD-AT", lam, seed, "digits", "wrn-10-1") for lam in counts for seed in seeds]
    synthetic.write_plan(runs, [synthetic.panel(trials)])
    for trial in trials:
        clean, robust = counts[trial["lam"]]
        synthetic.finish(runs, [trial], n=100, counts={trial["lam"]: (clean + trial["seed"], robust + trial["seed"])})
    return trials


def test_fig4_draws_means_from_lambda_1_to_0_with_their_intervals(tmp_path):
    small(tmp_path)
    (ax,) = draw("fig4", view(tmp_path)).axes
    (curve,) = lines(ax, "PGD-AT")
    assert curve.get_xdata().tolist() == [90.5, 94.5, 97.5] and curve.get_ydata().tolist() == [60.5, 50.5, 10.5]
    across, upright = (bars.get_segments() for bars in ax.collections if bars.get_label() not in ("_links", "_sizes"))
    df = 1 + training_variance.fit_prior([1.0, 1.0, 1.0], 1)[2]  # three networks that vary alike
    half = stats.t.ppf(0.975, df) * np.sqrt((0.5 + 1 / 12) / 2)  # of 0 and 1, and of rounding to counts
    assert across[0] == pytest.approx(np.array([(90.5 - half, 60.5), (90.5 + half, 60.5)]), abs=1e-3)
    assert upright[2] == pytest.approx(np.array([(97.5, 10.5 - half), (97.5, 10.5 + half)]), abs=1e-3)
    assert across[2][1][0] == pytest.approx(97.5 + half, abs=1e-3) and 97.5 + half < 100
    assert sorted(text.get_text() for text in ax.texts) == sorted(["0", "0.4", "1", "stands in for SVHN"])


def test_fig4_one_seed_takes_wilson_and_says_so(tmp_path):
    small(tmp_path, seeds=(0,))
    loaded_view = view(tmp_path)
    table = curves.curves(loaded_view.panels[0])
    assert table.interval.tolist() == ["wilson"] * 3
    assert (table.sa_low[0], table.sa_high[0]) == pytest.approx(
        (82.56, 94.48), abs=0.01
    )  # 90 of 100, from the literature
    assert "One seed" in FIG4.caption(loaded_view) and "Wilson" in FIG4.caption(loaded_view)


def test_fig4_gap_breaks_the_line_and_dots_bridge_it(tmp_path):
    trials = small(tmp_path)
    for trial in trials[2:4]:  # λ = 0.4
        shutil.rmtree(tmp_path / "trials" / trial["key"])
    shutil.rmtree(tmp_path / "trials" / trials[0]["key"])  # λ = 0, seed 0
    loaded_view = view(tmp_path)
    (ax,) = draw("fig4", loaded_view).axes
    (curve,) = lines(ax, "PGD-AT")
    assert np.isnan(curve.get_xdata()).tolist() == [False, True, False]
    assert lines(ax, "_bridge")[0].get_xdata().tolist() == [90.5, 98.0]
    assert lines(ax, "_hollow")[0].get_xdata().tolist() == [98.0]
    assert curves.curves(loaded_view.panels[0]).planned.tolist() == [2, 2, 2]
    assert "3 of 6 networks missing" in [text.get_text() for text in ax.texts]
    assert "3 of 6 networks missing" in FIG4.caption(loaded_view)


def test_fig8_marks_a_missing_lambda_on_the_axis(tmp_path):
    trials = small(tmp_path)
    for trial in trials[2:4]:
        shutil.rmtree(tmp_path / "trials" / trial["key"])
    top, bottom = draw("fig8", view(tmp_path)).axes
    for ax in (top, bottom):
        (hollow,) = lines(ax, "_hollow")
        assert hollow.get_xdata().tolist() == [1.0] and hollow.get_ydata()[0] == ax.get_ylim()[0]
    assert lines(top, "PGD-AT")[0].get_ydata()[[0, 2]].tolist() == [97.5, 90.5]
    assert lines(bottom, "PGD-AT")[0].get_ydata()[[0, 2]].tolist() == [10.5, 60.5]
    assert [tick.get_text() for tick in bottom.get_xticklabels()] == ["0", "0.4", "1"]


@pytest.mark.parametrize("name", ["fig4", "fig5", "fig6", "fig7", "fig8", "fig9", "fig13", "appc"])
def test_nothing_finished_is_drawn_as_such(tmp_path, name):
    synthetic.write_plan(tmp_path, [synthetic.panel(synthetic.networks())])
    loaded_view = view(tmp_path)
    texts = [text.get_text() for text in draw(name, loaded_view).axes[0].texts]
    assert "no network has finished" in texts
    assert "24 of 24 networks missing" in FIGURES[name].caption(loaded_view)
    assert FIGURES[name].summary(loaded_view)[0]["rows"][0]["SA, %"] == "–"


def test_papers_numbers_are_drawn_at_the_papers_scale_only(tmp_path):
    synthetic.paper(tmp_path / "paper", seeds=(0,))
    loaded_view = view(tmp_path / "paper", "paper")
    svhn, cifar, stl = draw("fig4", loaded_view).axes
    crosses = [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines(svhn, "paper (text)")]
    assert crosses == [(94.43, 62.16), (97.07, 37.32)]
    (band,) = [patch for patch in svhn.patches if isinstance(patch, Rectangle)]
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((61.81, 62.62))
    assert band.get_x() + band.get_width() == pytest.approx(94) and band.get_x() == svhn.get_xlim()[0]
    assert [line.get_xdata()[0] for line in lines(cifar, "paper (text)")] == [93.1, 93.68]
    assert not lines(stl, "paper (text)") and "printed in the paper" in FIG4.caption(loaded_view)

    trials = synthetic.networks("svhn", "wrn-16-8", seeds=(0,))
    synthetic.write_plan(tmp_path / "short", [synthetic.panel(trials, "svhn", "svhn", "wrn-16-8")], scale="short")
    synthetic.finish(tmp_path / "short", trials)
    loaded_view = view(tmp_path / "short", "short")
    assert not lines(draw("fig4", loaded_view).axes[0], "paper (text)") and "printed" not in FIG4.caption(loaded_view)


def test_fig8_puts_the_papers_points_beside_the_dual_curve(tmp_path):
    synthetic.paper(tmp_path, seeds=(0,))
    axes = draw("fig8", view(tmp_path, "paper")).axes
    shown = sorted((float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines(axes[3], "paper (text)"))
    assert shown == [(pytest.approx(by_lambda.DODGE), 37.32), (pytest.approx(5 + by_lambda.DODGE), 62.16)]


def test_collapsed_points_share_one_label(tmp_path):
    trials = synthetic.networks(seeds=(0,), labels=("normal",))
    synthetic.write_plan(tmp_path, [synthetic.panel(trials)])
    synthetic.finish(tmp_path, [trial for trial in trials if trial["lam"] is not None])
    synthetic.finish(tmp_path, [trial for trial in trials if trial["lam"] is None], counts=FLAT)
    loaded_view = view(tmp_path)
    (ax,) = draw("fig4", loaded_view).axes
    assert "1–0" in [text.get_text() for part in (ax, *ax.child_axes) for text in part.texts]
    row = FIG4.summary(loaded_view)[0]["rows"][1]
    assert row["Mean gap to frontier, pp of RA"] == "no SA in common" and row["RA rises with λ"] == "yes"


def test_summary_says_where_a_curve_turns_and_how_far_it_lies_above(tmp_path):
    synthetic.paper(tmp_path)
    svhn = FIG4.summary(view(tmp_path, "paper"))[0]
    frontier, normal, dual = svhn["rows"]
    assert [row["Method"] for row in svhn["rows"]] == ["PGD-AT", "OAT (normal BN)", "OAT (dual BN)"]
    assert dual["SA falls with λ"] == "yes" and normal["SA falls with λ"] == "within intervals"
    assert (
        dual["Mean gap to frontier, pp of RA"].startswith("+")
        and "t over 3 seeds" in dual["Mean gap to frontier, pp of RA"]
    )
    assert frontier["Mean gap to frontier, pp of RA"] == "is the frontier"


def test_labels_cover_neither_markers_nor_each_other():
    rng = np.random.default_rng(0)
    anchors, sizes, bounds = rng.uniform(20, 180, (12, 2)), np.tile([14.0, 7.0], (12, 1)), np.array([0, 0, 200, 200])
    places = label_placement.place(anchors, sizes, anchors, label_placement.along(anchors), bounds)
    boxes = np.vstack([label_placement.around(place, [7, 3.5]) for place in places if place is not None])
    assert len(boxes) >= 8
    shared = label_placement.overlap(boxes, boxes)
    assert not (shared - np.diag(np.diag(shared))).any()
    assert not label_placement.overlap(boxes, label_placement.around(anchors, 2.5)).any()


def test_unknown_methods_get_distinct_looks():
    names = ["OATS 0.5", "OATS 1", "PGD-AT"]
    looks = [style.method(name, names) for name in names]
    assert len({look["color"] for look in looks}) == len({look["marker"] for look in looks}) == 3


def test_summary_says_that_a_frontier_is_incomplete(tmp_path):
    trials = synthetic.laptop(tmp_path)
    for trial in trials:
        if trial["lam"] == 0.2:
            shutil.rmtree(tmp_path / "trials" / trial["key"])
    rows = FIG4.summary(view(tmp_path))[0]["rows"]
    assert "frontier incomplete" in rows[2]["Mean gap to frontier, pp of RA"]
