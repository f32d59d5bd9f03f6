"""SA–RA curves with their intervals, one row per method and λ, and their distances to the frontier."""

import functools
import re

import numpy as np
import pandas as pd

from reports.load.panels import Panel
from reports.statistics import contrasts, estimates, frontier_distance
from reports.statistics.contrasts import METRICS, Accuracy, MissingNetworks
from reports.statistics.frontier_estimates import Pair, estimate_distance, pair_of, too_few_images
from reports.statistics.intervals import CONFIDENCE
from reports.statistics.training_variance import TrainingVariance
from reports.statistics.variance_pool import VariancePool, in_room, own_pool, pool_of_points

FRONTIER = "PGD-AT"  # Sec. 4.1: networks trained for one λ each; for slimmable networks PGD-ATS (Sec. 4.3)
FRONTIERS = (FRONTIER, "PGD-ATS")
ORDER = (*FRONTIERS, "OAT (normal BN)", "OAT (normal BN, S4)", "OAT (dual BN)", "OATS (normal BN)", "OATS (dual BN)")


@functools.lru_cache(maxsize=256)  # the axes, the caption and the tables of a figure all ask for it
def curves(panel: Panel) -> pd.DataFrame:
    """A row per method and planned λ, from λ=1 down to 0 within a method; NaN if no network has finished.

    panel: points of one width and one attack. Columns: label, lam, unseen (in training), planned, seeds, interval (t,
    wilson, or none), and sa, sa_low, sa_high, ra, ra_low, ra_high in percent.
    """
    rows, families = [], own_pool(panel).families
    place = tuple(panel.points[["width", "attack"]].iloc[0]) if len(panel.points) else ()
    planned = planned_seeds(panel)
    labels = method_order({label for label, _ in planned})
    for label, lam in sorted(planned, key=lambda each: (labels.index(each[0]), -each[1])):
        points = panel.points[(panel.points.label == label) & (panel.points.lam == lam)]
        unseen = is_unseen(panel.trials[panel.trials.label == label], lam)
        row = {"label": label, "lam": lam, "unseen": unseen, "planned": planned[label, lam], "seeds": len(points)}
        row["interval"] = "t" if len(points) > 1 else "wilson" if len(points) else "none"
        for metric in METRICS:
            values = interval(points, metric, families.get((metric, *place))) if len(points) else (np.nan,) * 3
            row |= dict(zip((metric, f"{metric}_low", f"{metric}_high"), values, strict=True))
        rows.append(row)
    bounds = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    columns = ["label", "lam", "unseen", "planned", "seeds", "interval", *bounds]
    return pd.DataFrame(rows, columns=columns).astype({"unseen": bool})


def interval(points: pd.DataFrame, metric: str, variance: TrainingVariance | None = None) -> tuple[float, float, float]:
    """Mean and interval of one point of a curve, percent: t over seeds, or Wilson. points: one row per seed.

    variance: between trainings, of the panel.
    """
    if len(points) > 1:
        prior = variance.prior([[1.0]]) if variance and in_room(points[metric].mean()) else None
        estimate = estimates.over_seeds(points[metric], (100 / points.n.iloc[0]) ** 2 / 12, prior)
        estimate = estimates.clipped(estimate, 0.0, 100.0)
    else:
        estimate = estimates.of_accuracy(points[f"{METRICS[metric]}_correct"].iloc[0], points.n.iloc[0])
    return estimate.value, *estimate.bounds(CONFIDENCE)


def planned_seeds(panel: Panel) -> dict[tuple[str, float], int]:
    """(label, λ) → number of seeds planned there.

    A PGD-AT network has one λ; a conditional network the λ it was measured at, or without results those of the others.
    """
    others = set(panel.points.lam) | set(panel.trials.lam.dropna())
    planned = {}
    for (label, lam), trials in panel.trials.groupby(["label", "lam"], dropna=False):
        measured = set(panel.points.lam[panel.points.label == label]) or others
        for measured_lam in sorted(measured) if np.isnan(lam) else [lam]:
            planned[label, measured_lam] = trials.seed.nunique()
    return planned


def is_unseen(trials: pd.DataFrame, lam: float) -> bool:
    """Whether training did not meet this λ. trials: of one label.

    Never for PGD-AT, which is measured at its own λ, and for λ from a continuous range (App. C).
    """
    recipe = trials.recipe.iloc[0]
    from_set = trials.lam.isna().all() and recipe["lam_density"] == "set"
    return bool(from_set and not np.isclose(recipe["lambdas"], lam, rtol=0, atol=1e-9).any())


