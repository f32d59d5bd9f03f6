"""Simulated runs: networks whose expected SA and RA are known, counted on test images that differ in difficulty.

Training randomness: a network's SA and RA lie off the truth by a normal effect, most of which all its λ share, and some
of which all networks of its seed share (0.1 of the variance, as the digits' networks have it).
Test images: one seed's networks are counted on images of which some are hard for all networks and some for one network
at every λ; over seeds the test set is given, and each seed's count is binomial about its network's accuracy.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bench.measures import correct_bits
from reports.load.results import POINT_COLUMNS, Panel

Truth = dict[str, dict[float, tuple[float, float]]]  # label → λ → SA and RA, percent
METRICS = ("clean", "robust")
OF_SEED, OF_NETWORK = 0.1, 0.6  # parts of a training effect's variance
COMMON, OWN = 0.4, 0.4  # parts of an image's difficulty: for all networks, and for one at every λ


@dataclass(frozen=True)
class World:
    """truth: what is to be estimated. n: test images. spread: a training's standard deviation of SA and RA, pp.
    width, attack: of every point. hits: whether one seed's results say which images were right."""

    truth: Truth
    seeds: int
    n: int
    spread: tuple[float, float] = (0.4, 2.0)
    width: float = 1.0
    attack: str = "pgd7"
    hits: bool = True

    def grid(self) -> pd.DataFrame:
        """A row per network and λ, as in results.Panel, without what was counted. `network`: its number."""
        rows = [
            {"label": label, "seed": seed, "lam": lam, "key": f"{label}-{seed}" + f"-{lam:g}" * label.startswith("PGD")}
            for label, curve in self.truth.items()
            for seed in range(self.seeds)
            for lam in curve
        ]
        rows = pd.DataFrame(rows).assign(width=self.width, attack=self.attack, n=self.n, epsilon=0.3)
        rows = rows.reindex(columns=POINT_COLUMNS)
        return rows.assign(network=pd.factorize(rows.key)[0])

    def expected(self, grid: pd.DataFrame) -> np.ndarray:
        """(rows, 2): SA and RA as fractions."""
        return np.array([self.truth[row.label][row.lam] for row in grid.itertuples()]) / 100


def panels(world: World, runs: int, rng: np.random.Generator) -> Iterator[Panel]:
    """So many independent sets of runs of a world."""
    grid = world.grid()
    trials = grid[["key", "label", "seed"]].drop_duplicates().assign(status="done", url="", name="", lam=np.nan)
    for _ in range(runs):
        points = counted(world, grid, rng)
        yield Panel("digits", "wrn-10-1", ("svhn",), {}, trials=trials, points=points)


def counted(world: World, grid: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The grid with counts and shares, and for one seed with hits."""
    expected = world.expected(grid)
    if world.seeds == 1:
        right = images(expected, grid.network.to_numpy(), world.n, rng)
        counts = right.sum(axis=-1)
        texts = {f"{m}_hits": [correct_bits.encode(row) for row in right[:, i]] for i, m in enumerate(METRICS)}
    else:
        counts, texts = binomials(np.clip(expected + effects(world, grid, rng), 0, 1), world.n, rng), {}
    columns = {f"{metric}_correct": counts[:, i] for i, metric in enumerate(METRICS)}
    columns |= {name: 100 * counts[:, i] / world.n for i, name in enumerate(("sa", "ra"))}
    return grid.assign(**columns, **(texts if world.hits else {}))


def effects(world: World, grid: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """(rows, 2): how far a training's accuracies lie off the truth, as fractions."""
    seed, network = grid.seed.to_numpy(), grid.network.to_numpy()
    parts = (OF_SEED, seed), (OF_NETWORK, network), (1 - OF_SEED - OF_NETWORK, np.arange(len(grid)))
    drawn = sum(np.sqrt(part) * rng.standard_normal((place.max() + 1, 2))[place] for part, place in parts)
    return drawn * np.array(world.spread) / 100


def binomials(shares: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(…, 2) counts of (…, 2) fractions; an image that is robust is clean too, so robust is drawn within clean."""
    clean, robust = shares[..., 0], np.minimum(shares[..., 1], shares[..., 0])
    first = rng.binomial(n, clean)
    return np.stack([first, rng.binomial(first, robust / np.maximum(clean, 1e-12))], axis=-1)


def images(shares: np.ndarray, network: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(rows, 2, n) booleans: which images are right, of rows that hang together as COMMON and OWN say."""
    difficulty = np.sqrt(COMMON) * rng.standard_normal(n)
    difficulty = difficulty + np.sqrt(OWN) * rng.standard_normal((network.max() + 1, n))[network]
    difficulty = difficulty + np.sqrt(1 - COMMON - OWN) * rng.standard_normal((len(shares), n))
    return difficulty[:, None, :] < ndtri(shares)[..., None]
