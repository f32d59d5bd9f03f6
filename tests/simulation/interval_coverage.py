"""Coverage: how often a 95 % interval of a page or a claim contains the truth."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from bench.spec.lambda_sets import S1
from reports.statistics import contrasts, curves, estimates, intervals
from reports.statistics.contrasts import Accuracy, Contrast
from reports.statistics.frontier_estimates import LEAST_IMAGES, estimate_distance
from reports.statistics.intervals import CONFIDENCE
from reports.statistics.variance_pool import pool_of_points
from tests.simulation.simulated_runs import Truth, World, panels, simulate_images

OAT, AT = "OAT (dual BN)", "PGD-AT"
CURVES: Truth = {
    OAT: dict(zip(S1, [(97, 37), (96.2, 47), (95.8, 51), (95.4, 55), (95, 58), (94, 62)], strict=True)),
    AT: dict(zip(S1, [(97, 22), (96.2, 43), (95.5, 49), (94.8, 54), (94.2, 57), (92.6, 61)], strict=True)),
}


def covered(truth: float, bounds: Iterable[tuple[float, float]]) -> np.ndarray:
    """Whether each interval contains the truth: (runs,) booleans."""
    return np.array([low <= truth <= high for low, high in bounds])


def bounds(estimate) -> tuple[float, float]:
    return estimate.bounds(CONFIDENCE) if estimate else (-np.inf, np.inf)


# ---- one point of a curve


def wilson(share: float, n: int, runs: int, rng) -> np.ndarray:
    """Coverage of one seed's share, within a range of 2 pp around it.

    At a single share and n, the coverage of any interval for counts jumps with whole images.
    """
    truth = np.clip(share + rng.uniform(-0.01, 0.01, runs), 0, 1)
    low, high = intervals.wilson(rng.binomial(n, truth), n)
    return (low <= truth) & (truth <= high)


def point(share: float, n: int, seeds: int, spread: float, runs: int, rng) -> np.ndarray:
    """Coverage of a point's mean over seeds. spread: a training's standard deviation, pp."""
    accuracies = np.clip(share + spread / 100 * rng.standard_normal((runs, seeds)), 0, 1)
    percent = 100 * rng.binomial(n, accuracies) / n
    return covered(100 * share, (bounds(estimates.over_seeds(row, (100 / n) ** 2 / 12)) for row in percent))


# ---- differences


def contrast(world: World, terms: Contrast, runs: int, rng) -> np.ndarray:
    """Coverage of Σ coefficient · accuracy, as in claims and tables of differences."""
    return contrasts_covered(world, [terms], runs, rng)[0]


def contrasts_covered(world: World, several: list[Contrast], runs: int, rng) -> list[np.ndarray]:
    """`contrast` of several contrasts on the same simulated runs."""
    bounds_of: list[list[tuple[float, float]]] = [[] for _ in several]
    for panel in panels(world, runs, rng):
        counts, pool = contrasts.counts_of(panel.points), pool_of_points(panel.points)
        for terms, ends in zip(several, bounds_of, strict=True):
            ends.append(bounds(contrasts.estimate_contrast(counts, terms, pool)))
    return [covered(true_value(world, terms), ends) for terms, ends in zip(several, bounds_of, strict=True)]


def true_value(world: World, terms: Contrast) -> float:
    return sum(c * world.truth[accuracy.label][accuracy.lam][accuracy.metric == "ra"] for accuracy, c in terms.items())


def paired(shares: tuple[float, float], n: int, runs: int, rng) -> np.ndarray:
    """Coverage of the difference of two networks on the same images, from arrays alone, which is fast."""
    fractions = np.array([shares, shares[::-1]])
    correct = (simulate_images(fractions, np.arange(2), n, rng)[:, 0] for _ in range(runs))
    ends = (bounds(estimates.of_paired_images([1, -1], images)) for images in correct)
    return covered(100 * (shares[0] - shares[1]), ends)


# ---- curves against the frontier


def distance(name: str, world: World, runs: int, rng) -> np.ndarray:
    """Coverage of one of curves.DISTANCES. Runs without a value have no interval and do not count."""
    return distances_covered([name], world, runs, rng)[0]


def distances_covered(names: Sequence[str], world: World, runs: int, rng) -> list[np.ndarray]:
    """`distance` of several of curves.DISTANCES on the same simulated runs."""
    pairs = [curves.pair(panel.points, *world.truth) for panel in panels(world, runs, rng)]
    sides, coverages = [np.array(list(curve.values()), float) for curve in world.truth.values()], []
    for statistic in (curves.DISTANCES[name] for name in names):
        with_value = filter(None, (estimate_distance(pair, statistic) for pair in pairs))
        coverages.append(covered(statistic(*sides), map(bounds, with_value)))
    return coverages


# ---- the table


MEAN = contrasts.mean_difference(OAT, AT, "ra", S1)
POINT = {Accuracy(OAT, "ra", 0.3): 1.0}
UNEQUAL = 0.35  # standard deviation of the logarithm of a network's spread
STEP = {Accuracy(OAT, "ra", 1.0): 1.0, Accuracy(OAT, "ra", 0.0): -1.0}
Row = tuple[str, str, Callable[[int, np.random.Generator], np.ndarray], int]  # interval, of, coverage, factor on runs


def rows() -> list[Row]:
    """Every interval that pages and claims use, at realistic sizes."""
    table: list[Row] = []
    for n, share in ((300, 0.55), (1000, 0.55), (10_000, 0.55), (300, 0.97), (1000, 0.97), (10_000, 0.97)):
        table.append((f"Wilson, {100 * share:g} %", f"1 seed, {n:,} images", partial(wilson, share, n), 4))
    for seeds, n in ((3, 300), (3, 10_000), (5, 300), (5, 10_000)):
        for share, spread in ((0.55, 2.0), (0.97, 0.4)):
            name = f"point, {100 * share:g} % ± {spread:g}"
            table.append((name, f"{seeds} seeds, {n:,} images", partial(point, share, n, seeds, spread), 2))
    alike = ((1, 300), (1, 1000), (1, 10_000), (2, 1000), (3, 300), (3, 1000), (5, 1000), (10, 1000))
    unequal = tuple((seeds, 1000) for seeds in (2, 3, 5, 10))
    for (seeds, n), differ in [*((size, 0.0) for size in alike), *((size, UNEQUAL) for size in unequal)]:
        world = World(CURVES, seeds, n, unequal=differ)
        size = f"{seeds} seed{'s' * (seeds > 1)}, {n:,} images" + ", unequal spreads" * (differ > 0)
        table.append(("one λ of a network", size, partial(contrast, world, POINT), 1))
        table.append(("difference of methods, mean RA over λ", size, partial(contrast, world, MEAN), 1))
        table.append(("difference of two λ of one network", size, partial(contrast, world, STEP), 1))
        for name, text in (("gap", "gap to the frontier"), ("area", "area to the frontier"), ("volume", "hypervolume")):
            if differ == 0 and (seeds > 1 or n == LEAST_IMAGES or (n == 300 and name == "volume")):  # others: none
                table.append((text, size, partial(distance, name, world), 1))
    for n in (300, 1000, 10_000):
        table.append(("two networks at one λ, paired", f"1 seed, {n:,} images", partial(paired, (0.55, 0.5), n), 1))
    return table


def table(runs: int, seed: int = 0) -> list[dict]:
    """A dict per row: interval, of, coverage, its error, runs. runs: simulated sets per row, more if that is cheap."""
    result = []
    for place, (interval, of, function, factor) in enumerate(rows()):
        contains = function(runs=runs * factor, rng=np.random.default_rng([seed, place]))
        share = float(contains.mean())
        error = float(np.sqrt(share * (1 - share) / len(contains)))
        result.append({"interval": interval, "of": of, "coverage": share, "error": error, "runs": len(contains)})
    return result
