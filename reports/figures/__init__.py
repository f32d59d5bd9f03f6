"""Every figure by name. A new one is a module and a line here.

A figure module has TITLE and CLAIM (what the paper says of it), KEEP (the measured rows it wants, column → values),
and three functions of a results.View: draw → matplotlib Figure, caption → str, and for the page
summary → [{"heading", "rows"}].
"""

from reports.figures import fig4, fig8

FIGURES = {"fig4": fig4, "fig8": fig8}
