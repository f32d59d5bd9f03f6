"""Costs in passes of the network, from which a plan is estimated without torch: of training, attacks and probes.

A forward counts 1, a backward to the input 1, a backward to the weights 1.
"""

from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.registry import Attack, Blend, Method, Probe, load, lookup

# Gradient masking: steps at which robustness is counted along one path of PGD (the paper's attack has 7), restarts,
# and Square's queries on the images that withstand PGD.
MASKING_STEPS = (7, 20, 50)
MASKING_RESTARTS, MASKING_RESTART_STEPS = 5, 20
MASKING_QUERIES = 200

MMA_SEARCH_STEPS = 10  # of the bisection for the margin, as in MMA's code


def training_image(recipe: Recipe, attacked: float) -> float:
    """Passes per training image, of which a fraction `attacked` is attacked: forward and backward of the clean and of
    the adversarial image, and forward and backward to the input in each attack step."""
    return 3 + attacked * (2 * recipe.attack_steps + 3)


def training_image_of_trades(recipe: Recipe, attacked: float) -> float:
    """As `training_image`, and one forward of the clean image, whose output the attack moves away from."""
    return training_image(recipe, attacked) + attacked


def training_image_of_mma(recipe: Recipe, attacked: float) -> float:
    """As `training_image`, and a forward per step of the search for the decision boundary."""
    return training_image(recipe, attacked) + attacked * MMA_SEARCH_STEPS


def training_image_of_float(recipe: Recipe, attacked: float) -> float:
    """As `training_image`, where an attacked image makes no clean pass."""
    return training_image(recipe, attacked) - 3 * attacked


def training_passes(recipe: Recipe, train: int) -> float:
    """Passes in a whole training at one width, evaluation of the candidates for selection included.

    `train`: images of the data set's training part. A slimmable network makes as many passes at each of its widths.
    """
    images = min(recipe.train_images or train, train - recipe.heldout)
    images -= images % recipe.batch
    lams = recipe.lambdas or (recipe.lam,)
    attacked = sum(lam > 0 for lam in lams) / len(lams)
    candidates = sum(recipe.is_candidate(epoch) for epoch in range(recipe.epochs))
    per_image = load(lookup(Method, recipe.method).cost)(recipe, attacked)
    return recipe.epochs * images * per_image + candidates * recipe.heldout * len(lams) * (2 * 7 + 2)


def probe_passes(measurement: Measurement, recipe: Recipe, classes: int) -> float:
    """Passes of a measurement per image and λ."""
    return load(lookup(Probe, measurement.probe).cost)(measurement, recipe, classes)


def attack_effort(measurement: Measurement, classes: int) -> float:
    """Gradient steps of a measurement's attack per image and λ, at most: an image that is fooled is not attacked again.
    A query, which is a forward pass alone, counts half."""
    attack, targets = lookup(Attack, measurement.attack), classes - 1 if measurement.targeted else 1
    steps = load(attack.effort)(classes) if attack.effort else measurement.steps or attack.steps
    return steps * measurement.restarts * targets * attack.passes / 2


def accuracy(measurement: Measurement, recipe: Recipe, classes: int) -> float:
    """The attack, and a forward pass of the clean and of the adversarial image. A blend may have several networks and
    several attacks."""
    passes = 2 * attack_effort(measurement, classes) + 2
    blend = lookup(Blend, measurement.blend) if measurement.blend else None
    return passes * blend.networks * blend.attacks if blend else passes


def saliency(measurement: Measurement, recipe: Recipe, classes: int) -> float:
    """A forward pass and a backward pass to the input."""
    return 2


def no_images(measurement: Measurement, recipe: Recipe, classes: int) -> float:
    """0, for a probe that uses no test image."""
    return 0


def transfer(measurement: Measurement, recipe: Recipe, classes: int) -> float:
    """The attack at each λ, twice with dual BN, further starts on the images left, the attack on the sum over λ, and a
    forward pass at every λ."""
    attacks = 1 + (recipe.norm == "dual") + (len(measurement.lambdas) - 1) / 2  # assumes that half is left
    attacks += has_joint_attack(measurement)
    return attacks * 2 * attack_effort(measurement, classes) + len(measurement.lambdas) + 2


def has_joint_attack(measurement: Measurement) -> bool:
    """Whether the attack can be made against the sum of the losses at several λ: PGD, MI-FGSM and FGSM look at the
    outputs through the loss alone, which other attacks need not, and targets are those of one λ."""
    target = lookup(Attack, measurement.attack).target
    return str(target).startswith("bench.attacks.pgd:") and not measurement.targeted


def masking(measurement: Measurement, recipe: Recipe, classes: int) -> float:
    """The signs of masked gradients, if half of the images withstand PGD and none withstand 2ε."""
    if measurement.surrogate:
        return 2 * MASKING_RESTART_STEPS / len(measurement.lambdas) + 1
    restarts = 2 * MASKING_RESTART_STEPS * (MASKING_RESTARTS + 1)
    return 4 + (3 * MASKING_STEPS[-1] + restarts + MASKING_QUERIES) / 2
