"""Signs that an attack fails because gradients are hidden, not because the network is robust (docs/masking.md).

After Athalye et al., ICML 2018 (Sec. 3.1) and Carlini et al., 2019: in a sound evaluation more steps and restarts find
no more, a large ε breaks everything, and neither random search, nor another loss, nor examples from another network
find what the gradient does not. Counts only; reports/statistics/gradient_masking.py judges them.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from bench.attacks.pgd import begin, cross_entropy, gradient, margin, pgd
from bench.attacks.square import square
from bench.data import Images
from bench.measures.saliency import unit
from bench.models import build
from bench.models.network import ConditionalNetwork
from bench.spec.measurement import Measurement
from bench.spec.probes import QUERIES, RESTART_STEPS, RESTARTS, STEPS
from bench.spec.recipe import Recipe


def masking(net: ConditionalNetwork, part: Images, what: Measurement, directory: Path) -> Iterator[dict]:
    """Yield a row per λ: {"lam", "width", "n", "clean_correct"} and

    - "steps": [[k, robust after k steps of PGD], …]; "restarts": [[1, …], [5, robust to all]];
    - "robust_images": indices of what withstands all of that, the white-box attack; the next four are of these alone:
    - "square": fooled by Square's "queries"; "margin": fooled by PGD on a loss that cannot saturate;
    - "epsilons": [[ε, robust], …] as ε doubles until nothing is left or ε = 1;
    - "zero_gradients": right images whose cross-entropy has no gradient at all; "saturated": where it is exactly 0.

    Where `what.surrogate` names a network, whose directory lies beside this one, only {"lam", "width", "n",
    "surrogate", "surrogate_name", "fooled_images"}: those that the surrogate's adversarial examples fool.
    """
    x, y = unit(part.images), part.labels
    other = neighbour(directory.parent / what.surrogate, net, part, what) if what.surrogate else None
    for lam in what.lambdas:
        cond = net.condition(torch.full((1,), lam, device=x.device), width=what.width)
        logits = partial(net, lam=cond)
        row = {"lam": lam, "width": what.width, "n": len(y)}
        if other is None:
            yield row | signs(logits, x, y, what)
        else:
            adv, about = other
            yield row | about | {"fooled_images": (~right(logits, adv, y)).nonzero()[:, 0].tolist()}


def signs(logits, x: Tensor, y: Tensor, what: Measurement) -> dict:
    """The row of one λ but for its head."""
    rng = torch.Generator(x.device).manual_seed(what.seed)
    zero, saturated = vanishing(logits, x, y)
    clean = alive = right(logits, x, y).nonzero()[:, 0]
    steps = []
    adv, low, high = begin(x, what.epsilon, rng, "uniform")
    for step in range(1, STEPS[-1] + 1):  # one path; an image counts as fooled from its first wrong answer on
        if len(alive):
            on = adv[alive]
            moved = on.add(gradient(logits, on, y[alive], cross_entropy).sign(), alpha=what.step)
            adv[alive] = moved.clamp(low[alive], high[alive])
            alive = alive[right(logits, adv[alive], y[alive])]
        if step in STEPS:
            steps.append([step, len(alive)])
    first, attack = len(alive), {"steps": RESTART_STEPS, "rng": rng, "epsilon": what.epsilon, "step": what.step}
    for _ in range(RESTARTS - 1):
        alive = withstand(pgd, logits, x, y, alive, **attack)
    robust = alive
    by_margin = withstand(pgd, logits, x, y, robust, loss=margin, **attack)
    by_square = withstand(square, logits, x, y, robust, **attack | {"steps": QUERIES})
    epsilons, epsilon = [], what.epsilon
    while epsilon < 1 and len(alive):
        epsilon = min(2 * epsilon, 1.0)
        scaled = attack | {"epsilon": epsilon, "step": epsilon * what.step / what.epsilon}
        alive = withstand(pgd, logits, x, y, alive, **scaled)
        epsilons.append([epsilon, len(alive)])
    return {
        "clean_correct": len(clean),
        "steps": steps,
        "restarts": [[1, first], [RESTARTS, len(robust)]],
        "robust_images": robust.tolist(),
        "queries": QUERIES,
        "square": len(robust) - len(by_square),
        "margin": len(robust) - len(by_margin),
        "epsilons": epsilons,
        "zero_gradients": zero,
        "saturated": saturated,
    }


def withstand(attack, logits, x: Tensor, y: Tensor, alive: Tensor, **how) -> Tensor:
    """Those of the indices `alive` whose images the network still gets right after the attack."""
    if not len(alive):
        return alive
    return alive[right(logits, attack(logits, x[alive], y[alive], **how), y[alive])]


@torch.no_grad()
def right(logits, x: Tensor, y: Tensor) -> Tensor:
    return logits(x).argmax(1) == y if len(x) else torch.zeros(0, dtype=torch.bool, device=x.device)


def vanishing(logits, x: Tensor, y: Tensor) -> tuple[int, int]:
    """Of the images that are right: how many have an input gradient of exactly 0, and a cross-entropy of exactly 0."""
    hits = right(logits, x, y)
    x, y = x[hits], y[hits]
    if not len(x):
        return 0, 0
    with torch.no_grad():
        saturated = int((cross_entropy(logits(x).float(), y) == 0).sum())
    return int((gradient(logits, x, y, cross_entropy) == 0).flatten(1).all(1).sum()), saturated


def neighbour(directory: Path, own: ConditionalNetwork, part: Images, what: Measurement) -> tuple[Tensor, dict]:
    """The images as PGD makes them on the network in `directory`, at its own λ; and what to say of it.

    Raises FileNotFoundError where it has not been trained.
    """
    from safetensors.torch import load_file  # here, so that steps can be timed where torch stands alone

    recipe = Recipe.model_validate(json.loads((directory / "recipe.json").read_text()))
    net = build(recipe, part.images.shape[1], own.head.out_features).to(part.images.device).eval()
    net.load_state_dict(load_file(directory / "weights.safetensors"))
    lam = torch.full((1,), recipe.lam if recipe.lam is not None else 1.0, device=part.images.device)
    logits = partial(net, lam=net.condition(lam, width=what.width))
    rng = torch.Generator(part.images.device).manual_seed(what.seed)
    adv = pgd(logits, unit(part.images), part.labels, what.epsilon, what.step, RESTART_STEPS, rng)
    return adv, {"surrogate": recipe.key, "surrogate_name": recipe.name}
