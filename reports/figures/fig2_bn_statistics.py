"""Figure 2: running mean (x) against running variance (y) of the last BN layer, a point per channel, a colour per λ."""

import math

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from reports.load import formatting
from reports.load.results import Panel, View
from reports.plots import style
from reports.statistics import cloud_distances

TITLE = "Figure 2. Statistics of the last BN layer by λ"
CLAIM = (
    "While changing λ smoothly shifts the running mean and variance of PGD-AT's last BN layer continuously, those of "
    "λ = 0 are particularly isolated, with a large gap even just between λ = 0 and 0.1, and those of all λ ≠ 0 largely "
    "overlap (Sec. 3.2). Therefore OAT gives λ = 0 a BN of its own."
)
KEEP = {"probe": ["bn_statistics"], "width": [1.0]}
COLUMNS = ["method", "dataset", "scale", "seed", "lambda", "layer", "channel", "mean", "variance", "key"]
BN_EPSILON = 1e-5  # what BN adds to the variance before it takes the root
# The clouds as the figure draws them; and by what remains of them when the weights before the BN are scaled, which
# changes no output of the network but would move a cloud in the picture.
MEASURES = {
    "mean and variance": lambda mean, var: np.stack([mean, var], axis=1),
    "mean / deviation": lambda mean, var: (mean / np.sqrt(var + BN_EPSILON))[:, None],
}


def networks(panel: Panel) -> pd.DataFrame:
    """A row per PGD-AT network that is there: label, seed, lam, layer, mean and var (C,), key; by seed and λ."""
    rows = [row for row in panel.probes if row["method"] == "pgd_at" and not math.isnan(row["lam"])]
    arrays = [row | {name: np.array(row[name]) for name in ("mean", "var")} for row in rows]
    table = pd.DataFrame(arrays, columns=["label", "seed", "lam", "layer", "mean", "var", "key", "dataset", "scale"])
    return table.drop_duplicates(["seed", "lam"]).sort_values(["seed", "lam"], ignore_index=True)


def whole_seeds(table: pd.DataFrame) -> list[int]:
    """The seeds that have the most λ; the first of them is drawn."""
    counts = table.groupby("seed").lam.nunique()
    return [int(seed) for seed in counts.index[counts == counts.max()]]


def lambdas(panel: Panel) -> list[float]:
    return sorted(panel.trials.lam.dropna().unique())


def colors(found: list[float]) -> dict[float, tuple]:
    """λ → colour: black for 0 as in the paper, the others from dark blue to dark yellow, ordered by lightness too."""
    others = [lam for lam in found if lam > 0]
    inks = matplotlib.colormaps["plasma"](np.linspace(0.12, 0.86, len(others)))
    return {0.0: (0.0, 0.0, 0.0, 1.0)} | {lam: tuple(ink) for lam, ink in zip(others, inks, strict=True)}


def draw(view: View):
    figure, axes = style.panels(len(view.panels), height=3.5)
    for ax, panel in zip(axes[0], view.panels, strict=True):
        draw_panel(ax, panel)
    return figure


def draw_panel(ax, panel: Panel) -> None:
    table, inks = networks(panel), colors(lambdas(panel))
    if not len(table):
        style.title(ax, panel.title, panel.subtitle)
        return style.empty(ax)
    chosen = table[table.seed == whole_seeds(table)[0]]
    above, beside = ax.inset_axes([0, 1.02, 1, 0.15], sharex=ax), ax.inset_axes([1.02, 0, 0.15, 1], sharey=ax)
    above.axis("off")
    beside.axis("off")
    style.title(above, panel.title, panel.subtitle)
    draw_channels(ax, chosen, inks)
    span = {name: np.concatenate(chosen[name].tolist()) for name in ("mean", "var")}
    for row in chosen.itertuples():
        look = {"color": inks[row.lam], "lw": 1.5 if row.lam == 0 else 0.9, "zorder": 4 if row.lam == 0 else 3}
        above.plot(*density(row.mean, span["mean"]), **look)
        beside.plot(*density(row.var, span["var"])[::-1], **look)
        centre = {"ms": 5.5, "color": inks[row.lam], "mec": "white", "mew": 0.9, "zorder": 5}
        ax.plot(np.median(row.mean), np.median(row.var), "o", **centre, label="_median")
        style.leads(ax, [np.median(row.mean)], [np.median(row.var)], [row.key])
    ax.set(xlabel="running mean", ylabel="running variance")
    texts = {lam: f"{lam:g}" if lam in set(chosen.lam) else f"{lam:g} (missing)" for lam in inks}
    handles = [Line2D([], [], ls="", marker="o", ms=4, color=inks[lam], label=text) for lam, text in texts.items()]
    ax.legend(handles=handles, title="λ", title_fontsize=6.5, loc="upper left", bbox_to_anchor=(1.17, 1), borderpad=0)
    style.note(ax, panel.missing_text)


def draw_channels(ax, chosen: pd.DataFrame, inks: dict) -> None:
    """All clouds' channels, shuffled, so that none of the overlapping clouds covers the others."""
    owners = np.repeat(chosen.lam, chosen["mean"].map(len)).to_numpy()
    order = np.random.default_rng(0).permutation(len(owners))
    xs, ys = (np.concatenate(chosen[name].tolist())[order] for name in ("mean", "var"))
    size = 7 if len(owners) < 1500 else 3.5
    ax.scatter(xs, ys, c=[inks[lam] for lam in owners[order]], s=size, lw=0, alpha=0.6, label="_channels")


