"""Every figure by name, in the paper's order; `modern`, which is not the paper's, beside Figure 7. A new one is a
module and a line in FIGURES.

A figure module has TITLE and CLAIM (what the paper says of it), KEEP (the measured rows it wants, column → values;
those of another probe than accuracy with "probe": [...]), and three functions of a results.View: draw → matplotlib
Figure, caption → str, and for the page summary → [{"heading", "below", "rows"}]. It may have two more: table →
DataFrame, its CSV, and curves → the page's tables by λ; without them it is taken to draw SA and RA.
"""

from reports.figures import (
    appc,
    cost,
    fig2,
    fig4,
    fig5,
    fig6,
    fig7,
    fig8,
    fig9,
    fig10,
    fig11,
    fig12,
    fig13,
    masking,
    modern,
    peers,
    precision,
    protocol,
    transfer,
)

FIGURES = {
    "fig2": fig2,
    "fig4": fig4,
    "fig5": fig5,
    "fig6": fig6,
    "fig7": fig7,
    "modern": modern,
    "fig8": fig8,
    "fig9": fig9,
    "fig10": fig10,
    "fig11": fig11,
    "fig12": fig12,
    "fig13": fig13,
    "appc": appc,
    "protocol": protocol,
    "cost": cost,
    "peers": peers,
    "precision": precision,
    "transfer": transfer,
    "masking": masking,
}
SUITES = {  # the suite that trains and measures for a figure, where it is not suites/frontiers.yaml
    "fig2": "ablations",
    "fig5": "sampling",
    "fig6": "slimming",
    "fig7": "attacks",
    "modern": "attacks",
    "fig9": "slimming",
    "fig10": "saliency",
    "fig11": "saliency",
    "fig12": "saliency",
    "fig13": "ablations",
    "appc": "sampling",  # and ablations
    "protocol": "ablations",
    "cost": "slimming",
    "peers": "extra/peers",
    "precision": "extra/precision",
    "transfer": "attacks",
}
