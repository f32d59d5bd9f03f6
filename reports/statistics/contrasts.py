"""Contrasts: linear combinations Σ coefficient · accuracy, e.g. a difference of methods, a mean over λ, or a step in λ.

A contrast is taken within each seed and then averaged over seeds: networks of one seed start from the same weights and
see the same batches, or are one network. Their variance is shrunk towards that of the panel (training_variance).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from bench.measures import correct_bits
from reports.load import formatting
from reports.statistics import estimates
from reports.statistics.estimates import Estimate

if TYPE_CHECKING:
    from reports.statistics.variance_pool import VariancePool

METRICS = {"sa": "clean", "ra": "robust"}  # prefix of the columns <prefix>_correct and <prefix>_hits


class MissingNetworks(Exception):
    """Networks that a contrast needs are missing; the text names them."""


class Accuracy(NamedTuple):
    """SA or RA of a method at one λ, width and attack."""

    label: str
    metric: str  # sa or ra
    lam: float
    width: float = 1.0
    attack: str = "pgd7"


class Count(NamedTuple):
    """Correct answers of one network. bits: which images were right (bench.measures.correct_bits)."""

    correct: int
    n: int
    key: str
    bits: str

    @property
    def percent(self) -> float:
        return 100 * self.correct / self.n


Counts = Mapping[Accuracy, Mapping[int, Count]]  # accuracy → seed → count
Contrast = Mapping[Accuracy, float]  # accuracy → coefficient


def counts_of(points: pd.DataFrame) -> Counts:
    """Counts of points (load.panels.Panel.points). Raises MissingNetworks if two networks have one label and seed."""
    counts: dict[Accuracy, dict[int, Count]] = defaultdict(dict)
    identity = [points[name].tolist() for name in ("label", "lam", "width", "attack", "seed", "n", "key")]
    for metric, prefix in METRICS.items():
        columns = [*identity, points[f"{prefix}_correct"].tolist(), points[f"{prefix}_hits"].tolist()]
        for label, lam, width, attack, seed, n, key, correct, bits in zip(*columns, strict=True):
            accuracy = Accuracy(label, metric, round(lam, 6), round(width, 6), attack)
            count = Count(int(correct), int(n), key, bits)
            known = counts[accuracy].setdefault(int(seed), count)
            if known != count:
                where = describe([accuracy])
                raise MissingNetworks(f"one network at {where}: there are two, {known.key} and {count.key}")
    return dict(counts)


def unambiguous_counts(points: pd.DataFrame) -> Counts:
    """Counts of points, without labels that stand for two networks of one seed."""
    repeated = points.duplicated(["label", "seed", "lam", "width", "attack"], keep=False)
    return counts_of(points[~points.label.isin(points.label[repeated])] if repeated.any() else points)


def require(counts: Counts, accuracies: Iterable[Accuracy]) -> None:
    """Raise MissingNetworks with all accuracies that were not measured."""
    missing = [accuracy for accuracy in dict.fromkeys(accuracies) if accuracy not in counts]
    if missing:
        raise MissingNetworks(describe(missing))


def describe(accuracies: Iterable[Accuracy]) -> str:
    """Name accuracies: OAT on S2 at λ = 0.1, 0.2; PGD-AT at λ = 1, width 0.5."""
    groups: dict[tuple, set[float]] = defaultdict(set)
    for accuracy in accuracies:
        groups[accuracy.label, accuracy.width, accuracy.attack].add(accuracy.lam)
    texts = []
    for (label, width, attack), lambdas in groups.items():
        text = f"{label} at λ = {', '.join(f'{lam:g}' for lam in sorted(lambdas))}"
        text += f", width {width:g}" if width != 1 else ""
        texts.append(text + (f", {formatting.attack(attack)}" if attack != "pgd7" else ""))
    return "; ".join(texts)


def common_seeds(counts: Counts, accuracies: Iterable[Accuracy]) -> list[int]:
    """Seeds in which every accuracy was measured."""
    return sorted(set.intersection(*(set(counts[accuracy]) for accuracy in accuracies)))


def one_seed_counts(counts: Counts, accuracies: Iterable[Accuracy]) -> list[Count]:
    """One count per accuracy for an interval over test images: of the first common seed, or of each one's first seed.

    Raises MissingNetworks if the counts are of different numbers of test images, which cannot be paired.
    """
    accuracies = list(accuracies)
    shared = common_seeds(counts, accuracies)
    chosen = [counts[accuracy][shared[0] if shared else min(counts[accuracy])] for accuracy in accuracies]
    if len({count.n for count in chosen}) > 1:
        raise MissingNetworks(f"{describe(accuracies)}, all on the same test images")
    return chosen


def estimate_contrast(counts: Counts, contrast: Contrast, pool: "VariancePool | None" = None) -> Estimate:
    """Σ coefficient · accuracy, percent. pool: of the panel; None: the variance is that of the own seeds alone.

    One seed: about trainings if the pool has the variance, otherwise about test images. Raises MissingNetworks.
    """
    require(counts, contrast)
    coefficients = np.array(list(contrast.values()), float)
    prior = pool.prior_of(counts, contrast) if pool else None
    seeds = common_seeds(counts, contrast)
    by_seed = [[counts[accuracy][seed] for accuracy in contrast] for seed in seeds]
    if len(seeds) < 2:
        by_seed = [one_seed_counts(counts, contrast)]
    first = by_seed[0]
    values = np.array([[count.percent for count in row] for row in by_seed]) @ coefficients
    if len(seeds) > 1:
        steps = coefficients * [100 / count.n for count in first]
        estimate = estimates.over_seeds(values, float(steps @ steps) / 12, prior)
    elif prior:
        estimate = estimates.of_one_training(float(values[0]), prior)
    elif len(first) == 1:
        estimate = estimates.of_accuracy(first[0].correct, first[0].n, float(coefficients[0]))
    else:
        estimate = estimates.of_paired_images(coefficients, decode(first))
    return replace(estimate, keys=frozenset(count.key for row in by_seed for count in row))


def decode(counts: Iterable[Count]) -> np.ndarray:
    """Which images were right: (counts, n) booleans."""
    return np.array([correct_bits.decode(count.bits, count.n) for count in counts])


def mean_over_lambdas(label: str, metric: str, lambdas: Iterable[float], **where) -> Contrast:
    """Mean over λ of a method's SA or RA. where: width and attack."""
    lambdas = list(lambdas)
    return {Accuracy(label, metric, lam, **where): 1 / len(lambdas) for lam in lambdas}


def add(*contrasts: Contrast) -> Contrast:
    total: dict[Accuracy, float] = defaultdict(float)
    for contrast in contrasts:
        for accuracy, coefficient in contrast.items():
            total[accuracy] += coefficient
    return dict(total)


def scaled(contrast: Contrast, factor: float) -> Contrast:
    return {accuracy: factor * coefficient for accuracy, coefficient in contrast.items()}


def mean_difference(label: str, other: str, metric: str, lambdas: Iterable[float], **where) -> Contrast:
    """Mean over λ of one method's SA or RA minus another's at the same λ. where: width and attack."""
    lambdas = list(lambdas)
    means = [mean_over_lambdas(name, metric, lambdas, **where) for name in (label, other)]
    return add(means[0], scaled(means[1], -1.0))
