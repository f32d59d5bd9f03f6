"""Style of all figures: size, type, marks; paper.mplstyle has type and lines, methods.yaml colours and markers."""

import itertools
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import matplotlib
import yaml
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from reports.plots.style_options import PAPER, Look

TEXT_WIDTH = 5.5  # inches, a NeurIPS page; figures are drawn at printed size
SINGLE_WIDTH = 4.2  # inches, a figure with one column
LEAST_AXES = 1.3  # inches, where axes stand side by side

LOOKS = yaml.safe_load(Path(__file__).with_name("methods.yaml").read_text("utf-8"))
METHODS, OTHERS = LOOKS["methods"], LOOKS["others"]
SIDES = (" · A", " · B")  # how labels end in a comparison of two runs; curves of the second are dashed
LEGEND = {"PGD-AT": "PGD-AT (frontier)", "PGD-ATS": "PGD-ATS (frontier)"}
STAR = {"marker": "*", "ms": 6.5}

RC = dict(matplotlib.rc_params_from_file(Path(__file__).with_name("paper.mplstyle"), use_default_template=False))
SMALL_PART = 5.8 / RC["font.size"]  # of font.size: the size of λ labels, subtitles and notes
SIZES = [name for name in RC if name.endswith("size") and name.split(".")[0] in ("axes", "xtick", "ytick", "legend")]
# whatever a style file says: fonts are embedded (TrueType in a PDF, outlines in an SVG), names are no TeX
EMBEDDED = {"pdf.fonttype": 42, "ps.fonttype": 42, "pdf.use14corefonts": False, "svg.fonttype": "path"}
EMBEDDED |= {"svg.hashsalt": "oat-bench", "text.usetex": False}  # the salt makes names in an SVG reproducible
METADATA = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


LOOK: ContextVar[Look] = ContextVar("look", default=PAPER)  # of the figure that is being drawn


@contextmanager
def paper(look: Look = PAPER) -> Iterator[None]:
    """Context for drawing and saving, independent of the user's matplotlibrc."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        larger = look.rc.get("font.size", RC["font.size"]) / RC["font.size"]
        matplotlib.rcParams.update(RC | {name: larger * RC[name] for name in SIZES} | look.rc | EMBEDDED)
        token = LOOK.set(look)
        try:
            yield
        finally:
            LOOK.reset(token)


def small() -> float:
    """Size of λ labels, subtitles and notes, in points."""
    return SMALL_PART * matplotlib.rcParams["font.size"]


def figure_width(own: float) -> float:
    """Width of a figure in inches. own: as it is drawn for a paper."""
    look = LOOK.get()
    return look.width or own * look.narrower


def method(label: str, labels=()) -> dict:
    """Colour, marker and z-order of a method. Methods outside the paper take turns, in the order of `labels`.

    The second of two compared runs has a line style `ls` too.
    """
    side = next((side for side in SIDES if label.endswith(side)), None)
    if side:
        look = method(label.removesuffix(side), list(dict.fromkeys(name.removesuffix(side) for name in labels)))
        return look | ({"ls": (0, (4, 1.5))} if side == SIDES[1] else {})
    if label in METHODS:
        return METHODS[label]
    unknown = [name for name in labels if name not in METHODS]
    looks = dict(zip(unknown, itertools.cycle(OTHERS), strict=False))
    return looks.get(label, OTHERS[0])


def own_width(columns: int) -> float:
    """Width in inches of a figure of a paper: a text width for two or three columns."""
    return TEXT_WIDTH * max(columns / 3, 1) if columns > 1 else SINGLE_WIDTH


def side_by_side(columns: int, least: float = LEAST_AXES) -> int:
    """How many axes stand beside each other, of so many: all in a paper. least: their width in a narrower figure."""
    width, own = figure_width(own_width(columns)), own_width(columns)
    return columns if width >= own else min(columns, max(int(width / least), 1))


def subplots(columns: int, rows: int = 1, height: float | None = None, least: float = LEAST_AXES, **kwargs):
    """Create a figure at printed size. Returns it and axes (rows, columns).

    Where a row of axes, each `least` inches wide, is wider than the figure, it is broken into lines. height: of the
    figure without such a break.
    """
    width, across = figure_width(own_width(columns)), side_by_side(columns, least)
    lines, tallest = -(-columns // across), {1: 3.1, 2: 2.4}.get(columns, 2.15)
    wider = min(max(width / across / (own_width(columns) / columns), 0.8), 1.3)
    height = lines * (height or tallest * wider * (1 if rows == 1 else 0.7 * rows))
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)
    cells = figure.subplots(lines * rows, across, squeeze=False, **kwargs).reshape(rows, lines * across)
    for ax in cells[:, columns:].flat:
        ax.remove()
    return figure, cells[:, :columns]


def set_text_width(figure) -> None:
    """Make a table as wide as a page's text, or wider if that is asked for: its own text needs the room."""
    figure.set_figwidth(max(figure_width(TEXT_WIDTH), TEXT_WIDTH))


def middle(axes):
    """The axes of a row that its title stands above: the second, or the first where they stand below each other."""
    return axes[0] if is_left(axes[1]) else axes[1]


def is_left(ax) -> bool:
    """Whether axes have none to the left, so that they need labels of y."""
    return ax.get_subplotspec().is_first_col()


