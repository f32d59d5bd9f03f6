"""The moderated t against an independent derivation of limma's squeezeVar, simulated priors, and coverage."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from reports.statistics import training_variance
from reports.statistics.training_variance import Prior, TrainingVariance


def limma(variances: np.ndarray, df: int) -> tuple[float, float]:
    """s₀² and d₀ as Smyth (2004), eq. 6.2, defines them: the first two moments of log F on df and d₀.

    The moments of log χ² are taken by numerical integration and the equation is solved by bisection.
    """

    def log_chi2_moments(k: float) -> tuple[float, float]:
        grid = np.linspace(1e-9, 1 - 1e-9, 40_001)
        logs = np.log(stats.chi2.ppf(grid, k) / k)
        mean = np.trapezoid(logs, grid)
        return mean, np.trapezoid((logs - mean) ** 2, grid)

    mean_d, variance_d = log_chi2_moments(df)
    logs = np.log(variances)
    excess = logs.var(ddof=1) - variance_d
    if excess <= 0:
        return variances.mean(), np.inf
    d0 = optimize.brentq(lambda k: log_chi2_moments(k)[1] - excess, 0.5, 300)
    return np.exp(logs.mean() - mean_d + log_chi2_moments(d0)[0]), d0


@pytest.mark.parametrize(("df", "true_d0"), [(2, 4.0), (4, 10.0), (9, 6.0)])
def test_the_prior_is_limmas(df, true_d0):
    rng = np.random.default_rng(df)
    truth = 2.0 * true_d0 / rng.chisquare(true_d0, 60)
    variances = truth * rng.chisquare(df, 60) / df
    assert training_variance.fit_prior(variances, df)[:2] == pytest.approx(limma(variances, df), rel=0.01)


def test_variances_that_differ_by_no_more_than_chance_have_an_infinite_d0_and_their_mean():
    variances = np.array([1.0, 1.1, 0.9, 1.05])
    assert training_variance.fit_prior(variances, 2)[:2] == (pytest.approx(variances.mean()), np.inf)


def test_the_moments_recover_the_prior():
    rng = np.random.default_rng(0)
    truth = 3.0 * 8 / rng.chisquare(8, 20_000)
    scale, d0, _ = training_variance.fit_prior(truth * rng.chisquare(4, 20_000) / 4, 4)
    assert scale == pytest.approx(3.0, rel=0.03) and d0 == pytest.approx(8, rel=0.1)


def test_the_cautious_d0_is_finite_and_smaller_and_grows_with_the_seeds():
    rng = np.random.default_rng(0)
    cautious = [training_variance.fit_prior(rng.chisquare(df, 18) / df, df)[2] for df in (1, 4, 9, 49)]
    assert all(np.isfinite(cautious)) and cautious[0] < cautious[2] < cautious[3]
    spread = np.exp(rng.standard_normal(200)) * rng.chisquare(4, 200) / 4
    _, d0, cautious_d0 = training_variance.fit_prior(spread, 4)
    assert cautious_d0 < d0


def test_trigamma_inverse():
    for x in (1e-4, 0.1, 1.0, 5.0, 200.0):
        assert special.polygamma(1, training_variance.trigamma_inverse(x)) == pytest.approx(x, rel=1e-8)


def test_a_small_family_says_nothing():
    rng = np.random.default_rng(0)
    assert training_variance.fit([rng.normal(size=(1, 6))]) is None  # one seed
    two = training_variance.fit([rng.normal(size=(3, 1)) for _ in range(2)])
    assert two.prior([[1.0]]) is None


def networks(seeds: int, rng, common: float = 0.6, spreads=(1.0,) * 8) -> list[np.ndarray]:
    """Six networks of one λ and two of six λ. spreads: standard deviations of each network's accuracy."""
    accuracies = [50 + spread * rng.standard_normal((seeds, 1)) for spread in spreads[:6]]
    for spread in spreads[6:]:
        effects = np.sqrt(common) * rng.standard_normal((seeds, 1)) + np.sqrt(1 - common) * rng.standard_normal(
            (seeds, 6)
        )
        accuracies.append(50 + spread * effects)
    return accuracies


def test_the_model_recovers_its_two_variances():
    fitted = training_variance.fit(networks(4000, np.random.default_rng(0)))
    assert (fitted.common, fitted.own) == (pytest.approx(0.6, abs=0.03), pytest.approx(0.4, abs=0.02))
    assert fitted.prior([[1.0, -1.0]]).variance == pytest.approx(2 * 0.4, rel=0.05)  # a step between two λ
    assert fitted.prior([[1.0], [-1.0]]).variance == pytest.approx(2.0, rel=0.05)  # between two networks
    assert fitted.prior([[1 / 6] * 6]).variance == pytest.approx(0.6 + 0.4 / 6, rel=0.05)


def test_degrees_of_freedom_end_at_those_of_all_networks():
    prior = Prior(1.0, df=100.0, pooled_df=16.0, networks=8)
    assert prior.posterior(3.0, 2)[1] == 16
    assert Prior(1.0, df=5.0, pooled_df=16.0, networks=8).posterior(3.0, 2) == (pytest.approx((2 * 3 + 5) / 7), 7)
    assert TrainingVariance(1.0, 1.0, Prior(1.0, 0.0, 16.0, 8)).prior([[1.0]]) is None


@pytest.mark.parametrize("unequal", [0.0, 0.35], ids=["alike", "unequal"])
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_moderated_intervals_cover(seeds, unequal):
    """Of a network's mean, a step in λ, and a difference of networks; `unequal`: sd of the logarithm of a spread."""
    rng, rows = np.random.default_rng(seeds), []
    for _ in range(200):
        values = networks(seeds, rng, spreads=np.exp(unequal * rng.standard_normal(8)))
        fitted, oat, other = training_variance.fit(values), values[6], values[7]
        for number, coefficients in (
            (oat[:, 5] - 50, [[1.0]]),
            (oat[:, 5] - oat[:, 0], [[1.0, -1.0]]),
            (oat[:, 0] - values[0][:, 0], [[1.0], [-1.0]]),
            (oat.mean(axis=1) - other.mean(axis=1), [[1 / 6] * 6, [-1 / 6] * 6]),
        ):
            own = float(number.var(ddof=1))
            variance, df = fitted.prior(coefficients).posterior(own, seeds - 1)
            rows.append((abs(number.mean()), variance, df, own))
    errors, variances, dfs, own = np.array(rows).T
    halves = stats.t.ppf(0.975, dfs) * np.sqrt(variances / seeds)
    assert 0.93 - 0.01 <= np.mean(errors <= halves) <= 0.97 + 0.01
    moderated, plain = halves.mean(), (stats.t.ppf(0.975, seeds - 1) * np.sqrt(own / seeds)).mean()
    assert moderated < {2: 0.4, 3: 0.7, 5: 0.9, 10: 1.0}[seeds] * plain
