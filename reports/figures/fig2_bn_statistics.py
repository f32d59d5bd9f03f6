"""Figure 2: running mean (x) against running variance (y) of the last BN layer, a point per channel, a colour per λ."""

import math
from functools import partial

import numpy as np

from reports.figures.figure_spec import probe_figure
from reports.load import formatting
from reports.load.panels import PANEL_COLUMNS, Panel, View
from reports.plots import bn_clouds, captions
from reports.statistics.bn_clouds import fullest_seeds, isolations, networks

COLUMNS = ["method", *PANEL_COLUMNS, "seed", "lambda", "layer", "channel", "mean", "variance", "key"]


def isolation_rows(panel: Panel) -> list[dict]:
    return [isolation_row(*cloud, numbers) for cloud, numbers in isolations(panel).items()]


def isolation_row(measure: str, lam: float, numbers: dict) -> dict:
    """The isolation of a λ by one measure as text. numbers: of cloud_distances.compare."""
    return {
        "By": measure,
        "Cloud": f"λ\u00a0=\u00a0{lam:g}",
        "Distance to the others": f"{numbers['apart']:.2f}",
        "among the others": f"{numbers['mutual']:.2f}",
        "ratio": ratio_text(numbers, "ratio"),
        "Distance to the next λ": f"{numbers['step']:.2f}",
        "largest among the others": f"{numbers['largest']:.2f}",
        "ratio of these": ratio_text(numbers, "step_ratio"),
        "Same λ, two seeds": "–" if math.isnan(numbers["floor"]) else f"{numbers['floor']:.2f}",
    }


def ratio_text(numbers: dict, name: str) -> str:
    values = [numbers[name], numbers[f"{name}_low"], numbers[f"{name}_high"]]
    return "{:.2f}\u00a0[{:.2f},\u00a0{:.2f}]".format(*values) if np.isfinite(values).all() else "–"


def caption(view: View) -> str:
    parts = []
    for panel in view.panels:
        table = networks(panel)
        if len(table):
            seed, seeds = fullest_seeds(table)[0], table.seed.nunique()
            channels = formatting.listing(sorted({len(mean) for mean in table["mean"]}))
            several = f" of {seeds} (the numbers are over all that have every drawn λ)" if seeds > 1 else ""
            layer = formatting.listing(sorted(set(table.layer)))
            parts.append(
                f"{panel.title}: seed {seed}{several}; a point for each of the {channels} channels of {layer}."
            )
            parts.append(isolation_text(isolations(panel)))
    return captions.join(
        *parts,
        "Large dots: medians. In the margins: kernel densities of the mean and of the variance.",
        "In the table, mean / deviation does not depend on the scale of the weights before the BN.",
        captions.scale(view),
    )


def isolation_text(numbers: dict) -> str:
    """Sentence with the isolation of λ=0 as drawn, and that of the largest λ for comparison."""
    if not numbers:
        return ""
    (zero, first), (last, other) = ((lam, cloud) for (_, lam), cloud in list(numbers.items())[:2])
    over = "channels" if math.isnan(first["floor"]) else "seeds"
    return (
        f"By energy distance in units of the clouds' own spread, λ = {zero:g} lies {ratio_text(first, 'ratio')} times "
        f"as far from the others as they lie from each other; λ = {last:g}, the other end, "
        f"{ratio_text(other, 'ratio')} times; either end of a line of equal steps would lie up to 1.5 times as far. "
        f"From λ = {zero:g} to the next it is {ratio_text(first, 'step_ratio')} times the largest distance between two "
        f"others (95 % intervals over {over})."
    )


def csv_rows(view: View) -> list[dict]:
    return [
        row | {"channel": channel, "mean": mean, "variance": var}
        for panel in view.panels
        for row in networks(panel).to_dict("records")
        for channel, (mean, var) in enumerate(zip(row["mean"], row["var"], strict=True))
    ]


figure = partial(
    probe_figure,
    draw=bn_clouds.draw,
    caption=caption,
    rows=isolation_rows,
    csv_rows=csv_rows,
    columns=COLUMNS,
)
