"""Figure 11: Jacobian saliency maps on CIFAR-10."""

from reports.figures import saliency

TITLE = "Figure 11. Jacobian saliency maps (the paper: CIFAR-10)"
CLAIM, KEEP = saliency.CLAIM, saliency.KEEP
draw, caption, summary = saliency.draw, saliency.caption, saliency.summary
table, curves = saliency.table, saliency.curves
