"""Section 4.3: what a forward pass costs with FiLM and without, by width. Counted, and timed on the machine at hand."""

import numpy as np
import pandas as pd

from reports.load import formatting
from reports.load.results import Panel, View
from reports.plots import style

TITLE = "Section 4.3. Cost of a forward pass"
CLAIM = (
    "OATS (1.18 GFLOPs) costs only 1.7 % more than PGD-ATS (1.16 GFLOPs) on ResNet-34, through FiLM and its MLPs "
    "(Sec. 4.3, footnote 1). The numbers are multiply–accumulates; that the network's parameters grow by 57 % with "
    "them, the paper does not say."
)
KEEP = {"probe": ["cost"]}
COLUMNS = ["method", "dataset", "scale", "seed", "width", "macs", "film_macs", "parameters", "milliseconds", "batch"]
COLUMNS += ["threads", "device", "key"]
BASELINES = {"OAT": "PGD-AT", "OATS": "PGD-ATS"}  # by the first word of a method's label
ORDER = ["PGD-AT", "OAT", "PGD-ATS", "OATS"]
PAPER = {"PGD-ATS": 1.16e9, "OATS (dual BN)": 1.18e9}  # at width 1; ResNet-34 on CIFAR-10
QUANTITIES = {"macs": "MACs per image", "parameters": "parameters", "milliseconds": "ms per batch"}


def baseline(label: str) -> str | None:
    return BASELINES.get(label.split()[0])


def costs(panel: Panel) -> pd.DataFrame:
    """A row per method and width, widest first within a method: label, width, networks, batch, key, macs, film_macs,
    parameters, milliseconds: medians over networks, which agree but for the time; and its least and greatest.

    Overheads against the baseline of the same width as ratios: macs_over, parameters_over, milliseconds_over; NaN where
    there is none.
    """
    rows = pd.DataFrame(panel.probes, columns=["label", *COLUMNS[1:]])
    found = []
    for (label, width), own in rows.groupby(["label", "width"]):
        row = {"label": label, "width": width, "networks": len(own), "batch": own.batch.iloc[0]}
        row["key"] = own.key.iloc[0]  # of the networks, which agree but for the time
        row |= own[["macs", "film_macs", "parameters", "milliseconds"]].median().to_dict()
        found.append(row | {"least": own.milliseconds.min(), "greatest": own.milliseconds.max()})
    columns = ["label", "width", "networks", "batch", "key", "macs", "film_macs", "parameters", "milliseconds"]
    table = pd.DataFrame(found, columns=[*columns, "least", "greatest"])
    known = table.set_index(["label", "width"])
    for name in QUANTITIES:
        pairs = [(baseline(row.label), row.width) for row in table.itertuples()]
        base = [known.loc[pair, name] if pair in known.index else np.nan for pair in pairs]
        table[f"{name}_over"] = table[name] / np.array(base, float)
    return table.sort_values(["label", "width"], ascending=[True, False], key=rank, ignore_index=True)


def rank(values: pd.Series) -> pd.Series:
    """Labels in ORDER, then by name; widths as they are."""
    if values.name != "label":
        return values
    places = {label: (order_of(label), label) for label in values}
    return values.map({label: place for place, label in enumerate(sorted(places, key=places.get))})


def order_of(label: str) -> int:
    first = label.split()[0]
    return ORDER.index(first) if first in ORDER else len(ORDER)


def applies(panel: Panel, scale: str) -> bool:
    """Whether the paper's numbers are of this network: ResNet-34, nothing changed, at full size."""
    same = panel.arch == "resnet34" and panel.dataset.startswith("cifar10")
    return same and scale in ("paper", "short") and not panel.overrides


def unit(largest: float) -> tuple[float, str]:
    """1e9, G for what is at least a tenth of that; else 1e6, M."""
    return (1e9, "G") if largest >= 1e8 else (1e6, "M")


def draw(view: View):
    lines = [max(len(costs(panel)), 3) for panel in view.panels]
    figure, axes = style.panels(len(QUANTITIES), len(view.panels), height=0.75 + 0.19 * sum(lines))
    for row, panel in zip(axes, view.panels, strict=True):
        draw_panel(row, panel, view.scale)
    return figure


def draw_panel(axes, panel: Panel, scale: str) -> None:
    table = costs(panel)
    style.title(axes[1], panel.title, panel.subtitle)
    if not len(table):
        for ax in axes:
            style.empty(ax)
        return style.note(axes[0], panel.missing_text)
    labels = list(table.label.unique())
    ys = positions(table)
    for ax, name in zip(axes, QUANTITIES, strict=True):
        scaling, text = unit(table[name].max()) if name != "milliseconds" else (1.0, "")
        for label in labels:
            own = (table.label == label).to_numpy()
            look = style.method(label, labels)
            values = table[name][own] / scaling
            ax.hlines(ys[own], 0, values, color=look["color"], lw=0.8, alpha=0.5)
            ax.plot(values, ys[own], ls="", marker=look["marker"], color=look["color"], mec="white", mew=0.4, ms=5)
            style.leads(ax, values, ys[own], table.key[own])
            if name == "milliseconds":
                ax.hlines(ys[own], table.least[own], table.greatest[own], color=look["color"], lw=1.6)
        write_overheads(ax, table, name, scaling, ys)
        if name == "macs" and applies(panel, scale):
            draw_paper(ax, table, ys, scaling)
        ax.set(xlabel=f"{QUANTITIES[name]}{f' ({text})' if text else ''}", ylim=(ys.max() + 0.7, ys.min() - 0.7))
        ax.set_xlim(0, 1.35 * ends(table, name).max() / scaling)
        ax.set_yticks(ys, [""] * len(ys))
        ax.grid(axis="y", visible=False)
    several = table.groupby("label").width.transform("size") > 1
    names = zip(table.label, table.width, several, strict=True)
    axes[0].set_yticks(ys, [f"{label}, {width:g}×" if more else label for label, width, more in names])
    style.note(axes[2], panel.missing_text, xy=(1, 1.02), ha="right")


