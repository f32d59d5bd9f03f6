"""One perturbation of each image against a conditional network at several λ at once.

An attacker who does not know which λ the defender sets maximises the sum of the losses over λ.
"""

import torch
from torch import Tensor

from bench.attacks.attack_options import attack_of, restarted
from bench.attacks.pgd import Loss
from bench.data import Images
from bench.measures.accuracy import by_batch, correct
from bench.spec.measurement import Measurement


def robust_jointly(models: list, images: Images, measurement: Measurement) -> list[Tensor]:
    """For each model, (n,) bool: correct on the one image that is crafted against the sum of all models' losses.

    Of several restarts an image keeps the first of those that fool the most models. The random starts are those of
    `accuracy`. For PGD, MI-FGSM and FGSM without targets (bench.spec.costs.has_joint_attack).
    """
    attack = attack_of(measurement.model_copy(update={"restarts": 1}), summed)
    rng = torch.Generator().manual_seed(measurement.seed)

    def joint_logits(x: Tensor) -> Tensor:
        return torch.stack([model(x) for model in models], dim=1)  # (N, models, classes)

    def hits(x: Tensor, y: Tensor) -> Tensor:
        fewest = torch.ones(len(models), len(y), dtype=torch.bool, device=y.device)
        for restart, restart_rng in enumerate([restarted(rng, i) for i in range(measurement.restarts)]):
            adv = attack(joint_logits, x, y, restart_rng)
            right = torch.stack([correct(model, adv, y) for model in models])
            fewest = right if restart == 0 else torch.where(right.sum(0) < fewest.sum(0), right, fewest)
        return fewest

    return list(torch.cat(by_batch(hits, images, rng), dim=1))


def summed(loss: Loss) -> Loss:
    """The sum of a loss over the models, for outputs (N, models, classes)."""
    return lambda outputs, y: sum(loss(part, y) for part in outputs.unbind(dim=1))
