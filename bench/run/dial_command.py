"""The `dial` verb: what one network says of one image, clean and attacked, as λ goes from 0 to 1."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.attacks.pgd import offset, pgd
from bench.data import DataError
from bench.engines.conditioned_model import ConditionedModel
from bench.errors import BadInput, unknown
from bench.run.predict_command import read_image
from bench.spec.registry import ATTACKS, NORMS
from bench.trained_network import TrainedNetwork, load_network

if TYPE_CHECKING:
    from reports.plots.class_probabilities import Dial

STEPS_OF_LAMBDA = 40  # the λ of training are drawn besides
FORMATS = ("png", "svg", "pdf")


def draw_dial(key: str, image: Path, out: Path, label: int | None, width: float, runs: Path) -> Path:
    """Write the picture and return its path. Raises BadInput for a network, image, class or width that cannot be taken.

    label: the class that the attack leads away from; None: the one that the network predicts at λ=0.
    """
    if out.suffix[1:] not in FORMATS:
        raise BadInput(f"--out {out}: {unknown('format', out.suffix[1:], FORMATS)}")
    network = load_network(key, runs)
    if network.recipe.lam is not None:
        training = f"was trained for λ={network.recipe.lam:g} alone"
        raise BadInput(f"{network.recipe.name}: {training}, so it has no dial: take a network of OAT")
    if label is not None and label >= network.classes:
        raise BadInput(f"--label {label}: this network has {network.classes} classes, from 0 on")
    try:
        dial = dial_of(network, read_image(image, network), label, width, image.name)
    except (DataError, ValueError) as error:
        raise BadInput(str(error)) from None
    from reports.plots.class_probabilities import write  # imports matplotlib

    write(dial, out)
    return out


def dial_of(network: TrainedNetwork, pixels: np.ndarray, label: int | None, width: float, name: str) -> "Dial":
    """Compute the probabilities of an image, uint8 (C, H, W), at each λ.

    The attack is PGD-7 at the recipe's ε against f(·, λ), from the same random start at every λ, as in a measurement.
    """
    from reports.plots.class_probabilities import Dial

    recipe, attack = network.recipe, ATTACKS["pgd7"]
    lambdas = np.union1d(np.linspace(0, 1, STEPS_OF_LAMBDA + 1).round(6), recipe.lambdas)
    images = network.checked_images(np.repeat(pixels[None], len(lambdas), axis=0))
    clean = network(images, lambdas, width).softmax(1)
    label = int(clean[0].argmax()) if label is None else label
    cond = network.engine.condition(network.checked_lambdas(lambdas, len(lambdas)), width=width, training=False)
    rng = torch.Generator(network.device).manual_seed(recipe.seed)
    start = offset(images[:1], recipe.epsilon, rng).expand_as(images)
    step = recipe.attack_step(steps=attack.steps)
    labels = torch.full((len(images),), label, device=network.device)
    model = ConditionedModel(network.engine, cond)
    adversarial = pgd(model, images, labels, recipe.epsilon, step, attack.steps, rng, start)
    return Dial(
        lambdas=lambdas,
        clean=clean.numpy(),
        attacked=network(adversarial, lambdas, width).softmax(1).numpy(),
        image=images[0].cpu().numpy(),
        adversarial=adversarial.cpu().numpy(),
        label=label,
        trained=recipe.lambdas,
        jump=NORMS[recipe.norm].branches > 1,
        attack=f"attacked at each λ by PGD-{attack.steps}, ε = {recipe.epsilon:.3g}",
        title=f"{recipe.label}, network {recipe.key[:8]}{f', width {width:g}' if recipe.widths else ''}: {name}",
    )
