"""Which networks FLOAT's robust accuracy is of: rows 26 and 27 of the protocol ledger (docs/protocol.md)."""

from dataclasses import replace

import torch

from bench.engines.conditioned_model import ConditionedModel


def attacked_and_tested(
    model: ConditionedModel, lam: float, device: torch.device
) -> tuple[ConditionedModel, ConditionedModel]:
    """The network that an attack at λ sees, and the one that classifies its images: both are `model` by default.

    Otherwise as in FLOAT's code: at λ>0 both are the network at λ=1 (row 26), and at λ=0 the attack sees the network
    with the noise of λ=1 on its weights, through BN_c (row 27).
    """
    engine, protocol = model.engine, model.engine.net.recipe.protocol
    if lam > 0 and protocol.noise_ra == "lambda-1":
        branch = "a"
    elif lam == 0 and protocol.noise_attack_lam0 == "with-noise":
        branch = "c"
    else:
        return model, model
    at_1 = replace(model, cond=engine.condition(torch.ones(1, device=device), branch=branch, training=False))
    return at_1, model if lam == 0 else at_1
