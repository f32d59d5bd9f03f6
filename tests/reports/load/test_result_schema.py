"""Measured rows of every probe are checked, filtered and merged into panels; damaged rows do not crash."""

import json
import math

import numpy as np
import pytest

from bench.measures import correct_bits, result_schema
from reports.load import provenance
from reports.load.panels import load_view
from reports.load.plans import read_plans
from tests.reports import synthetic, synthetic_probes
from tests.reports.load.test_panels import view

BN = {"lam": 0.1, "branch": "a", "width": 1.0, "layer": "norm", "mean": [0.1, 0.2], "var": [1.0, 2.0]}
SALIENCY = {"lam": 0.1, "width": 1.0, "n": 40, "alignment": 0.5, "alignment_sd": 0.1, "file": "maps.safetensors"}
COST = {"width": 0.5, "macs": 100, "film_macs": 1, "parameters": 10, "milliseconds": 1.5, "batch": 64}
COST |= {"threads": 2, "device": "cpu"}
SWITCHING = {
    "width": 1.0,
    "milliseconds": 1.5,
    "switched_milliseconds": 2.0,
    "batch": 64,
    "threads": 2,
    "device": "cpu",
}
ACCURACY = {"lam": 0.1, "width": 1.0, "attack": "pgd7", "n": 10, "clean_correct": 9, "robust_correct": 5}
ACCURACY |= {name: correct_bits.encode(np.arange(10) < ACCURACY[c]) for name, c in correct_bits.COLUMNS.items()}
WHOLE = {"accuracy": ACCURACY, "bn_statistics": BN, "saliency": SALIENCY, "cost": COST, "switching": SWITCHING}
IMPOSSIBLE = [
    ("accuracy", {"robust_correct": 11}),
    ("accuracy", {"n": math.inf}),
    ("accuracy", {"lam": math.nan}),
    ("accuracy", {"lam": 1.5}),
    ("accuracy", {"width": None}),
    ("accuracy", {"clean_hits": None}),
    ("accuracy", {"clean_hits": correct_bits.encode([True] * 8 + [False] * 2)}),
    ("accuracy", {"robust_hits": correct_bits.encode([True] * 5 + [False] * 15)}),
    ("bn_statistics", {"var": [1.0]}),
    ("bn_statistics", {"var": [1.0, -0.1]}),
    ("bn_statistics", {"mean": [0.1, math.inf]}),
    ("bn_statistics", {"mean": [], "var": []}),
    ("bn_statistics", {"mean": None}),
    ("saliency", {"n": 0}),
    ("saliency", {"alignment": -0.1}),
    ("saliency", {"alignment": None}),
    ("saliency", {"alignment_sd": math.inf}),
    ("saliency", {"file": "../../elsewhere.safetensors"}),
    ("saliency", {"lam": "a"}),
    ("cost", {"macs": 0}),
    ("cost", {"film_macs": 101}),
    ("cost", {"milliseconds": math.nan}),
    ("cost", {"parameters": None}),
    ("switching", {"milliseconds": 0}),
    ("switching", {"switched_milliseconds": -1}),
    ("switching", {"switched_milliseconds": math.inf}),
]


def keep(probe):
    return {"probe": [probe]}


def panel_of_row(runs, probe, changes, lam=0.1):
    """Panel of a single network with one row of the probe, changed."""
    (trial,) = trials = [synthetic.planned("PGD-AT", lam, 0, "digits", "wrn-10-1")]
    synthetic_probes.write(runs, "fig2", trials, {trial["key"]: [WHOLE[probe] | changes]}, probe)
    path = runs / "trials" / trial["key"] / "results.json"
    content = json.loads(path.read_text())
    next(iter(content["measurements"].values()))["measurement"]["epsilon"] = 0.3
    path.write_text(json.dumps(content))
    return load_view(read_plans(runs)[0], runs, "fig2", "laptop", keep(probe)).panels[0]


