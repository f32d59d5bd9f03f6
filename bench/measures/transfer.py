"""Adversarial examples crafted at another λ′, against all λ at once, or through dual BN's other branch.

The paper's attacker uses the λ that the defender has set. An attacker who may choose λ′ can be stronger: where
gradients at one λ hide what gradients at another show, the input λ is itself a weakness.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from bench.attacks.attack_options import attack_of
from bench.data import Images
from bench.engines import Engine
from bench.engines.conditioned_model import model_at
from bench.measures.accuracy import by_batch, correct
from bench.measures.correct_bits import encode
from bench.measures.joint_attack import robust_jointly
from bench.spec.costs import has_joint_attack
from bench.spec.measurement import Measurement

MORE_STARTS = 1000  # between the generators' seeds of two measurement seeds, so that these share no further start


def transfer(engine: Engine, images: Images, measurement: Measurement, directory: Path) -> Iterator[dict]:
    """Yield a row per λ of the network under attack: {"lam", "width", "attack", "n", "clean_correct", "crafted_at"
    (every λ′ of the measurement), "robust_correct" (for each λ′, on the images crafted there), "worst_correct" (correct
    on all of these)}; with dual BN also "other_branch_correct" (crafted at this λ, BN_c and BN_a exchanged) and
    "worst_with_branch_correct"; for PGD, MI-FGSM and FGSM also "joint_correct" (one perturbation for all λ, crafted
    against the sum of their losses). "clean_hits" and "robust_hits" encode which images are right as they are, and
    under all of these attacks (correct_bits).

    An attacker who tries every λ′ also gains by the number of tries. So the row has "same_tries_correct", for as many
    starts at λ alone; "only_lambda", images fooled from some λ′ but by none of these starts; and "only_starts", the
    reverse. The first attack has the random starts of `accuracy`, so at λ′ = λ the count is that measurement's.
    Raises ValueError for a network of one λ.
    """
    net = engine.net
    if not net.conditional:
        raise ValueError("transfer crafts examples at other λ, and a PGD-AT network has one: leave the network out")
    lams, dual = measurement.lambdas, net.recipe.norm == "dual"
    device, width = images.images.device, measurement.width
    models = [model_at(engine, lam, device, width) for lam in lams]
    robust = [robust_at(model, models, images, measurement) for model in models]  # [λ′][λ] → (n,)
    joint = robust_jointly(models, images, measurement) if has_joint_attack(measurement) else None
    exchanged = []
    for lam, model in zip(lams, models, strict=True) if dual else ():
        other_branch = model_at(engine, lam, device, width, branch="a" if lam == 0 else "c")
        exchanged += robust_at(other_branch, [model], images, measurement)
    for i, (lam, model) in enumerate(zip(lams, models, strict=True)):
        by_source = torch.stack([by_lam[i] for by_lam in robust])
        clean = torch.cat(by_batch(lambda x, y, model=model: correct(model, x, y), images))
        row = {"lam": lam, "width": width, "attack": measurement.attack_label, "n": len(images.labels)}
        row |= {"clean_correct": int(clean.sum()), "crafted_at": list(lams)}
        worst, same_tries = by_source.all(0), after_restarts(model, images, measurement, by_source[i])
        row |= {"robust_correct": by_source.sum(1).tolist(), "worst_correct": int(worst.sum())}
        row |= {"same_tries_correct": int(same_tries.sum())}
        row |= {"only_lambda": int((same_tries & ~worst).sum()), "only_starts": int((worst & ~same_tries).sum())}
        if dual:
            row["other_branch_correct"] = int(exchanged[i].sum())
            row["worst_with_branch_correct"] = int((worst & exchanged[i]).sum())
        if joint:
            row["joint_correct"] = int(joint[i].sum())
        robust_to_all = torch.stack([worst, same_tries, *exchanged[i : i + 1], *(joint or [])[i : i + 1]]).all(0)
        row["clean_hits"], row["robust_hits"] = (encode(part.cpu().numpy()) for part in (clean, robust_to_all))
        yield row


def robust_at(source, targets: list, images: Images, measurement: Measurement) -> list[Tensor]:
    """For each target model, (n,) bool: correct on the images that are crafted on the source model."""
    attack, rng = attack_of(measurement), torch.Generator().manual_seed(measurement.seed)

    def hits(x: Tensor, y: Tensor) -> list[Tensor]:
        adv = attack(source, x, y, rng)
        return [correct(target, adv, y) for target in targets]

    return [torch.cat(parts) for parts in zip(*by_batch(hits, images, rng), strict=True)]


def after_restarts(model, images: Images, measurement: Measurement, robust: Tensor) -> Tensor:
    """(n,) bool: which of the `robust` images withstand further starts, so that the starts are as many as the λ′."""
    attack, robust = attack_of(measurement), robust.clone()
    for start in range(1, len(measurement.lambdas)):
        rng = torch.Generator().manual_seed(MORE_STARTS * measurement.seed + start)
        index = robust.nonzero()[:, 0]
        part = Images(images.images[index], images.labels[index])
        withstood = by_batch(lambda x, y, rng=rng: correct(model, attack(model, x, y, rng), y), part, rng)
        robust[index] = torch.cat([robust[:0], *withstood])
    return robust
