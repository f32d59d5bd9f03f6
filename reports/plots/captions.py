"""Sentences that the captions of curves share, generated from the drawn data."""

import pandas as pd

from reports.load import formatting
from reports.load.panels import View
from reports.plots import paper_numbers
from reports.plots.facets import Facet, all_curves, drawn_panels
from reports.statistics.intervals import monotone_within_intervals

CUT = "Long bars are cut at the frame."


def join(*parts: str) -> str:
    """Join the sentences that are not empty."""
    return " ".join(part for part in parts if part)


def nothing_finished(view: View) -> str:
    """Caption of a figure without results."""
    return f"Scale {view.scale}; no network has finished. {view.missing_text}."


def scale(view: View) -> str:
    """Name the scale, and count the missing networks."""
    return join(f"Scale {view.scale}.", f"{view.missing_text}." if view.missing_text else "")


def setting(view: View) -> str:
    points = view.points
    if not len(points):
        return f"Scale {view.scale}; no network has finished."
    attacks = formatting.listing(formatting.attack(name) for name in sorted(points.attack.unique()))
    epsilons = formatting.listing(formatting.epsilon(value) for value in sorted(points.epsilon.unique()))
    images = formatting.listing(f"{n:,}" for n in sorted(points.n.unique()))
    return f"{attacks}, ε = {epsilons}, {images} test images; scale {view.scale}."


def of_curves(facets: list[Facet], view: View, gap: str | None = None) -> str:
    """Last sentences of every caption of curves: setting, bars, what is missing, the paper's numbers.

    gap: how the figure shows a λ without finished networks (None: by dots alone); empty if it has none.
    """
    table = all_curves(facets)
    if gap is None:
        finished = table.groupby(["facet", "label"]).sa.agg(["count", "size"])
        is_bridged = finished["count"].between(1, finished["size"] - 1).any()  # drawn at some λ, missing at another
        gap = "Dots bridge a λ without finished networks." if is_bridged else ""
    sentences = setting(view), intervals(table), gaps(view, table), gap, omitted(view)
    return join(*sentences, paper_numbers.caption(facets, view))


def intervals(table: pd.DataFrame) -> str:
    """Say how many seeds there are, and what the bars measure. table: facets.all_curves."""
    kinds, seeds = set(table.interval) - {"none"}, sorted(table.seeds[table.seeds > 0].unique())
    t = "95 % moderated t intervals of the mean over seeds, about training randomness, not about the choice of images"
    wilson = "95 % Wilson intervals of the counts, about the choice of test images, not about training randomness"
    if not kinds:
        return ""
    if kinds == {"wilson"}:
        return f"One seed; bars: {wilson}."
    counts = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
    single = f"; for a single seed, {wilson}" if "wilson" in kinds else ""
    return f"Lines: means over {counts} seeds; faint points: single seeds; bars: {t}{single}."


def gaps(view: View, table: pd.DataFrame) -> str:
    """Say what is missing and how the figure shows it; empty if nothing is. table: facets.all_curves."""
    hollow = "a hollow marker has fewer seeds than planned."
    if view.missing_text:
        return f"{view.missing_text}: {hollow}"
    return f"Some networks are not measured everywhere: {hollow}" if (table.seeds < table.planned).any() else ""


def omitted(view: View) -> str:
    """Name the panels that list the figure but are not drawn."""
    drawn = drawn_panels(view)
    names = [f"{panel.title} ({panel.experiment})" for panel in view.panels if panel not in drawn]
    attacks = "measured with other attacks or at other widths only"
    return f"Not drawn: {formatting.listing(names)}, {attacks}." if names else ""


def direction(table: pd.DataFrame, facets: list[Facet]) -> str:
    """Say how λ runs along the curves of SA against RA, and which curves break the paper's order.

    table: facets.all_curves. A curve keeps the order if its mean SA and RA are monotone in λ.
    """
    finished = table.dropna(subset="sa")
    reversing, ends = [], set()
    for (place, label), curve in finished.groupby(["facet", "label"], sort=False):
        curve = curve.sort_values("lam")
        if len(curve) < 2:
            continue
        ends.add((curve.lam.iloc[-1], curve.lam.iloc[0]))
        sa_falls = monotone_within_intervals(curve.sa, curve.sa, rising=False)
        if not (sa_falls and monotone_within_intervals(curve.ra, curve.ra, rising=True)):
            reversing.append((place, label))
    if not ends:
        return ""
    first, last = (f"λ = {lam:g}" for lam in next(iter(ends))) if len(ends) == 1 else ("its largest λ", "its smallest")
    if not reversing:
        return f"Each curve runs from {first} (top left) to {last} (bottom right)."
    names = formatting.listing(f"{label} ({facets[i].heading})" if len(facets) > 1 else label for i, label in reversing)
    back = "turns back" if len(reversing) == 1 else "turn back"
    return f"Each curve joins its points in order of λ, from {first} to {last}; {names} {back} in SA or RA."
