"""OAT with the loss of TRADES (Zhang et al., ICML 2019). The paper calls OAT compatible with it (Sec. 3.1).

TRADES trains on CE(f(x), y) + β·KL(f(x) ‖ f(x')), where x' maximises the KL within the ε-ball. This loss replaces L_a
in Eq. (3), λ per sample:

    (1-λ)·CE + λ·(CE + β·KL)  =  CE(f(x, λ), y) + λβ·KL(f(x, λ) ‖ f(x', λ)),

so λ=0 is standard training, and λ=1 is TRADES with weight β. The KL alone as L_a, as Sec. 2 of the paper words it,
would leave no term with the labels at λ=1. β is the recipe's `beta`; TRADES' code uses 6 for CIFAR-10 (1/λ in its
paper, where λ means something else).
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.attacks.pgd import pgd
from bench.engines import Engine
from bench.spec.recipe import Recipe
from bench.training.objectives import Batch, count, logits, model_under_attack


def oat_trades(engine: Engine, recipe: Recipe, batch: Batch) -> Iterator[Tensor]:
    """Yield one term: attack, clean pass, adversarial pass, in the order of TRADES' code.

    The clean pass goes through the branches as OAT's does (λ=0 → BN_c, the rest → BN_a; ledger row 4), the adversarial
    pass of the samples with λ≠0 through BN_a. As in TRADES' code the gradient of the KL flows through f(x) and f(x').
    TRADES' code computes f(x) once for each loss; here both losses share one pass, which updates the running statistics
    once.
    """
    start, zeros = 0 if recipe.protocol.attack_lam0 == "make" else batch.zeros, batch.zeros
    part, whole = slice(start, None), slice(None)
    adv = craft_kl(engine, recipe, batch, part) if start < len(batch.x) else None
    clean_zeros = len(batch.x) if recipe.protocol.clean_branch == "always-c" else zeros
    clean = logits(engine, recipe, batch, batch.x, clean_zeros, whole)
    count(batch, clean, "sa", whole)
    loss = F.cross_entropy(clean, batch.y, reduction="sum")
    if adv is not None:
        adversarial = logits(engine, recipe, batch, adv, zeros - start, part)
        count(batch, adversarial, "ra", part)
        loss = loss + recipe.beta * (batch.lam[part] * kl(adversarial, clean[part].log_softmax(1))).sum()
    yield loss / len(batch.x)


def kl(outputs: Tensor, target: Tensor) -> Tensor:
    """(n,) KL(p ‖ q) with log p = `target` (n, classes) and q = softmax of `outputs`."""
    return F.kl_div(outputs.log_softmax(1), target, reduction="none", log_target=True).sum(1)


def craft_kl(engine: Engine, recipe: Recipe, batch: Batch, part: slice) -> Tensor:
    """Craft x' for `part` of the batch by PGD on KL(f(x) ‖ f(x')), with f(x) constant, from a small Gaussian step off
    x: at x itself the KL is 0 and flat. BN is in eval mode, as in TRADES' code, unless ledger row 12 says otherwise."""
    x = batch.x[part]
    model = model_under_attack(engine, recipe, batch, part)
    with torch.no_grad():
        target = model(x).float().log_softmax(1)
    size = recipe.epsilon, recipe.attack_step(), recipe.attack_steps
    return pgd(model, x, target, *size, batch.rng, start="near", loss=kl)
