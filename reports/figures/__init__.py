"""Every figure by name, in the paper's order; `modern`, which is not the paper's, beside Figure 7. A new one is a
module and a line in FIGURES.

A figure module has TITLE and CLAIM (what the paper says of it), KEEP (the measured rows it wants, column → values;
those of another probe than accuracy with "probe": [...]), and three functions of a results.View: draw → matplotlib
Figure, caption → str, and for the page summary → [{"heading", "below", "rows"}]. It may have two more: table →
DataFrame, its CSV, and curves → the page's tables by λ; without them it is taken to draw SA and RA.
"""

from reports.figures import appc_continuous_lambda as appc
from reports.figures import cost_of_forward_pass as cost
from reports.figures import fig2_bn_statistics as fig2
from reports.figures import fig4_tradeoff as fig4
from reports.figures import fig5_unseen_lambda as fig5
from reports.figures import fig6_widths as fig6
from reports.figures import fig7_other_attacks as fig7
from reports.figures import fig8_by_lambda as fig8
from reports.figures import fig9_widths_by_lambda as fig9
from reports.figures import fig10_saliency_svhn as fig10
from reports.figures import fig11_saliency_cifar10 as fig11
from reports.figures import fig12_saliency_stl10 as fig12
from reports.figures import fig13_encodings as fig13
from reports.figures import masking_of_gradients as masking
from reports.figures import modern_attacks as modern
from reports.figures import peers_of_oat as peers
from reports.figures import precision_bf16 as precision
from reports.figures import protocol_ledger as protocol
from reports.figures import transfer_across_lambda as transfer

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
