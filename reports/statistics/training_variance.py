"""Variance between trainings, estimated over all networks of a panel together: a moderated t (Smyth 2004).

With few seeds the variance of one number over them is hardly known: Student's t of three seeds has two degrees of
freedom. Networks of one panel vary by similar amounts, so the variance of a number is shrunk towards the one that all
networks of the panel imply: (d·s² + d₀·s₀²) / (d + d₀), with d + d₀ degrees of freedom.

Working model, for SA and RA apart: a training moves all λ of its network by a common effect and each λ by one of its
own. Its two variances imply s₀² of any contrast. The family from which d₀ is estimated are the variances of orthonormal
contrasts of each network, each in units of what the model implies: its mean over λ, and its λ − 1 Helmert contrasts. A
network of one λ has one. The more these differ, the smaller d₀, and the more a number's own seeds count.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import helmert
from scipy.special import digamma, polygamma

LEAST_FAMILY = 3  # variances; of fewer, d₀ cannot be estimated
ERRORS = 0.5  # standard errors by which d₀ is lowered; chosen by the coverage of the intervals (docs/statistics.md)


def trigamma_inverse(x: float) -> float:
    """y with trigamma(y) = x > 0, by Newton's method for 1/trigamma, which is convex (Smyth 2004, appendix)."""
    y = 0.5 + 1 / x
    for _ in range(50):
        trigamma = float(polygamma(1, y))
        step = trigamma * (1 - trigamma / x) / float(polygamma(2, y))
        y += step
        if -step / y < 1e-10:
            break
    return y


def fit_prior(variances, df) -> tuple[float, float, float]:
    """s₀² and d₀ of the scaled F distribution of variances, by the moments of their logarithms, and a cautious d₀.

    variances, df: (family,), df of each variance. As limma's fitFDist: infinite d₀ if the variances differ no more than
    by chance, and s₀² is then their mean. Both d₀ are 0 for a family that is too small.

    The cautious d₀ is that of logarithms that differ by ERRORS standard errors more. Few variances with few degrees of
    freedom often look alike by chance. The moments' d₀ is then infinite, and a network that varies more than the others
    would get their variance, whatever its own seeds say.
    """
    if np.size(variances) < LEAST_FAMILY:
        return float("nan"), 0.0, 0.0
    variances, df = np.asarray(variances, float), np.broadcast_to(np.asarray(df, float), np.shape(variances))
    floored = np.maximum(variances, 1e-5 * (np.median(variances) or variances.max()))  # as in limma
    logs = np.log(floored) - digamma(df / 2) + np.log(df / 2)  # without the bias of χ²
    expected = float(polygamma(1, df / 2).mean())
    error = np.sqrt((float(polygamma(3, df / 2).mean()) + 2 * expected**2) / len(logs))
    excess = float(logs.var(ddof=1)) - expected
    cautious_d0 = 2 * trigamma_inverse(max(excess, 0.0) + ERRORS * float(error))
    if excess <= 0:
        return float(np.average(floored, weights=df)), float("inf"), cautious_d0
    d0 = 2 * trigamma_inverse(excess)
    return float(np.exp(logs.mean() + digamma(d0 / 2) - np.log(d0 / 2))), d0, cautious_d0


@dataclass(frozen=True)
class Prior:
    """What a panel's networks say of the variance of one number between trainings.

    variance: s₀². df: d₀. pooled_df: degrees of freedom of all networks together, at which those of an interval end (as
    in limma). networks: their number. source: other panel that they are of, "" for the number's own.
    """

    variance: float
    df: float
    pooled_df: float
    networks: int
    source: str = ""

    def posterior(self, variance: float, df: float) -> tuple[float, float]:
        """Shrunken variance (limma's squeezeVar) and its degrees of freedom.

        variance, df: of the number's own seeds; df 0 for one seed.
        """
        squeezed = (df * variance + self.df * self.variance) / (df + self.df)
        return squeezed, min(df + self.df, max(df, self.pooled_df))


def add_priors(priors: Sequence[Prior | None]) -> Prior | None:
    """Prior of a sum of independent numbers; None if one has none."""
    if not priors or None in priors:
        return None
    first = min(priors, key=lambda prior: prior.df)
    return replace(first, variance=sum(p.variance for p in priors), pooled_df=min(prior.pooled_df for prior in priors))


@dataclass(frozen=True)
class TrainingVariance:
    """Fitted working model of one metric, at one width and attack.

    common, own: variances of a training's effect on all λ and on each λ. unit: prior where these imply a variance of 1.
    """

    common: float
    own: float
    unit: Prior

    def prior(self, coefficients: Iterable[Sequence[float]]) -> Prior | None:
        """Prior of a contrast. coefficients: of each network, at its λ. None if there is nothing to shrink towards."""
        sums = [(sum(of_network), sum(c * c for c in of_network)) for of_network in coefficients]
        variance = self.unit.variance * sum(self.common * total**2 + self.own * squares for total, squares in sums)
        return replace(self.unit, variance=variance) if self.unit.df > 0 and variance > 0 else None


def fit(networks: Iterable[np.ndarray], rounding: float = 0.0, source: str = "") -> TrainingVariance | None:
    """Fit the working model; None if no network has two seeds.

    networks: values of each, (seeds, λ). rounding: variance of a value due to whole-number counts.
    """
    networks = [values for values in networks if len(values) > 1 and values.shape[1]]
    if not networks:
        return None
    df = np.array([len(values) - 1 for values in networks], float)
    sizes = np.array([values.shape[1] for values in networks])
    of_means = np.array([values.mean(axis=1).var(ddof=1) for values in networks]) + rounding / sizes
    steps = [(values @ helmert(values.shape[1]).T).var(axis=0, ddof=1) + rounding for values in networks]
    steps, step_df = np.concatenate(steps), np.repeat(df, sizes - 1)
    own = float(np.average(steps, weights=step_df)) if len(steps) else 0.0
    common = max(float(np.average(of_means - own / sizes, weights=df)), 0.0)
    if common + own == 0:
        return None
    family = np.concatenate([of_means / (common + own / sizes), steps / own if own else steps])
    scale, _, d0 = fit_prior(family, np.concatenate([df, step_df]))
    return TrainingVariance(common, own, Prior(scale, d0, float(df.sum()), len(networks), source))
