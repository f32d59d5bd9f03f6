"""The two ends of a blend: which networks it is measured on (docs/dials.md)."""

from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.registry import Blend, load, lookup


def other_end(blend: str, recipe: Recipe) -> Recipe | None:
    """The recipe of the network at the other end; None where the ends are two branches of one network.

    Raises ValueError for a recipe that cannot be an end.
    """
    return load(lookup(Blend, blend).other)(recipe)


def with_other_end(measurement: Measurement, recipe: Recipe) -> Measurement:
    """The measurement on the network of a recipe, with the key of the other end where it is of a blend."""
    other = other_end(measurement.blend, recipe) if measurement.blend else None
    return measurement.model_copy(update={"surrogate": other.key}) if other else measurement


def robust_partner(recipe: Recipe) -> Recipe:
    """PGD-AT of λ=1, the α=1 end; the measured network is PGD-AT of λ=0."""
    if recipe.method != "pgd_at" or recipe.lam != 0 or recipe.tuned_from is not None:
        raise ValueError("output mixing takes {method: pgd_at, lam: 0}, the network at α=0")
    return recipe.model_copy(update={"lam": 1.0})


def start(recipe: Recipe) -> Recipe:
    """The network that fine-tuning started from, the α=0 end; the measured network is the α=1 end."""
    if recipe.start is None:
        raise ValueError("weight interpolation takes a network with tuned_from, the network at α=1")
    return recipe.start


def own_branches(recipe: Recipe) -> None:
    """No other network: BN_c is the α=0 end and BN_a the α=1 end."""
    if recipe.norm != "dual-without-film":
        raise ValueError("interpolated BN takes a network with norm: dual-without-film")
