"""Figure `modern`, read back from matplotlib: a column per method, a line per attack, the package."""

import json

import numpy as np
import pytest

from bench.measures import correct_bits
from reports.figures import FIGURES
from reports.figures.modern_attacks import BEST
from reports.load import formatting
from tests.reports import synthetic
from tests.reports import synthetic_curves as world
from tests.reports.synthetic_curves import draw, lines, remove, texts, view

MODERN, MODERN_WIDTHS = FIGURES["modern"], FIGURES["modern-widths"]
ATTACKS = MODERN.keep["attack"]
LAMBDAS = (0.0, 0.3, 1.0)
LABELS = ["PGD-7", "CW-50 (10 restarts)", "PGD-50 (10 restarts)", "AutoAttack"]
LOST = {"pgd7": 0, "cw50-r10": 6, "pgd50-r10": 8, "autoattack": 11}


@pytest.fixture
def make_trials(tmp_path):
    """Function that writes trials of two methods; each attack finds slightly more than the one before."""

    def make(seeds=(0, 1, 2), package="autoattack 0.1", experiment="modern", stands_for="svhn"):
        trials = world.pgd_at(LAMBDAS, seeds) + world.conditional("OAT (dual BN)", seeds)
        synthetic.write_plan(tmp_path, [world.panel(trials, ["modern"], experiment, stands_for)])
        world.finish(tmp_path, trials, LAMBDAS, attacks=ATTACKS, n=64)
        for trial in trials:
            path = tmp_path / "trials" / trial["key"] / "results.json"
            results = json.loads(path.read_text())
            for row in results["measurements"][trial["measurements"][0]]["rows"]:
                row["robust_correct"] = max(row["robust_correct"] - LOST[row["attack"]], 0)
                counts = row["clean_correct"], row["robust_correct"], row["n"]
                row |= synthetic.correct_columns(*counts, trial["key"], row["lam"], row["attack"])
                row |= {"package": package} if row["attack"] == "autoattack" else {}
            path.write_text(json.dumps(results))
        return trials

    return make


def test_modern_has_a_column_per_method_and_a_line_per_attack(make_trials, tmp_path):
    make_trials()
    shown = view(tmp_path, "modern")
    axes = draw("modern", shown).axes
    assert [ax.get_title() for ax in axes] == ["PGD-AT", "OAT (dual BN)"] and axes[0].get_ylim() == axes[1].get_ylim()
    means = shown.points.groupby(["label", "attack", "lam"]).ra.mean()
    for ax in axes:
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "0.3", "1"]
        for attack, label in zip(ATTACKS, LABELS, strict=True):
            (line,) = lines(ax, label)
            assert np.allclose(line.get_ydata(), means[ax.get_title(), attack])
            assert np.abs(np.asarray(line.get_xdata()) - [0, 1, 2]).max() < 0.2
    single = shown.points[(shown.points.label == "PGD-AT") & (shown.points.attack == "autoattack")]
    assert sorted(lines(axes[0], "_seeds")[-1].get_ydata()) == pytest.approx(sorted(single.ra))
    assert axes[0].get_ylim()[1] < 90  # of the bars what costs little
    starts = [lines(axes[0], label)[0].get_xdata()[0] for label in LABELS]
    assert len(set(starts)) == 4  # side by side, so that no bar hides another


def test_the_caption_names_the_package_and_what_it_lacks(make_trials, tmp_path):
    make_trials()
    caption = MODERN.caption(view(tmp_path, "modern"))
    assert "AutoAttack (standard version) by autoattack 0.1. " in caption and "64 test images" in caption
    assert "AutoAttack, CW-50 (10 restarts), PGD-50 (10 restarts), and PGD-7" in caption and "FAB" not in caption
    make_trials(package="adversarial-robustness-toolbox 1.20.1")
    caption = MODERN.caption(view(tmp_path, "modern"))
    assert "by adversarial-robustness-toolbox 1.20.1, with DeepFool in FAB's place (docs/attacks.md)." in caption


def test_the_table_gives_the_loss_against_pgd7(make_trials, tmp_path):
    make_trials(seeds=(0,))
    shown = view(tmp_path, "modern")
    (table,) = MODERN.summary(shown)
    assert [(row["Method"], row["Attack"]) for row in table["rows"]] == [
        (method, label) for method in ("PGD-AT", "OAT (dual BN)") for label in (*LABELS, BEST)
    ]
    ra = shown.points.set_index(["label", "attack", "lam"]).ra["OAT (dual BN)"]
    row = table["rows"][-2]
    assert row["RA at λ = 1, %"] == f"{ra['autoattack', 1.0]:.1f} ({-100 * 11 / 64:+.1f})"
    assert table["rows"][5]["RA at λ = 0.3, %"] == f"{ra['pgd7', 0.3]:.1f}"
    assert [table_of_attack["heading"] for table_of_attack in MODERN.curves(shown)] == LABELS


