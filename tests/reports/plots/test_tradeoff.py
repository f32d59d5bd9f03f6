"""Figures 4, 6 and 7: each method's frontier, captions generated from the data, gaps that cannot be judged."""

import numpy as np
import pandas as pd
import pytest

from reports.figures import FIGURES
from reports.plots import captions, facets
from reports.statistics import curves
from tests.reports import synthetic
from tests.reports import synthetic_curves as world
from tests.reports.synthetic_curves import draw, lines, remove, texts, view

FIG4, FIG6, FIG7 = FIGURES["fig4"], FIGURES["fig6"], FIGURES["fig7"]

GAP = "Mean gap to frontier, pp of RA"


def test_fig6_has_a_column_per_width_and_leaves_normal_bn_out(tmp_path):
    world.slimming(tmp_path)
    loaded_view = view(tmp_path, "fig6")
    axes = draw("fig6", loaded_view).axes
    assert [ax.get_title() for ax in axes] == ["width 1", "width 0.75", "width 0.5"]
    for ax, width in zip(axes, (1.0, 0.75, 0.5), strict=True):
        points = loaded_view.points.query(f"width == {width} and label == 'OATS (dual BN)'")
        means = points.groupby("lam")[["sa", "ra"]].mean().sort_index(ascending=False)
        (line,) = lines(ax, "OATS (dual BN)")
        assert np.allclose(line.get_xydata(), means) and not lines(ax, "OATS (normal BN)")
    assert "OATS (normal BN) is in Figure 9." in FIG6.caption(loaded_view)
    rows = FIG6.summary(loaded_view)[1]["rows"]
    assert [row["Method"] for row in rows] == ["PGD-ATS", "OATS (dual BN)"] and rows[0][GAP] == "is the frontier"
    assert rows[1][GAP].startswith("+") and len(FIG6.curves(loaded_view)) == 3
    six, nine = FIG6.csv(loaded_view), FIGURES["fig9"].csv(view(tmp_path, "fig9"))
    assert set(six.method) == {"PGD-ATS", "OATS (dual BN)"} and set(six.width) == {1, 0.75, 0.5}
    assert len(six) == 2 * 6 * 3 * 3 and len(nine) == 3 * 6 * 3 * 3


def test_fig6_draws_the_papers_margin_beyond_the_measured_frontier(tmp_path):
    world.slimming(tmp_path, (0,), "paper", "cifar10")
    loaded_view = view(tmp_path, "fig6", "paper")
    axes = draw("fig6", loaded_view).axes
    best = loaded_view.points.query("width == 0.75 and label == 'PGD-ATS'").nlargest(1, "ra").iloc[0]
    (cross,) = lines(axes[1], "paper (text)")
    assert cross.get_xydata()[0] == pytest.approx([best.sa + 0.67, best.ra + 1.34])
    assert not lines(axes[0], "paper (text)") and "+0.67 pp of SA" in FIG6.caption(loaded_view)
    remove(tmp_path, world.pgd_at(world.S1, (0,), "PGD-ATS", widths=[0.5, 0.75, 1.0], dataset="cifar10"))
    loaded_view = view(tmp_path, "fig6", "paper")
    assert not lines(draw("fig6", loaded_view).axes[1], "paper (text)") and "0.67" not in FIG6.caption(loaded_view)


def test_fig6_marks_a_width_that_was_not_measured(tmp_path):
    trials = world.slimming(tmp_path, seeds=(0, 1))
    world.finish(tmp_path, trials, widths=(1.0, 0.75))
    loaded_view = view(tmp_path, "fig6")
    axes = draw("fig6", loaded_view).axes
    assert "not measured here yet" in texts(axes[2]) and lines(axes[0], "PGD-ATS")
    assert "Some networks are not measured everywhere" in FIG6.caption(loaded_view)


