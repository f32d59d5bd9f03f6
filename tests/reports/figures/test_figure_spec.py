"""Each figure is found by its name in the folder; plugins add figures and probes."""

from dataclasses import replace

import pytest

from bench.measures import result_schema
from bench.spec import registry
from reports import figures
from reports.figures import FIGURES
from reports.figures.figure_spec import points_csv
from reports.load.panels import load_view
from reports.load.plans import read_plans
from tests.command import ROOT
from tests.reports import synthetic


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_found_by_its_name(name):
    assert (ROOT / "reports/figures/figures.yaml").read_text("utf-8").count(f"\n{name}:\n") == 1


def test_every_suite_of_a_figure_exists_and_names_it():
    for name, spec in FIGURES.items():
        text = (ROOT / "suites" / f"{spec.suite}.yaml").read_text("utf-8")
        assert name in text


def test_a_plugin_adds_a_figure(monkeypatch):
    spec = replace(FIGURES["fig4"], name="mine", position=4.5)
    monkeypatch.setattr(registry, "FIGURES", {"mine": registry.Figure("mine", lambda: spec)})
    names = list(figures.find_figures())
    assert names.index("mine") == names.index("fig4") + 1 and set(names) == {*FIGURES, "mine"}


def test_a_plugin_adds_a_probe(monkeypatch):
    probe = registry.Probe("mine", lambda *args: [], row=lambda row, measurement: {"n": row["n"] + measurement["seed"]})
    monkeypatch.setitem(registry.PROBES, "mine", probe)
    entry = {"measurement": {"probe": "mine", "seed": 1}, "rows": [{"n": 2}]}
    assert result_schema.parse(entry) == [{"probe": "mine", "n": 3}]


def test_rows_of_two_protocols_and_of_two_data_sets_are_told_apart(tmp_path):
    plain, changed = synthetic.networks(seeds=(0,)), synthetic.networks(seeds=(0,), lrs=(0.05,))
    panels = [synthetic.panel(plain, stands_for=name) for name in ("svhn", "stl10")]
    synthetic.write_plan(tmp_path, [*panels, synthetic.panel(changed, overrides={"protocol": "authors-code"})])
    synthetic.finish(tmp_path, plain + changed)
    table = points_csv(load_view(read_plans(tmp_path)[0], tmp_path, "fig4", "laptop", FIGURES["fig4"].keep))
    rows = table.groupby(["variant", "experiment"]).key.agg(set).to_dict()
    keys = {name: {trial["key"] for trial in trials} for name, trials in (("plain", plain), ("changed", changed))}
    assert rows == {("", "svhn stl10"): keys["plain"], ("protocol=authors-code", "svhn"): keys["changed"]}
    assert set(table.epsilon) == {0.3} and set(table.arch) == {"wrn-10-1"}
