"""What each row of the protocol ledger is worth: a forest plot, a row per changed ledger row, SA left and RA right."""

import pandas as pd
from matplotlib.lines import Line2D

from reports.load import formatting
from reports.load.results import View
from reports.plots import captions, facets, style
from reports.plots.facets import Cell
from reports.statistics import estimates, protocol_ablation

TITLE = "The protocol ledger: what each choice is worth"
CLAIM = (
    "It leaves these choices open, or its authors' code makes them otherwise than its text (docs/protocol.md), and it "
    "has no figure of what they are worth. Here each network has one of them changed."
)
KEEP = {"attack": ["pgd7"], "width": [1.0]}
METRICS = {"sa": "SA", "ra": "RA"}
MEAN = {"marker": "s", "color": "#000000", "ms": 4}
MARKS = {
    "mean over S1": MEAN,
    "mean over λ": MEAN,
    "mean over unseen λ": {"marker": "D", "color": "#009E73", "ms": 3.6},
    "λ = 0": {"marker": "v", "color": "#0072B2", "ms": 3.6},
    "λ = 1": {"marker": "^", "color": "#D55E00", "ms": 3.6},
}
STEP = 0.24  # between the marks of a ledger row, whose rows stand 1 apart


def draw(view: View):
    places = facets.of_panels(view)
    found = [protocol_ablation.comparisons(cell.panel) for cell in places]
    counts = [max(table.row.nunique(), 1) for table in found]
    figure, axes = style.panels(
        columns=2,
        rows=len(places),
        height=0.36 * sum(counts) + 0.75 * len(places) + 0.35,
        sharey="row",
        height_ratios=[count + 1 for count in counts],
    )
    for pair, cell, table in zip(axes, places, found, strict=True):
        style.title(pair[0], cell.heading, cell.below, "left", room=60)
        style.note(pair[1], cell.note, xy=(1, 1.01), ha="right")
        for ax, metric in zip(pair, METRICS, strict=True):
            draw_axes(ax, table[table.metric == metric])
            ax.set_xlabel(f"Δ{METRICS[metric]} to the baseline (pp)")
    shown = [place for place in MARKS if any((table.place == place).any() for table in found)]
    handles = [Line2D([], [], ls="", **MARKS[place]) for place in shown]
    if shown:
        figure.legend(handles, shown, loc="outside upper center", ncols=len(shown), handletextpad=0.3)
    return figure


def draw_axes(ax, table: pd.DataFrame) -> None:
    """A ledger row per line, downwards in the ledger's order. table: the comparisons of one metric."""
    if not len(table):
        return style.empty(ax, "no ledger row is planned")
    names = list(dict.fromkeys(table.row))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), [ytick(table[table.row == name].iloc[0]) for name in names], fontsize=6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.axvline(0, color="#555555", lw=0.7, zorder=1)
    low, high = limits(table)
    near = linear_to(table)
    if near:
        ax.set_xscale("symlog", linthresh=near, linscale=2)
        ticks = [sign * size for size in (near / 2, near, 5 * near, 25 * near) for sign in (-1, 1)]
        ax.set_xticks(sorted({t for t in [0, *ticks] if low <= t <= high}), minor=False)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
    ax.set_xlim(low, high)
    for line, name in enumerate(names):
        if line % 2:
            ax.axhspan(line - 0.5, line + 0.5, color="#f5f5f5", lw=0, zorder=0)
        own = table[table.row == name]
        for turn, one in enumerate(own.itertuples()):
            draw_mark(ax, one, line + STEP * (turn - (len(own) - 1) / 2))


def draw_mark(ax, one, y: float) -> None:
    """A difference with its interval: filled where the interval excludes 0, with a star where Holm agrees."""
    if pd.isna(one.difference):
        ax.text(0, y, " not finished ", fontsize=style.SMALL, color="#666666", style="italic", va="center")
        return
    look = MARKS[one.place]
    face = look["color"] if one.p < 0.05 else "white"
    ax.plot([one.low, one.high], [y, y], color=look["color"], lw=0.9, alpha=0.75, zorder=3, label="_bar")
    ax.plot(one.difference, y, ls="", **look, mfc=face, mec=look["color"], mew=0.8, zorder=4, label=f"_{one.place}")
    style.leads(ax, [one.difference], [y], one.keys[:1])
    if one.p_holm < 0.05:
        beyond = min(one.high, ax.get_xlim()[1])
        ax.annotate("*", (beyond, y), (1.5, -1.5), textcoords="offset points", va="center", fontsize=7)


def ytick(row) -> str:
    """The row's label, and below it the baseline where it is not the default."""
    return row.row if row.baseline in (protocol_ablation.DEFAULT, None) else f"{row.row}\n(against {row.baseline})"


def limits(table: pd.DataFrame) -> tuple[float, float]:
    """x limits: 0 and all differences, and of the bars what costs at most half as much again on either side."""
    known = table.dropna(subset="difference")
    low, high = min([0.0, *known.difference]), max([0.0, *known.difference])
    if not len(known):
        return -1.0, 1.0
    room = max(high - low, 1.0) / 2
    low, high = max(min([low, *known.low]), low - room), min(max([high, *known.high]), high + room)
    return low - 0.06 * (high - low + 0.1), high + 0.06 * (high - low + 0.1)


