"""Draw Jacobian saliency maps, ∇x of the cross-entropy (Sec. 4.5): columns are test images, rows are λ (Fig. 10–12)."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.load.panels import Panel, View
from reports.plots import style
from reports.statistics import saliency_alignment

CLIP = 99  # percentile of |g| at which a map is clipped
LEFT, RIGHT, TOP, FOOT = 0.7, 0.95, 0.36, 1.75  # inches around the images; FOOT holds the curves
IMAGE_SIDE, SPACE = 0.5, 0.14  # inches: the largest side of an image, and the space between blocks
PIXELS = 96  # least side of a drawn image: PDF and SVG viewers blur few pixels


def draw(view: View):
    stacks = [(panel, saliency_alignment.drawn_maps(panel)[1]) for panel in view.panels]
    heights = [height(panel, maps) for panel, maps in stacks]
    figure = Figure(figsize=(style.figure_width(style.TEXT_WIDTH), sum(heights)))
    strips = figure.subfigures(len(stacks), squeeze=False, height_ratios=heights)
    for strip, (panel, maps) in zip(strips.flat, stacks, strict=True):
        draw_panel(strip, panel, maps)
    return figure


def shown_images(maps: dict) -> list[np.ndarray]:
    """Images of a panel's columns, uint8 (C, H, W). maps: (method, λ) → maps."""
    return list(next(iter(maps.values()))["images"]) if maps else []


def column_count(maps: dict) -> int:
    """Number of columns: of images, or 10 for the marks of missing maps."""
    return len(shown_images(maps)) or 10


def image_side(maps: dict) -> float:
    """Side of an image in inches."""
    return min(IMAGE_SIDE, (style.figure_width(style.TEXT_WIDTH) - LEFT - RIGHT) / column_count(maps))


def height(panel: Panel, maps: dict) -> float:
    """Height of a panel in inches."""
    if not len(saliency_alignment.measured_rows(panel)):
        return 1.2
    table = saliency_alignment.table(panel)
    return TOP + FOOT + (image_side(maps) * (1 + len(table)) + SPACE * table.label.nunique())


def draw_panel(strip, panel: Panel, maps: dict) -> None:
    """Draw a panel into its strip of the figure."""
    wide, tall = strip.bbox.size / strip.dpi

    def axes(left, low, width, high):
        return strip.add_axes((left / wide, low / tall, width / wide, high / tall))

    if not len(saliency_alignment.measured_rows(panel)):
        ax = axes(0.3, 0.2, wide - 0.6, tall - 0.6)
        style.title(ax, panel.title, panel.subtitle)
        return style.nothing_drawn([ax], panel.missing_text)
    images = axes(LEFT, FOOT, column_count(maps) * image_side(maps), tall - TOP - FOOT)
    style.title(images, panel.title, panel.subtitle)
    draw_images(images, panel, maps)
    curves = axes(LEFT, 0.42, wide - LEFT - RIGHT, FOOT - 0.62)
    draw_curves(curves, panel)
    style.note(curves, panel.missing_text)


def draw_images(ax, panel: Panel, maps: dict) -> None:
    """Draw all images and maps from the top down, on axes in which an image has side 1."""
    table, columns, side = saliency_alignment.table(panel), column_count(maps), image_side(maps)
    labels, gap, y = list(table.label.unique()), SPACE / side, 1.0
    for x, image in enumerate(shown_images(maps)):
        show(ax, picture(image), x, 0)
    ax.text(-0.15, 0.5, "image", ha="right", va="center", fontsize=style.small())
    ax.text(columns + 0.2, 1 + gap / 2, "alignment", ha="left", va="center", fontsize=style.small(), style="italic")
    for label, rows in table.groupby("label", sort=False):
        y += gap
        color = style.method(label, labels)["color"]
        side_text = {"rotation": 90, "ha": "center", "va": "center", "fontsize": 7, "color": color}
        ax.text(-0.58 / side, y + len(rows) / 2, label, **side_text)
        for row in rows.itertuples():
            ax.text(-0.15, y + 0.5, f"λ = {row.lam:g}", ha="right", va="center", fontsize=style.small())
            score = {"ha": "left", "va": "center", "fontsize": style.small(), "color": color}
            ax.text(columns + 0.2, y + 0.5, alignment_text(row), **score)
            if (label, row.lam) in maps:
                for x, gradient in enumerate(maps[label, row.lam]["map"]):
                    show(ax, colored(gradient), x, y)
            else:
                mark_missing(ax, columns, y, "no map of this seed" if row.seeds else "missing")
            y += 1
    ax.set(xlim=(0, columns), ylim=(y, 0), xticks=[], yticks=[])
    ax.set_frame_on(False)


