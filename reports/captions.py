"""The sentences every SA–RA figure's caption shares: attack, seeds, test images, what the bars are."""

import pandas as pd

from reports import curves, words
from reports.results import View


def setting(view: View) -> str:
    """Attack, ε, test images, scale."""
    points = view.points
    if not len(points):
        return f"Scale {view.scale}; no network has finished."
    attacks = words.listing(words.attack(name) for name in sorted(points.attack.unique()))
    epsilons = words.listing(words.epsilon(value) for value in sorted(points.epsilon.unique()))
    images = words.listing(f"{n:,}" for n in sorted(points.n.unique()))
    return f"{attacks}, ε = {epsilons}, {images} test images; scale {view.scale}."


def intervals(view: View) -> str:
    """How many seeds there are, and so what the bars say and do not say."""
    table = pd.concat([curves.curves(panel) for panel in view.panels])
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


def gaps(view: View) -> str:
    """What is missing and how the figure shows it; empty if nothing is."""
    trials = view.trials
    gone = int((trials.status != "done").sum())
    if not gone:
        return ""
    return (
        f"{gone} of {words.counted(len(trials), 'network')} missing: a hollow marker rests on fewer seeds than planned."
    )
