"""Signs that an attack fails because gradients are masked, not because the network is robust (docs/masking.md).

After Athalye et al., ICML 2018 (Sec. 3.1), and Carlini et al., 2019. In a sound evaluation more steps and restarts find
no more, a large ε breaks every image, and random search, another loss, or examples from another network find nothing
that the gradient does not. This module counts; reports/ judges the counts.
"""

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from bench.attacks.pgd import begin, cross_entropy, gradient, margin, pgd, take_steps
from bench.attacks.square import square
from bench.data import Images
from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel, model_at
from bench.measures.accuracy import BATCH, by_batch, correct
from bench.measures.second_network import other_engine
from bench.spec.costs import MASKING_QUERIES as QUERIES
from bench.spec.costs import MASKING_RESTART_STEPS as RESTART_STEPS
from bench.spec.costs import MASKING_RESTARTS as RESTARTS
from bench.spec.costs import MASKING_STEPS as STEPS
from bench.spec.measurement import Measurement

COUNTS = ("n", "clean_correct", "square", "margin", "zero_gradients", "saturated")  # add up over batches of images


def masking(engine: Engine, images: Images, measurement: Measurement, directory: Path) -> Iterator[dict]:
    """Yield a row per λ: {"lam", "width", "n", "clean_correct"} and

    - "steps": [[k, robust after k steps of PGD], …]; "restarts": [[1, …], [5, robust to all]];
    - "robust_images": indices of the images that withstand all of the above, the white-box attack;
    - "square": how many of these are fooled by Square's "queries"; "margin": by PGD on a loss that cannot saturate;
    - "epsilons": [[ε, robust], …] as ε doubles until no image is left or ε = 1;
    - "zero_gradients": correct images whose cross-entropy has gradient 0; "saturated": whose cross-entropy is 0.

    Where `measurement.surrogate` names a network, whose directory lies beside this one, the row is {"lam", "width",
    "n", "surrogate", "surrogate_name", "fooled_images"}: the images that the surrogate's adversarial examples fool.
    """
    if measurement.surrogate:
        adv, surrogate = surrogate_examples(directory.parent / measurement.surrogate, engine, images, measurement)
    for lam in measurement.lambdas:
        model = model_at(engine, lam, images.images.device, measurement.width)
        row = {"lam": lam, "width": measurement.width, "n": len(images.labels)}
        if measurement.surrogate:
            parts = zip(adv.split(BATCH), images.labels.split(BATCH), strict=True)
            fooled = torch.cat([~correct(model, *part) for part in parts])
            yield row | surrogate | {"fooled_images": fooled.nonzero()[:, 0].tolist()}
        else:
            rng = torch.Generator().manual_seed(measurement.seed)
            signs = functools.partial(signs_at, model, measurement, rng)
            yield row | functools.reduce(joined, by_batch(signs, images, rng))


def joined(first: dict, second: dict) -> dict:
    """The signs of two batches of images, the second of which are numbered after the first's."""
    signs = {name: first[name] + second[name] for name in COUNTS}
    signs["robust_images"] = first["robust_images"] + [first["n"] + index for index in second["robust_images"]]
    for name in ("steps", "restarts", "epsilons"):  # ε doubles until no image of a batch is left
        longer = max(first[name], second[name], key=len)
        counts = itertools.zip_longest(*([count for _, count in batch[name]] for batch in (first, second)), fillvalue=0)
        signs[name] = [[at, sum(pair)] for (at, _), pair in zip(longer, counts, strict=True)]
    return first | signs


