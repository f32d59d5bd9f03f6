"""Figures `successors`, `mma` and `solar`: headings, and each method against OAT or OATS."""

import pytest

from reports.figures import FIGURES
from reports.load.panels import load_view
from reports.load.plans import read_plans
from reports.plots import style
from tests.reports import claims_world

SOLAR, SUCCESSORS = FIGURES["solar"], FIGURES["successors"]

OAT_DUAL, MMA, TRADES = "OAT (dual BN)", "OAT MMA (dual BN)", "OAT TRADES (dual BN)"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = tmp_path_factory.mktemp("successors")
    claims_world.suites(runs, ["successors"], n=100)
    return runs


def view(runs, figure):
    spec = FIGURES[figure]
    return load_view(read_plans(runs)[0], runs, figure, "laptop", spec.keep)


def labels(ax) -> set[str]:
    return {line.get_label() for line in ax.lines if not line.get_label().startswith("_")}


def test_a_column_per_successor_beside_oat(runs):
    loaded_view = view(runs, "successors")
    with style.paper():
        axes = SUCCESSORS.draw(loaded_view).axes
    assert [ax.get_title() for ax in axes] == ["Other losses", "FLOAT"]
    assert [labels(ax) for ax in axes] == [
        {"PGD-AT", OAT_DUAL, TRADES, MMA},
        {"PGD-AT", OAT_DUAL, "FLOAT (dual BN)"},
    ]
    losses, noise = SUCCESSORS.summary(loaded_view)[2:]
    assert losses["heading"] == "Other losses, against OAT (dual BN) at equal λ"
    assert {row["Method"] for row in losses["rows"]} == {TRADES, MMA}
    assert [row["Method"] for row in noise["rows"]] == ["FLOAT (dual BN)"]
    assert noise["rows"][0]["at λ"] == "all: 0, 0.1, 0.2, 0.3, 0.4, 1"  # also where FLOAT was not trained


def test_solar_has_a_column_per_width_against_oats(runs):
    loaded_view = view(runs, "solar")
    curves, tables = SOLAR.curves(loaded_view), SOLAR.summary(loaded_view)[3:]
    widths = ["width 1", "width 0.75", "width 0.5"]
    assert [table["heading"] for table in curves] == widths
    assert {row["method"] for row in curves[1]["rows"]} == {"PGD-ATS", "OATS (dual BN)", "OATS SOL (dual BN)"}
    assert [table["heading"] for table in tables] == [f"{w}, against OATS (dual BN) at equal λ" for w in widths]


def test_the_ledger_has_float_s_rows_against_float(runs):
    from reports.plots import facets
    from reports.statistics import protocol_ablation

    (facet,) = facets.by_panel(view(runs, "protocol"))
    rows = {row["row"]: row for row in protocol_ablation.ledger_rows(facet.panel.trials)}
    assert {row["baseline"] for row in rows.values()} == {"FLOAT"}
    assert [sorted(row["changed"]) for row in rows.values()][:3] == [
        ["protocol.noise_draw"],
        ["protocol.noise_ra"],
        ["protocol.noise_attack_lam0"],
    ]
    assert len(rows) == 4 and all(row["changed"] <= protocol_ablation.AFTER_TRAINING for row in rows.values())