def show(ax, rgb: np.ndarray, x: float, y: float) -> None:
    """Draw an image (H, W, 3) in the square at x, y, with each pixel repeated."""
    times = -(-PIXELS // min(rgb.shape[:2]))
    rgb = rgb.repeat(times, axis=0).repeat(times, axis=1)
    ax.imshow(rgb, extent=(x + 0.03, x + 0.97, y + 0.97, y + 0.03), interpolation="none", aspect="auto")


def picture(image: np.ndarray) -> np.ndarray:
    """uint8 (C, H, W) → (H, W, 3) in [0, 1]; one channel becomes grey."""
    return np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0) / 255


def scaled(gradient: np.ndarray) -> np.ndarray:
    """Map in [-1, 1], symmetric about 0: divided by the CLIP-th percentile of its |g| and clipped."""
    limit = np.percentile(np.abs(gradient), CLIP)
    return np.clip(gradient / limit, -1, 1) if limit > 0 else np.zeros_like(gradient)


def colored(gradient: np.ndarray) -> np.ndarray:
    """(C, H, W) → (H, W, 3): blue, white, red for one channel; for three channels, 0 is middle grey."""
    values = scaled(gradient)
    if len(values) == 1:
        return matplotlib.colormaps["RdBu_r"]((values[0] + 1) / 2)[..., :3]
    return (values.transpose(1, 2, 0) + 1) / 2


def mark_missing(ax, columns: int, y: float, text: str) -> None:
    look = {"facecolor": "#f2f2f2", "edgecolor": "#bbbbbb", "hatch": "////", "lw": 0.5}
    ax.add_patch(Rectangle((0.03, y + 0.1), columns - 0.06, 0.8, **look))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    ax.text(columns / 2, y + 0.5, text, ha="center", va="center", fontsize=style.small(), style="italic", bbox=box)


def alignment_text(row) -> str:
    """Write mean ± half-width, and the number of seeds if some are missing. row: of saliency_alignment.table."""
    if not row.seeds:
        return "–"
    half = f" ± {row.half:.2f}" if np.isfinite(row.half) else ""
    return f"{row.alignment:.2f}{half}" + (f" ({row.seeds} of {row.planned})" if row.seeds < row.planned else "")


def draw_curves(ax, panel: Panel) -> None:
    """Draw alignment against λ, evenly spaced, the methods side by side."""
    table = saliency_alignment.table(panel)
    position = {lam: step for step, lam in enumerate(saliency_alignment.lambdas(panel))}
    labels = saliency_alignment.methods(panel)
    for place, label in enumerate(labels):
        look = style.method(label, labels)
        curve = table[table.label == label]
        curve = curve.assign(x=curve.lam.map(position) + 0.1 * (place - (len(labels) - 1) / 2))
        finished = curve.dropna(subset=["alignment"])
        bars = {"yerr": finished.half.fillna(0), "fmt": "none", "color": look["color"], "elinewidth": 0.7}
        ax.errorbar(finished.x, finished.alignment, **bars)
        style.bridge(ax, curve, "x", "alignment", look)
        ax.plot(curve.x, curve.alignment, marker=look["marker"], color=look["color"], mec="white", mew=0.4, label=label)
        style.hollow(ax, finished, "x", "alignment", look)
        style.links(ax, finished.x, finished.alignment, finished.key)
    style.space_evenly(ax, list(position))
    ax.set(xlabel="λ (evenly spaced)", ylabel="alignment")
    ax.set_ylim(bottom=0)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), borderaxespad=0, handlelength=1.5)
