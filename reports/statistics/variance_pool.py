"""Which networks share a training variance: those of a panel, for each metric, width and attack.

A contrast's prior is that of its networks, which are trained independently of each other (docs/statistics.md).
"""

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from reports.load.panels import Panel
from reports.statistics import training_variance
from reports.statistics.contrasts import Accuracy, Count, Counts, common_seeds, counts_of, unambiguous_counts
from reports.statistics.training_variance import Prior, TrainingVariance, add_priors

Family = tuple[str, float, str]  # metric, width, attack
ROOM = 1.0  # pp to 0 and 100 %: an accuracy that is nearer has no room to vary, and says nothing of the others


@dataclass(frozen=True)
class VariancePool:
    """Training variance of each family."""

    families: Mapping[Family, TrainingVariance] = field(default_factory=dict)

    def prior_of(self, counts: Counts, contrast: Mapping[Accuracy, float]) -> Prior | None:
        """Prior of Σ coefficient · accuracy; None if a family has no variance, or no accuracy room to vary."""
        groups: dict[Family, dict[tuple, list[float]]] = defaultdict(lambda: defaultdict(list))
        for accuracy, coefficient in contrast.items():
            if has_room(counts[accuracy]):
                _, first = min(counts[accuracy].items())
                groups[family_of(accuracy)][accuracy.label, first.key].append(coefficient)
        known = [(self.families.get(family), networks) for family, networks in groups.items()]
        return add_priors([variance and variance.prior(networks.values()) for variance, networks in known])


@functools.lru_cache(maxsize=256)  # every check on a panel asks for both
def measured(panel: Panel) -> tuple[Counts, VariancePool]:
    """Counts of a panel's points, and their pool. Raises MissingNetworks if two networks have one label and seed."""
    return counts_of(panel.points), pool_of_points(panel.points, panel.relatives)


@functools.lru_cache(maxsize=256)  # every curve and distance of a panel asks for it
def own_pool(panel: Panel) -> VariancePool:
    """Pool of a panel's own points."""
    return pool_of_points(panel.points)


def pool_of_points(points: pd.DataFrame, relatives: Mapping[str, pd.DataFrame] | None = None) -> VariancePool:
    """Pool of a panel's points. relatives: points of other panels by name, for families without two seeds."""
    families = fit_families(unambiguous_counts(points))
    for name, others in (relatives or {}).items():
        families = fit_families(unambiguous_counts(others), name) | families
    return VariancePool(families)


def family_of(accuracy: Accuracy) -> Family:
    return accuracy.metric, accuracy.width, accuracy.attack


def has_room(by_seed: Mapping[int, Count]) -> bool:
    return in_room(np.mean([count.percent for count in by_seed.values()]))


def in_room(mean: float) -> bool:
    return bool(ROOM <= mean <= 100 - ROOM)


def fit_families(counts: Counts, source: str = "") -> dict[Family, TrainingVariance]:
    """Training variance of every family with a network of two seeds. source: the panel's name if it is another."""
    families: dict[Family, list[np.ndarray]] = defaultdict(list)
    images: dict[Family, int] = {}
    for family, accuracies in networks_of(counts):
        varying = [accuracy for accuracy in accuracies if has_room(counts[accuracy])]
        seeds = common_seeds(counts, varying) if varying else []
        if len(seeds) > 1:
            families[family].append(np.array([[counts[a][seed].percent for a in varying] for seed in seeds]))
            images[family] = counts[varying[0]][seeds[0]].n
    fitted = {
        family: training_variance.fit(networks, (100 / images[family]) ** 2 / 12, source)
        for family, networks in families.items()
    }
    return {family: variance for family, variance in fitted.items() if variance}


def networks_of(counts: Counts) -> Iterable[tuple[Family, list[Accuracy]]]:
    """Family and accuracies of each network: those of one label, metric, width and attack that share a trial."""
    groups: dict[tuple, list[tuple[set[str], list[Accuracy]]]] = defaultdict(list)
    for accuracy, by_seed in sorted(counts.items()):
        keys = {count.key for count in by_seed.values()}
        of_label = groups[accuracy.label, *family_of(accuracy)]
        known = next((group for group in of_label if group[0] & keys), None)
        if known is None:
            of_label.append((keys, [accuracy]))
        else:
            known[0].update(keys)
            known[1].append(accuracy)
    return [(name[1:], accuracies) for name, of_label in groups.items() for _, accuracies in of_label]
