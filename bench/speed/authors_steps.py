"""The authors' networks, training step and evaluation, as OAT.py and PGDAT.py have them, on their own modules.

Their scripts cannot be imported, since importing them starts a training. So their lines are repeated here, and what
they call (networks, PGD, context managers) is imported. tests/parity compares our step with the same functions.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.speed import authors_checkout

STEPS = 7
CLASSES = {  # (arch, slimmable): the authors' module and class without λ, module and class with λ
    ("resnet34", False): ("models.cifar10.resnet", "ResNet34", "models.cifar10.resnet_OAT", "ResNet34OAT"),
    ("wrn-16-8", False): ("models.svhn.wide_resnet", "WRN16_8", "models.svhn.wide_resnet_OAT", "WRN16_8OAT"),
    ("wrn-40-2", False): ("models.stl10.wide_resnet", "WRN40_2", "models.stl10.wide_resnet_OAT", "WRN40_2OAT"),
    ("resnet34", True): ("models.cifar10.resnet_slimmable", "SlimmableResNet34")
    + ("models.cifar10.resnet_slimmable_OAT", "SlimmableResNet34OAT"),
}
WIDE = ("models.svhn.wide_resnet", "WideResNet", "models.svhn.wide_resnet_OAT", "WideResNetOAT")  # at 32×32


def build_network(root: Path, arch: str, film: dict | None, slim: bool = False) -> nn.Module:
    """Untrained network of the checkout `root`.

    `film`: None for PGD-AT's network, else {"use2BN", "FiLM_in_channels"}. A WRN for which their code has no function
    is made by the class of their WRN for 32×32 images, with its dropout."""
    names, size = CLASSES.get((arch, slim), WIDE), {}
    if names is WIDE:
        depth, width = (int(number) for number in arch.split("-")[1:])
        size = {"depth": depth, "widen_factor": width, "num_classes": 10, "dropRate": 0.3}
    module, name = names[:2] if film is None else names[2:]
    return getattr(authors_checkout.load(root, module), name)(**size, **(film or {}))


def attack(root: Path, model: nn.Module, x: Tensor, y: Tensor, code: Tensor | None, idx2BN: int | None) -> Tensor:
    """PGD-7 with ε = 8/255 (OAT.py 184–188, PGDAT.py 123–124); `code` is None for PGD-AT's network."""
    pgd, context = authors_checkout.load(root, "attacks.pgd"), authors_checkout.load(root, "utils.context")
    attacker = pgd.PGD(eps=8 / 255, steps=STEPS, use_FiLM=code is not None)
    with context.ctx_noparamgrad_and_eval(model):
        return attacker.attack(model, x, labels=y, _lambda=code, idx2BN=idx2BN)


def oat_loss(root: Path, model, data, zeros: int, dual: bool, replace: Callable = lambda adv: adv):
    """(loss, logits, logits_adv) of OAT.py 172–203 in its `efficient` path, which it always takes.

    `data` has x (N, C, H, W), y (N,), lam (N,) with its zeros first, and their `code` (N, 1, d). `replace` maps the
    adversarial images to those that the loss is computed on."""
    logits = model(data.x, data.code, zeros if dual else None)
    lc = F.cross_entropy(logits, data.y, reduction="none")
    x, y, code = data.x[zeros:], data.y[zeros:], data.code[zeros:]
    adv = replace(attack(root, model, x, y, code, 0 if dual else None))
    logits_adv = model(adv.detach(), code, 0)
    la = F.cross_entropy(logits_adv, y, reduction="none")
    la = torch.cat([torch.zeros(zeros, dtype=la.dtype, device=la.device), la], dim=0)
    return torch.mean((1 - data.lam) * lc + data.lam * la), logits, logits_adv


def pgdat_loss(root: Path, model, data, lam: float, replace: Callable = lambda adv: adv):
    """(loss, logits, logits_adv) of PGDAT.py 121–131 at λ > 0. `data` and `replace` as in `oat_loss`."""
    adv = replace(attack(root, model, data.x, data.y, None, None))
    logits_adv = model(adv.detach())
    logits = model(data.x)
    loss = (1 - lam) * F.cross_entropy(logits, data.y) + lam * F.cross_entropy(logits_adv, data.y)
    return loss, logits, logits_adv


def update(optimizer, loss: Tensor, logits: Tensor, logits_adv: Tensor, y: Tensor) -> list[float]:
    """Update the weights (OAT.py 204–214, PGDAT.py 132–144). [SA, RA, loss], each fetched from the device."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    sa = (logits.argmax(1) == y).float().mean().item()
    ra = (logits_adv.argmax(1) == y[len(y) - len(logits_adv) :]).float().mean().item()
    return [sa, ra, loss.item()]


def evaluate(root: Path, model, x: Tensor, y: Tensor, codes: Tensor, lambdas: tuple[float, ...]) -> list[float]:
    """[SA, RA at the first λ, SA, RA at the second, …] of one batch with dual BN (OAT.py 245–267). `codes` (|S|, d).
    The network's parameters must not require gradients (line 233)."""
    accuracies = []
    for lam, row in zip(lambdas, codes, strict=True):
        code = row.expand(len(y), 1, -1)
        idx2BN = len(y) if lam == 0 else 0
        logits = model(x, code, idx2BN)
        accuracies.append((logits.argmax(1) == y).float().mean().item())
        adv = attack(root, model, x, y, code, idx2BN)
        (adv - x).view(len(x), -1).norm(p=float("inf"), dim=1)
        accuracies.append((model(adv.detach(), code, idx2BN).argmax(1) == y).float().mean().item())
    return accuracies
