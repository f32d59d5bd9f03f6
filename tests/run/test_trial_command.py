"""Measurements of the verb `trial`, without training."""

import pytest

from bench.errors import BadInput
from bench.run.trial_command import accuracy_measurements
from bench.spec.lambda_sets import S1, S2
from tests.recipes import oat, pgd_at


def test_they_are_those_of_a_suite():
    """At the recipe's λ and each of its widths, attacked from the starts of the recipe's seed."""
    measured = accuracy_measurements(oat(seed=2, widths=(0.5, 1.0)), "", 100)
    assert [(m.width, m.lambdas, m.seed, m.test_images) for m in measured] == [(0.5, S1, 2, 100), (1.0, S1, 2, 100)]
    assert {(m.epsilon, m.step) for m in measured} == {(0.1, 0.025)}


def test_another_set_of_lambdas_and_pgd_at_s_one():
    (measured,) = accuracy_measurements(oat(), "S2", None)
    assert measured.lambdas == S2
    (measured,) = accuracy_measurements(pgd_at(0.5, seed=1), "S2", None)
    assert (measured.lambdas, measured.seed) == ((0.5,), 1)
    with pytest.raises(BadInput, match="--lambdas: "):
        accuracy_measurements(oat(), "S9", None)
