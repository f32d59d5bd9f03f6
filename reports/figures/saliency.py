"""Figures 10–12: Jacobian saliency maps, ∇x of the cross-entropy (Sec. 4.5). Columns are test images, rows are λ."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.load import formatting
from reports.load.results import Panel, View
from reports.plots import style
from reports.statistics import intervals, saliency_alignment

CLAIM = (
    "The Jacobian saliency of OAT aligns with the image better as λ, and with it the robustness, increases; under the "
    "same λ it is better than PGD-AT's or comparable (Sec. 4.5)."
)
KEEP = {"probe": ["saliency"], "width": [1.0]}
COLUMNS = ["method", "dataset", "scale", "seed", "lambda", "width", "alignment", "alignment_sd", "n", "key"]
CLIP = 99  # percentile of |g| at which a map is clipped
LEFT, RIGHT, TOP, FOOT = 0.7, 0.95, 0.36, 1.75  # inches about the images; FOOT holds the curves
CELL, SPACE = 0.5, 0.14  # inches: the largest cell, and what separates blocks
PIXELS = 96  # the least side of a drawn image: PDF and SVG viewers blur few pixels


def draw(view: View):
    stacks = [(panel, *saliency_alignment.drawn_maps(panel)) for panel in view.panels]
    heights = [height(panel, found) for panel, _, found in stacks]
    figure = Figure(figsize=(style.TEXT_WIDTH, sum(heights)))
    FigureCanvasAgg(figure)
    bottom = sum(heights)
    for (panel, _, found), own in zip(stacks, heights, strict=True):
        bottom -= own
        draw_panel(figure, panel, found, bottom, own)
    return figure


def blocks(panel: Panel) -> dict[str, list[float]]:
    """Method → its planned λ, a row each."""
    table = saliency_alignment.table(panel)
    return {label: own.lam.tolist() for label, own in table.groupby("label", sort=False)}


def cell(found: dict) -> float:
    """Inches of an image's side."""
    columns = len(next(iter(found.values()))["images"]) if found else 10
    return min(CELL, (style.TEXT_WIDTH - LEFT - RIGHT) / columns)


def height(panel: Panel, found: dict) -> float:
    if not len(saliency_alignment.rows(panel)):
        return 1.2
    own = blocks(panel)
    return TOP + FOOT + (cell(found) * (1 + sum(map(len, own.values()))) + SPACE * len(own))


def draw_panel(figure, panel: Panel, found: dict, bottom: float, tall: float) -> None:
    """In the strip of the figure from `bottom`, `tall` inches high."""
    wide, whole = figure.get_size_inches()

    def axes(left, low, width, high):
        return figure.add_axes((left / wide, (bottom + low) / whole, width / wide, high / whole))

    if not len(saliency_alignment.rows(panel)):
        ax = axes(0.3, 0.2, wide - 0.6, tall - 0.6)
        style.title(ax, panel.title, panel.subtitle)
        style.empty(ax)
        return style.note(ax, panel.missing_text)
    side = cell(found)
    columns = int(round((wide - LEFT - RIGHT) / side)) if not found else len(next(iter(found.values()))["images"])
    images = axes(LEFT, FOOT, columns * side, tall - TOP - FOOT)
    style.title(images, panel.title, panel.subtitle)
    draw_images(images, panel, found, columns, side)
    curves_ax = axes(LEFT, 0.42, wide - LEFT - RIGHT, FOOT - 0.62)
    draw_curves(curves_ax, panel)
    style.note(curves_ax, panel.missing_text)


def draw_images(ax, panel: Panel, found: dict, columns: int, side: float) -> None:
    """All images and maps on axes whose unit is a cell, from the top down."""
    table = saliency_alignment.table(panel).set_index(["label", "lam"])
    gap, y = SPACE / side, 0.0
    if found:
        for x, image in enumerate(next(iter(found.values()))["images"]):
            show(ax, picture(image), x, y)
    ax.text(-0.15, y + 0.5, "image", ha="right", va="center", fontsize=style.SMALL)
    y += 1
    for label, lambdas in blocks(panel).items():
        y += gap
        color = style.method(label, blocks(panel))["color"]
        side_text = {"rotation": 90, "ha": "center", "va": "center", "fontsize": 7, "color": color}
        ax.text(-0.58 / side, y + len(lambdas) / 2, label, **side_text)
        for lam in lambdas:
            row, one = table.loc[(label, lam)], found.get((label, lam))
            ax.text(-0.15, y + 0.5, f"λ = {lam:g}", ha="right", va="center", fontsize=style.SMALL)
            ax.text(columns + 0.2, y + 0.5, score(row), ha="left", va="center", fontsize=style.SMALL, color=color)
            if one:
                for x, gradient in enumerate(one["map"]):
                    show(ax, colored(gradient), x, y)
            else:
                missing(ax, columns, y, "no map of this seed" if row.seeds else "missing")
            y += 1
    ax.text(columns + 0.2, 1 + gap / 2, "alignment", ha="left", va="center", fontsize=style.SMALL, style="italic")
    ax.set(xlim=(0, columns), ylim=(y, 0), xticks=[], yticks=[])
    ax.set_frame_on(False)