@pytest.mark.parametrize("probe", WHOLE)
def test_a_whole_row_reaches_the_figure(tmp_path, probe):
    panel = panel_of_row(tmp_path, probe, {})
    assert panel.trials.status.tolist() == ["done"]
    if probe == "accuracy":
        assert panel.points.sa.tolist() == [90] and panel.probes == []
        return
    (row,) = panel.probes
    assert not len(panel.points) and all(row[name] == value for name, value in WHOLE[probe].items())
    network = {"label": "PGD-AT", "method": "pgd_at", "seed": 0, "lr": 0.1, "dataset": "digits", "scale": "laptop"}
    assert all(row[name] == value for name, value in network.items()) and row["net_lam"] == 0.1
    assert row["folder"] == tmp_path / "trials" / row["key"]


@pytest.mark.parametrize(("probe", "changes"), IMPOSSIBLE, ids=str)
def test_an_impossible_row_makes_the_network_unreadable(tmp_path, probe, changes):
    panel = panel_of_row(tmp_path, probe, changes)
    assert panel.trials.status.tolist() == ["unreadable"] and "could not be read" in panel.trials.note[0]
    assert panel.probes == [] and not len(panel.points)


def test_the_spread_of_one_image_is_unknown_and_an_oat_networks_statistics_have_no_lambda():
    alone = result_schema.parse(
        {"measurement": {"probe": "saliency"}, "rows": [SALIENCY | {"n": 1, "alignment_sd": math.nan}]}
    )
    assert math.isnan(alone[0]["alignment_sd"])
    (row,) = result_schema.parse(
        {"measurement": {"probe": "bn_statistics"}, "rows": [BN | {"lam": None, "branch": "c"}]}
    )
    assert math.isnan(row["lam"]) and row["branch"] == "c"


def test_rows_of_unknown_probes_are_left_out():
    (row,) = result_schema.parse({"measurement": {"probe": "accuracy", "epsilon": 0.3}, "rows": [ACCURACY]})
    assert row["probe"] == "accuracy" and row["ra"] == 50
    assert result_schema.parse({"measurement": {"probe": "from the future"}, "rows": [{"what": 1}]}) == []


def test_rows_of_another_probe_are_not_the_figures(tmp_path):
    panel_of_row(tmp_path, "cost", {})
    panel = load_view(read_plans(tmp_path)[0], tmp_path, "fig2", "laptop", keep("bn_statistics")).panels[0]
    assert panel.trials.status.tolist() == ["missing"] and panel.trials.note[0] == "not measured yet for this figure"
    assert panel.probes == []


def test_learning_rates_compete_for_probes_too(tmp_path):
    trials = [synthetic.planned("PGD-AT", 0.1, 0, "digits", "wrn-10-1", lr) for lr in (0.1, 0.05)]
    synthetic_probes.write(tmp_path, "fig2", trials, {trial["key"]: [BN] for trial in trials}, "bn_statistics")
    path = tmp_path / "trials" / trials[1]["key"] / "results.json"
    content = json.loads(path.read_text())
    content["heldout"]["score"] = 0.9
    path.write_text(json.dumps(content))
    panel = load_view(read_plans(tmp_path)[0], tmp_path, "fig2", "laptop", keep("bn_statistics")).panels[0]
    assert [row["lr"] for row in panel.probes] == [0.05] and (panel.trials.status == "done").all()


def test_only_filters_rows_and_keeps_the_rest(tmp_path):
    synthetic.laptop(tmp_path, seeds=(0,))
    panel = view(tmp_path).panels[0]
    part = panel.only(lam=0.1, label="PGD-AT")
    assert len(part.points) == 1 and len(panel.points) == 18 and part.points.index.tolist() == [0]
    assert part.trials is panel.trials and part.title == panel.title and not len(panel.only(width=0.5).points)
    assert not len(panel.only(branch="a").points)  # of another probe
    synthetic_probes.cost(tmp_path / "cost")
    loaded_view = load_view(read_plans(tmp_path / "cost")[0], tmp_path / "cost", "cost", "laptop", keep("cost"))
    assert {row["width"] for row in loaded_view.panels[0].only(width=0.5).probes} == {0.5}
    assert len(loaded_view.panels[0].only(width=0.5).probes) == len(loaded_view.probes) / 2


