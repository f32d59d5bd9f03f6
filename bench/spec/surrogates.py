"""Which network lends its adversarial examples to which: one of the signs of masked gradients (docs/masking.md)."""

from collections.abc import Iterable

from bench.spec.recipe import Recipe
from bench.spec.trial import Trial


def with_lenders(panel: dict[str, Trial]) -> dict[str, Trial]:
    """The panel's trials by key, each with the measurements on its lender's examples."""
    lending = lenders(panel.values())
    return {key: with_surrogate(trial, lending.get(alike(trial.recipe))) for key, trial in panel.items()}


def lenders(panel: Iterable[Trial]) -> dict[tuple, Trial]:
    """Networks that are trained alike with one seed → the PGD-AT network of the largest λ among them."""
    found: dict[tuple, Trial] = {}
    for trial in panel:
        if trial.recipe.method == "pgd_at":
            best = found.setdefault(alike(trial.recipe), trial)
            found[alike(trial.recipe)] = max(best, trial, key=lambda t: t.recipe.lam)
    return found


def alike(recipe: Recipe) -> tuple:
    return recipe.arch, recipe.widths, recipe.lr, recipe.seed


def with_surrogate(trial: Trial, lender: Trial | None) -> Trial:
    """The trial, and where it is asked for signs of masking, also examples crafted on its lender's network. The lender
    itself has no such neighbour, and waits for none."""
    asked = [what for what in trial.measurements if what.probe == "masking"]
    if lender is None or lender is trial or not asked:
        return trial
    more = tuple(what.model_copy(update={"surrogate": lender.key}) for what in asked)
    return trial.model_copy(update={"measurements": trial.measurements + more})