def test_fig7_has_a_column_per_attack(tmp_path):
    world.attacks(tmp_path)
    loaded_view = view(tmp_path, "fig7")
    axes = draw("fig7", loaded_view).axes
    assert [ax.get_title() for ax in axes] == ["PGD-20", "MI-FGSM", "FGSM"]
    means = loaded_view.points[loaded_view.points.label == "PGD-AT"].groupby(["attack", "lam"]).ra.mean()
    for ax, attack in zip(axes, ("pgd20", "mifgsm", "fgsm"), strict=True):
        assert lines(ax, "PGD-AT")[0].get_ydata()[0] == pytest.approx(means[attack, 1.0])
    assert "FGSM, MI-FGSM, and PGD-20" in FIG7.caption(loaded_view) and "0.1–0" not in texts(axes[0])[0]
    assert [table["heading"] for table in FIG7.curves(loaded_view)] == ["PGD-20", "MI-FGSM", "FGSM"]


def test_an_experiment_measured_with_other_attacks_is_left_out_and_named(tmp_path):
    trials = synthetic.networks(seeds=(0,))
    others = world.pgd_at(seeds=(0,), dataset="svhn")
    world.finish(tmp_path, others, attacks=("fgsm",))
    synthetic.finish(tmp_path, trials)
    mine = world.panel(others, ["fig4", "fig8"], "mine", "svhn", "svhn")
    synthetic.write_plan(tmp_path, [synthetic.panel(trials, stands_for="cifar10"), mine])
    loaded_view = view(tmp_path, "fig4")
    assert len(loaded_view.panels) == 2
    assert [ax.get_title() for ax in draw("fig4", loaded_view).axes] == ["digits, WRN-10-1"]
    note = "Not drawn: SVHN, WRN-10-1 (mine), measured with other attacks or at other widths only."
    assert note in FIG4.caption(loaded_view) and note in world.FIGURES["fig8"].caption(loaded_view)
    world.remove(tmp_path, trials)  # not measured at all is a gap, and is drawn as one
    assert [ax.get_title() for ax in draw("fig4", view(tmp_path, "fig4")).axes] == ["digits, WRN-10-1"]


def test_axes_say_that_only_other_attacks_were_measured(tmp_path):
    trials = world.pgd_at(seeds=(0,))
    synthetic.write_plan(tmp_path, [world.panel(trials, ["fig4"], "mine")])
    world.finish(tmp_path, trials, attacks=("fgsm",))
    (ax,) = draw("fig4", view(tmp_path, "fig4")).axes
    assert any("measured with other attacks" in text for text in texts(ax))
    assert "Not drawn" not in FIG4.caption(view(tmp_path, "fig4"))


def curve(label, values):
    """Points of one seed: λ → SA, RA."""
    where = {"label": label, "seed": 0, "n": 10_000, "width": 1.0, "attack": "pgd7"}
    rows = [where | {"lam": lam, "key": f"{label}-{lam}", "sa": sa, "ra": ra} for lam, (sa, ra) in values.items()]
    for row in rows:
        clean, robust = round(100 * row["sa"]), round(100 * row["ra"])
        row |= {"clean_correct": clean, "robust_correct": robust}
        row |= synthetic.correct_columns(clean, robust, row["n"], label, row["lam"])
    return rows


def test_a_gap_over_a_sliver_of_sa_cannot_be_judged():
    frontier = curve("PGD-AT", {1.0: (96.6, 60), 0.1: (98.8, 47), 0.0: (99.2, 0)})
    sliver = curve("OAT (dual BN)", {1.0: (98.90, 54), 0.0: (99.05, 33)})
    wide = curve("OAT (dual BN)", {1.0: (97.0, 62), 0.0: (99.0, 33)})
    gap = curves.gap(pd.DataFrame(frontier + sliver), "OAT (dual BN)")
    assert "share only 0.15 pp of SA (98.90–99.05)" in gap["doubt"]
    assert curves.gap(pd.DataFrame(frontier + wide), "OAT (dual BN)")["doubt"] == ""


