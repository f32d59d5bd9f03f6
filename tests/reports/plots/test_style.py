"""Legends fit into their figure, whatever the labels."""

import pytest
from matplotlib.figure import Figure

from reports.plots import style

METHODS = ["PGD-AT", "OAT (dual BN)", "MixedNUTS", "PGD-AT, averaged weights", "interpolated BN", "mixed probabilities"]
COMPARED = [name + side for name in METHODS for side in style.SIDES]


@pytest.mark.parametrize("labels", [METHODS[:3], METHODS, COMPARED, ["a method whose name is as long as a line"] * 2])
@pytest.mark.parametrize("columns", [1, 3])  # two are as wide as three
def test_a_legend_is_not_cut(labels, columns):
    with style.paper():
        figure = Figure(figsize=(style.own_width(columns), 2.5), layout="constrained")
        figure.subplots()
        for place, label in enumerate(labels):
            figure.axes[0].plot([0, place], label=label)
        style.legend(figure, figure.axes)
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width
