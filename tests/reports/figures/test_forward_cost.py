"""Figure `cost` (Sec. 4.3): overheads against the baseline, and the paper's numbers on its own network only."""

import numpy as np
import pandas as pd
import pytest

from reports.build import build
from reports.figures import FIGURES
from reports.figures.forward_cost import COLUMNS
from reports.load.panels import load_view
from reports.load.plans import read_plans
from reports.plots import style
from reports.statistics import forward_cost
from tests.reports import synthetic, synthetic_probes

COST = FIGURES["cost"]


def view(runs, scale="laptop"):
    return load_view(read_plans(runs)[0], runs, "cost", scale, COST.keep)


def draw(loaded_view):
    with style.paper():
        return COST.draw(loaded_view)


def crosses(ax):
    return [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "x"]


def test_overheads_are_against_the_baseline_of_the_same_width(tmp_path):
    synthetic_probes.cost(tmp_path)
    table = forward_cost.costs(view(tmp_path).panels[0])
    assert list(zip(table.label, table.width, strict=True)) == [
        ("PGD-ATS", 1.0), ("PGD-ATS", 0.5), ("OATS (dual BN)", 1.0), ("OATS (dual BN)", 0.5)
    ]  # fmt: skip
    assert table.macs_over.isna().tolist() == [True, True, False, False]
    assert table.macs_over[2] == pytest.approx(1171 / 1159) and table.macs_over[3] == pytest.approx(293 / 290)
    assert table.parameters_over[2] == pytest.approx(33.4 / 21.3)
    assert (table.milliseconds[0], table.least[0], table.greatest[0]) == pytest.approx((116.4, 115.9, 116.9))
    row = COST.summary(view(tmp_path))[0]["rows"][2]
    assert row["MACs, G"] == "1.171" and row["FiLM's share of them"] == "1.02 %"
    assert row["MACs over the baseline"] == "+1.0 %" and row["parameters over the baseline"] == "+56.8 %"
    assert row["ms per batch of 64"] == "117.60\u00a0(117.10–118.10)"


def test_a_line_per_method_and_width_in_three_columns(tmp_path):
    synthetic_probes.cost(tmp_path)
    loaded_view = view(tmp_path)
    axes = draw(loaded_view).axes
    assert [ax.get_xlabel() for ax in axes] == ["MACs per image (G)", "parameters (M)", "ms per batch"]
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert names == ["PGD-ATS, 1×", "PGD-ATS, 0.5×", "OATS (dual BN), 1×", "OATS (dual BN), 0.5×"]
    (marks,) = [line for line in axes[1].lines if line.get_marker() == style.method("PGD-ATS", names)["marker"]][:1]
    assert sorted(np.concatenate([line.get_xdata() for line in axes[1].lines])) == pytest.approx([5.4, 8.5, 21.3, 33.4])
    assert {text.get_text() for text in axes[1].texts} >= {"+56.8 %", "+57.4 %"}
    assert all(ax.get_xlim()[0] == 0 for ax in axes) and "cpu, 2 threads" in COST.caption(loaded_view)


def test_the_papers_numbers_belong_to_its_own_network_only(tmp_path):
    for name, kwargs in {
        "paper": {"scale": "paper", "arch": "resnet34"},
        "short": {"scale": "short", "arch": "resnet34"},
        "laptop": {"arch": "resnet34"},
        "small": {"scale": "paper", "arch": "wrn-16-8"},
        "changed": {"scale": "paper", "arch": "resnet34", "overrides": {"film": "authors"}},
    }.items():
        synthetic_probes.cost(tmp_path / name, **kwargs)
        loaded_view = view(tmp_path / name, kwargs.get("scale", "laptop"))
        rows = [row["Method"] for row in COST.summary(loaded_view)[0]["rows"]]
        shown = crosses(draw(loaded_view).axes[0])
        if name in ("paper", "short"):
            assert shown == pytest.approx([1.16, 1.18]) and rows[-1] == "OATS (dual BN) (paper)"
            assert COST.summary(loaded_view)[0]["rows"][-1]["MACs over the baseline"] == "+1.7 %"
            assert "Crosses: the paper's" in COST.caption(loaded_view)
        else:
            assert shown == [] and not any("paper" in row for row in rows), name
            assert "paper's" not in COST.caption(loaded_view)


def test_without_its_baseline_a_method_has_no_overhead(tmp_path):
    synthetic_probes.cost(tmp_path, gone=("PGD-ATS",))
    loaded_view = view(tmp_path)
    axes = draw(loaded_view).axes
    assert not any("%" in text.get_text() for ax in axes for text in ax.texts)
    assert "2 of 4 networks missing" in [text.get_text() for text in axes[2].texts]
    assert {row["MACs over the baseline"] for row in COST.summary(loaded_view)[0]["rows"]} == {"–"}


def test_nothing_finished(tmp_path):
    synthetic_probes.cost(tmp_path, gone=tuple(synthetic_probes.COUNTED), scale="paper", arch="resnet34")
    loaded_view = view(tmp_path, "paper")
    assert all("no network has finished" in [text.get_text() for text in ax.texts] for ax in draw(loaded_view).axes)
    assert "4 of 4 networks missing" in COST.caption(loaded_view) and COST.summary(loaded_view)[0]["rows"] == []


def test_every_method_knows_its_baseline():
    labels = {"OAT (dual BN)": "PGD-AT", "OAT (normal BN)": "PGD-AT", "OATS (normal BN)": "PGD-ATS", "PGD-AT": None}
    assert {label: forward_cost.baseline(label) for label in labels} == labels


def test_files(tmp_path, no_claims):
    synthetic_probes.cost(tmp_path)
    first, second = (build(["cost"], tmp_path, tmp_path / name, formats=("png", "svg")) for name in ("a", "b"))
    assert all(path.read_bytes() == other.read_bytes() for path, other in zip(first, second, strict=True))
    table = pd.read_csv(tmp_path / "a" / "cost.csv")
    assert list(table.columns) == COLUMNS and len(table) == 2 * 2 * 2
    assert "| OATS (dual BN) | 0.5 |" in (tmp_path / "a" / "README.md").read_text("utf-8")


def test_a_single_network_has_no_span(tmp_path):
    synthetic_probes.cost(tmp_path, seeds=(0,))
    assert COST.summary(view(tmp_path))[0]["rows"][0]["ms per batch of 64"] == "115.90"
    assert synthetic.planned("PGD-ATS", 0.1, 0, "digits", "wrn-10-1")["method"] == "pgd_at"
