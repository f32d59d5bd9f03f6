"""Forest plot of the protocol ledger: baselines, drawn differences, and caption."""

import numpy as np
import pandas as pd
import pytest

from reports.figures import FIGURES
from reports.plots import facets, forest
from reports.statistics import estimates, protocol_ablation
from tests.reports import synthetic
from tests.reports import synthetic_curves as world
from tests.reports.synthetic_curves import conditional, draw, panel, remove, texts, view

PROTOCOL = FIGURES["protocol"]


def rows_of(loaded_view) -> dict[str, dict]:
    return {row["row"]: row for row in protocol_ablation.ledger_rows(facets.drawn_panels(loaded_view)[0].trials)}


def table_of(loaded_view) -> pd.DataFrame:
    return protocol_ablation.comparisons(facets.drawn_panels(loaded_view)[0]).set_index(["row", "place", "metric"])


def marks(ax, place: str) -> list:
    return [line for line in ax.lines if line.get_label() == f"_{place}"]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """All networks of three seeds."""
    runs = tmp_path_factory.mktemp("ledger")
    world.protocol(runs)
    return view(runs, "protocol")


def test_the_baseline_of_a_row_is_the_network_that_differs_least(tmp_path):
    world.protocol(tmp_path, seeds=(0,))
    rows = rows_of(view(tmp_path, "protocol"))
    assert list(rows) == [
        "row 2: lam_sampling=fixed-zeros",
        "row 3: film=authors",
        "row 5: selection=last",
        "row 7: unseen=nearest",
        "row 9: batch=256",
        "row 10: dropout=0.3",
        "row 15: dct=unnormalised",
        "row 16: film_init=zero",
        "all rows: authors-code",
    ]
    others = {"row 15: dct=unnormalised": "DCT-128", "row 9: batch=256": "PGD-AT, λ=1"}
    assert {name: row["baseline"] for name, row in rows.items()} == {name: others.get(name, "default") for name in rows}
    assert rows["row 3: film=authors"]["changed"] == {"protocol.film"}
    assert rows["row 9: batch=256"]["changed"] == {"batch"}


def test_differences_are_of_means_over_the_same_lambda(ledger):
    table, points = table_of(ledger), ledger.points.set_index(["label", "lam", "seed"]).ra
    for place, lams in (("mean over S1", world.S1), ("λ = 0", [0.0]), ("λ = 1", [1.0])):
        means = [
            np.mean([points[name, lam, s] for lam in lams for s in range(3)])
            for name in ("row 16: film_init=zero", "default")
        ]
        comparison = table.loc["row 16: film_init=zero", place, "ra"]
        assert (
            comparison.difference == pytest.approx(means[0] - means[1])
            and comparison.kind == "moderated t over 3 seeds"
        )
    assert set(table.loc["row 9: batch=256"].index.get_level_values("place")) == {"λ = 1"}


def test_row_7_is_judged_where_it_can_matter(ledger):
    table = table_of(ledger)
    comparison = table.loc["row 7: unseen=nearest"]
    assert set(comparison.index.get_level_values("place")) == {"mean over unseen λ"}
    assert comparison.lambdas.iloc[0] == list(world.S3) and set(table.kind) == {"moderated t over 3 seeds"}


def test_the_drawing_agrees_with_the_table(ledger):
    table = table_of(ledger)
    axes = draw("protocol", ledger).axes
    names = [label.get_text() for label in axes[0].get_yticklabels()]  # for both
    for ax, metric in zip(axes, ("sa", "ra"), strict=True):
        assert names[:2] == ["row 2: lam_sampling=fixed-zeros", "row 3: film=authors"] and len(names) == 9
        assert "row 15: dct=unnormalised\n(against DCT-128)" in names and ax.get_ylim() == (8.5, -0.5)
        mean = {round(mark.get_ydata()[0]): mark for mark in marks(ax, "mean over S1")}
        comparison = table.loc["row 16: film_init=zero", "mean over S1", metric]
        assert mean[7].get_xdata()[0] == pytest.approx(comparison.difference)
        bars = [line.get_xdata() for line in ax.lines if line.get_label() == "_bar"]
        assert any(np.allclose(bar, [comparison.low, comparison.high]) for bar in bars) and len(bars) == len(table) / 2
        filled = {mark.get_xdata()[0]: mark.get_markerfacecolor() != "white" for mark in mean.values()}
        s1 = table.xs(("mean over S1", metric), level=("place", "metric"))
        assert filled == {row.difference: row.low > 0 or row.high < 0 for row in s1.itertuples()}
        stars = sum(text == "*" for text in texts(ax))
        assert stars == (table.xs(metric, level="metric").p_holm < 0.05).sum()
        low, high = ax.get_xlim()
        assert low < min(0, s1.difference.min()) and high > max(0, s1.difference.max())


