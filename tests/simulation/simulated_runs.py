"""Simulated runs: networks whose expected SA and RA are known, counted on test images of different difficulty.

Training randomness: a network's SA and RA deviate from the truth by a normal effect, most of which is common to all λ
of the network, and some to all networks of its seed (0.1 of the variance, as measured on digits).
Test images: for one seed, some images are hard for all networks and some for one network at every λ. Over seeds the
test set is fixed, and each seed's count is binomial about its network's accuracy.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bench.measures import correct_bits
from reports.load.panels import POINT_COLUMNS, Panel
from reports.statistics.contrasts import METRICS

Truth = dict[str, dict[float, tuple[float, float]]]  # label → λ → SA and RA, percent
SEED_PART, NETWORK_PART = 0.1, 0.6  # parts of a training effect's variance
COMMON_PART, OWN_PART = 0.4, 0.4  # parts of an image's difficulty: for all networks, and for one at every λ


@dataclass(frozen=True)
class World:
    """truth: to be estimated. n: test images. spread: deviation of a training's SA and RA, pp. width, attack: of all
    points. binomial: counts vary about a training's accuracy; without, `spread` is all that differs between seeds.
    unequal: standard deviation, over networks, of the logarithm of their spread.
    """

    truth: Truth
    seeds: int
    n: int
    spread: tuple[float, float] = (0.4, 2.0)
    width: float = 1.0
    attack: str = "pgd7"
    binomial: bool = True
    unequal: float = 0.0

    def grid(self) -> pd.DataFrame:
        """A row per network and λ, as in load.panels.Panel.points, without counts.

        network: its number. recipe: that of the networks of all seeds. true_sa, true_ra: percent.
        """
        rows = [
            {"label": label, "seed": seed, "lam": lam, "key": f"{label}-{seed}" + f"-{lam:g}" * label.startswith("PGD")}
            | {"recipe": (label, lam * label.startswith("PGD")), "true_sa": sa, "true_ra": ra}
            for label, curve in self.truth.items()
            for seed in range(self.seeds)
            for lam, (sa, ra) in curve.items()
        ]
        rows = pd.DataFrame(rows).assign(width=self.width, attack=self.attack, n=self.n, epsilon=0.3)
        numbers = {"network": pd.factorize(rows.key)[0], "recipe": pd.factorize(rows.recipe)[0]}
        return rows.reindex(columns=[*POINT_COLUMNS, "true_sa", "true_ra"]).assign(**numbers)


def panels(world: World, runs: int, rng: np.random.Generator) -> Iterator[Panel]:
    grid = world.grid()
    trials = grid[["key", "label", "seed"]].drop_duplicates().assign(status="done", url="", name="", lam=np.nan)
    for _ in range(runs):
        points = simulate_counts(world, grid, rng)
        yield Panel("digits", "wrn-10-1", ("svhn",), {}, trials=trials, points=points)


def simulate_counts(world: World, grid: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Add counts and percentages to the grid, and for one seed which images were right."""
    expected, bits = grid[["true_sa", "true_ra"]].to_numpy() / 100, {}
    if world.seeds == 1:
        correct = simulate_images(expected, grid.network.to_numpy(), world.n, rng)
        counts = correct.sum(axis=-1)
        for i, prefix in enumerate(METRICS.values()):
            bits[f"{prefix}_hits"] = [correct_bits.encode(row) for row in correct[:, i]]
    else:
        fractions = np.clip(expected + training_effects(world, grid, rng), 0, 1)
        fractions[:, 1] = fractions.min(axis=1)  # a robust image is clean too
        counts = binomials(fractions, world.n, rng) if world.binomial else np.rint(world.n * fractions).astype(int)
    columns = {f"{prefix}_correct": counts[:, i] for i, prefix in enumerate(METRICS.values())}
    columns |= {metric: 100 * counts[:, i] / world.n for i, metric in enumerate(METRICS)}
    return grid.assign(**columns, **bits)


def training_effects(world: World, grid: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Deviations of trained networks' accuracies from the truth, as fractions (rows, 2)."""
    seed, network = grid.seed.to_numpy(), grid.network.to_numpy()
    parts = (SEED_PART, seed), (NETWORK_PART, network), (1 - SEED_PART - NETWORK_PART, np.arange(len(grid)))
    effects = sum(np.sqrt(part) * rng.standard_normal((index.max() + 1, 2))[index] for part, index in parts)
    recipe = grid.recipe.to_numpy()
    spreads = np.exp(world.unequal * rng.standard_normal(recipe.max() + 1))[recipe]
    return effects * spreads[:, None] * np.array(world.spread) / 100


def binomials(fractions: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Clean and robust counts (…, 2) from fractions (…, 2); a robust image is clean too."""
    clean, robust = fractions[..., 0], np.minimum(fractions[..., 1], fractions[..., 0])
    first = rng.binomial(n, clean)
    return np.stack([first, rng.binomial(first, robust / np.maximum(clean, 1e-12))], axis=-1)


def simulate_images(fractions: np.ndarray, network: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Which images are right, (rows, 2, n) booleans; rows are correlated by COMMON_PART and OWN_PART."""
    difficulty = np.sqrt(COMMON_PART) * rng.standard_normal(n)
    difficulty = difficulty + np.sqrt(OWN_PART) * rng.standard_normal((network.max() + 1, n))[network]
    difficulty = difficulty + np.sqrt(1 - COMMON_PART - OWN_PART) * rng.standard_normal((len(fractions), n))
    return difficulty[:, None, :] < ndtri(fractions)[..., None]
