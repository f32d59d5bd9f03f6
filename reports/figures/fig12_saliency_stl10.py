"""Figure 12: Jacobian saliency maps on STL-10."""

from reports.figures import saliency

TITLE = "Figure 12. Jacobian saliency maps (the paper: STL-10)"
CLAIM, KEEP = saliency.CLAIM, saliency.KEEP
draw, caption, summary = saliency.draw, saliency.caption, saliency.summary
table, curves = saliency.table, saliency.curves
