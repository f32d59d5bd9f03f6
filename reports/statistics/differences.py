"""Differences in SA and RA between two methods at the same λ, in percentage points, with 95 % intervals.

Pure functions on the points of a panel (one width, one attack). The intervals are those of contrasts: over seeds, seed
by seed, with the panel's training variance; for a single seed over the test images, image by image.
"""

import numpy as np
import pandas as pd

from reports.statistics import contrasts, estimates
from reports.statistics.contrasts import METRICS, Accuracy, Contrast, Count, Counts, MissingNetworks
from reports.statistics.curve_tables import signed
from reports.statistics.variance_pool import pool_of_points

OTHER_IMAGES = " of these networks, other images"


def compare(
    counts: Counts, label: str, other: str, lambdas, metric: str, same_training: bool = False, pool=None
) -> dict | None:
    """Mean over λ of `label` minus `other`; None if either lacks one of the λ, or without λ.

    counts: of one width and attack. pool: variance_pool.VariancePool of the panel. same_training: networks of one seed
    are one training, so that zero differences in all seeds are exact. Returns value, low, high, p (of no difference),
    kind, values and other_values (one per seed), and keys (of all networks).
    """
    contrast = method_contrast(counts, label, other, metric, lambdas)
    if not contrast:
        return None
    try:
        estimate = contrasts.estimate_contrast(counts, contrast, pool)
    except MissingNetworks:
        return None
    values, other_values = (seed_means(counts, [a for a in contrast if a.label == name]) for name in (label, other))
    common = values.keys() & other_values.keys()
    if same_training and len(common) > 1 and all(values[seed] == other_values[seed] for seed in common):
        estimate = estimates.exact([0.0])
    keys = sorted({count.key for accuracy in contrast for count in counts[accuracy].values()})
    per_seed = {"values": list(values.values()), "other_values": list(other_values.values())}
    return estimate.interval | {"p": estimates.p_value(estimate)} | per_seed | {"keys": keys}


def method_contrast(counts: Counts, label: str, other: str, metric: str, lambdas) -> Contrast:
    """Contrast of two methods' means over λ, at the width and attack of the counts."""
    first = next(iter(counts), None)
    where = {"width": first.width, "attack": first.attack} if first else {}
    return contrasts.mean_difference(label, other, metric, [round(lam, 6) for lam in lambdas], **where)


def seed_means(counts: Counts, accuracies: list[Accuracy]) -> dict[int, float]:
    """Seed → mean of the accuracies, percent; seeds that lack one of them are left out."""
    seeds = contrasts.common_seeds(counts, accuracies)
    return {s: float(np.mean([counts[a][s].percent for a in accuracies])) for s in seeds}


def holm(ps) -> np.ndarray:
    """Holm's adjusted p of a family of tests. ps: (tests,); NaN is no test and stays NaN."""
    ps = pd.Series(np.asarray(ps, float))
    tests = ps.dropna().sort_values()
    adjusted = (tests * np.arange(len(tests), 0, -1)).cummax().clip(upper=1)
    return adjusted.reindex(ps.index).to_numpy()


def table_row(points: pd.DataFrame, label: str, other: str, lambdas, where: str) -> dict:
    """Row of text for the page that compares two methods at their common λ among `lambdas`, named `where`.

    Holds the mean difference, for several seeds also its interval over other test images, and the largest difference.
    """
    pool, points = pool_of_points(points), points[points.label.isin([label, other])]
    shared = sorted(set(lambdas).intersection(*(points.lam[points.label == name] for name in (label, other))))
    row = {"Method": label, "against": other, "at λ": f"{where}: {', '.join(f'{lam:g}' for lam in shared) or 'none'}"}
    counts = contrasts.unambiguous_counts(points)
    for metric in METRICS:
        comparison = compare(counts, label, other, shared, metric, pool=pool)
        row[f"Mean Δ{metric.upper()}, pp"] = f"{signed(comparison)} ({comparison['kind']})" if comparison else "–"
        other_images = on_other_images(counts, label, other, shared, metric)
        row[f"Δ{metric.upper()}{OTHER_IMAGES}"] = signed(other_images) if other_images else "–"
        row[f"Largest Δ{metric.upper()}, pp"] = largest(counts, label, other, shared, metric)
    return row


def drop_empty_columns(rows: list[dict]) -> list[dict]:
    """Rows of `table_row` without the columns on other test images that are empty in all of them."""
    candidates = {name for row in rows for name in row if name.endswith(OTHER_IMAGES)}
    empty = {name for name in candidates if all(row[name] == "–" for row in rows)}
    return [{name: text for name, text in row.items() if name not in empty} for row in rows]


def largest(counts: Counts, label: str, other: str, lambdas, metric: str) -> str:
    """Largest difference at one λ, over the common seeds, with McNemar's p."""
    comparisons = {lam: compare(counts, label, other, [lam], metric) for lam in lambdas}
    values = {lam: comparison["value"] for lam, comparison in comparisons.items() if comparison}
    if not values:
        return "–"
    lam = max(values, key=lambda lam: abs(values[lam]))
    return f"{values[lam]:+.1f} (λ={lam:g}{mcnemar_text(counts, label, other, lam, metric, len(values))})"


def on_other_images(counts: Counts, label: str, other: str, lambdas, metric: str) -> dict | None:
    """Mean difference of these very networks of several seeds with its interval over other test images.

    None for one seed, since the interval of `compare` is then over test images.
    """
    terms = paired_counts(counts, method_contrast(counts, label, other, metric, lambdas))
    if not terms or len(terms[0][1]) < 2:
        return None
    coefficients = np.concatenate([np.full(len(per_seed), c / len(per_seed)) for c, per_seed in terms])
    correct = contrasts.decode(count for _, per_seed in terms for count in per_seed)
    return estimates.of_paired_images(coefficients, correct).interval


def paired_counts(counts: Counts, contrast: Contrast) -> list[tuple[float, list[Count]]]:
    """Per term of a contrast, its coefficient and its counts in the common seeds; empty if images cannot be paired."""
    measured = contrast and all(accuracy in counts for accuracy in contrast)
    seeds = contrasts.common_seeds(counts, contrast) if measured else []
    terms = [(c, [counts[accuracy][seed] for seed in seeds]) for accuracy, c in contrast.items()] if seeds else []
    return terms if len({count.n for _, per_seed in terms for count in per_seed}) == 1 else []


def mcnemar_text(counts: Counts, label: str, other: str, lam: float, metric: str, tried: int) -> str:
    """McNemar's exact p at one λ for a single seed's networks; several seeds on the same images are not independent.

    tried: number of λ of which this is the largest difference; p is corrected for them (Bonferroni).
    """
    terms = paired_counts(counts, method_contrast(counts, label, other, metric, [lam]))
    if not terms or any(len(per_seed) > 1 for _, per_seed in terms):
        return ""
    p = min(1.0, tried * estimates.mcnemar(*contrasts.decode(per_seed[0] for _, per_seed in terms)))
    return f", McNemar p = {p:.2g}" + (f" for {tried} λ" if tried > 1 else "")