def density(values, span) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian kernel density of values, (200,) positions over the range of span and heights; flat if all are equal."""
    from scipy.stats import gaussian_kde  # here: it takes as long to import as another figure to draw

    grid = np.linspace(span.min(), span.max(), 200)
    return grid, gaussian_kde(values)(grid) if np.ptp(values) > 0 else np.zeros(200)


def isolations(panel: Panel) -> dict[tuple[str, float], dict]:
    """(measure, λ) → reports.clouds.compare of that λ's cloud with the others: λ=0, and the largest for comparison.

    Empty without λ=0 and two others. Over the seeds that have the most λ, all in the same units.
    """
    table = networks(panel)
    if not len(table):
        return {}
    seeds = [table[table.seed == seed] for seed in whole_seeds(table)]
    seeds = [rows for rows in seeds if rows.lam.tolist() == seeds[0].lam.tolist()]
    found = seeds[0].lam.tolist()
    if len(found) < 3 or found[0] != 0 or min(map(len, table["mean"])) < 3:
        return {}
    result = {}
    for name, measure in MEASURES.items():
        flat = cloud_distances.standardised([measure(row.mean, row.var) for rows in seeds for row in rows.itertuples()])
        by_seed = [flat[i : i + len(found)] for i in range(0, len(flat), len(found))]
        result[name, found[0]] = cloud_distances.compare(by_seed)
        result[name, found[-1]] = cloud_distances.compare([one[::-1] for one in by_seed])
    return result


def summary(view: View) -> list[dict]:
    tables = []
    for panel in view.panels:
        rows = []
        for (name, lam), found in isolations(panel).items():
            rows.append(
                {
                    "By": name,
                    "Cloud": f"λ\u00a0=\u00a0{lam:g}",
                    "Distance to the others": f"{found['apart']:.2f}",
                    "among the others": f"{found['mutual']:.2f}",
                    "ratio": ratio(found, "ratio"),
                    "Distance to the next λ": f"{found['step']:.2f}",
                    "largest among the others": f"{found['largest']:.2f}",
                    "ratio of these": ratio(found, "step_ratio"),
                    "Same λ, two seeds": "–" if math.isnan(found["floor"]) else f"{found['floor']:.2f}",
                }
            )
        tables.append({"heading": panel.title, "below": panel.subtitle, "rows": rows})
    return tables


def ratio(found: dict, name: str) -> str:
    values = [found[name], found[f"{name}_low"], found[f"{name}_high"]]
    return "{:.2f}\u00a0[{:.2f},\u00a0{:.2f}]".format(*values) if np.isfinite(values).all() else "–"


def caption(view: View) -> str:
    parts = []
    for panel in view.panels:
        table = networks(panel)
        if len(table):
            seed, others = whole_seeds(table)[0], table.seed.nunique() - 1
            channels = formatting.listing(sorted({len(mean) for mean in table["mean"]}))
            also = f" of {others + 1} (the numbers are over all that have every λ drawn)" if others else ""
            layer = formatting.listing(sorted(set(table.layer)))
            parts.append(f"{panel.title}: seed {seed}{also}; a point for each of the {channels} channels of {layer}.")
            parts += [sentence(isolations(panel))]
    if not parts:
        parts = [f"Scale {view.scale}; no network has finished."]
    else:
        parts += ["Large dots: medians. In the margins: kernel densities of the mean and of the variance."]
        parts += ["In the table, mean / deviation does not depend on the scale of the weights before the BN."]
        parts += [f"Scale {view.scale}."]
    parts += [f"{view.missing_text}."] if view.missing_text else []
    return " ".join(part for part in parts if part)


def sentence(found: dict) -> str:
    """The number beside the picture, as drawn; and that of the other end of the scale of λ, to compare it with."""
    if not found:
        return ""
    (zero, own), (last, other) = ((lam, one) for (_, lam), one in list(found.items())[:2])
    over = "channels" if math.isnan(own["floor"]) else "seeds"
    return (
        f"By energy distance in units of the clouds' own spread, λ = {zero:g} lies {ratio(own, 'ratio')} times as far "
        f"from the others as they lie from each other; λ = {last:g}, the other end, {ratio(other, 'ratio')} times; "
        f"either end of a line of equal steps would lie up to 1.5 times as far. From λ = {zero:g} to the next it is "
        f"{ratio(own, 'step_ratio')} times the largest distance between two others (95 % intervals over {over})."
    )


def table(view: View) -> pd.DataFrame:
    """Every channel of every network, all seeds."""
    rows = [
        (row.label, row.dataset, row.scale, row.seed, row.lam, row.layer, channel, mean, var, row.key)
        for panel in view.panels
        for row in networks(panel).itertuples()
        for channel, (mean, var) in enumerate(zip(row.mean, row.var, strict=True))
    ]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(COLUMNS, ignore_index=True)


def curves(view: View) -> list[dict]:
    """No curves: the page shows the summary alone."""
    return []