def method_order(labels) -> list[str]:
    """Sort labels: the frontier first, then as in the paper's legends, then by name, DCT-16 before DCT-128."""

    def place(label: str) -> tuple:
        parts = [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.findall(r"\d+|\D+", label)]
        return ORDER.index(label) if label in ORDER else len(ORDER), not label.startswith("none"), parts

    return sorted(labels, key=place)


def frontier_of(label: str, labels) -> str | None:
    """Frontier of a method: PGD-ATS for slimmable networks, otherwise PGD-AT; None if absent from `labels`."""
    frontier = FRONTIERS[label.startswith(("OATS", "PGD-ATS"))]
    return frontier if frontier in set(labels) else None


# ---- distances to the frontier


DISTANCES = {
    "gap": frontier_distance.distance_to_frontier,
    "area": frontier_distance.area_to_frontier,
    "volume": frontier_distance.hypervolume_beyond,
}


def pair(
    points: pd.DataFrame, label: str, frontier: str, lambdas=None, pool: VariancePool | None = None
) -> Pair | None:
    """Pair a method's curve with the frontier's, at every λ or at `lambdas`; None if a network is ambiguous.

    pool: of these points, if it is known.
    """
    pool, points, sides = pool or pool_of_points(points), points[points.label.isin([label, frontier])], []
    for name in (label, frontier):
        chosen = points[(points.label == name) & (points.lam.isin(lambdas) if lambdas is not None else True)]
        rows = chosen.drop_duplicates("lam").sort_values("lam").itertuples()
        sides.append([Accuracy(name, "sa", round(row.lam, 6), round(row.width, 6), row.attack) for row in rows])
    try:
        return pair_of(contrasts.counts_of(points), *sides, pool) if all(sides) else None
    except MissingNetworks:
        return None


def distance(both: Pair | None, name: str) -> dict | None:
    """One of DISTANCES with its interval: {"value", "low", "high", "kind"}; None without a value.

    gap: mean height above the frontier, pp of RA; area: gap times the SA range both cover, pp²; volume: additional area
    that the curve dominates, hundredths of the square.
    """
    undefined = not both or (name != "volume" and too_few_images(both))
    estimate = None if undefined else estimate_distance(both, DISTANCES[name])
    return estimate and estimate.interval


def gap(points: pd.DataFrame, label: str, frontier: str = FRONTIER, pool: VariancePool | None = None) -> dict | None:
    """`distance` of a method's mean gap to the frontier; None if the means share no SA. pool: see `pair`.

    Adds sa_range, the SA range of the means over seeds, and doubt, the reason why the gap cannot be judged (or "").
    """
    means = [points[points.label == name].groupby("lam")[["sa", "ra"]].mean() for name in (label, frontier)]
    shared, both = frontier_distance.common_range(*means), pair(points, label, frontier, pool=pool)
    if shared is None or both is None:
        return None
    own = points[points.label.isin([label, frontier])]
    estimate, narrow = distance(both, "gap"), too_narrow(shared, own)
    if estimate is None:
        change = "without one of the seeds" if len(both.seeds) > 1 else "on other test images"
        doubt = narrow or too_few_images(both) or f"{change} the curves share no SA"
    else:
        doubt = narrow or too_wide(estimate, own)
    return (estimate or {}) | {"sa_range": shared, "doubt": doubt}


def too_narrow(shared: tuple[float, float], points: pd.DataFrame) -> str:
    """Reason why a gap over this SA range is meaningless, or "". points: of both curves.

    A gap compares RA at equal SA, so SA must be known better than the range the gap is taken over.
    """
    low, high = shared
    uncertain = float(np.median([sa_error(rows) for _, rows in points.groupby(["label", "lam"])]))
    if high - low >= uncertain:
        return ""
    return (
        f"the curves share only {high - low:.2f} pp of SA ({low:.2f}–{high:.2f}), "
        f"and SA itself is known to ±{uncertain:.1f} pp"
    )


def too_wide(estimate: dict, points: pd.DataFrame) -> str:
    """Reason why a gap is meaningless if its interval is wider than the range of RA, or "". points: of both curves."""
    means = points.groupby(["label", "lam"]).ra.mean()
    width, ra_range = estimate["high"] - estimate["low"], means.max() - means.min()
    text = f"its interval is {width:.0f} pp wide, and both curves together span {ra_range:.0f} pp of RA"
    return text if width > ra_range else ""


def sa_error(points: pd.DataFrame) -> float:
    """Half-width of SA's interval at one point of a curve, pp. points: one row per seed.

    At least the half-width of Wilson's interval of all seeds' counts together, since few seeds may agree by chance.
    """
    _, low, high = interval(points, "sa")
    pooled_low, pooled_high = estimates.of_accuracy(points.clean_correct.sum(), points.n.sum()).bounds(CONFIDENCE)
    return max(high - low, pooled_high - pooled_low) / 2