def show(ax, rgb: np.ndarray, x: float, y: float) -> None:
    """An image (H, W, 3) in the cell at x, y, its pixels repeated until they are many."""
    times = -(-PIXELS // min(rgb.shape[:2]))
    rgb = rgb.repeat(times, axis=0).repeat(times, axis=1)
    ax.imshow(rgb, extent=(x + 0.03, x + 0.97, y + 0.97, y + 0.03), interpolation="none", aspect="auto")


def picture(image: np.ndarray) -> np.ndarray:
    """uint8 (C, H, W) → (H, W, 3) in [0, 1]; one channel becomes grey."""
    return np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0) / 255


def scaled(gradient: np.ndarray) -> np.ndarray:
    """A map in [-1, 1], symmetric about 0: divided by the CLIP-th percentile of its own |g| and clipped."""
    limit = np.percentile(np.abs(gradient), CLIP)
    return np.clip(gradient / limit, -1, 1) if limit > 0 else np.zeros_like(gradient)


def colored(gradient: np.ndarray) -> np.ndarray:
    """(C, H, W) → (H, W, 3): blue, white, red for one channel; three about a middle grey that stands for 0."""
    values = scaled(gradient)
    if len(values) == 1:
        return matplotlib.colormaps["RdBu_r"]((values[0] + 1) / 2)[..., :3]
    return (values.transpose(1, 2, 0) + 1) / 2


def missing(ax, columns: int, y: float, text: str) -> None:
    look = {"facecolor": "#f2f2f2", "edgecolor": "#bbbbbb", "hatch": "////", "lw": 0.5}
    ax.add_patch(Rectangle((0.03, y + 0.1), columns - 0.06, 0.8, **look))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    ax.text(columns / 2, y + 0.5, text, ha="center", va="center", fontsize=style.SMALL, style="italic", bbox=box)


def score(row) -> str:
    """mean ± half-width, and how many seeds it rests on if some are missing."""
    if not row.seeds:
        return "–"
    half = f" ± {row.half:.2f}" if np.isfinite(row.half) else ""
    return f"{row.alignment:.2f}{half}" + (f" ({row.seeds} of {row.planned})" if row.seeds < row.planned else "")


def draw_curves(ax, panel: Panel) -> None:
    """Alignment by λ, evenly spaced, the methods side by side."""
    table = saliency_alignment.table(panel)
    position = {lam: step for step, lam in enumerate(saliency_alignment.lambdas(panel))}
    labels = saliency_alignment.methods(panel)
    for place, label in enumerate(labels):
        look = style.method(label, labels)
        curve = table[table.label == label].assign(x=lambda t: t.lam.map(position))
        curve["x"] = curve.x + 0.1 * (place - (len(labels) - 1) / 2)
        known = curve.dropna(subset=["alignment"])
        ax.errorbar(
            known.x, known.alignment, yerr=known.half.fillna(0), fmt="none", color=look["color"], elinewidth=0.7
        )
        if curve.alignment.isna().any():  # dots bridge a λ of which no network has finished
            ax.plot(known.x, known.alignment, ls=":", lw=0.9, color=look["color"], label="_bridge")
        ax.plot(curve.x, curve.alignment, marker=look["marker"], color=look["color"], mec="white", mew=0.4, label=label)
        style.hollow(ax, known[known.seeds < known.planned], "x", "alignment", look)
        style.leads(ax, known.x, known.alignment, known.key)
    ax.set_xticks(list(position.values()), [f"{lam:g}" for lam in position])
    ax.set(xlabel="λ (evenly spaced)", ylabel="alignment", xlim=(-0.4, len(position) - 0.6))
    ax.set_ylim(bottom=0)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), borderaxespad=0, handlelength=1.5)


