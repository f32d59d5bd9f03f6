"""How many images pass through the network in a training: the budget a plan is estimated from, without torch."""

from bench.spec.recipe import Recipe
from bench.training.schedule import selects


def per_image(recipe: Recipe, attacked: float) -> float:
    """Passes of one training image, of which a fraction `attacked` meets the attack: forward and backward for the clean
    and the adversarial image, and forward and backward to the image in each step of the attack."""
    return 3 + attacked * (2 * recipe.attack_steps + 3)


def per_image_of_trades(recipe: Recipe, attacked: float) -> float:
    """The same, and a forward of the clean image for what its attack goes away from."""
    return per_image(recipe, attacked) + attacked


METHODS = {
    "oat": per_image,
    "pgd_at": per_image,
    "oat_trades": per_image_of_trades,
}  # all that OBJECTIVES has


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
    each = METHODS[recipe.method](recipe, attacked)
    return recipe.epochs * images * each + candidates * recipe.heldout * len(lams) * (2 * 7 + 2)
