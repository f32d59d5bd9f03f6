"""How many images pass through the network in a training and a measurement: the budget a plan is estimated from."""

from collections.abc import Callable

from bench.measures.cost import cost
from bench.specs import Recipe
from bench.training.schedule import selects

PER_IMAGE: dict[str, Callable[[Recipe, float], float]] = {}  # method → its own count, where `per_image` is not it


def per_image(recipe: Recipe, attacked: float) -> float:
    """Passes of one training image, of which a fraction `attacked` meets the attack: forward and backward for the clean
    and the adversarial image, and forward and backward to the image in each step of the attack."""
    return 3 + attacked * (2 * recipe.attack_steps + 3)


def training_passes(recipe: Recipe, train: int) -> float:
    """Image passes through the network in training, a forward counted 1, a backward to the input 1, to the weights 1.

    `train` images per epoch; held-out candidates for selection included. Of one width: a slimmable network makes as
    many for each of its widths.
    """
    images = min(recipe.train_images or train, train - recipe.heldout)
    images -= images % recipe.batch
    lams = recipe.lambdas or (recipe.lam,)
    attacked = sum(lam > 0 for lam in lams) / len(lams)
    candidates = sum(selects(epoch, recipe.epochs) for epoch in range(recipe.epochs))
    each = PER_IMAGE.get(recipe.method, per_image)(recipe, attacked)
    return recipe.epochs * images * each + candidates * recipe.heldout * len(lams) * (2 * 7 + 2)


def training_macs(recipe: Recipe, shape: tuple[int, int, int], classes: int, train: int) -> int:
    """Multiply–accumulates of a whole training at all its widths. `shape` is (C, H, W), `train` as above."""
    widths = sum(cost(recipe, shape, classes, width).macs for width in recipe.widths or (1.0,))
    return round(training_passes(recipe, train) * widths)


def measuring_passes(lambdas: int, steps: int, images: int) -> float:
    """Image passes for SA and RA at so many λ."""
    return lambdas * images * (2 * steps + 2)
