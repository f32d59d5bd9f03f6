"""Differences in SA and RA between two methods at the same λ, in percentage points, with 95 % intervals.

Pure functions on the points of a results.Panel (one width, one attack). Their intervals are those of the claims
(reports.verdicts.contrasts): over seeds, seed by seed; of a single seed over the test images, image by image.
"""

import numpy as np
import pandas as pd

from reports.curves import METRICS
from reports.statistics import CONFIDENCE
from reports.verdicts import contrasts, estimates
from reports.verdicts.contrasts import Cells
from reports.verdicts.decide import Absent

OTHER_IMAGES = " of these networks, other images"


def compare(points: pd.DataFrame, label: str, other: str, lambdas, metric: str, alike: bool = False) -> dict | None:
    """Mean over the λ of `label` minus `other`; None where either lacks one of the λ, or is two networks of one seed.

    alike: networks of one seed are one training, so that no difference at all is a finding, exact.
    Keys: difference, low, high, p (that there is none), kind, values and other_values (one per seed), keys (of all the
    networks).
    """
    try:
        found = contrasts.of_points(points[points.label.isin([label, other]) & points.lam.isin(list(lambdas))])
        terms = difference(points, label, other, metric, lambdas)
        estimate = contrasts.contrast(found, terms)
    except Absent:
        return None
    own, theirs = (per_seed(points, name, lambdas, metric) for name in (label, other))
    both = own.index.intersection(theirs.index)
    if alike and len(both) > 1 and (own[both] == theirs[both]).all():
        estimate = estimates.exact([0.0])
    low, high = estimate.bounds(CONFIDENCE)
    interval = {"difference": estimate.value, "low": low, "high": high, "p": estimates.p_value(estimate)}
    keys = sorted({count.key for cell in terms for count in found[cell].values()})
    return interval | {"kind": estimate.kind, "values": own.tolist(), "other_values": theirs.tolist(), "keys": keys}


def difference(points: pd.DataFrame, label: str, other: str, metric: str, lambdas) -> contrasts.Terms:
    """The contrast of contrasts.difference at the points' width and attack."""
    width, attack = (points[name].iloc[0] if len(points) else None for name in ("width", "attack"))
    return contrasts.difference(label, other, metric, [round(lam, 6) for lam in lambdas], width=width, attack=attack)


def per_seed(points: pd.DataFrame, label: str, lambdas, metric: str) -> pd.Series:
    """Seed → mean over the λ, percent; seeds that lack one of them are left out."""
    own = points[(points.label == label) & points.lam.isin(list(lambdas))]
    whole = own.groupby("seed").lam.nunique() == len(set(lambdas))
    return own.groupby("seed")[metric].mean()[whole[whole].index]


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
    shared = sorted(set(lambdas).intersection(*(points.lam[points.label == name] for name in (label, other))))
    row = {"Method": label, "against": other, "at λ": f"{where}: {', '.join(f'{lam:g}' for lam in shared) or 'none'}"}
    for metric in METRICS:
        found = compare(points, label, other, shared, metric) if shared else None
        row[f"Mean Δ{metric.upper()}, pp"] = text(found) + (f" ({found['kind']})" if found else "")
        row[f"Δ{metric.upper()}{OTHER_IMAGES}"] = text(same_images(points, label, other, shared, metric))
        single = {lam: compare(points, label, other, [lam], metric) for lam in shared}
        single = {lam: found["difference"] for lam, found in single.items() if found}
        most = max(single, key=lambda lam: abs(single[lam]), default=None)
        more = "" if most is None else mcnemar(points, label, other, most, metric)
        row[f"Largest Δ{metric.upper()}, pp"] = "–" if most is None else f"{single[most]:+.1f} (λ={most:g}{more})"
    return row


def known(rows: list[dict]) -> list[dict]:
    """Rows of `table` without what none of them can tell: results may not hold which images were right."""
    empty = {name for row in rows for name in row if name.endswith(OTHER_IMAGES)}
    empty = {name for name in empty if all(row[name] == "–" for row in rows)}
    return [{name: cell for name, cell in row.items() if name not in empty} for row in rows]


def same_images(points: pd.DataFrame, label: str, other: str, lambdas, metric: str) -> dict | None:
    """`compare` of the very networks that there are, all seeds, image by image: the interval says what other images
    would change, not another training. None where results do not hold which images were right."""
    terms = difference(points, label, other, metric, lambdas)
    paired = counts_of(contrasts.of_points(points[points.label.isin([label, other])]), terms)
    if not paired:
        return None
    coefficients = np.concatenate([np.full(len(counts), c / len(counts)) for c, counts in paired])
    every = [count for _, counts in paired for count in counts]
    estimate = estimates.of_hits(coefficients, contrasts.decoded(every))
    low, high = estimate.bounds(CONFIDENCE)
    return {"difference": estimate.value, "low": low, "high": high}


def counts_of(found: Cells, terms: contrasts.Terms) -> list[tuple[float, list[contrasts.Count]]]:
    """Per term its coefficient and the counts of all seeds that have every cell; empty if hits are not known of all,
    or not of equally many images."""
    seeds = contrasts.common_seeds(found, terms) if terms and all(cell in found for cell in terms) else []
    paired = [(c, [found[cell][seed] for seed in seeds]) for cell, c in terms.items()]
    every = [count for _, counts in paired for count in counts]
    known = every and all(count.hits for count in every) and len({count.n for count in every}) == 1
    return paired if known else []


def mcnemar(points: pd.DataFrame, label: str, other: str, lam: float, metric: str) -> str:
    """McNemar's exact p at one λ, where one seed's networks are compared; several seeds' hits are not independent."""
    paired = counts_of(contrasts.of_points(points[points.lam == lam]), difference(points, label, other, metric, [lam]))
    if not paired or any(len(counts) > 1 for _, counts in paired):
        return ""
    return f", McNemar p = {estimates.mcnemar(*contrasts.decoded(counts[0] for _, counts in paired)):.2g}"
