"""Figure `free`: one OAT training against a PGD-AT training per λ, and the time that a switch of λ takes."""

from functools import partial

import pandas as pd

from bench.human_units import format_duration
from reports.figures.figure_spec import probe_figure
from reports.load import formatting
from reports.load.panels import PANEL_COLUMNS, Panel, View
from reports.plots import adjustment_cost, captions
from reports.statistics.adjustment_cost import switch_times, trainings
from reports.statistics.curves import FRONTIER, method_order

MEASURED = ["milliseconds", "switched_milliseconds", "batch", "threads", "device", "key"]
COLUMNS = ["method", *PANEL_COLUMNS, "seed", "net_lambda", "training_macs", "training_seconds", *MEASURED]


def cost_rows(panel: Panel) -> list[dict]:
    """A row per method: its networks per seed, their training together, and the times of a batch."""
    table, times = trainings(panel), switch_times(panel)
    rows, networks = [], table.groupby(["label", "lam"], dropna=False)[["macs", "seconds"]].mean()
    labels = method_order(table.label.unique())
    totals = networks.groupby("label").sum().reindex(sorted({FRONTIER, *labels}))
    for label in labels:
        total, base, mine = totals.loc[label], totals.loc[FRONTIER], times[times.label == label]
        switch = mine.switch.median()
        rows.append(
            {
                "Method": label,
                "networks": str(len(networks.loc[[label]])),
                "training, MACs": f"{total.macs:.3g}",
                "of PGD-AT's": part_text(total.macs / base.macs),
                "training, measured": format_duration(total.seconds),
                "of PGD-AT's time": part_text(total.seconds / base.seconds),
                "ms per batch": f"{mine.milliseconds.median():.2f}",
                "ms more with a switch of λ": "–" if pd.isna(switch) else f"{switch:+.2f}",
            }
        )
    return rows


def part_text(part: float) -> str:
    return "–" if pd.isna(part) else f"{part:.2f}"


def caption(view: View) -> str:
    rows = view.probes
    batches = formatting.listing(sorted({str(row["batch"]) for row in rows}))
    machines = {f"{row['device']}, {formatting.counted(row['threads'], 'thread')}" for row in rows}
    return captions.join(
        "A segment per network: PGD-AT needs one per λ, OAT one for all. Training: multiply–accumulates, counted, and "
        "seconds, measured; means over seeds. Evaluation on held-out images is part of both.",
        f"Right: median time of a batch of {batches} at the same λ ({formatting.listing(sorted(machines))}), and in a "
        "lighter colour what setting another λ before it adds: γ and β computed and folded anew.",
        captions.scale(view),
    )


def csv_rows(view: View) -> pd.DataFrame:
    costs = pd.concat([trainings(panel) for panel in view.panels], ignore_index=True).drop_duplicates("key")
    costs = costs.rename(columns={"macs": "training_macs", "seconds": "training_seconds"})
    table = pd.DataFrame(view.probes, columns=["label", *PANEL_COLUMNS, "seed", "net_lam", *MEASURED])
    return table.merge(costs[["key", "training_macs", "training_seconds"]], on="key")


figure = partial(
    probe_figure,
    draw=adjustment_cost.draw,
    caption=caption,
    rows=cost_rows,
    csv_rows=csv_rows,
    columns=COLUMNS,
)
