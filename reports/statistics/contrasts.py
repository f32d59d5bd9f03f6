"""Linear combinations of what networks were measured to be: the difference of two methods, a mean over λ, a step.

A cell is one measured number of a method. A contrast is taken within each seed and then averaged over seeds: networks
of one seed start from the same weights and see the same batches, or are one network. Where that makes nothing alike, it
costs width and no coverage.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.measures import correct_bits
from reports.load import formatting
from reports.load.results import Panel
from reports.statistics import estimates
from reports.statistics.estimates import Estimate

METRICS = {"sa": "clean_correct", "ra": "robust_correct"}
HITS = {"sa": "clean_hits", "ra": "robust_hits"}


class Absent(Exception):
    """Networks that a predicate needs are not there; the text says which."""


class Cell(NamedTuple):
    label: str
    metric: str  # sa or ra
    lam: float
    width: float = 1.0
    attack: str = "pgd7"


class Count(NamedTuple):
    correct: int
    n: int
    key: str
    hits: str | None = None  # which images, as bench.measures.correct_bits has it; None in older results


Cells = Mapping[Cell, Mapping[int, Count]]
Terms = Mapping[Cell, float]


def cells(panel: Panel) -> Cells:
    """Cell → seed → what was counted there."""
    return of_points(panel.points)


def of_points(points: pd.DataFrame) -> Cells:
    """points: results.Panel's."""
    found: dict[Cell, dict[int, Count]] = defaultdict(dict)
    for row in points.itertuples(index=False):
        for metric, column in METRICS.items():
            cell = Cell(row.label, metric, round(row.lam, 6), round(row.width, 6), row.attack)
            text = getattr(row, HITS[metric], None)
            count = Count(int(getattr(row, column)), int(row.n), row.key, text if isinstance(text, str) else None)
            known = found[cell].setdefault(int(row.seed), count)
            if known != count:
                raise Absent(f"one network at {describe([cell])}: there are two, {known.key} and {count.key}")
    return dict(found)


def require(found: Cells, wanted: Iterable[Cell]) -> None:
    """Raises Absent with all that is missing."""
    missing = [cell for cell in dict.fromkeys(wanted) if cell not in found]
    if missing:
        raise Absent(describe(missing))


def describe(missing: Iterable[Cell]) -> str:
    """OAT on S2 at λ = 0.1, 0.2; PGD-AT at λ = 1, width 0.5."""
    groups: dict[tuple, list[float]] = defaultdict(list)
    for cell in missing:
        known = groups[cell.label, cell.width, cell.attack]
        if cell.lam not in known:
            known.append(cell.lam)
    texts = []
    for (label, width, attack), lambdas in groups.items():
        text = f"{label} at λ = {', '.join(f'{lam:g}' for lam in sorted(lambdas))}"
        text += f", width {width:g}" if width != 1 else ""
        texts.append(text + (f", {formatting.attack(attack)}" if attack != "pgd7" else ""))
    return "; ".join(texts)


def common_seeds(found: Cells, wanted: Iterable[Cell]) -> list[int]:
    return sorted(set.intersection(*(set(found[cell]) for cell in wanted)))


def one_each(found: Cells, wanted: Iterable[Cell]) -> list[Count]:
    """A count per cell for an interval over test images: of the first seed that all have, else of each cell's first."""
    wanted = list(wanted)
    shared = common_seeds(found, wanted)
    return [found[cell][shared[0] if shared else min(found[cell])] for cell in wanted]


def contrast(found: Cells, terms: Terms) -> Estimate:
    """Σ coefficient · accuracy, percent. Raises Absent where a cell has no network."""
    require(found, terms)
    coefficients = np.array(list(terms.values()), float)
    seeds = common_seeds(found, terms)
    if len(seeds) < 2:
        return over_images(coefficients, one_each(found, terms))
    counts = [[found[cell][seed] for cell in terms] for seed in seeds]
    shares = np.array([[100 * c.correct / c.n for c in row] for row in counts])
    steps = coefficients * [100 / c.n for c in counts[0]]
    estimate = estimates.over_seeds(shares @ coefficients, rounding=float(steps @ steps) / 12)
    return replace(estimate, keys=frozenset(c.key for row in counts for c in row))


def over_images(coefficients, counts: list[Count]) -> Estimate:
    """Of one network per count: paired where it is known which of the same images were right."""
    correct, n, keys, texts = zip(*counts, strict=True)
    if len(counts) > 1 and None not in texts and len(set(n)) == 1:
        estimate = estimates.of_hits(coefficients, decoded(counts))
    else:
        estimate = estimates.of_counts(coefficients, correct, n, keys)
    return replace(estimate, keys=frozenset(keys))


def decoded(counts: Iterable[Count]) -> np.ndarray:
    """(counts, n) booleans."""
    return np.array([correct_bits.decode(count.hits, count.n) for count in counts])


def mean_of(label: str, metric: str, lambdas: Iterable[float], factor: float = 1.0, **where) -> dict[Cell, float]:
    """factor × the mean over λ of a method's SA or RA."""
    lambdas = list(lambdas)
    return {Cell(label, metric, lam, **where): factor / len(lambdas) for lam in lambdas}


def plus(*parts: Terms) -> dict[Cell, float]:
    """The sum of contrasts."""
    total: dict[Cell, float] = defaultdict(float)
    for part in parts:
        for cell, coefficient in part.items():
            total[cell] += coefficient
    return dict(total)


def difference(label: str, of: str, metric: str, lambdas: Iterable[float], **where) -> dict[Cell, float]:
    """Mean over λ of one method's SA or RA minus another's at the same λ."""
    lambdas = list(lambdas)
    return plus(mean_of(label, metric, lambdas, **where), mean_of(of, metric, lambdas, -1.0, **where))