def test_the_best_known_ra_is_the_minimum_over_all_attacks_image_by_image(make_trials, tmp_path):
    trials = make_trials(seeds=(0,))
    oat = next(trial for trial in trials if trial["lam"] is None)
    path = tmp_path / "trials" / oat["key"] / "results.json"
    results = json.loads(path.read_text())
    entry = results["measurements"][oat["measurements"][0]]
    given = next(row for row in entry["rows"] if (row["attack"], row["lam"]) == ("autoattack", 0.3)) | {"n": 64}
    given |= {"attack": "from-a.12345678", "robust_correct": 0, "robust_hits": correct_bits.encode([False] * 64)}
    results["measurements"]["e" * 16] = {"measurement": entry["measurement"], "rows": [given]}  # planned nowhere
    path.write_text(json.dumps(results))
    shown = view(tmp_path, "modern")
    row = MODERN.summary(shown)[0]["rows"][-1]
    assert row["Attack"] == BEST and row["RA at λ = 0.3, %"].startswith("0.0 (")
    hits = [r for r in entry["rows"] if r["lam"] == 1.0]
    robust = np.all([correct_bits.decode(r[name], 64) for r in hits for name in correct_bits.COLUMNS], axis=0)
    assert row["RA at λ = 1, %"].startswith(f"{100 * robust.mean():.1f} (")
    assert "from-a.12345678" in row["Decided by"] and "AutoAttack" in row["Decided by"]
    csv = MODERN.csv(shown)
    point = csv[(csv.attack == "best-known") & (csv.method == "OAT (dual BN)") & (csv["lambda"] == 0.3)].iloc[0]
    assert point.ra == 0 and point.decided_by.startswith("from-a.12345678:") and point.n == 64
    assert set(csv.attack) == {*ATTACKS, "best-known"} and set(csv[csv.attack != "best-known"].decided_by) == {""}


def test_every_width_has_a_row_of_axes(tmp_path):
    widths = {"widths": [0.5, 0.75, 1.0]}
    trials = world.pgd_at(LAMBDAS, (0,), "PGD-ATS", **widths) + world.conditional("OATS (dual BN)", (0,), **widths)
    synthetic.write_plan(tmp_path, [world.panel(trials, ["modern-widths"], "widths")])
    world.finish(tmp_path, trials, LAMBDAS, widths=(1.0, 0.75, 0.5), attacks=ATTACKS, n=64)
    shown = view(tmp_path, "modern-widths")
    assert len(draw("modern-widths", shown).axes) == 6 and "networks of Figure 6" in MODERN_WIDTHS.caption(shown)
    tables = MODERN_WIDTHS.summary(shown)
    assert [table["below"].rpartition("; ")[2] for table in tables] == ["width 1", "width 0.75", "width 0.5"]
    ra = shown.points.query("label == 'OATS (dual BN)' and attack == 'pgd7' and lam == 1").set_index("width").ra
    cells = [next(r for r in t["rows"] if r["Method"] == "OATS (dual BN)")["RA at λ = 1, %"] for t in tables]
    assert cells == [f"{ra[width]:.1f}" for width in (1.0, 0.75, 0.5)]


def test_gaps_are_marked(make_trials, tmp_path):
    trials = make_trials()
    remove(tmp_path, [t for t in trials if t["lam"] == 0.3])  # a λ without any network
    remove(tmp_path, trials[-1:])
    shown = view(tmp_path, "modern")
    pgd, oat = draw("modern", shown).axes
    assert np.isnan(lines(pgd, "AutoAttack")[0].get_ydata()).tolist() == [False, True, False]
    assert sum(len(line.get_xdata()) for line in lines(oat, "_hollow")) == 12
    assert "4 of 12 networks missing" in texts(pgd) and "4 of 12 networks missing" in MODERN.caption(shown)
    remove(tmp_path, [t for t in trials[:-1] if t["lam"] != 0.3])
    shown = view(tmp_path, "modern")
    assert "no network has finished" in texts(draw("modern", shown).axes[0])
    assert "12 of 12 networks missing" in MODERN.caption(shown) and MODERN.summary(shown)[0]["rows"]


@pytest.mark.parametrize(
    ("name", "written"),
    [("pgd7", "PGD-7"), ("cw50", "CW-50"), ("pgd50-r10", "PGD-50 (10 restarts)"), ("autoattack", "AutoAttack")],
)
def test_attacks_are_written_as_papers_write_them(name, written):
    assert formatting.attack(name) == written