def caption(view: View) -> str:
    places = facets.of_panels(view)
    table = pd.concat([protocol_ablation.comparisons(cell.panel) for cell in places])
    known = table.dropna(subset="difference")
    parts = [
        "Networks with one thing changed minus their baseline at equal λ, in percentage points: right of 0 is more "
        "accurate. The baseline is the default unless it is named.",
        bars(known),
        scale_text(places),
        multiplicity(known),
        captions.setting(view),
        f"{captions.missing(view)}; the rows rest on the seeds there are." if captions.missing(view) else "",
        captions.left_out(view),
        *(attacked_otherwise(cell, view) for cell in places),
    ]
    return " ".join(part for part in parts if part)


def bars(known: pd.DataFrame) -> str:
    """What the intervals are, of the kinds that there are."""
    images = "which speaks of the choice of test images and not of training randomness"
    texts = {
        "t over": "Student's t over seeds, of a difference taken within each seed",
        estimates.PAIRED: f"of one seed, over the test images, both networks on each, {images}",
        estimates.IMAGES: f"of one seed, from the counts, {images}, and errs towards wide",
        estimates.EXACT: "none where a row leaves training alone and no seed's counts differ",
    }
    kinds = {"t over" if kind.startswith("t over") else kind for kind in known.kind}
    there = [text for kind, text in texts.items() if kind in kinds]
    return f"Bars: 95 % intervals, {'; '.join(there)}. Long bars are cut at the frame." if there else ""


def linear_to(table: pd.DataFrame) -> int | None:
    """How far from 0, in pp, an axis is linear and then logarithmic; None where it is linear throughout. A row that
    ruins the network would press all others onto 0, so the middle belongs to what most intervals reach."""
    known = table.dropna(subset="difference")
    if not len(known):
        return None
    reach = known[["low", "high"]].abs().max(axis=1)
    near = next(size for size in (2, 5, 10, 20, 50, 100) if size >= min(2 * reach.median(), 100))
    return near if known.difference.abs().max() > 2 * near else None


def scale_text(places: list[Cell]) -> str:
    """Which axes are not linear throughout."""
    table = pd.concat([protocol_ablation.comparisons(cell.panel) for cell in places])
    near = {METRICS[metric]: linear_to(table[table.metric == metric]) for metric in METRICS}
    said = [f"Δ{name} beyond ±{size} pp" for name, size in near.items() if size]
    return f"Logarithmic: {formatting.listing(said)}." if said else ""


def multiplicity(known: pd.DataFrame) -> str:
    if not len(known):
        return ""
    return (
        f"Filled: the interval excludes 0. Of {formatting.counted(len(known), 'comparison')}, about "
        f"{0.05 * len(known):.0f} would by chance alone if no row mattered; {int((known.p < 0.05).sum())} do. "
        f"Star: also after Holm's correction for all of them ({int((known.p_holm < 0.05).sum())})."
    )


def attacked_otherwise(cell: Cell, view: View) -> str:
    names = [
        row["row"]
        for row in protocol_ablation.rows(cell.panel.trials)
        if protocol_ablation.other_attack(cell.panel, row, view.runs, *KEEP["attack"])
    ]
    if not names:
        return ""
    return f"RA is measured with another step or ε than the baseline's for {formatting.listing(names)}."


def summary(view: View) -> list[dict]:
    """A row per ledger row and place: the differences as text, and whether their intervals exclude 0."""
    found = []
    for cell in facets.of_panels(view):
        table = protocol_ablation.comparisons(cell.panel)
        rows = [text_row(own) for _, own in table.groupby(["row", "place"], sort=False)]
        number = formatting.counted(int(table.p.notna().sum()), "comparison")
        found.append({"heading": f"{cell.heading}: {number}", "below": cell.below, "rows": rows})
    return found


def text_row(own: pd.DataFrame) -> dict:
    """own: the comparisons of one ledger row at one place, one per metric."""
    first = own.iloc[0]
    row = {"Ledger row": first.row, "Baseline": first.baseline or "–", "at": first.place}
    if first.place == "mean over λ":
        row["at"] = f"mean over λ = {formatting.listing(f'{lam:g}' for lam in first.lambdas)}"
    for metric, name in METRICS.items():
        one = own[own.metric == metric].iloc[0]
        known = pd.notna(one.difference)
        row[f"Δ{name}, pp"] = f"{one.difference:+.1f} [{one.low:+.1f}, {one.high:+.1f}]" if known else "not finished"
        row[f"{name}: excludes 0"] = protocol_ablation.verdict(one.p, one.p_holm)
    return row | {"Interval": " / ".join(dict.fromkeys(own.kind.dropna())) or "–"}


def curves(view: View) -> list[dict]:
    return facets.tables(facets.of_panels(view))


def table(view: View) -> pd.DataFrame:
    """The CSV: every difference drawn, and the values per seed that it comes from, SA and RA in percent."""
    parts = []
    for cell in facets.of_panels(view):
        one = protocol_ablation.comparisons(cell.panel)
        parts.append(one.assign(dataset=cell.panel.dataset, scale=view.scale))
    found = pd.concat(parts, ignore_index=True).rename(columns={"kind": "interval", "other_values": "baseline_values"})
    for column in ("lambdas", "values", "baseline_values"):
        found[column] = [
            " ".join(f"{value:.6g}" for value in values) if isinstance(values, list) else "" for values in found[column]
        ]
    found["keys"] = [" ".join(keys) if isinstance(keys, list) else "" for keys in found["keys"]]
    found["changed"] = [" ".join(sorted(changed)) for changed in found.changed]
    columns = ["dataset", "scale", "row", "baseline", "changed", "place", "lambdas", "metric", "difference", "low"]
    columns += ["high", "interval", "p", "p_holm", "values", "baseline_values", "keys"]
    return found[columns].round({"difference": 4, "low": 4, "high": 4, "p": 6, "p_holm": 6})