def title(ax, heading: str, below: str = "", align: str = "center", room: int = 40) -> None:
    """Write a heading over axes, and `below` in smaller lines beneath it, of `room` characters each."""
    parts = [below] if len(below) <= room else below.split("; ")
    lines = [line for part in parts for line in textwrap.wrap(part, room, break_on_hyphens=False)]
    ax.set_title(heading, pad=3 + (small() + 2.5) * bool(lines) + (small() + 1.2) * max(len(lines) - 1, 0), loc=align)
    if lines:
        where = {"left": 0.0, "center": 0.5}[align]
        text = {"ha": align, "fontsize": small(), "linespacing": 1.05}
        ax.annotate("\n".join(lines), (where, 1), (0, 3), "axes fraction", textcoords="offset points", **text)


def room(figure, columns: int) -> int:
    return int(0.93 * figure.get_figwidth() / columns * 72 / (0.55 * small()))


def legend(figure, axes, names: dict = LEGEND, last: str = "", above: str = "") -> None:
    """Draw one legend above all axes. names: label → text in it. last: label that comes last. above: text over it."""
    handles = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if last in handles:
        handles[last] = handles.pop(last)
    if not handles:
        return
    texts = [names.get(label, label) for label in handles]
    above = "\n".join(textwrap.wrap(above, room(figure, 1), break_on_hyphens=False))
    line, beside = (3.2, 0.5) if any(label.endswith(SIDES) for label in handles) else (1.8, 0.36)  # shows its dashes
    columns = legend_columns([beside + 0.047 * len(text) for text in texts], figure.get_figwidth())
    where = {"loc": "outside upper center", "ncols": columns, "columnspacing": 1.2}
    where |= {"title": above, "title_fontsize": small()} if above else {}
    figure.legend(list(handles.values()), texts, **where, handlelength=line)


def legend_columns(widths: list[float], inches: float) -> int:
    """Columns of a legend: its entries in as few lines as they need, and fewer columns where one entry is wider."""
    columns = -(-len(widths) // int(-(-sum(widths) // inches)))
    while columns > 1:
        lines = -(-len(widths) // columns)  # filled column by column
        if sum(max(widths[first : first + lines]) for first in range(0, len(widths), lines)) <= inches:
            break
        columns -= 1
    return columns


def note(ax, text: str, xy=(0.03, 0.03), ha: str = "left") -> None:
    """Write a remark at the foot of a panel; a falling curve leaves room at the lower left."""
    if text:
        grey = {"style": "italic", "color": "#444444"}
        ax.annotate(text, xy, xycoords="axes fraction", fontsize=small(), ha=ha, va="bottom", **grey)


def tag(ax, xy, text: str, color: str) -> None:
    """Write a λ beside its point, with a thin white edge so that a bar beneath does not strike it through."""
    halo = [Stroke(linewidth=1.3, foreground="white"), Normal()]
    ax.text(*xy, text, color=color, fontsize=small(), ha="center", va="center_baseline", zorder=6, path_effects=halo)


def empty(ax, text: str = "no network has finished") -> None:
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=small())
    ax.set(xticks=[], yticks=[])


def single_seeds(ax, points, x: str, y: str, look: dict) -> None:
    """Draw faint points, if they are of several seeds. points: frame with seed and the columns x and y."""
    if points.seed.nunique() > 1:
        shape = {"marker": look["marker"], "ms": 2, "mew": 0, "color": look["color"], "alpha": 0.35}
        ax.plot(points[x], points[y], ls="", zorder=2, label="_seeds", **shape)


def bridge(ax, curve, x: str, y: str, look: dict) -> None:
    """Draw dots over the gaps of a line at λ without finished networks. curve: frame with the columns x and y."""
    finished = curve.dropna(subset=y)
    if 0 < len(finished) < len(curve):
        ax.plot(finished[x], finished[y], ls=":", lw=0.9, color=look["color"], zorder=look["zorder"], label="_bridge")


def hollow(ax, rows, x: str, y: str, look: dict, **kwargs) -> None:
    """Draw hollow markers over points with fewer networks than planned. rows: frame with seeds, planned, x and y."""
    few = rows[rows.seeds < rows.planned]
    if len(few):
        shape = {"marker": look["marker"], "mec": look["color"], "mfc": "white", "mew": 0.9}
        shape |= {"ls": "", "zorder": look["zorder"] + 0.5, "label": "_hollow"}
        ax.plot(few[x], few[y], **(shape | kwargs))


def links(ax, x, y, keys, z: float = 9) -> None:
    """Draw invisible targets over points; in an SVG each links to its network's row on the page."""
    keys = list(keys)
    if keys:
        ax.scatter(x, y, s=16, alpha=0, lw=0, zorder=z, urls=[f"index.html#{key}" for key in keys], label="_links")


def space_evenly(ax, lambdas: list[float]) -> None:
    """Mark λ at 0, 1, 2, … on the x axis."""
    ax.set_xticks(range(len(lambdas)), [f"{lam:g}" for lam in lambdas])
    ax.set_xlim(-0.4, len(lambdas) - 0.6)


def name_lines(axes, ys, names: list[str], ylim: tuple[float, float]) -> None:
    """Name the lines at heights `ys` of a row of axes, left of the leftmost axes only."""
    for ax in axes:
        ax.set_ylim(ylim)
        ax.set_yticks(ys, names if is_left(ax) else [""] * len(names))
        ax.grid(axis="y", visible=False)


def nothing_drawn(axes, missing_text: str) -> None:
    """Say in a row of axes that no network has finished."""
    for ax in axes:
        empty(ax)
    note(axes[0], missing_text)
