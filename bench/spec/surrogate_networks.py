"""Surrogates: networks whose adversarial examples are tried on other networks, a sign of masked gradients.

docs/masking.md says what the sign is worth.
"""

from collections.abc import Iterable

from bench.spec.recipe import Recipe
from bench.spec.trial import Trial


def with_surrogates(trials: dict[str, Trial]) -> dict[str, Trial]:
    """A panel's trials by key, each with the measurements on examples of its surrogate."""
    surrogates = find_surrogates(trials.values())
    return {key: with_surrogate(trial, surrogates.get(training_group(trial.recipe))) for key, trial in trials.items()}


def find_surrogates(trials: Iterable[Trial]) -> dict[tuple, Trial]:
    """Training group → its PGD-AT network of the largest λ."""
    surrogates: dict[tuple, Trial] = {}
    for trial in trials:
        if trial.recipe.method == "pgd_at":
            group = training_group(trial.recipe)
            surrogates[group] = max(surrogates.get(group, trial), trial, key=lambda t: t.recipe.lam)
    return surrogates


def training_group(recipe: Recipe) -> tuple:
    """What networks that share a surrogate have in common."""
    return recipe.arch, recipe.widths, recipe.lr, recipe.seed


def with_surrogate(trial: Trial, surrogate: Trial | None) -> Trial:
    """The trial with each masking measurement repeated on the surrogate's examples. The surrogate itself has none."""
    masking = [measurement for measurement in trial.measurements if measurement.probe == "masking"]
    if surrogate is None or surrogate is trial or not masking:
        return trial
    repeated = tuple(measurement.model_copy(update={"surrogate": surrogate.key}) for measurement in masking)
    return trial.model_copy(update={"measurements": trial.measurements + repeated})
