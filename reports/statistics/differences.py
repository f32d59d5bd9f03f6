"""Differences in SA and RA between two methods at the same λ, in percentage points, with 95 % intervals.

Pure functions on the points of a results.Panel (one width, one attack). Their intervals are those of the claims
(reports.statistics.contrasts): over seeds, seed by seed; of a single seed over the test images, image by image.
"""

import numpy as np
import pandas as pd

from reports.statistics import contrasts, estimates
from reports.statistics.contrasts import Cell, Cells
from reports.statistics.curves import METRICS
from reports.statistics.intervals import CONFIDENCE

OTHER_IMAGES = " of these networks, other images"


def compare(found: Cells, label: str, other: str, lambdas, metric: str, alike: bool = False) -> dict | None:
    """Mean over the λ of `label` minus `other`; None where either lacks one of the λ. found: `counted` points.

    alike: networks of one seed are one training, so that no difference at all is a finding, exact.
    Keys: difference, low, high, p (that there is none), kind, values and other_values (one per seed), keys (of all the
    networks).
    """
    terms = difference(found, label, other, metric, lambdas)
    if not terms or any(cell not in found for cell in terms):
        return None
    estimate = contrasts.contrast(found, terms)
    own, theirs = (per_seed(found, [cell for cell in terms if cell.label == name]) for name in (label, other))
    both = own.keys() & theirs.keys()
    if alike and len(both) > 1 and all(own[seed] == theirs[seed] for seed in both):
        estimate = estimates.exact([0.0])
    low, high = estimate.bounds(CONFIDENCE)
    interval = {"difference": estimate.value, "low": low, "high": high, "p": estimates.p_value(estimate)}
    keys = sorted({count.key for cell in terms for count in found[cell].values()})
    values = {"values": list(own.values()), "other_values": list(theirs.values()), "keys": keys}
    return interval | {"kind": estimate.kind} | values


def counted(points: pd.DataFrame) -> Cells:
    """What was counted at the points of one width and attack, without labels that are two networks of one seed."""
    twice = points.duplicated(["label", "seed", "lam"], keep=False)
    return contrasts.of_points(points[~points.label.isin(points.label[twice])])


def difference(found: Cells, label: str, other: str, metric: str, lambdas) -> contrasts.Terms:
    """The contrast of contrasts.difference, at the width and attack of what was counted."""
    one = next(iter(found), None)
    where = {"width": one.width, "attack": one.attack} if one else {}
    return contrasts.difference(label, other, metric, [round(lam, 6) for lam in lambdas], **where)


def per_seed(found: Cells, cells: list[Cell]) -> dict[int, float]:
    """Seed → mean over the cells, percent; seeds that lack one of them are left out."""
    seeds = contrasts.common_seeds(found, cells)
    return {s: float(np.mean([100 * found[c][s].correct / found[c][s].n for c in cells])) for s in seeds}


def holm(ps) -> np.ndarray:
    """Holm's adjusted p for a family of tests; NaN stays NaN and is no test. ps: (tests,)."""
    ps = np.asarray(ps, float)
    adjusted, known = np.full(len(ps), np.nan), np.flatnonzero(~np.isnan(ps))
    order = known[np.argsort(ps[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(ps[order] * factors), 1) if len(order) else []
    return adjusted


def text(found: dict | None) -> str:
    """+0.3 [-1.0, +1.6]"""
    return "–" if found is None else f"{found['difference']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}]"


def table(points: pd.DataFrame, label: str, other: str, lambdas, where: str) -> dict:
    """A row of text for the page: the mean difference over the λ that both have, the same of these very networks on
    other test images where it is known which images were right, and the largest difference at one λ."""
    points = points[points.label.isin([label, other])]
    shared = sorted(set(lambdas).intersection(*(points.lam[points.label == name] for name in (label, other))))
    row = {"Method": label, "against": other, "at λ": f"{where}: {', '.join(f'{lam:g}' for lam in shared) or 'none'}"}
    counts = counted(points)
    for metric in METRICS:
        found = compare(counts, label, other, shared, metric)
        row[f"Mean Δ{metric.upper()}, pp"] = text(found) + (f" ({found['kind']})" if found else "")
        row[f"Δ{metric.upper()}{OTHER_IMAGES}"] = text(same_images(counts, label, other, shared, metric))
        row[f"Largest Δ{metric.upper()}, pp"] = largest(counts, label, other, shared, metric)
    return row


def known(rows: list[dict]) -> list[dict]:
    """Rows of `table` without what none of them can tell: results may not hold which images were right."""
    empty = {name for row in rows for name in row if name.endswith(OTHER_IMAGES)}
    empty = {name for name in empty if all(row[name] == "–" for row in rows)}
    return [{name: cell for name, cell in row.items() if name not in empty} for row in rows]


def largest(found: Cells, label: str, other: str, lambdas, metric: str) -> str:
    """The largest difference at one λ, of the seeds that both have, and McNemar's p."""
    single = {}
    for lam in lambdas:
        terms = difference(found, label, other, metric, [lam])
        if terms and all(cell in found for cell in terms):
            single[lam] = contrasts.contrast(found, terms).value
    if not single:
        return "–"
    most = max(single, key=lambda lam: abs(single[lam]))
    return f"{single[most]:+.1f} (λ={most:g}{mcnemar(found, label, other, most, metric, len(single))})"


def same_images(found: Cells, label: str, other: str, lambdas, metric: str) -> dict | None:
    """`compare` of the very networks of several seeds, image by image: the interval says what other images would
    change, not another training. None of one seed, whose interval says that anyway, and where results do not hold
    which images were right."""
    paired = hits_of(found, difference(found, label, other, metric, lambdas))
    if not paired or len(paired[0][1]) < 2:
        return None
    coefficients = np.concatenate([np.full(len(counts), c / len(counts)) for c, counts in paired])
    every = [count for _, counts in paired for count in counts]
    estimate = estimates.of_hits(coefficients, contrasts.decoded(every))
    low, high = estimate.bounds(CONFIDENCE)
    return {"difference": estimate.value, "low": low, "high": high}


def hits_of(found: Cells, terms: contrasts.Terms) -> list[tuple[float, list[contrasts.Count]]]:
    """Per term its coefficient and the counts of all seeds that have every cell; empty if hits are not known of all,
    or not of equally many images."""
    seeds = contrasts.common_seeds(found, terms) if terms and all(cell in found for cell in terms) else []
    paired = [(c, [found[cell][seed] for seed in seeds]) for cell, c in terms.items()]
    every = [count for _, counts in paired for count in counts]
    known = every and all(count.hits for count in every) and len({count.n for count in every}) == 1
    return paired if known else []


def mcnemar(found: Cells, label: str, other: str, lam: float, metric: str, tried: int) -> str:
    """McNemar's exact p at one λ, where one seed's networks are compared; several seeds' hits are not independent.
    tried: the λ of which it is the largest difference, for which p is corrected (Bonferroni)."""
    paired = hits_of(found, difference(found, label, other, metric, [lam]))
    if not paired or any(len(counts) > 1 for _, counts in paired):
        return ""
    p = min(1.0, tried * estimates.mcnemar(*contrasts.decoded(counts[0] for _, counts in paired)))
    return f", McNemar p = {p:.2g}" + (f" for {tried} λ" if tried > 1 else "")