def positions(table: pd.DataFrame) -> np.ndarray:
    """A line per row, and half a line between methods."""
    new = (table.label != table.label.shift()).cumsum() - 1
    return np.arange(len(table)) + 0.5 * new.to_numpy()


def write_overheads(ax, table: pd.DataFrame, name: str, scaling: float, ys) -> None:
    """+1.1 % beside what has a baseline."""
    for y, end, row in zip(ys, ends(table, name), table.to_dict("records"), strict=True):
        if np.isfinite(row[f"{name}_over"]):
            where = {"textcoords": "offset points", "va": "center_baseline", "fontsize": style.SMALL}
            ax.annotate(percent(row[f"{name}_over"]), (end / scaling, y), (5, 0), **where)


def ends(table: pd.DataFrame, name: str) -> pd.Series:
    """Where each line of a column ends on the right."""
    return table.greatest if name == "milliseconds" else table[name]


def draw_paper(ax, table: pd.DataFrame, ys, scaling: float) -> None:
    for y, row in zip(ys, table.itertuples(), strict=True):
        if row.label in PAPER and row.width == 1:
            ax.plot(PAPER[row.label] / scaling, y, ls="", marker="x", ms=5.5, mew=1.2, color="#009E73", zorder=7)


def percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %" if np.isfinite(ratio) else "–"


def summary(view: View) -> list[dict]:
    return [{"heading": panel.title, "below": panel.subtitle, "rows": rows(panel, view.scale)} for panel in view.panels]


def rows(panel: Panel, scale: str) -> list[dict]:
    table, found = costs(panel), []
    scaling, text = unit(table.macs.max()) if len(table) else (1e9, "G")
    for row in table.itertuples():
        span = f"\u00a0({row.least:.2f}–{row.greatest:.2f})" if row.networks > 1 else ""
        found.append(
            {
                "Method": row.label,
                "Width": f"{row.width:g}",
                f"MACs, {text}": f"{row.macs / scaling:.3f}",
                "FiLM's share of them": f"{100 * row.film_macs / row.macs:.2f} %",
                "MACs over the baseline": percent(row.macs_over),
                "Parameters, M": f"{row.parameters / 1e6:.3f}",
                "parameters over the baseline": percent(row.parameters_over),
                f"ms per batch of {row.batch:.0f}": f"{row.milliseconds:.2f}{span}",
                "ms over the baseline": percent(row.milliseconds_over),
            }
        )
    if found and applies(panel, scale):
        base, ours = (PAPER[label] for label in ("PGD-ATS", "OATS (dual BN)"))
        for label, macs in PAPER.items():
            cells = dict.fromkeys(found[0], "–")
            cells |= {"Method": f"{label} (paper)", "Width": "1", f"MACs, {text}": f"{macs / scaling:.2f}"}
            cells |= {"MACs over the baseline": percent(ours / base)} if macs == ours else {}
            found.append(cells)
    return found


def caption(view: View) -> str:
    probes = view.probes
    if not probes:
        return f"Scale {view.scale}; no network has finished. {view.missing_text}."
    batches = formatting.listing(sorted({row["batch"] for row in probes}))
    where = formatting.listing(
        sorted({f"{row['device']}, {formatting.counted(row['threads'], 'thread')}" for row in probes})
    )
    compared = any(applies(panel, view.scale) for panel in view.panels)
    parts = [
        "A line per method and width. MACs: multiply–accumulates of convolutions and linear layers for one image, the "
        "FiLM MLPs included; parameters: those of the sub-network of that width, BN included.",
        f"ms: median forward pass of a batch of {batches} in eval mode ({where}), median over networks; thick lines: "
        "from the least to the greatest.",
        "Percentages: over the baseline of the same width, PGD-AT or PGD-ATS.",
        "Crosses: the paper's 1.16 and 1.18 “GFLOPs”." if compared else "",
        f"Scale {view.scale}.",
        f"{view.missing_text}." if view.missing_text else "",
    ]
    return " ".join(part for part in parts if part)


def table(view: View) -> pd.DataFrame:
    """Every network and width."""
    found = pd.DataFrame(view.probes, columns=["label", *COLUMNS[1:]]).rename(columns={"label": "method"})
    return found.drop_duplicates().sort_values(COLUMNS, ignore_index=True)


def curves(view: View) -> list[dict]:
    """None: the summary is the table."""
    return []
