"""How many passes of the network each probe takes, for an image at a λ: what a plan reckons with, without torch.

A forward counts 1, a backward to the input 1. Each function takes (measurement, recipe, number of classes).
"""

from bench.spec.attacks import effort
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe

# Of masking: steps of one path of PGD, of which the paper's own attack has 7; restarts; and Square's queries of the
# images that the gradient leaves.
STEPS = (7, 20, 50)
RESTARTS, RESTART_STEPS = 5, 20
QUERIES = 200


def accuracy(what: Measurement, recipe: Recipe, classes: int) -> float:
    """The attack, and a look at both images."""
    return 2 * effort(what, classes) + 2


def saliency(what: Measurement, recipe: Recipe, classes: int) -> int:
    return 2


def none(what: Measurement, recipe: Recipe, classes: int) -> int:
    """Where no test image is looked at."""
    return 0


def transfer(what: Measurement, recipe: Recipe, classes: int) -> float:
    """The attack, twice with dual BN, and a look at every λ."""
    attacks = 1 + (recipe.norm == "dual") + (len(what.lambdas) - 1) / 2  # further starts: where half is left
    return attacks * 2 * effort(what, classes) + len(what.lambdas) + 2


def masking(what: Measurement, recipe: Recipe, classes: int) -> float:
    """As if half of the images withstood PGD, and none 2ε."""
    if what.surrogate:
        return 2 * RESTART_STEPS / len(what.lambdas) + 1
    return 4 + (3 * STEPS[-1] + 2 * RESTART_STEPS * (RESTARTS + 1) + QUERIES) / 2


PASSES = {
    "accuracy": accuracy,
    "bn_statistics": none,
    "saliency": saliency,
    "cost": none,
    "transfer": transfer,
    "masking": masking,
}
