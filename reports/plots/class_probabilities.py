"""The probability of each class against λ for one image, clean and attacked, beside the images themselves."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from reports.plots import style

PAPERS = style.method("OAT (dual BN)"), style.method("OAT (normal BN)")
COLORS = [look["color"] for look in (*PAPERS, *style.OTHERS)]
REST = "#b0b0b0"  # of the other classes
LIKELY = 0.1  # a class that reaches this probability anywhere gets a colour and a label, while there are colours
GAP = 0.075  # least distance of two labels at the ends of their curves, as a part of the axis


@dataclass(frozen=True)
class Dial:
    """What is drawn. L is the number of λ, which ascend from 0.

    lambdas: (L,). clean, attacked: (L, classes) probabilities of the image, and of the adversarial image that is made
    at each λ. image: (C, H, W) in [0,1]; adversarial: (L, C, H, W). label: the class that the attack leads away from.
    trained: the λ of training. jump: whether λ=0 has a BN branch of its own. attack, title: texts.
    """

    lambdas: np.ndarray
    clean: np.ndarray
    attacked: np.ndarray
    image: np.ndarray
    adversarial: np.ndarray
    label: int
    trained: tuple[float, ...]
    jump: bool
    attack: str
    title: str


def draw(dial: Dial) -> Figure:
    """Draw the images in a column, then a panel for the clean image and one for the attacked ones."""
    figure = Figure(figsize=(style.TEXT_WIDTH, 2.7), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.03)
    grid = figure.add_gridspec(3, 3, width_ratios=(0.62, 2, 2))
    pictures = {"clean": dial.image, "attacked, λ=0": dial.adversarial[0], "attacked, λ=1": dial.adversarial[-1]}
    for row, (name, picture) in enumerate(pictures.items()):
        show(figure.add_subplot(grid[row, 0]), picture, name)
    panels = [figure.add_subplot(grid[:, column]) for column in (1, 2)]
    for ax, heading, values in zip(panels, ("clean", dial.attack), (dial.clean, dial.attacked), strict=True):
        draw_panel(ax, dial, values)
        style.title(ax, heading)
    panels[0].set_ylabel("probability of a class")
    panels[1].tick_params(labelleft=False)
    figure.suptitle(dial.title, fontsize=7.5)
    figure.supxlabel(explanation(dial), fontsize=style.small(), color="#444444")
    return figure


def explanation(dial: Dial) -> str:
    """What the lines, dots and ticks are."""
    coloured = len(class_colors(dial))
    lines = f"Black: class {dial.label}, from which the attack leads away."
    lines += f" Coloured: other classes that reach {LIKELY:g}." * (coloured > 1)
    lines += " Grey: all others." * (coloured < dial.clean.shape[1])
    dots = "Dots: λ = 0, which has a BN branch of its own. " if dial.jump else ""
    return f"{lines}\n{dots}Ticks above the axis: λ of training."


def show(ax, picture: np.ndarray, name: str) -> None:
    """Show a (C, H, W) image in [0,1] with its name above."""
    ax.imshow(picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_title(name, fontsize=style.small(), pad=2)


def draw_panel(ax, dial: Dial, values: np.ndarray) -> None:
    """Draw (L, classes) probabilities. A λ=0 of its own branch is a dot that no line joins to the others."""
    colors, start = class_colors(dial), int(dial.jump)
    top = max(0.3, dial.clean.max(), dial.attacked.max()) * 1.04
    for k in range(values.shape[1]):
        look = {"color": colors.get(k, REST), "lw": 1.6 if k == dial.label else 1.1 if k in colors else 0.7}
        look |= {"zorder": 5 if k == dial.label else 4 if k in colors else 2, "clip_on": False}
        ax.plot(dial.lambdas[start:], values[start:, k], **look)
        if dial.jump and k in colors:
            ax.plot(dial.lambdas[:1], values[:1, k], marker="o", ms=3.2, **look)
    heights = spread(np.array([values[-1, k] for k in colors]), GAP * top)
    for (k, color), height in zip(colors.items(), heights, strict=True):
        text = {"color": color, "fontsize": style.small(), "va": "center", "annotation_clip": False}
        ax.annotate(f"class {k}", (1.03, height), **text)
    for lam in dial.trained:
        ax.plot([lam, lam], [-0.05 * top, -0.02 * top], color="#444444", lw=0.8, clip_on=False)
    ax.set(xlim=(0, 1), ylim=(-0.05 * top, top), xticks=(0, 0.2, 0.4, 0.6, 0.8, 1), xlabel="λ")


def class_colors(dial: Dial) -> dict[int, str]:
    """Class → colour: the attacked one black, then the likely ones by their largest probability."""
    peak = np.maximum(dial.clean, dial.attacked).max(axis=0)
    others = [int(k) for k in np.argsort(-peak, kind="stable") if k != dial.label and peak[k] >= LIKELY]
    return {dial.label: "#000000"} | dict(zip(others, COLORS, strict=False))


def spread(heights: np.ndarray, gap: float) -> np.ndarray:
    """Move heights apart to at least `gap`, keeping their order, by the least squared distance; none goes below 0."""
    from scipy.optimize import isotonic_regression

    order, room = np.argsort(heights, kind="stable"), gap * np.arange(len(heights))
    moved = np.empty(len(heights))
    moved[order] = isotonic_regression(heights[order] - room).x.clip(0) + room
    return moved


def write(dial: Dial, path: Path) -> None:
    """Write the picture, in the format of the path's suffix."""
    suffix = path.suffix[1:]
    with style.paper():
        draw(dial).savefig(path, format=suffix, metadata=style.METADATA[suffix])
