"""Figures `transfer` and `joint`: attacks that know that the network is conditional.

RA at λ of examples crafted at λ′, of all λ′ together, through the other BN branch, and of one perturbation for all λ.
"""

from functools import partial

import numpy as np
import pandas as pd

from reports.figures.figure_spec import FigureSpec, csv_of
from reports.load import formatting
from reports.load.panels import PANEL_COLUMNS, Panel, View
from reports.plots import captions
from reports.plots import transfer_matrix as plot
from reports.statistics.transfer_matrix import EXTRA, by_attack, loss_text, matrix, methods, sign_test

COLUMNS = ["method", *PANEL_COLUMNS, "seed", "lambda", "crafted_at", "attack", "epsilon", "ra", "n", "key"]


def summary(view: View) -> list[dict]:
    tables = []
    for panel, subtitle in by_attack(view.panels):
        rows = [method_row(panel, label, lam) for label in methods(panel) for lam in matrix(panel, label)[0]]
        tables.append({"heading": panel.title, "below": subtitle, "rows": rows})
    return tables


def method_row(panel: Panel, label: str, lam: float) -> dict:
    """RA of a method at one λ against all choices of the attacker, as text."""
    rows = [row for row in panel.probes if (row["label"], row["lam"]) == (label, lam)]
    grid, parts = matrix(panel, label)
    at = grid.index(lam)
    same, others = parts["crafted"][at, at], np.delete(parts["crafted"][at], at)
    worst = f"{np.nanmin(others):.1f} (λ′ = {np.delete(grid, at)[np.nanargmin(others)]:g})" if len(others) else "–"
    by_lambda, by_starts = (sum(row[name] for row in rows) for name in ("only_lambda", "only_starts"))
    branch, joint = (parts[name][at] for name in ("other_branch", "joint"))
    one_for_all = {} if np.isnan(joint) else {"one perturbation for all λ": f"{joint:.1f}"}
    return {
        "Method": label,
        "λ": f"{lam:g}",
        "RA, crafted at λ": f"{same:.1f}",
        "at the worst other λ′": worst,
        "withstand every λ′": f"{parts['worst'][at]:.1f}",
        "withstand as many starts at λ": f"{parts['same_tries'][at]:.1f}",
        "the latter − the former": loss_text(rows),
        "fooled by some λ′ alone : by starts alone": f"{by_lambda} : {by_starts}",
        "p": f"{sign_test(by_lambda, by_starts):.2g}",
        "through the other BN": "–" if np.isnan(branch) else f"{branch:.1f}",
    } | one_for_all


def caption(view: View) -> str:
    rows = view.probes
    if not rows:
        return captions.nothing_finished(view)
    attack = formatting.listing(sorted({formatting.attack(row["attack"]) for row in rows}))
    images = formatting.listing(f"{n:,}" for n in sorted({row["n"] for row in rows}))
    epsilons = formatting.listing(sorted({formatting.epsilon(row["epsilon"]) for row in rows}))
    mean = ", mean over seeds" if len({row["seed"] for row in rows}) > 1 else ""
    dual, joint = (any(row[name] is not None for row in rows) for name in ("other_branch", "joint"))
    return captions.join(
        f"RA in percent{mean}: the network at λ (rows) on examples crafted at λ′ (columns) by {attack}; outlined: "
        "λ′ = λ, as the paper attacks.",
        "Any λ′: images that withstand all of the row. Beside it: images that withstand as many random starts at λ "
        "alone, the effect of more tries by themselves. If attacking through another λ′ gains anything, the former is "
        "below the latter.",
        "Other BN: crafted at λ with BN_c and BN_a exchanged." if dual else "",
        "All λ, 1 ×: one perturbation of each image, crafted against the sum of the losses at all λ′." if joint else "",
        f"ε = {epsilons}, {images} test images; scale {view.scale}.",
        "p: exact one-sided sign test on the images fooled in one way alone, summed over seeds.",
        f"{view.missing_text}." if view.missing_text else "",
    )


def csv(view: View) -> pd.DataFrame:
    """RA of every network at every λ under every choice of the attacker: `crafted_at` is λ′, or a name of EXTRA."""
    rows = []
    for row in view.probes:
        counts = {f"{lam:g}": count for lam, count in zip(row["crafted_at"], row["robust"], strict=True)}
        counts |= {name: row[name] for name in (*EXTRA, "worst_with_branch") if row[name] is not None}
        rows += [row | {"crafted_at": choice, "ra": 100 * k / row["n"]} for choice, k in counts.items()]
    return csv_of(rows, COLUMNS)


figure = partial(FigureSpec, draw=plot.draw, caption=caption, summary=summary, csv=csv)
