"""Alignment of gradients with images (Fig. 10–12) by method and λ, and the files that hold the saliency maps."""

import functools

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from reports.load.panels import PANEL_COLUMNS, Panel
from reports.statistics import estimates, intervals
from reports.statistics.estimates import Estimate

DAMAGED = (SafetensorError, OSError, KeyError, ValueError)  # raised by a missing or damaged file
COLUMNS = ["label", "method", *PANEL_COLUMNS, "seed", "lam", "width", "n", "alignment", "alignment_sd", "file"]
COLUMNS += ["key", "net_lam", "folder"]


def measured_rows(panel: Panel) -> pd.DataFrame:
    return pd.DataFrame(panel.probes, columns=COLUMNS)


def lambdas(panel: Panel) -> list[float]:
    return sorted(set(panel.trials.lam.dropna()) | set(measured_rows(panel).lam))


def methods(panel: Panel) -> list[str]:
    """Planned methods in the paper's order: networks that take λ as an input, then networks of one λ each."""
    one_lambda = panel.trials.groupby("label").lam.apply(lambda lam: lam.notna().any())
    return [*sorted(one_lambda.index[~one_lambda]), *sorted(one_lambda.index[one_lambda])]


def interval(rows: pd.DataFrame) -> tuple[float, float, str]:
    """Mean alignment, half-width of its 95 % t interval, and what that is over: seeds, images, or none.

    rows: of one method and λ, one per seed. A single seed's interval is over its test images.
    """
    if not len(rows):
        return np.nan, np.nan, "none"
    if len(rows) > 1:
        return mean_and_half(estimates.over_seeds(rows.alignment), "seeds")
    row = rows.iloc[0]
    return row.alignment, intervals.t_half_width(row.alignment_sd, row.n), "images"


def mean_and_half(estimate: Estimate, over: str) -> tuple[float, float, str]:
    return estimate.value, estimate.value - estimate.bounds(intervals.CONFIDENCE)[0], over


@functools.lru_cache(maxsize=64)  # the axes, the caption and the tables ask for it
def table(panel: Panel) -> pd.DataFrame:
    """A row per method and planned λ: label, lam, planned and finished seeds, alignment, half, interval, and key.

    half, interval: see `interval`. key: of the first network.
    """
    measured, trials, rows = measured_rows(panel), panel.trials, []
    for label in methods(panel):
        for lam in lambdas(panel):
            planned = trials[(trials.label == label) & ((trials.lam == lam) | trials.lam.isna())]
            seeds = measured[(measured.label == label) & (measured.lam == lam)]
            if len(planned):
                row = {"label": label, "lam": lam, "planned": planned.seed.nunique(), "seeds": len(seeds)}
                row["key"] = seeds.key.iloc[0] if len(seeds) else None
                rows.append(row | dict(zip(("alignment", "half", "interval"), interval(seeds), strict=True)))
    return pd.DataFrame(rows, columns=["label", "lam", "planned", "seeds", "alignment", "half", "interval", "key"])


def difference(
    panel: Panel, minuend: tuple[str, float], subtrahend: tuple[str, float]
) -> tuple[float, float, str] | None:
    """Mean alignment of one (label, λ) minus another's, half-width of its 95 % t interval, and what that is over.

    Several common seeds are paired seed by seed; one common seed image by image, since all networks see the same test
    images. None without a common seed, or if a file of the one seed is damaged.
    """
    measured = measured_rows(panel)
    sides = [
        measured[(measured.label == label) & (measured.lam == lam)].drop_duplicates("seed").set_index("seed")
        for label, lam in (minuend, subtrahend)
    ]
    seeds = sides[0].index.intersection(sides[1].index)
    if len(seeds) > 1:
        return mean_and_half(estimates.over_seeds(sides[0].alignment[seeds] - sides[1].alignment[seeds]), "seeds")
    images = [per_image(side.loc[seed]) for seed in seeds for side in sides]
    if not images or any(scores is None for scores in images) or len(images[0]) != len(images[1]):
        return None
    return mean_and_half(estimates.over_images(images[0] - images[1]), "images")


def per_image(row) -> np.ndarray | None:
    """Alignment of every test image (n,) of a network at a λ; None if the file is missing or damaged."""
    try:
        scores = load_file(row["folder"] / row["file"])[f"alignment/{row['lam']:g}"].astype(float)
    except DAMAGED:
        return None
    return scores if scores.shape == (row["n"],) and np.isfinite(scores).all() else None


def maps(row) -> dict[str, np.ndarray] | None:
    """Saliency maps of a network at a λ; None if the file is missing or damaged.

    `images` (K, C, H, W) uint8, `index` and `labels` (K,), and `map` (K, C, H, W), the gradient at the row's λ.
    """
    try:
        tensors = load_file(row.folder / row.file)
        arrays = {name: tensors[name] for name in ("images", "index", "labels")} | {"map": tensors[f"map/{row.lam:g}"]}
    except DAMAGED:
        return None
    shape = arrays["images"].shape
    fits = len(shape) == 4 and shape[1] in (1, 3) and shape[0] > 0 and arrays["index"].shape == shape[:1]
    return arrays if fits and arrays["map"].shape == shape and np.isfinite(arrays["map"]).all() else None


def drawn_maps(panel: Panel) -> tuple[int | None, dict[tuple[str, float], dict]]:
    """Drawn seed, the first with the most maps, and its maps by (method, λ), all of the same images."""
    best, most = None, {}
    for seed, rows in measured_rows(panel).groupby("seed"):
        by_row = {(row.label, row.lam): maps(row) for row in rows.itertuples()}
        by_row = {name: arrays for name, arrays in by_row.items() if arrays is not None}
        first = next(iter(by_row.values()), None)
        by_row = {name: a for name, a in by_row.items() if np.array_equal(a["images"], first["images"])}
        if len(by_row) > len(most):
            best, most = int(seed), by_row
    return best, most
