"""Data of the interactive figure: the means of the CSV, the place against the frontier, counted MACs."""

import json

import pytest

from reports.figures import FIGURES
from tests.reports import synthetic
from tests.reports import synthetic_curves as world
from tests.reports.synthetic_curves import view


def entries(runs, name: str) -> list[dict]:
    dial = FIGURES[name].dial(view(runs, name))
    json.dumps(dial, allow_nan=False)
    return dial["facets"]


def test_points_are_the_means_with_seeds_keys_and_macs(tmp_path):
    synthetic.laptop(tmp_path)
    (facet,) = entries(tmp_path, "fig4")
    points = view(tmp_path, "fig4").points
    assert [(method["label"], method["adjustable"], method["frontier"]) for method in facet["methods"]] == [
        ("PGD-AT", False, True), ("OAT (normal BN)", True, False), ("OAT (dual BN)", True, False)
    ]  # fmt: skip
    for method in facet["methods"]:
        for point in method["points"]:
            drawn = points[(points.label == method["label"]) & (points.lam == point["lam"])]
            assert point["sa"][0] == pytest.approx(drawn.sa.mean(), abs=0.006)
            assert point["sa"][1] < point["sa"][0] < point["sa"][2]
            assert point["seeds"] == 3 and point["keys"] == list(drawn.key) and point["macs"] == 1e6


def test_the_place_is_the_height_above_the_frontier_at_the_same_sa(tmp_path):
    trials = synthetic.networks(seeds=(0,), labels=("dual",))
    synthetic.write_plan(tmp_path, [synthetic.panel(trials)])
    for trial in trials[:-1]:
        synthetic.finish(
            tmp_path,
            [trial],
            n=1000,
            counts={trial["lam"]: (900 - round(100 * trial["lam"]), round(500 * trial["lam"]))},
        )
    synthetic.finish(tmp_path, trials[-1:], n=1000, counts={0.0: (950, 100), 1.0: (850, 300)})
    (facet,) = entries(tmp_path, "fig4")
    frontier, dual = facet["methods"]
    assert {point["above"] for point in frontier["points"]} == {None}
    above = {point["lam"]: point["above"] for point in dual["points"]}
    assert above[1.0] == pytest.approx(30 - 25) and above[0.0] is None  # SA 95 is beyond the frontier's ends


def test_widths_of_one_network_are_one_group(tmp_path):
    world.slimming(tmp_path, seeds=(0,))
    facets = entries(tmp_path, "fig6")
    assert [facet["width"] for facet in facets] == [1.0, 0.75, 0.5] and len({facet["group"] for facet in facets}) == 1
    assert {point["macs"] for facet in facets[1:] for method in facet["methods"] for point in method["points"]} == {
        None
    }


def test_attacks_are_groups_of_their_own(tmp_path):
    world.attacks(tmp_path, seeds=(0,))
    assert [facet["group"] for facet in entries(tmp_path, "fig7")] == ["PGD-20", "MI-FGSM", "FGSM"]


def test_other_figures_have_no_dial_and_gaps_no_points(tmp_path):
    synthetic.write_plan(tmp_path, [synthetic.panel(synthetic.networks(seeds=(0,)))])
    assert entries(tmp_path, "fig4") == [] and FIGURES["fig2"].dial(None) is None
