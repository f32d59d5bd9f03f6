"""Figure 7's networks under stronger attacks than the paper's: RA against λ, a column per method, a line per attack."""

import pandas as pd

from reports.load import formatting
from reports.load.results import View
from reports.plots import captions, facets, style
from reports.plots.facets import Cell
from reports.statistics import curves as lines

TITLE = "Today's attacks: robust accuracy beyond PGD-7"
CLAIM = (
    "Has no such figure: it attacks by PGD-7, PGD-20, MI-FGSM and FGSM alone. AutoAttack has since become the "
    "yardstick of robust accuracy; more steps, restarts and the margin loss are the lesser answer to the same doubt."
)
PGD7 = "pgd7"
ATTACKS = {  # in the order in which they may be expected to find more
    PGD7: {"color": "#7a7a7a", "marker": "s", "zorder": 3, "ls": (0, (4, 2))},
    "cw50-r10": {"color": "#009E73", "marker": "D", "zorder": 4, "ls": "-"},
    "pgd50-r10": {"color": "#56B4E9", "marker": "v", "zorder": 4, "ls": "-"},
    "autoattack": {"color": "#CC79A7", "marker": "o", "zorder": 5, "ls": "-"},
}
KEEP = {"attack": list(ATTACKS), "width": [1.0]}
DODGE = 0.07  # in steps of λ, so that the attacks' bars stand beside each other
PARTIAL = "adversarial-robustness-toolbox"  # has no FAB


def grid(view: View) -> list[list[Cell]]:
    """A row per data set and a cell per attack."""
    return facets.split(view, "attack", {attack: formatting.attack(attack) for attack in ATTACKS})


def methods(row: list[Cell]) -> list[str]:
    return lines.method_order(row[0].panel.trials.label.unique())


def of(cell: Cell, method: str) -> pd.DataFrame:
    """A method's row per λ under a cell's attack, λ rising."""
    table = lines.curves(cell.panel)
    return table[table.label == method].sort_values("lam", ignore_index=True)


def draw(view: View):
    rows = grid(view)
    columns = max(len(methods(row)) for row in rows)
    figure, axes = style.panels(columns=columns, rows=len(rows), sharey="row")
    for places, row in zip(axes, rows, strict=True):
        for ax, method in zip(places, methods(row), strict=False):
            style.title(ax, method, row[0].below, room=style.room(figure, columns))
            draw_axes(ax, row, method)
            ax.set_xlabel("λ (evenly spaced)")
        for ax in places[len(methods(row)) :]:
            ax.set_axis_off()
        if len(pd.concat([cell.panel.points for cell in row])):
            places[0].set_ylim(limits(row))
        style.note(places[0], row[0].note, xy=(0.03, 0.93))  # a rising curve leaves room there
        places[0].set_ylabel("RA (%)")
    style.legend(figure, axes.flat)
    return figure


def limits(row: list[Cell]) -> tuple[float, float]:
    """Of RA, for all methods and attacks."""
    table = facets.all_curves(row)
    values = [ra for cell in row for ra in cell.panel.points.ra]
    return style.limits(values, [*table.ra_low.dropna(), *table.ra_high.dropna()])


def draw_axes(ax, row: list[Cell], method: str) -> None:
    if not any(len(cell.panel.points) for cell in row):
        return style.empty(ax, facets.empty_text(row[0].panel))
    tables = {attack: of(cell, method) for attack, cell in zip(ATTACKS, row, strict=True)}
    lambdas = sorted({lam for table in tables.values() for lam in table.lam})
    ax.set_xticks(range(len(lambdas)), [f"{lam:g}" for lam in lambdas])
    ax.set_xlim(-0.4, len(lambdas) - 0.6)
    for place, ((attack, table), cell) in enumerate(zip(tables.items(), row, strict=True)):
        look, known, shift = ATTACKS[attack], table.dropna(subset="ra"), DODGE * (place - (len(tables) - 1) / 2)
        seeds, x = cell.panel.points[cell.panel.points.label == method], table.lam.map(lambdas.index) + shift
        if seeds.seed.nunique() > 1:
            shape = {"ls": "", "marker": look["marker"], "ms": 2, "mew": 0, "color": look["color"], "alpha": 0.35}
            ax.plot(seeds.lam.map(lambdas.index) + shift, seeds.ra, **shape, zorder=2, label="_seeds")
        bars = [known.ra - known.ra_low, known.ra_high - known.ra]
        ax.errorbar(x[known.index], known.ra, yerr=bars, fmt="none", color=look["color"], elinewidth=0.6, alpha=0.5)
        ax.plot(x, table.ra, **look, mec="white", mew=0.4, label=formatting.attack(attack))
        few = known[known.seeds < known.planned]
        style.hollow(ax, few.assign(x=x[few.index]), "x", "ra", look)


def caption(view: View) -> str:
    places = sum(grid(view), [])
    lead = "Robust accuracy of the networks of Figure 7 under each attack, the paper's PGD-7 on the same images dashed."
    table = facets.all_curves(places)
    parts = [lead, made_by(view), captions.setting(view), captions.intervals(table), captions.gaps(view, table)]
    return " ".join(part for part in [*parts, captions.left_out(view)] if part)


def made_by(view: View) -> str:
    """Whose AutoAttack the drawn rows are."""
    if not (view.points.attack == "autoattack").any():
        return ""
    names = sorted(view.points.package.dropna().unique())
    text = f"AutoAttack (standard version) by {formatting.listing(names)}"
    fab = ", with DeepFool in FAB's place (docs/attacks.md)" if any(PARTIAL in name for name in names) else ""
    return f"{text}{fab}."


def summary(view: View) -> list[dict]:
    """RA by λ, a row per method and attack, and how far below PGD-7's it lies."""
    tables = []
    for row in grid(view):
        found = []
        for method in methods(row):
            base = of(row[0], method).set_index("lam").ra
            for cell in row:
                own = of(cell, method).set_index("lam").ra
                texts = {f"RA at λ = {lam:g}, %": text(own[lam], base.get(lam), cell is row[0]) for lam in own.index}
                found.append({"Method": method, "Attack": cell.heading} | texts)
        heading, below = row[0].panel.title, row[0].panel.subtitle
        tables.append({"heading": f"{heading}: RA, and in brackets what is lost against PGD-7", "below": below})
        tables[-1]["rows"] = same_columns(found)
    return tables


def text(ra: float, base: float | None, is_base: bool) -> str:
    if pd.isna(ra):
        return "–"
    return f"{ra:.1f}" if is_base or base is None or pd.isna(base) else f"{ra:.1f} ({ra - base:+.1f})"


def same_columns(rows: list[dict]) -> list[dict]:
    """Rows with the same columns, where methods were measured at different λ."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return [{column: row.get(column, "–") for column in columns} for row in rows]


def curves(view: View) -> list[dict]:
    return facets.tables(sum(grid(view), []))
