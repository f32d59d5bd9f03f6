"""Figures 5, 9, 13 and App. C: curves against λ, read back from the matplotlib figure."""

import json

import numpy as np
import pytest

from reports.figures import FIGURES
from reports.plots import by_lambda, facets
from tests.reports import synthetic_curves as world
from tests.reports.synthetic_curves import draw, lines, remove, texts, view

APPC, FIG5, FIG9, FIG13 = (FIGURES[name] for name in ("appc", "fig5", "fig9", "fig13"))
NORMAL_BN = "OATS (normal BN)"


def seen_and_starred(ax, label):
    """λ nearest to the points drawn with the method's own marker, and to its stars."""
    (line,) = lines(ax, label)
    met = np.asarray(line.get_xdata())[line.get_markevery()]
    stars = [x for star in lines(ax, "_unseen") if star.get_color() == line.get_color() for x in star.get_xdata()]
    grid = np.array(world.ALL)
    return [[float(grid[np.abs(grid - x).argmin()]) for x in xs] for xs in (met, stars)]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Figure 5, of three seeds."""
    runs = tmp_path_factory.mktemp("sets")
    world.sets(runs)
    return view(runs, "fig5")


def test_fig5_stars_what_a_network_did_not_meet(sets):
    sa, ra = draw("fig5", sets).axes
    for ax in (sa, ra):
        assert seen_and_starred(ax, "OAT on S1") == [list(world.S1), sorted({*world.ALL} - {*world.S1})]
        assert seen_and_starred(ax, "OAT on S2") == [list(world.S2), list(world.S3)]
        assert seen_and_starred(ax, "PGD-AT") == [list(world.ALL), []]
    assert (sa.get_ylabel(), ra.get_ylabel(), sa.get_xlabel()) == ("SA (%)", "RA (%)", "λ")
    assert lines(sa, "PGD-AT")[0].get_marker() == "s" and lines(sa, "OAT on S2")[0].get_marker() == "o"
    caption = FIG5.caption(sets)
    assert "to scale" in caption and "not to scale" not in caption and "did not meet in training" in caption


def test_fig5_reads_the_sets_off_the_recipes(tmp_path):
    trials = world.sets(tmp_path, seeds=(0,))
    (path,) = (tmp_path / "plans").glob("*.json")
    plan = json.loads(path.read_text())
    for trial in plan["panels"][0]["trials"]:
        trial["label"] = {"OAT on S2": "OAT, denser"}.get(trial["label"], trial["label"])
    path.write_text(json.dumps(plan))
    (panel,) = facets.drawn_panels(view(tmp_path, "fig5"))
    table = facets.all_curves([facets.Facet(panel, "")]).set_index(["label", "lam"])
    assert not table.unseen["OAT, denser", 0.8] and table.unseen["OAT, denser", 0.9]
    assert table.unseen["OAT on S1", 0.8] and len(trials) == 16


def test_fig5_compares_at_equal_lambda(sets):
    _, equal = FIG5.summary(sets)
    rows = {(row["Method"], row["against"], row["at λ"].split(":")[0]): row for row in equal["rows"]}
    unseen = rows["OAT on S1", "PGD-AT", "unseen"]
    assert unseen["at λ"] == "unseen: 0.15, 0.25, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9"
    ra = sets.points.set_index(["label", "seed", "lam"]).ra
    lams = [lam for lam in world.ALL if lam not in world.S1]
    expected = np.mean([ra["OAT on S1", s, lam] - ra["PGD-AT", s, lam] for s in range(3) for lam in lams])
    assert unseen["Mean ΔRA, pp"].startswith(f"{expected:+.1f} [") and expected > 5
    assert ("OAT on S1", "OAT on S2", "unseen (S3)") in rows


def test_fig5_without_some_networks_marks_gaps(tmp_path):
    trials = world.sets(tmp_path)
    remove(tmp_path, [t for t in trials if t["lam"] == 0.5 or (t["label"] == "OAT on S2" and t["seed"] == 0)])
    loaded_view = view(tmp_path, "fig5")
    sa, _ = draw("fig5", loaded_view).axes
    black = [line for line in lines(sa, "_hollow") if line.get_markeredgecolor() == "#000000"]
    assert len(black) == 1 and black[0].get_xdata()[0] == pytest.approx(0.5, abs=0.02)
    stars = [line for line in lines(sa, "_hollow") if line.get_marker() == "*"]
    assert len(stars) == 1 and len(stars[0].get_xdata()) == 6  # S2's unseen λ rest on two seeds
    assert "4 of 48 networks missing" in FIG5.caption(loaded_view)


def test_fig9_limits_ignore_the_method_off_range_and_arrows_show_it(tmp_path):
    world.slimming(tmp_path)
    loaded_view = view(tmp_path, "fig9")
    axes = np.array(draw("fig9", loaded_view).axes).reshape(2, 3)
    for ax, width in zip(axes[0], (1.0, 0.75, 0.5), strict=True):
        low, high = ax.get_ylim()
        sa = loaded_view.points.query(f"width == {width} and label != '{NORMAL_BN}'").sa
        assert low < sa.min() and sa.max() < high and high - low < 3 * (sa.max() - sa.min())
        (arrows,) = lines(ax, "_off_range")
        assert len(arrows.get_xdata()) == 6 and set(arrows.get_ydata()) == {low} and arrows.get_marker() == "v"
        far = loaded_view.points.query(f"width == {width} and label == '{NORMAL_BN}'").groupby("lam").sa.mean()
        assert f"OATS (normal BN): {far.min():.1f}–{far.max():.1f} %" in texts(ax)
        assert ax.get_title() == f"width {width:g}"
    assert not any(lines(ax, "_off_range") for ax in axes[1])  # RA 11 costs little there
    assert "Arrows at the frame: OATS (normal BN)" in FIG9.caption(loaded_view)
    assert {len(lines(ax, label)) for ax in axes.flat for label in ("PGD-ATS", "OATS (dual BN)")} == {1}


def test_fig9_limits_include_the_method_off_range_if_it_is_alone_or_near(tmp_path):
    trials = world.slimming(tmp_path, seeds=(0,))
    remove(tmp_path, [trial for trial in trials if trial["label"] != NORMAL_BN])
    loaded_view = view(tmp_path, "fig9")
    ax = draw("fig9", loaded_view).axes[0]
    assert ax.get_ylim()[0] < 20 and not lines(ax, "_off_range") and "Arrows" not in FIG9.caption(loaded_view)
    world.finish(tmp_path, trials, widths=(1.0, 0.75, 0.5), move={NORMAL_BN: (73, 30)})
    loaded_view = view(tmp_path, "fig9")
    assert not lines(draw("fig9", loaded_view).axes[0], "_off_range") and "Arrows" not in FIG9.caption(loaded_view)


def test_fig9_tables_are_per_width(tmp_path):
    world.slimming(tmp_path, seeds=(0,))
    loaded_view = view(tmp_path, "fig9")
    tables = FIG9.curves(loaded_view)
    assert [table["heading"] for table in tables] == ["width 1", "width 0.75", "width 0.5"]
    narrow = loaded_view.points.query("width == 0.5 and label == 'PGD-ATS' and lam == 1")
    row = next(row for row in tables[2]["rows"] if row["method"] == "PGD-ATS")
    assert row["cells"][-1] == f"{narrow.sa.item():.1f} / {narrow.ra.item():.1f}"
    gap = FIG9.summary(loaded_view)[1]["rows"]
    assert [r["Mean gap to frontier, pp of RA"] for r in gap][0] == "is the frontier" and len(gap) == 3


def test_fig13_draws_five_encodings_apart_and_names_no_frontier(tmp_path):
    world.encodings(tmp_path)
    loaded_view = view(tmp_path, "fig13")
    sa, ra = draw("fig13", loaded_view).axes
    order = ["none (scalar λ)", "DCT-16", "DCT-128", "RO-16", "RO-128"]
    assert [label for label in sa.get_legend_handles_labels()[1] if label in order] == order
    looks = {(line.get_color(), line.get_marker()) for ax in (sa, ra) for label in order for line in lines(ax, label)}
    assert len({color for color, _ in looks}) == len({marker for _, marker in looks}) == 5
    first = [lines(sa, label)[0].get_xdata()[0] for label in order]
    assert first == sorted(first) and first[-1] - first[0] < 0.6
    table, against = FIG13.summary(loaded_view)
    assert [row["Method"] for row in table["rows"]] == order and "frontier" not in str(table)
    assert [row["against"] for row in against["rows"]] == ["none (scalar λ)"] * 4
    assert "no encoding" in against["heading"] and "t over 3 seeds" in against["rows"][0]["Mean ΔSA, pp"]


def test_fig13_at_the_papers_scale_shows_its_best_sa(tmp_path):
    world.encodings(tmp_path, (0,), "paper", "cifar10")
    sa, ra = draw("fig13", view(tmp_path, "fig13", "paper")).axes
    assert sorted(line.get_ydata()[0] for line in lines(sa, "paper (text)")) == [92.53, 93.16, 93.68]
    assert not lines(ra, "paper (text)") and sa.get_ylim()[0] < 92.53


def test_appc_has_a_column_per_experiment_though_both_stand_on_the_same_data(tmp_path):
    world.appc(tmp_path)
    loaded_view = view(tmp_path, "appc")
    axes = np.array(draw("appc", loaded_view).axes).reshape(2, 2)
    assert [ax.get_title() for ax in axes[0]] == ["λ from a continuous range", "trained without λ = 0"]
    assert axes[1, 0].get_xlabel() == "λ" and axes[1, 1].get_xlabel() == "λ (evenly spaced)"
    (star,) = lines(axes[0, 1], "_unseen")  # S4 has no λ = 0
    assert star.get_xdata()[0] == pytest.approx(0, abs=0.5) and len(star.get_xdata()) == 1
    continuous = lines(axes[0, 0], "OAT, λ ~ U[0,1]")[0]
    assert len(continuous.get_markevery()) == 14  # it met them all
    assert "to scale for more than 8 values" in APPC.caption(loaded_view)
    *_, first, second = APPC.summary(loaded_view)
    assert {row["against"] for row in first["rows"]} == {"OAT on S1"}
    assert {row["at λ"] for row in second["rows"]} == {"above 0: 0.1, 0.2, 0.3, 0.4, 1"}


@pytest.mark.parametrize(("figure", "make"), [("fig5", world.sets), ("fig9", world.slimming), ("appc", world.appc)])
def test_one_seed_takes_wilson_and_says_so(tmp_path, figure, make):
    make(tmp_path, (0,))
    loaded_view = view(tmp_path, figure)
    draw(figure, loaded_view)
    caption = world.FIGURES[figure].caption(loaded_view)
    assert "One seed; bars: 95 % Wilson" in caption and "faint points" not in caption


def test_places_on_a_linear_axis_keep_methods_apart():
    position, shift = by_lambda.axis_positions([0, 0.05, 0.1], ["a", "b", "c"], linear=True)
    assert position == {0: 0, 0.05: 0.05, 0.1: 0.1} and shift["b"] == pytest.approx(0)
    assert 0 < shift["c"] < 0.05 / 2
