"""Figure `precision`: two curves, and how far bf16 is from fp32."""

import pytest

from reports.build import remedy
from reports.figures import FIGURES
from reports.plots import style
from tests.reports import synthetic
from tests.reports.load.test_panels import view

BF16, FP32, PRECISION = "OAT (dual BN), bf16", "OAT (dual BN), fp32", FIGURES["precision"]

SEEDS, N = (0, 1), 100


@pytest.fixture
def loaded_view(tmp_path):
    labels = (FP32, BF16)
    trials = [synthetic.planned(label, None, seed, "digits", "wrn-10-1") for label in labels for seed in SEEDS]
    for trial in trials:
        ra = {BF16: 47}.get(trial["label"], 50) + trial["seed"]
        counts = dict.fromkeys(synthetic.S1, (90, ra))
        known = trial | {"label": "OAT (dual BN)"}  # what synthetic has curves of
        synthetic.write(
            tmp_path / "trials" / trial["key"] / "results.json", synthetic.results(known, n=N, counts=counts)
        )
    panel = synthetic.panel(trials, stands_for="svhn") | {"figures": ["precision"]}
    synthetic.write_plan(tmp_path, [panel])
    return view(tmp_path, figure="precision")


def test_both_are_drawn(loaded_view):
    with style.paper():
        (ax,) = PRECISION.draw(loaded_view).axes
    curves = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert curves[BF16].get_ydata().tolist() == [47.5] * 6
    assert curves[FP32].get_ydata().tolist() == [50.5] * 6


def test_the_page_says_how_far_apart_they_are(loaded_view):
    (row,) = PRECISION.summary(loaded_view)[-1]["rows"]
    assert row["Method"] == BF16 and row["Mean ΔRA, pp"].startswith("-3.0 [")
    assert FIGURES["precision"] is PRECISION and "suites/extra/precision.yaml" in remedy("precision")
