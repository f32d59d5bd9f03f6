"""Figure 10: Jacobian saliency maps on SVHN."""

from reports.figures import saliency

TITLE = "Figure 10. Jacobian saliency maps (the paper: SVHN)"
CLAIM, KEEP = saliency.CLAIM, saliency.KEEP
draw, caption, summary = saliency.draw, saliency.caption, saliency.summary
table, curves = saliency.table, saliency.curves
