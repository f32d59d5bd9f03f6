"""How well gradients align with images (Fig. 10–12), by method and λ, and the files that hold the saliency maps."""

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from reports.load.results import Panel
from reports.statistics import intervals

FRONTIER = "PGD-AT"
BROKEN = (SafetensorError, OSError, KeyError, ValueError)
COLUMNS = ["label", "method", "dataset", "scale", "seed", "lam", "width", "n", "alignment", "alignment_sd", "file"]
COLUMNS += ["key", "net_lam", "folder"]


def rows(panel: Panel) -> pd.DataFrame:
    """A row per network and λ measured."""
    return pd.DataFrame(panel.probes, columns=COLUMNS)


def lambdas(panel: Panel) -> list[float]:
    return sorted(set(panel.trials.lam.dropna()) | set(rows(panel).lam))


def methods(panel: Panel) -> list[str]:
    """The planned ones in the paper's order: networks that take λ as an input, then those with one λ each."""
    own = panel.trials.groupby("label").lam.apply(lambda lam: lam.notna().any())
    return [*sorted(own.index[~own]), *sorted(own.index[own])]


def interval(found: pd.DataFrame) -> tuple[float, float, str]:
    """Mean alignment and half the width of its 95 % interval, of rows of one method and λ, one per seed.

    t over seeds; where one seed stands alone, t over its test images, from their number and standard deviation.
    """
    if not len(found):
        return np.nan, np.nan, "none"
    if len(found) > 1:
        mean, low, _ = intervals.t_interval(found.alignment)
        return mean, mean - low, "seeds"
    one = found.iloc[0]
    return one.alignment, intervals.t_half_width(one.alignment_sd, one.n), "images"


def table(panel: Panel) -> pd.DataFrame:
    """A row per method and planned λ: label, lam, planned and finished seeds, alignment, half, interval (seeds, …), and
    key, its first network's."""
    found, trials, result = rows(panel), panel.trials, []
    for label in methods(panel):
        for lam in lambdas(panel):
            own = trials[(trials.label == label) & ((trials.lam == lam) | trials.lam.isna())]
            here = found[(found.label == label) & (found.lam == lam)]
            if len(own):
                row = {"label": label, "lam": lam, "planned": own.seed.nunique(), "seeds": len(here)}
                row["key"] = here.key.iloc[0] if len(here) else None
                result.append(row | dict(zip(("alignment", "half", "interval"), interval(here), strict=True)))
    return pd.DataFrame(result, columns=["label", "lam", "planned", "seeds", "alignment", "half", "interval", "key"])


def paired(one: pd.DataFrame, other: pd.DataFrame) -> tuple[float, float, str] | None:
    """Mean alignment of the one minus the other, half the width of its 95 % interval, and what that is over.

    Rows as of `rows`, one per seed. All networks see the same test images, so where one seed of each is there, they are
    compared image by image; several, seed by seed. None where they share no seed, or one seed's file is damaged.
    """
    one, other = (side.drop_duplicates("seed").set_index("seed") for side in (one, other))
    seeds = one.index.intersection(other.index)
    if len(seeds) > 1:
        mean, low, _ = intervals.t_interval(one.alignment[seeds] - other.alignment[seeds])
        return mean, mean - low, "seeds"
    images = [per_image(side.loc[seed]) for seed in seeds for side in (one, other)]
    if not images or any(scores is None for scores in images) or len(images[0]) != len(images[1]):
        return None
    gaps = images[0] - images[1]
    half = intervals.t_half_width(gaps.std(ddof=1), len(gaps)) if len(gaps) > 1 else np.nan
    return float(gaps.mean()), half, "images"


def difference(panel: Panel, one: tuple[str, float], other: tuple[str, float]) -> tuple[float, float, str] | None:
    """`paired` of two methods, λ each."""
    found = rows(panel)
    return paired(*(found[(found.label == label) & (found.lam == lam)] for label, lam in (one, other)))


def per_image(row) -> np.ndarray | None:
    """(n,), the alignment of every test image of a network at a λ; none where the file is not there or damaged."""
    try:
        found = load_file(row.folder / row.file)[f"alignment/{row.lam:g}"].astype(float)
    except BROKEN:
        return None
    return found if found.shape == (row.n,) and np.isfinite(found).all() else None


def maps(row) -> dict[str, np.ndarray] | None:
    """`images` (K, C, H, W) uint8, `index` and `labels` (K,), and `map` (K, C, H, W), the gradient at the row's λ."""
    try:
        tensors = load_file(row.folder / row.file)
        found = {name: tensors[name] for name in ("images", "index", "labels")} | {"map": tensors[f"map/{row.lam:g}"]}
    except BROKEN:
        return None
    shape = found["images"].shape
    fits = len(shape) == 4 and shape[1] in (1, 3) and shape[0] > 0 and found["index"].shape == shape[:1]
    return found if fits and found["map"].shape == shape and np.isfinite(found["map"]).all() else None


def drawn_maps(panel: Panel) -> tuple[int | None, dict[tuple[str, float], dict]]:
    """The seed drawn, the first of those with the most maps, and its maps by method and λ, all of the same images."""
    best, chosen = None, {}
    for seed, own in rows(panel).groupby("seed"):
        found = {(row.label, row.lam): maps(row) for row in own.itertuples()}
        found = {name: one for name, one in found.items() if one is not None}
        first = next(iter(found.values()), None)
        found = {name: one for name, one in found.items() if np.array_equal(one["images"], first["images"])}
        if len(found) > len(chosen):
            best, chosen = int(seed), found
    return best, chosen
