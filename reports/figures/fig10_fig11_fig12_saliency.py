"""Figures 10–12: Jacobian saliency maps on SVHN, CIFAR-10 and STL-10, and their alignment with the images."""

from functools import partial

import numpy as np
import pandas as pd

from reports.figures.figure_spec import probe_figure
from reports.load import formatting
from reports.load.panels import PANEL_COLUMNS, Panel, View
from reports.plots import captions, saliency_maps
from reports.plots.saliency_maps import CLIP, alignment_text
from reports.statistics import saliency_alignment
from reports.statistics.curves import FRONTIER
from reports.statistics.intervals import monotone_text

COLUMNS = ["method", *PANEL_COLUMNS, "seed", "lambda", "width", "alignment", "alignment_sd", "n", "key"]


def caption(view: View) -> str:
    panels = [panel_text(panel) for panel in view.panels if len(saliency_alignment.measured_rows(panel))]
    kinds = {kind for panel in view.panels for kind in saliency_alignment.table(panel).interval} - {"none"}
    t = {"seeds": "over seeds", "images": "over the test images (for a single seed)"}
    half = " or ".join(text for kind, text in t.items() if kind in kinds)
    return captions.join(
        *panels,
        "Top: test images. Below: the gradient of the cross-entropy with respect to the image; each map is divided by "
        f"the {CLIP}th percentile of its own |g|, clipped, and drawn symmetrically about 0.",
        "Alignment: mean over the test images of |⟨x, g⟩| / ‖g‖, with g the gradient of the winning logit (Etmann et "
        f"al., ICML 2019, Def. 3; in the units of x), ± half of its 95 % t interval {half}.",
        f"Scale {view.scale}.",
        f"{view.missing_text}: a hollow marker has fewer seeds than planned." if view.missing_text else "",
    )


def panel_text(panel: Panel) -> str:
    measured, (seed, maps) = saliency_alignment.measured_rows(panel), saliency_alignment.drawn_maps(panel)
    several = formatting.counted(measured.seed.nunique(), "seed")
    images = formatting.listing(f"{n:,}" for n in sorted(measured.n.unique()))
    seeds = formatting.listing(sorted(measured.seed.unique()))
    first = next(iter(maps.values()), None)
    zero = "" if first is None else "blue − white 0 red +" if first["map"].shape[1] == 1 else "middle grey is 0"
    drawn = f"maps of seed {seed} ({zero})" if maps else "no maps could be read"
    return f"{panel.title}: {drawn}; alignment of {several} ({seeds}), {images} images."


def alignment_rows(panel: Panel) -> list[dict]:
    """Alignment by λ, its change from first to last λ, whether it rises, and OAT minus PGD-AT."""
    difference = saliency_alignment.difference
    table, rows, lambdas = saliency_alignment.table(panel), [], saliency_alignment.lambdas(panel)
    step = f"λ={lambdas[-1]:g} − λ={lambdas[0]:g}" if lambdas else ""
    for label, curve in table.groupby("label", sort=False):
        texts = {f"λ={row.lam:g}": alignment_text(row) for row in curve.itertuples()}
        change = difference_text(difference(panel, (label, lambdas[-1]), (label, lambdas[0])))
        rows.append({"Alignment": label} | texts | {step: change, "rises with λ": rises_text(curve)})
    for label in [name for name in saliency_alignment.methods(panel) if name != FRONTIER]:
        gaps = [difference(panel, (label, lam), (FRONTIER, lam)) for lam in lambdas]
        texts = {f"λ={lam:g}": difference_text(gap) for lam, gap in zip(lambdas, gaps, strict=True)}
        rows.append({"Alignment": f"{label} − {FRONTIER}"} | texts | {step: "", "rises with λ": ""})
    return rows


def rises_text(curve: pd.DataFrame) -> str:
    half = curve.half.fillna(0)
    bounds = {"alignment_low": curve.alignment - half, "alignment_high": curve.alignment + half}
    return monotone_text(curve.assign(**bounds), "alignment")


def difference_text(difference: tuple[float, float, str] | None) -> str:
    if not difference:
        return "–"
    mean, half, _ = difference
    return f"{mean:+.2f}" + (f" ± {half:.2f}" if np.isfinite(half) else "")


figure = partial(probe_figure, draw=saliency_maps.draw, caption=caption, rows=alignment_rows, columns=COLUMNS)
