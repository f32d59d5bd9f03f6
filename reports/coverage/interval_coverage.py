"""Coverage: how often a 95 % interval of a page or a claim holds the truth."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from reports.coverage.simulated_runs import World, binomials, images, panels
from reports.statistics import contrasts, curves, estimates, intervals
from reports.statistics.contrasts import Cell
from reports.statistics.frontier_estimates import LEAST_IMAGES, by_jackknife, judged
from reports.statistics.intervals import CONFIDENCE

S1 = (0.0, 0.1, 0.2, 0.3, 0.4, 1.0)
OAT, AT = "OAT (dual BN)", "PGD-AT"
CURVES = {
    OAT: dict(zip(S1, [(97, 37), (96.2, 47), (95.8, 51), (95.4, 55), (95, 58), (94, 62)], strict=True)),
    AT: dict(zip(S1, [(97, 22), (96.2, 43), (95.5, 49), (94.8, 54), (94.2, 57), (92.6, 61)], strict=True)),
}


def covered(truth: float, found: Iterable[tuple[float, float]]) -> np.ndarray:
    """(runs,) booleans."""
    return np.array([low <= truth <= high for low, high in found])


def bounds(estimate) -> tuple[float, float]:
    return estimate.bounds(CONFIDENCE) if estimate else (-np.inf, np.inf)


# ---- one point of a curve


def wilson(share: float, n: int, runs: int, rng) -> np.ndarray:
    """One seed's share, around which those of other networks lie: over a range of 2 pp, because at a single share and n
    the coverage of any interval for counts jumps by whole images."""
    truth = np.clip(share + rng.uniform(-0.01, 0.01, runs), 0, 1)
    low, high = intervals.wilson(rng.binomial(n, truth), n)
    return (low <= truth) & (truth <= high)


def point(share: float, n: int, seeds: int, spread: float, runs: int, rng) -> np.ndarray:
    """A point's mean over seeds. spread: a training's standard deviation, pp."""
    accuracies = np.clip(share + spread / 100 * rng.standard_normal((runs, seeds)), 0, 1)
    shares = 100 * rng.binomial(n, accuracies) / n
    return covered(100 * share, (bounds(estimates.over_seeds(row, (100 / n) ** 2 / 12)) for row in shares))


# ---- differences


def contrast(world: World, terms: contrasts.Terms, runs: int, rng) -> np.ndarray:
    """Σ c·accuracy, as claims and tables of differences have it."""
    truth = sum(c * world.truth[cell.label][cell.lam][cell.metric == "ra"] for cell, c in terms.items())
    cells = (contrasts.cells(panel) for panel in panels(world, runs, rng))
    return covered(truth, (bounds(contrasts.contrast(found, terms)) for found in cells))


def paired(shares: tuple[float, float], n: int, runs: int, rng) -> np.ndarray:
    """The difference of two networks on the same images, from arrays alone: fast."""
    found = (images(np.array([shares, shares[::-1]]), np.arange(2), n, rng)[:, 0] for _ in range(runs))
    return covered(100 * (shares[0] - shares[1]), (bounds(estimates.of_hits([1, -1], right)) for right in found))


def from_counts(shares: tuple[float, float], n: int, runs: int, rng) -> np.ndarray:
    """The same where results do not say which images were right."""
    found = (images(np.array([shares, shares[::-1]]), np.arange(2), n, rng)[:, 0].sum(-1) for _ in range(runs))
    ends = (bounds(estimates.of_counts([1, -1], right, [n, n], ["a", "b"])) for right in found)
    return covered(100 * (shares[0] - shares[1]), ends)


# ---- curves against the frontier


def distance(name: str, world: World, runs: int, rng, draws: int = curves.DRAWS) -> np.ndarray:
    """One of curves.DISTANCES. Runs in which it cannot be told have no interval, and do not count."""
    statistic = curves.DISTANCES[name]
    truth = statistic(*(np.array(list(curve.values()), float) for curve in world.truth.values()))
    labels = list(world.truth)
    pairs = (curves.pair(panel.points, *labels) for panel in panels(world, runs, rng))
    found = [judged(pair, statistic, draws) for pair in pairs]
    return covered(truth, map(bounds, filter(None, found)))


def by_seed(name: str, seeds: int, n: int, spread: tuple[float, float], runs: int, rng) -> np.ndarray:
    """`distance` over seeds from arrays alone: fast. Trainings are independent at every point."""
    statistic, (curve, frontier) = curves.DISTANCES[name], (np.array([*one.values()], float) for one in CURVES.values())
    truth, found = statistic(curve, frontier), []
    for _ in range(runs):
        sides = [np.broadcast_to(side / 100, (seeds, *side.shape)) for side in (curve, frontier)]
        noisy = [np.clip(s + np.array(spread) / 100 * rng.standard_normal(s.shape), 0, 1) for s in sides]
        pairs = zip(*(100 * binomials(side, n, rng) / n for side in noisy), strict=True)
        found.append(by_jackknife(list(pairs), statistic))
    return covered(truth, map(bounds, filter(None, found)))


# ---- the table


MEAN = contrasts.difference(OAT, AT, "ra", S1)
STEP = {Cell(OAT, "ra", 1.0): 1.0, Cell(OAT, "ra", 0.0): -1.0}
Row = tuple[str, str, Callable[[int, np.random.Generator], np.ndarray], int]  # what, of what, function, part of runs


def rows() -> list[Row]:
    """Every interval that pages and claims use, at realistic sizes."""
    found: list[Row] = []
    for n, share in ((300, 0.55), (1000, 0.55), (10_000, 0.55), (300, 0.97), (1000, 0.97), (10_000, 0.97)):
        found.append((f"Wilson, {100 * share:g} %", f"1 seed, {n:,} images", partial(wilson, share, n), 4))
    for seeds, n in ((3, 300), (3, 10_000), (5, 300), (5, 10_000)):
        for share, spread in ((0.55, 2.0), (0.97, 0.4)):
            what = f"point, {100 * share:g} % ± {spread:g}"
            found.append((what, f"{seeds} seeds, {n:,} images", partial(point, share, n, seeds, spread), 2))
    for seeds, n in ((1, 300), (1, 1000), (1, 10_000), (3, 300), (3, 1000), (5, 1000)):
        world = World(CURVES, seeds, n)
        place = f"{seeds} seed{'s' * (seeds > 1)}, {n:,} images"
        found.append(("difference of methods, mean RA over λ", place, partial(contrast, world, MEAN), 1))
        found.append(("difference of two λ of one network", place, partial(contrast, world, STEP), 1))
        for name, text in (("gap", "gap to the frontier"), ("area", "area to the frontier"), ("volume", "hypervolume")):
            if seeds > 1 or n == LEAST_IMAGES or (n == 300 and name == "volume"):  # the others have no interval
                found.append((text, place, partial(distance, name, world), 1))
    for n in (300, 1000, 10_000):
        alone = "1 seed, which images were right is not known"
        found.append(("two networks at one λ, paired", f"1 seed, {n:,} images", partial(paired, (0.55, 0.5), n), 1))
        found.append(("two networks at one λ, a bound", f"{alone}, {n:,}", partial(from_counts, (0.55, 0.5), n), 1))
    return found


def table(runs: int, seed: int = 0) -> list[dict]:
    """runs: sets of runs per row, more where that is cheap. A row: interval, of, coverage, its error, runs."""
    result = []
    for place, (what, of, function, cheap) in enumerate(rows()):
        found = function(runs=runs * cheap, rng=np.random.default_rng([seed, place]))
        share = float(found.mean())
        error = float(np.sqrt(share * (1 - share) / len(found)))
        result.append({"interval": what, "of": of, "coverage": share, "error": error, "runs": len(found)})
    return result