def test_a_gap_wider_than_all_ra_cannot_be_judged():
    values = {1.0: (90, 60), 0.4: (93, 50), 0.0: (96, 40)}
    points = pd.DataFrame(curve("PGD-AT", values) + curve("OAT (dual BN)", values))
    second = points.assign(seed=1, sa=points.sa + [0, 0, 0, 0.4, 0.4, 0.4], ra=points.ra + [0, 0, 0, 9, 9, 9])
    second = second.assign(clean_correct=100 * second.sa, robust_correct=100 * second.ra)
    gap = curves.gap(pd.concat([points, second]), "OAT (dual BN)")
    assert gap["kind"] == "moderated t over 2 seeds" and "pp wide, and both curves together span" in gap["doubt"]


def test_a_gap_over_a_short_sa_range_reads_as_not_judged(tmp_path):
    trials = synthetic.laptop(tmp_path)
    flat = {lam: (445, 230 + round(20 * lam)) for lam in synthetic.S1}
    normal = [trial for trial in trials if trial["label"] == "OAT (normal BN)"]
    for trial in normal:
        jump = {lam: (clean + trial["seed"] % 2, ra) for lam, (clean, ra) in flat.items()} | {1.0: (444, 250)}
        synthetic.finish(tmp_path, [trial], counts=jump)
    frontier = [trial for trial in trials if trial["lam"] is not None]
    for trial in frontier:
        synthetic.finish(tmp_path, [trial], counts={trial["lam"]: (447 - round(12 * trial["lam"] ** 2), 200)})
    row = FIG4.summary(view(tmp_path, "fig4"))[0]["rows"][1]
    assert row[GAP].startswith("cannot be judged: the curves share only")


@pytest.mark.parametrize(
    ("label", "labels", "frontier"),
    [
        ("OATS (dual BN)", ["PGD-AT", "PGD-ATS"], "PGD-ATS"),
        ("OAT on S2", ["PGD-AT", "PGD-ATS"], "PGD-AT"),
        ("OATS (dual BN)", ["PGD-AT"], None),
        ("RO-128", ["DCT-16"], None),
    ],
)
def test_each_method_has_its_own_frontier(label, labels, frontier):
    assert curves.frontier_of(label, labels) == frontier


def test_methods_come_in_the_papers_order():
    names = ["RO-16", "OAT (dual BN)", "DCT-128", "none (scalar λ)", "PGD-AT", "OAT (normal BN)", "RO-128", "DCT-16"]
    ordered = ["PGD-AT", "OAT (normal BN)", "OAT (dual BN)", "none (scalar λ)", "DCT-16", "DCT-128", "RO-16", "RO-128"]
    assert curves.method_order(names) == ordered


def test_caption_says_top_left_only_where_no_curve_turns_back(tmp_path):
    trials = synthetic.laptop(tmp_path, seeds=(0,))
    for trial in trials:
        lambdas = synthetic.S1 if trial["lam"] is None else (trial["lam"],)
        straight = {lam: (440 - round(20 * lam), 100 + round(100 * lam)) for lam in lambdas}
        synthetic.finish(tmp_path, [trial], counts=straight)
    assert "Each curve runs from λ = 1 (top left) to λ = 0 (bottom right)." in FIG4.caption(view(tmp_path, "fig4"))
    dual = next(trial for trial in trials if trial["label"] == "OAT (dual BN)")
    counts = {lam: (440 - round(20 * lam), 100 + round(100 * lam)) for lam in synthetic.S1} | {0.3: (445, 130)}
    synthetic.finish(tmp_path, [dual], counts=counts)
    text = FIG4.caption(view(tmp_path, "fig4"))
    assert "top left" not in text and "OAT (dual BN) turns back in SA or RA" in text


def test_caption_names_the_ends_that_the_curves_have():
    table = pd.DataFrame(curve("OAT (normal BN, S4)", {1.0: (90, 60), 0.1: (93, 50)})).assign(facet=0)
    assert "from λ = 1 (top left) to λ = 0.1 (bottom right)" in captions.direction(table, [facets.Facet(None, "x")])
    more = pd.DataFrame(curve("PGD-AT", {1.0: (90, 60), 0.0: (93, 50)})).assign(facet=0)
    mixed = captions.direction(pd.concat([table, more]), [facets.Facet(None, "x")])
    assert "from its largest λ (top left) to its smallest (bottom right)" in mixed