def caption(view: View) -> str:
    gaps = f"{view.missing_text}: a hollow marker rests on fewer seeds than planned." if view.missing_text else ""
    parts = [of_panel(panel) for panel in view.panels if len(saliency_alignment.rows(panel))]
    if not parts:
        return f"Scale {view.scale}; no network has finished. {view.missing_text}."
    kinds = {kind for panel in view.panels for kind in saliency_alignment.table(panel).interval} - {"none"}
    t = {"seeds": "over seeds", "images": "over the test images (where there is one seed)"}
    half = " or ".join(text for kind, text in t.items() if kind in kinds)
    parts += [
        "Top: test images. Below: the gradient of the cross-entropy with respect to the image; each map is divided by "
        f"the {CLIP}th percentile of its own |g|, clipped, and drawn symmetrically about 0.",
        "Alignment: mean over the test images of |⟨x, g⟩| / ‖g‖, with g the gradient of the winning logit (Etmann et "
        f"al., ICML 2019, Def. 3; in the units of x), ± half of its 95 % t interval {half}.",
        f"Scale {view.scale}.",
        gaps,
    ]
    return " ".join(part for part in parts if part)


def of_panel(panel: Panel) -> str:
    """What the maps and numbers of a panel are of."""
    found, (seed, maps) = saliency_alignment.rows(panel), saliency_alignment.drawn_maps(panel)
    several = formatting.counted(found.seed.nunique(), "seed")
    images = formatting.listing(f"{n:,}" for n in sorted(found.n.unique()))
    seeds = formatting.listing(sorted(found.seed.unique()))
    one = next(iter(maps.values()), None)
    zero = "" if one is None else "blue − white 0 red +" if one["map"].shape[1] == 1 else "middle grey is 0"
    drawn = f"maps of seed {seed} ({zero})" if maps else "no maps could be read"
    return f"{panel.title}: {drawn}; alignment of {several} ({seeds}), {images} images."


def summary(view: View) -> list[dict]:
    """A row per method: alignment by λ, its change from the first to the last, and whether it rises; and OAT minus
    PGD-AT."""
    tables = []
    for panel in view.panels:
        table, rows, lambdas = saliency_alignment.table(panel), [], saliency_alignment.lambdas(panel)
        step = f"λ={lambdas[-1]:g} − λ={lambdas[0]:g}" if lambdas else ""
        for label, own in table.groupby("label", sort=False):
            cells = {f"λ={row.lam:g}": score(row) for row in own.itertuples()}
            change = written(saliency_alignment.difference(panel, (label, lambdas[-1]), (label, lambdas[0])))
            rows.append({"Alignment": label} | cells | {step: change, "rises with λ": rises(own)})
        for label in [name for name in saliency_alignment.methods(panel) if name != saliency_alignment.FRONTIER]:
            gaps = [
                saliency_alignment.difference(panel, (label, lam), (saliency_alignment.FRONTIER, lam))
                for lam in lambdas
            ]
            cells = {f"λ={lam:g}": written(gap) for lam, gap in zip(lambdas, gaps, strict=True)}
            rows.append(
                {"Alignment": f"{label} − {saliency_alignment.FRONTIER}"} | cells | {step: "", "rises with λ": ""}
            )
        tables.append({"heading": panel.title, "below": panel.subtitle, "rows": rows})
    return tables


def rises(own: pd.DataFrame) -> str:
    """yes, no, or `within intervals` where only the means turn back. own: a method's rows of alignment.table."""
    known = own.dropna(subset=["alignment"]).sort_values("lam")
    if len(known) < 2:
        return "–"
    if intervals.monotone_within_intervals(known.alignment, known.alignment):
        return "yes"
    half = known.half.fillna(0)
    within = intervals.monotone_within_intervals(known.alignment - half, known.alignment + half)
    return "within intervals" if within else "no"


def written(difference: tuple[float, float, str] | None) -> str:
    if not difference:
        return "–"
    mean, half, _ = difference
    return f"{mean:+.2f}" + (f" ± {half:.2f}" if np.isfinite(half) else "")


def table(view: View) -> pd.DataFrame:
    """The alignment of every network drawn and every λ."""
    found = pd.concat([saliency_alignment.rows(panel) for panel in view.panels], ignore_index=True)
    found = found.drop(columns="method").rename(columns={"label": "method", "lam": "lambda"})[COLUMNS]
    return found.drop_duplicates().sort_values(COLUMNS, ignore_index=True).round({"alignment": 6, "alignment_sd": 6})


def curves(view: View) -> list[dict]:
    """None: the summary has the curves' points."""
    return []
