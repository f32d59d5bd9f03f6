"""RA at λ against examples crafted at λ′, as a matrix (bench/measures/transfer.py)."""

import numpy as np
from scipy.special import bdtrc

from reports.load import formatting
from reports.load.panels import Panel
from reports.statistics import estimates
from reports.statistics.curve_tables import signed

# robust against every λ′, as many starts at λ, the other BN branch, and one perturbation for all λ
EXTRA = ("worst", "same_tries", "other_branch", "joint")


def by_attack(panels: list[Panel]) -> list[tuple[Panel, str]]:
    """A panel per data set and attack, and its subtitle, which names the attack where there are several."""
    several = len({row["attack"] for panel in panels for row in panel.probes}) > 1
    parts = []
    for panel in panels:
        for attack in dict.fromkeys(row["attack"] for row in panel.probes) if several else ():
            subtitle = f"{panel.subtitle}; {formatting.attack(attack)}".removeprefix("; ")
            parts.append((panel.only(attack=attack), subtitle))
        if not (several and panel.probes):
            parts.append((panel, panel.subtitle))
    return parts


def methods(panel: Panel) -> list[str]:
    return list(dict.fromkeys(row["label"] for row in panel.probes))


def matrix(panel: Panel, label: str) -> tuple[list[float], dict[str, np.ndarray]]:
    """λ of the grid, and RA in percent, means over seeds: `crafted` (λ, λ′), and EXTRA (λ,); NaN if not measured."""
    rows = [row for row in panel.probes if row["label"] == label]
    grid = sorted({row["lam"] for row in rows})
    parts = {"crafted": np.full((len(grid), len(grid)), np.nan)}
    parts |= {name: np.full(len(grid), np.nan) for name in EXTRA}
    for i, lam in enumerate(grid):
        seeds = [row for row in rows if row["lam"] == lam]
        for j, other in enumerate(grid):
            counts = [dict(zip(row["crafted_at"], row["robust"], strict=True)).get(other, np.nan) for row in seeds]
            parts["crafted"][i, j] = np.mean([100 * k / row["n"] for k, row in zip(counts, seeds, strict=True)])
        for name in EXTRA:
            parts[name][i] = np.mean([np.nan if row[name] is None else 100 * row[name] / row["n"] for row in seeds])
    return grid, parts


def sign_test(lost: int, won: int) -> float:
    """One-sided exact McNemar test that choosing λ′ fools more images than as many starts at λ."""
    return float(bdtrc(lost - 1, lost + won, 0.5))


def loss_text(rows: list[dict]) -> str:
    """Loss in RA from choosing λ′ over as many tries at λ, pp, with a t interval over seeds. rows: one per seed."""
    losses = [100 * (row["same_tries"] - row["worst"]) / row["n"] for row in rows]
    if len(losses) < 2:
        return f"{losses[0]:+.1f}".replace("-", "−")
    return signed(estimates.over_seeds(losses).interval).replace(" ", "\u00a0").replace("-", "−")
