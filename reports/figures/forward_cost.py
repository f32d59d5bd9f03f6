"""Figure `cost` (Sec. 4.3): a forward pass with FiLM and without, by width; MACs are counted, time is measured."""

from functools import partial

from reports.figures.figure_spec import probe_figure
from reports.load import formatting
from reports.load.panels import PANEL_COLUMNS, Panel, View
from reports.plots import captions, forward_cost
from reports.plots.forward_cost import overhead_text, si_prefix
from reports.statistics.forward_cost import PAPER_MACS, costs, is_papers_setting

COLUMNS = ["method", *PANEL_COLUMNS, "seed", "width", "macs", "film_macs", "parameters", "milliseconds", "batch"]
COLUMNS += ["threads", "device", "key"]


def cost_rows(panel: Panel) -> list[dict]:
    table, rows = costs(panel), []
    divisor, prefix = si_prefix(table.macs.max()) if len(table) else (1e9, "G")
    for row in table.itertuples():
        span = f"\u00a0({row.least:.2f}–{row.greatest:.2f})" if row.networks > 1 else ""
        rows.append(
            {
                "Method": row.label,
                "Width": f"{row.width:g}",
                f"MACs, {prefix}": f"{row.macs / divisor:.3f}",
                "FiLM's share of them": f"{100 * row.film_macs / row.macs:.2f} %",
                "MACs over the baseline": overhead_text(row.macs_over),
                "Parameters, M": f"{row.parameters / 1e6:.3f}",
                "parameters over the baseline": overhead_text(row.parameters_over),
                f"ms per batch of {row.batch:.0f}": f"{row.milliseconds:.2f}{span}",
                "ms over the baseline": overhead_text(row.milliseconds_over),
            }
        )
    if rows and is_papers_setting(panel, panel.probes[0]["scale"]):
        without_film, with_film = (PAPER_MACS[label] for label in ("PGD-ATS", "OATS (dual BN)"))
        for label, macs in PAPER_MACS.items():
            texts = dict.fromkeys(rows[0], "–")
            texts |= {"Method": f"{label} (paper)", "Width": "1", f"MACs, {prefix}": f"{macs / divisor:.2f}"}
            overhead = {"MACs over the baseline": overhead_text(with_film / without_film)}
            rows.append(texts | (overhead if macs == with_film else {}))
    return rows


def caption(view: View) -> str:
    rows = view.probes
    batches = formatting.listing(sorted({row["batch"] for row in rows}))
    machines = {f"{row['device']}, {formatting.counted(row['threads'], 'thread')}" for row in rows}
    compared = any(is_papers_setting(panel, view.scale) for panel in view.panels)
    return captions.join(
        "A line per method and width. MACs: multiply–accumulates of convolutions and linear layers for one image, the "
        "FiLM MLPs included; parameters: those of the sub-network of that width, BN included.",
        f"ms: median forward pass of a batch of {batches} in eval mode ({formatting.listing(sorted(machines))}), "
        "median over networks; thick lines: from the least to the greatest.",
        "Percentages: over the baseline of the same width, PGD-AT or PGD-ATS.",
        "Crosses: the paper's 1.16 and 1.18 “GFLOPs”." if compared else "",
        captions.scale(view),
    )


figure = partial(probe_figure, draw=forward_cost.draw, caption=caption, rows=cost_rows, columns=COLUMNS)