def test_the_number_of_comparisons_is_named_and_corrected_for(ledger):
    table = table_of(ledger)
    assert len(table) == 2 * (7 * 3 + 1 + 1) and (table.p_holm >= table.p).all()
    assert table.p_holm.min() == pytest.approx(len(table) * table.p.min())
    caption = PROTOCOL.caption(ledger)
    assert "Of 46 comparisons, about 2 would by chance alone" in caption and f"{(table.p < 0.05).sum()} do" in caption
    rows = {(row["Ledger row"], row["at"]): row for row in PROTOCOL.summary(ledger)[0]["rows"]}
    assert rows["row 16: film_init=zero", "mean over S1"]["RA: excludes 0"] == "yes, also after Holm"
    assert rows["row 10: dropout=0.3", "λ = 0"]["SA: excludes 0"] == "no"
    assert rows["row 3: film=authors", "λ = 0"]["SA: excludes 0"] == "yes, not after Holm"


def test_one_seed_is_paired_over_images_and_says_so(tmp_path):
    world.protocol(tmp_path, seeds=(0,))
    loaded_view = view(tmp_path, "protocol")
    assert set(table_of(loaded_view).kind) == {estimates.PAIRED}
    caption = PROTOCOL.caption(loaded_view)
    assert "both networks on each" in caption and "over seeds" not in caption


def test_missing_rows_leave_a_marked_gap_and_are_no_comparison(tmp_path):
    trials = world.protocol(tmp_path)
    remove(tmp_path, [trial for trial in trials if trial["label"] == "row 3: film=authors"])
    loaded_view = view(tmp_path, "protocol")
    ax = draw("protocol", loaded_view).axes[0]
    assert texts(ax).count(" not finished ") == 1 and len(ax.get_yticklabels()) == 9
    caption = PROTOCOL.caption(loaded_view)
    assert "Of 40 comparisons" in caption and "3 of 36 networks missing" in caption and "hollow" not in caption
    row = next(row for row in PROTOCOL.summary(loaded_view)[0]["rows"] if row["Ledger row"] == "row 3: film=authors")
    assert row["ΔSA, pp"] == "not finished" and row["SA: excludes 0"] == "–"
    remove(tmp_path, [trial for trial in trials if trial["label"] == "default"])
    assert texts(draw("protocol", view(tmp_path, "protocol")).axes[0]).count(" not finished ") == 7


def test_nothing_finished_and_a_damaged_file_are_no_crash(tmp_path):
    trials = world.protocol(tmp_path, seeds=(0,))
    (tmp_path / "trials" / trials[0]["key"] / "results.json").write_text('{"key": "tru')
    assert "1 of 12 networks missing" in PROTOCOL.caption(view(tmp_path, "protocol"))
    remove(tmp_path, trials)
    loaded_view = view(tmp_path, "protocol")
    axes = draw("protocol", loaded_view).axes
    assert texts(axes[0]).count(" not finished ") == 9 and "Bars" not in PROTOCOL.caption(loaded_view)
    assert PROTOCOL.csv(loaded_view).difference.isna().all()


def test_rows_come_from_the_plan_alone_and_what_changes_nothing_is_no_row(tmp_path):
    trials = conditional("default") + conditional("row 10: dropout=0")  # as this scale has it already
    synthetic.write_plan(tmp_path, [panel(trials, ["protocol"], "protocol")])
    world.finish(tmp_path, trials)
    loaded_view = view(tmp_path, "protocol")
    assert rows_of(loaded_view) == {} and "no ledger row is planned" in texts(draw("protocol", loaded_view).axes[0])
    assert PROTOCOL.summary(loaded_view)[0]["rows"] == [] and len(PROTOCOL.csv(loaded_view)) == 0


def test_another_step_where_ra_is_measured_is_named(tmp_path):
    trials = world.protocol(tmp_path, seeds=(0,))
    assert "another step" not in PROTOCOL.caption(view(tmp_path, "protocol"))
    changed = [trial for trial in trials if trial["label"] == "row 3: film=authors"]
    world.finish(tmp_path, changed, sorted({*world.S1, *world.S3}), step=0.05)
    sentence = "RA is measured with another step or ε than the baseline's for row 3: film=authors."
    assert sentence in PROTOCOL.caption(view(tmp_path, "protocol"))


def test_csv_holds_every_difference_and_what_it_comes_from(ledger):
    table = PROTOCOL.csv(ledger)
    row = table[(table.row == "row 15: dct=unnormalised") & (table.place == "λ = 0") & (table.metric == "ra")].iloc[0]
    values, others = ([float(v) for v in row[name].split()] for name in ("values", "baseline_values"))
    assert len(values) == 3 and np.mean(values) - np.mean(others) == pytest.approx(row.difference, abs=1e-3)
    assert row.baseline == "DCT-128" and row.changed == "protocol.dct" and len(table) == 46


def test_an_axis_is_logarithmic_only_where_one_row_would_press_the_others_onto_zero():
    def table(differences):
        return pd.DataFrame([{"difference": d, "low": d - 0.5, "high": d + 0.5} for d in differences])

    assert forest.linear_limit(table([0.1, -0.3, 0.2, 0.4])) is None
    assert forest.linear_limit(table([0.1, -0.3, 0.2, 0.4, -80])) == 2
    assert forest.linear_limit(table([10, -12, 15, -30])) is None  # all of one order: a linear axis shows them all
    assert forest.linear_limit(table([float("nan")])) is None