def test_panels_keep_their_experiment_and_merged_ones_the_first(tmp_path):
    trials = synthetic.networks(seeds=(0,))
    panels = [synthetic.panel(trials, stands_for=name) for name in ("stl10", "svhn")]
    others = synthetic.networks(seeds=(0,), labels=("dual",))
    panels.append(synthetic.panel(others, stands_for="cifar10") | {"experiment": "without_zero"})
    synthetic.write_plan(tmp_path, panels)
    panels_loaded = [(panel.experiment, panel.stands_for) for panel in view(tmp_path).panels]
    assert panels_loaded == [("stl10", ("svhn", "stl10")), ("without_zero", ("cifar10",))]


def two_panels(runs, extra):
    """Two experiments with the same networks; the second also plans a measurement with one row changed by `extra`."""
    trials = synthetic.networks(seeds=(0,))
    synthetic.finish(runs, trials)
    more = [trial | {"measurements": [*trial["measurements"], "another"]} for trial in trials]
    synthetic.write_plan(
        runs, [synthetic.panel(trials, stands_for="svhn"), synthetic.panel(more, stands_for="cifar10")]
    )
    path = runs / "trials" / trials[-1]["key"] / "results.json"
    content = json.loads(path.read_text())
    measured = next(iter(content["measurements"].values()))
    if extra:
        content["measurements"]["another"] = measured | {"rows": [measured["rows"][0] | extra]}
    path.write_text(json.dumps(content))
    return view(runs).panels


def test_panels_whose_drawn_rows_differ_stay_apart(tmp_path):
    assert [len(panel.points) for panel in two_panels(tmp_path / "a", {"lam": 0.15})] == [18, 19]
    assert len(two_panels(tmp_path / "b", {"attack": "fgsm"})) == 1  # which this figure does not draw
    assert len(two_panels(tmp_path / "c", {})) == 1  # not measured yet


def test_a_network_under_two_labels_is_two_curves(tmp_path):
    (trial,) = [trial for trial in synthetic.networks(seeds=(0,)) if trial["label"] == "OAT (dual BN)"]
    synthetic.write_plan(tmp_path, [synthetic.panel([trial, trial | {"label": "default"}, trial])])
    synthetic.finish(tmp_path, [trial])
    loaded_view = view(tmp_path)
    assert loaded_view.panels[0].points.label.value_counts().to_dict() == {"OAT (dual BN)": 6, "default": 6}
    assert len(loaded_view.panels[0].trials) == 2 and len(loaded_view.trials) == 1  # trained once


@pytest.mark.parametrize("damage", [{"seconds": {"train": math.inf, "measure": "x"}}, {"heldout": 3}, {"recipe": None}])
def test_damaged_facts_are_unreadable(tmp_path, damage):
    synthetic.laptop(tmp_path, seeds=(0,))
    path = next((tmp_path / "trials").glob("*/results.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    assert view(tmp_path).panels[0].trials.status.value_counts().to_dict() == {"done": 7, "unreadable": 1}


def test_a_provenance_of_other_types_is_shown_as_it_is(tmp_path):
    synthetic.laptop(tmp_path, seeds=(0,))
    for path in (tmp_path / "trials").glob("*/results.json"):
        odd = {"started": 3, "finished": 4, "git_commit": 7, "trained_at": [1], "torch": 2}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"provenance": odd}))
    page = provenance.describe(view(tmp_path), tmp_path)
    assert page["trained_at"] == ["1"] and page["measured_at"] == ["7"] and page["from"] == "3"
