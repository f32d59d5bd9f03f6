"""Figure `peers`: a column per peer and data set, and the peer against OAT with dual BN."""

import pandas as pd
import pytest

from reports.figures import FIGURES
from reports.plots import style
from tests.reports import synthetic
from tests.reports.load.test_panels import view

PEERS = FIGURES["peers"]

TRADES, AFFINE, DUAL = "OAT TRADES (dual BN)", "OAT (dual-affine BN)", "OAT (dual BN)"
SEEDS, N = (0, 1), 100


def panel(runs, peer: str, stands_for: str, robust: int, finished: bool = True) -> dict:
    """Panel of PGD-AT, OAT dual, and a peer with RA `robust` % at every λ; OAT has 50 %."""
    trials = [synthetic.planned("PGD-AT", lam, seed, "digits", "wrn-10-1") for lam in synthetic.S1 for seed in SEEDS]
    trials += [synthetic.planned(label, None, seed, "digits", "wrn-10-1") for label in (DUAL, peer) for seed in SEEDS]
    for trial in trials if finished else []:
        ra = {peer: robust, DUAL: 50}.get(trial["label"], 40) + trial["seed"]
        lambdas = synthetic.S1 if trial["lam"] is None else (trial["lam"],)
        counts = {lam: (90 + round(9 * (1 - lam)), ra) for lam in lambdas}
        synthetic.write(runs / "trials" / trial["key"] / "results.json", results(trial, counts))
    planned_panel = synthetic.panel(trials, stands_for=stands_for)
    return planned_panel | {"figures": ["peers"], "experiment": f"{peer}_{stands_for}"}


def results(trial: dict, counts: dict) -> dict:
    known = trial | {"label": DUAL if trial["lam"] is None else "PGD-AT"}  # what synthetic has curves of
    return synthetic.results(known, n=N, counts=counts)


@pytest.fixture
def loaded_view(tmp_path):
    panels = [panel(tmp_path, TRADES, name, 60) for name in ("svhn", "cifar10")]
    panels += [panel(tmp_path, AFFINE, name, 45) for name in ("svhn", "cifar10")]
    synthetic.write_plan(tmp_path, panels)
    return view(tmp_path, figure="peers")


def test_a_column_per_peer_with_its_own_curve_colour_and_heading(loaded_view):
    with style.paper():
        figure = PEERS.draw(loaded_view)
    axes = figure.axes
    assert [ax.get_title() for ax in axes] == ["TRADES' loss", "Shared statistics"]
    colours = set()
    for ax, peer, ra in zip(axes, (TRADES, AFFINE), (60.5, 45.5), strict=True):
        curves = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
        assert curves.keys() == {"PGD-AT", DUAL, peer}
        assert curves[peer].get_ydata().tolist() == [ra] * 6 and curves[DUAL].get_ydata().tolist() == [50.5] * 6
        colours |= {curves[name].get_color() for name in curves}
    assert figure.legends[0].get_title().get_text() == "digits, WRN-10-1; stands in for SVHN, CIFAR-10"
    assert len(colours) == 4


def test_the_page_says_how_far_the_peer_is_from_oat(loaded_view):
    tables = PEERS.summary(loaded_view)
    assert [table["heading"] for table in tables[2:]] == [
        "TRADES' loss, against OAT (dual BN) at equal λ",
        "Shared statistics, against OAT (dual BN) at equal λ",
    ]
    (trades,), (affine,) = (table["rows"] for table in tables[2:])
    assert trades["Method"] == TRADES and trades["Mean ΔRA, pp"].startswith("+10.0 [")
    assert affine["Method"] == AFFINE and affine["Mean ΔRA, pp"].startswith("-5.0 [")
    assert trades["Mean ΔSA, pp"].startswith("+0.0 [")
    rows = pd.DataFrame([row for table in PEERS.curves(loaded_view) for row in table["rows"]])
    assert set(rows.method) == {"PGD-AT", DUAL, TRADES, AFFINE}


def test_missing_networks_are_drawn_as_gaps(tmp_path):
    synthetic.write_plan(tmp_path, [panel(tmp_path, TRADES, "svhn", 60, finished=False)])
    loaded_view = view(tmp_path, figure="peers")
    with style.paper():
        (ax,) = PEERS.draw(loaded_view).axes
    assert "no network has finished" in [text.get_text() for text in ax.texts]
    assert "16 of 16 networks missing" in PEERS.caption(loaded_view)
    assert PEERS.summary(loaded_view)[1]["rows"] == []


def test_it_is_registered_with_its_suite():
    from reports.build import remedy

    assert FIGURES["peers"] is PEERS and "suites/extra/peers.yaml" in remedy("peers")
