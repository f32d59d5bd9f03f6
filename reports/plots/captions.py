"""The sentences that the captions of curves share. Each is read off the data drawn, and says what the marks mean."""

import pandas as pd

from reports.load import formatting
from reports.load.results import View
from reports.plots import facets
from reports.plots.facets import Cell
from reports.statistics.intervals import monotone_within_intervals


def setting(view: View) -> str:
    """Attack, ε, test images, scale."""
    points = view.points
    if not len(points):
        return f"Scale {view.scale}; no network has finished."
    attacks = formatting.listing(formatting.attack(name) for name in sorted(points.attack.unique()))
    epsilons = formatting.listing(formatting.epsilon(value) for value in sorted(points.epsilon.unique()))
    images = formatting.listing(f"{n:,}" for n in sorted(points.n.unique()))
    return f"{attacks}, ε = {epsilons}, {images} test images; scale {view.scale}."


def intervals(table: pd.DataFrame) -> str:
    """How many seeds there are, and so what the bars say and do not say. table: cells.all_curves."""
    kinds = set(table.interval) - {"none"}
    seeds = sorted(table.seeds[table.seeds > 0].unique())
    counts = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}" if seeds else "no"
    t = "95 % t intervals of the mean over seeds, which speak of training randomness, not of the choice of test images"
    wilson = "95 % Wilson intervals of the counts, which speak of the choice of test images, not of training randomness"
    if not kinds:
        return ""
    if kinds == {"t"}:
        return f"Lines: means over {counts} seeds; faint points: single seeds; bars: {t}."
    if kinds == {"wilson"}:
        return f"One seed; bars: {wilson}."
    lines = f"Lines: means over {counts} seeds; faint points: single seeds"
    return f"{lines}; bars: {t}; where one seed stands alone, {wilson}."


def missing(view: View) -> str:
    """3 of 24 networks missing; empty if none is."""
    trials = view.trials
    gone = int((trials.status != "done").sum())
    return f"{gone} of {formatting.counted(len(trials), 'network')} missing" if gone else ""


def gaps(view: View, table: pd.DataFrame) -> str:
    """What is missing and how the figure shows it; empty if nothing is."""
    hollow = "a hollow marker rests on fewer seeds than planned."
    if missing(view):
        return f"{missing(view)}: {hollow}"
    return f"Some networks are not measured everywhere: {hollow}" if (table.seeds < table.planned).any() else ""


def left_out(view: View) -> str:
    """Names the panels that list the figure and have nothing to show in it."""
    names = [f"{panel.title} ({panel.experiment})" for panel in facets.left_out(view)]
    attacks = "measured with other attacks or at other widths only"
    return f"Not drawn: {formatting.listing(names)}, {attacks}." if names else ""


def direction(table: pd.DataFrame, places: list[Cell]) -> str:
    """Where λ runs along the curves of SA against RA: the paper's order where it holds, and else which curves break it.

    table: cells.all_curves of the places. A curve holds the order if neither SA nor RA ever turns back by its mean.
    """
    known = table.dropna(subset="sa")
    turning, ends = [], set()
    for (place, label), curve in known.groupby(["cell", "label"], sort=False):
        curve = curve.sort_values("lam")
        if len(curve) < 2:
            continue
        ends.add((curve.lam.iloc[-1], curve.lam.iloc[0]))
        straight = (
            monotone_within_intervals(curve[metric], curve[metric], rising)
            for metric, rising in (("sa", False), ("ra", True))
        )
        turning += [] if all(straight) else [(place, label)]
    if not ends:
        return ""
    first, last = (f"λ = {lam:g}" for lam in next(iter(ends))) if len(ends) == 1 else ("its largest λ", "its smallest")
    written = "Labels give λ where there is room. Long bars are cut at the frame."
    if not turning:
        return f"Each curve runs from {first} (top left) to {last} (bottom right). {written}"
    names = formatting.listing(f"{label} ({places[i].heading})" if len(places) > 1 else label for i, label in turning)
    back = "turns back on its way" if len(turning) == 1 else "turn back on their way"
    return f"Each curve joins its points in order of λ, from {first} to {last}; {names} {back} in SA or RA. {written}"
