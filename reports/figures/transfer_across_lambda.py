"""Attacks that know that the network is conditional: RA at λ of examples crafted at λ′ (bench/measures/transfer.py)."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle
from scipy.special import bdtrc

from reports.load import formatting
from reports.load.results import Panel, View
from reports.plots import style
from reports.statistics import intervals

TITLE = "Transfer. Examples crafted at another λ, and through the other BN"
CLAIM = (
    "No such test: its attacker takes the λ that the defender has set (Sec. 4.1). One who may choose another λ′, or "
    "the other branch of dual BN, asks whether the dial itself is a hole."
)
KEEP = {"probe": ["transfer"], "width": [1.0]}
COLUMNS = ["method", "dataset", "scale", "seed", "lambda", "crafted_at", "attack", "ra", "n", "key"]
EXTRA = {"worst": "any\nλ′", "same_tries": "λ,\n{n} ×", "other_branch": "other\nBN"}  # columns beside the matrix
GAP = 0.35  # of a cell, between the matrix and these


def methods(panel: Panel) -> list[str]:
    return list(dict.fromkeys(row["label"] for row in panel.probes))


def matrix(panel: Panel, label: str) -> tuple[list[float], dict[str, np.ndarray]]:
    """λ of the grid, and RA in percent, means over seeds: `crafted` (λ, λ′), and of EXTRA (λ,), NaN where it is not."""
    rows = [row for row in panel.probes if row["label"] == label]
    grid = sorted({row["lam"] for row in rows})
    found = {"crafted": np.full((len(grid), len(grid)), np.nan)}
    found |= {name: np.full(len(grid), np.nan) for name in EXTRA}
    for i, lam in enumerate(grid):
        own = [row for row in rows if row["lam"] == lam]
        for j, other in enumerate(grid):
            ra = [100 * dict(zip(r["crafted_at"], r["robust"], strict=True)).get(other, np.nan) / r["n"] for r in own]
            found["crafted"][i, j] = np.mean(ra)
        for name in EXTRA:
            ra = [np.nan if row[name] is None else 100 * row[name] / row["n"] for row in own]
            found[name][i] = np.mean(ra)
    return grid, found


def draw(view: View):
    most = max(len(methods(panel)) or 1 for panel in view.panels)
    figure, axes = style.panels(most, len(view.panels), height=2.9 * len(view.panels))
    for row, panel in zip(axes, view.panels, strict=True):
        drawn = methods(panel)
        for ax in row[max(len(drawn), 1) :]:
            ax.set_axis_off()
        if not drawn:
            style.title(row[0], panel.title, panel.subtitle)
            style.empty(row[0])
            continue
        found = [matrix(panel, label) for label in drawn]
        values = np.concatenate([part.ravel() for _, parts in found for part in parts.values()])
        for ax, label, (grid, parts) in zip(row, drawn, found, strict=False):
            below = [panel.title, panel.subtitle, panel.missing_text]
            style.title(ax, label, "; ".join(part for part in below if part), room=48)
            draw_matrix(ax, grid, parts, (np.nanmin(values), np.nanmax(values)))
    return figure


def draw_matrix(ax, grid: list[float], parts: dict[str, np.ndarray], span: tuple[float, float]) -> None:
    """A row per λ at which the network is asked; the columns are the attacker's ways. Outlined: the paper's."""
    count, inks = len(grid), matplotlib.colormaps["cividis"]
    columns = [(j, f"{lam:g}", parts["crafted"][:, j]) for j, lam in enumerate(grid)]
    extra = {name: text for name, text in EXTRA.items() if not np.isnan(parts[name]).all()}
    columns += [(count + GAP + k, text, parts[name]) for k, (name, text) in enumerate(extra.items())]
    low, high = span[0], max(span[1], span[0] + 1)
    for x, _, values in columns:
        for y, value in enumerate(values):
            if np.isnan(value):
                continue
            shade = (value - low) / (high - low)
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=inks(shade), edgecolor="white", lw=0.6))
            ink = "black" if shade > 0.55 else "white"
            ax.text(x, y, f"{value:.1f}", ha="center", va="center_baseline", fontsize=style.SMALL, color=ink)
    for j in range(count):
        ax.add_patch(Rectangle((j - 0.5, j - 0.5), 1, 1, fill=False, edgecolor="#D55E00", lw=1.4, zorder=5))
    ax.set(xlim=(-0.6, columns[-1][0] + 0.6), ylim=(count - 0.4, -0.6), ylabel="asked at λ")
    ax.set_xlabel("crafted at λ′", x=(count / 2) / (columns[-1][0] + 1.2))
    ax.set_yticks(range(count), [f"{lam:g}" for lam in grid])
    ax.set_xticks([x for x, *_ in columns], [text.format(n=count) for _, text, _ in columns])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)


def summary(view: View) -> list[dict]:
    tables = []
    for panel in view.panels:
        rows = [line(panel, label, lam) for label in methods(panel) for lam in matrix(panel, label)[0]]
        tables.append({"heading": panel.title, "below": panel.subtitle, "rows": rows})
    return tables


def line(panel: Panel, label: str, lam: float) -> dict:
    rows = [row for row in panel.probes if (row["label"], row["lam"]) == (label, lam)]
    grid, parts = matrix(panel, label)
    at = grid.index(lam)
    own, others = parts["crafted"][at, at], np.delete(parts["crafted"][at], at)
    elsewhere = (
        "–" if not len(others) else f"{np.nanmin(others):.1f} (λ′ = {np.delete(grid, at)[np.nanargmin(others)]:g})"
    )
    by_lambda, by_starts = (sum(row[name] for row in rows) for name in ("only_lambda", "only_starts"))
    branch = parts["other_branch"][at]
    return {
        "Method": label,
        "λ": f"{lam:g}",
        "RA, crafted at λ": f"{own:.1f}",
        "at the worst other λ′": elsewhere,
        "withstand every λ′": f"{parts['worst'][at]:.1f}",
        "withstand as many starts at λ": f"{parts['same_tries'][at]:.1f}",
        "the latter − the former": interval(rows),
        "fooled by some λ′ alone : by starts alone": f"{by_lambda} : {by_starts}",
        "p": f"{sign_test(by_lambda, by_starts):.2g}",
        "through the other BN": "–" if np.isnan(branch) else f"{branch:.1f}",
    }


def sign_test(lost: int, won: int) -> float:
    """One-sided exact McNemar test: that choosing λ′ fools more images than starting as often at λ."""
    return float(bdtrc(lost - 1, lost + won, 0.5))


def interval(rows: list[dict]) -> str:
    """What choosing λ′ costs against as many tries at λ, percentage points: over seeds a t interval."""
    lost = [100 * (row["same_tries"] - row["worst"]) / row["n"] for row in rows]
    if len(lost) < 2:
        return f"{lost[0]:+.1f}".replace("-", "−")
    mean, low, high = intervals.t_interval(lost)
    return f"{mean:+.1f}\u00a0[{low:+.1f},\u00a0{high:+.1f}]".replace("-", "−")


def caption(view: View) -> str:
    probes = view.probes
    if not probes:
        return f"Scale {view.scale}; no network has finished. {view.missing_text}."
    attack = formatting.listing(sorted({formatting.attack(row["attack"]) for row in probes}))
    images = formatting.listing(f"{n:,}" for n in sorted({row["n"] for row in probes}))
    seeds = len({row["seed"] for row in probes})
    parts = [
        f"RA in percent{', mean over seeds' if seeds > 1 else ''}: the network at λ (rows) on examples crafted at λ′ "
        f"(columns) by {attack}; outlined: λ′ = λ, as the paper attacks.",
        "Any λ′: images that withstand all of the row. Beside it: that withstand as many random starts at λ alone, "
        "what so many tries find by themselves. A dial that is a hole shows as the former below the latter.",
        "Other BN: crafted at λ with BN_c and BN_a exchanged." if any(row["other_branch"] is not None for row in probes)
        else "",
        f"ε = {formatting.listing(sorted({formatting.epsilon(row['epsilon']) for row in probes}))}, "
        f"{images} test images; scale {view.scale}.",
        "p: exact one-sided sign test on the images fooled in one way alone, summed over seeds.",
        f"{view.missing_text}." if view.missing_text else "",
    ]  # fmt: skip
    return " ".join(part for part in parts if part)


def table(view: View) -> pd.DataFrame:
    """RA of every network at every λ and of every way of attacking it: `crafted_at` is λ′, or a name of EXTRA."""
    found = []
    for row in view.probes:
        head = [row["label"], row["dataset"], row["scale"], row["seed"], row["lam"]]
        ways = {f"{lam:g}": count for lam, count in zip(row["crafted_at"], row["robust"], strict=True)}
        ways |= {name: row[name] for name in (*EXTRA, "worst_with_branch") if row[name] is not None}
        tail = [row["n"], row["key"]]
        found += [[*head, way, row["attack"], round(100 * k / row["n"], 4), *tail] for way, k in ways.items()]
    return pd.DataFrame(found, columns=COLUMNS).drop_duplicates().sort_values(COLUMNS, ignore_index=True)


def curves(view: View) -> list[dict]:
    """No curves: the page shows the summary alone."""
    return []