def signs_at(model: ConditionedModel, measurement: Measurement, rng: torch.Generator, x: Tensor, y: Tensor) -> dict:
    """Count all signs on the model of one λ, on a batch of "n" images."""
    zero_gradients, saturated = vanishing_gradients(model, x, y)
    clean = robust = correct(model, x, y).nonzero()[:, 0]
    robust, steps = robust_by_steps(model, x, y, robust, measurement, rng)
    after_first = len(robust)
    attack = {"steps": RESTART_STEPS, "rng": rng, "epsilon": measurement.epsilon, "step": measurement.step}
    for _ in range(RESTARTS - 1):
        robust = still_correct(pgd, model, x, y, robust, **attack)
    by_margin = still_correct(pgd, model, x, y, robust, loss=margin, **attack)
    by_square = still_correct(square, model, x, y, robust, **attack | {"steps": QUERIES})
    return {
        "n": len(y),
        "clean_correct": len(clean),
        "steps": steps,
        "restarts": [[1, after_first], [RESTARTS, len(robust)]],
        "robust_images": robust.tolist(),
        "queries": QUERIES,
        "square": len(robust) - len(by_square),
        "margin": len(robust) - len(by_margin),
        "epsilons": robust_by_epsilon(model, x, y, robust, measurement, attack),
        "zero_gradients": zero_gradients,
        "saturated": saturated,
    }


def robust_by_steps(
    model: ConditionedModel, x: Tensor, y: Tensor, robust: Tensor, measurement: Measurement, rng: torch.Generator
) -> tuple[Tensor, list[list[int]]]:
    """Follow one path of PGD, on which an image counts as fooled from its first wrong answer on. Returns the indices of
    the images that are never fooled, and [[k, how many after k steps], …]."""
    counts, (adv, low, high) = [], begin(x, measurement.epsilon, rng, "uniform")
    for step in range(1, STEPS[-1] + 1):
        if len(robust):
            bounds = low[robust], high[robust], y[robust]
            adv[robust] = take_steps(model, adv[robust], *bounds, measurement.step, 1, cross_entropy)
            robust = robust[correct(model, adv[robust], y[robust])]
        if step in STEPS:
            counts.append([step, len(robust)])
    return robust, counts


def robust_by_epsilon(model, x: Tensor, y: Tensor, robust: Tensor, measurement: Measurement, attack: dict) -> list:
    """[[ε, robust], …] as ε doubles, the step in proportion."""
    counts, epsilon = [], measurement.epsilon
    while epsilon < 1 and len(robust):
        epsilon = min(2 * epsilon, 1.0)
        scaled = attack | {"epsilon": epsilon, "step": epsilon * measurement.step / measurement.epsilon}
        robust = still_correct(pgd, model, x, y, robust, **scaled)
        counts.append([epsilon, len(robust)])
    return counts


def still_correct(attack, model, x: Tensor, y: Tensor, index: Tensor, **arguments) -> Tensor:
    """The indices among `index` of the images that the model classifies correctly after the attack."""
    if not len(index):
        return index
    return index[correct(model, attack(model, x[index], y[index], **arguments), y[index])]


def vanishing_gradients(model, x: Tensor, y: Tensor) -> tuple[int, int]:
    """Among the correct images: how many have an input gradient of exactly 0, and a cross-entropy of exactly 0."""
    hits = correct(model, x, y)
    x, y = x[hits], y[hits]
    if not len(x):
        return 0, 0
    with torch.no_grad():
        saturated = int((cross_entropy(model(x).float(), y) == 0).sum())
    return int((gradient(model, x, y, cross_entropy) == 0).flatten(1).all(1).sum()), saturated


def surrogate_examples(
    directory: Path, engine: Engine, images: Images, measurement: Measurement
) -> tuple[Tensor, dict]:
    """Craft PGD examples on the network in `directory`, at its own λ. Returns them and {"surrogate", "surrogate_name"}.

    Raises FileNotFoundError where that network has not been trained, and Damaged where its files are.
    """
    device = images.images.device
    surrogate = other_engine(directory, images.images.shape[1], engine.net.head.out_features, device)
    recipe = surrogate.net.recipe
    model = model_at(surrogate, 1.0 if recipe.lam is None else recipe.lam, device, measurement.width)
    rng = torch.Generator().manual_seed(measurement.seed)
    attack = {"epsilon": measurement.epsilon, "step": measurement.step, "steps": RESTART_STEPS, "rng": rng}
    adv = by_batch(lambda x, y: pgd(model, x, y, **attack), images, rng)
    return torch.cat(adv), {"surrogate": recipe.key, "surrogate_name": recipe.name}
