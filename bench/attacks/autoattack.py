"""AutoAttack, standard version, L∞ (Croce & Hein, ICML 2020), by somebody else's hand: its authors' package where that
is importable, else the Adversarial Robustness Toolbox (ART). docs/attacks.md says how the two differ.

The standard version is APGD on the cross-entropy, APGD on the targeted DLR loss, FAB-T and Square, each on the images
that withstood the ones before. ART has no FAB: its own AutoAttack has DeepFool in that place, and so has ours by ART.
"""

import contextlib
import hashlib
import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor, nn

OWN, ART = "autoattack", "adversarial-robustness-toolbox"
STEPS, TARGETS, QUERIES = 100, 9, 5000
LEAST_CLASSES = 4  # of the own package's targeted DLR loss, which divides by differences of the four largest logits
REMEDY = (
    f"autoattack needs a package that is not installed here: `pip install {ART}`, or put its own, "
    "github.com/fra31/auto-attack, on PYTHONPATH"
)


class Unavailable(Exception):
    """One line: what an attack lacks on this machine, and the remedy."""


def installed() -> str | None:
    """The package that would be used."""
    found = importlib.util.find_spec(OWN)
    if found and found.origin:  # a folder that happens to have the name has no origin
        return OWN
    with contextlib.suppress(PackageNotFoundError):
        return version(ART) and ART
    return None


def lacking() -> str | None:
    """Why AutoAttack cannot run here, in one line; None where it can."""
    return None if installed() else REMEDY


def package() -> str:
    """Name and version of the package that is used; of one without a version, the SHA-256 of its source."""
    name = installed()
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        digest = hashlib.sha256()
        for path in sorted(Path(importlib.util.find_spec(name).origin).parent.glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
        return f"{name} (source {digest.hexdigest()[:12]})"


def effort(classes: int) -> int:
    """Gradient steps an image that it is worth, a forward counted half a one. An image that has fallen costs nothing
    more: reckoned as if half of them withstood everything, and the others fell at once, so it may be twice as much.
    """
    targets = min(TARGETS, classes - 1)
    if installed() == ART:  # which looks at the loss after every step, and three times at the logits in one of Square's
        return int(1.5 * STEPS * (1 + targets / 2) + 3 * QUERIES / 4)
    apgd, fab = targets * (classes >= LEAST_CLASSES), 1.5 * targets
    return int(STEPS * (1 + (apgd + fab) / 2) + QUERIES / 4)


def autoattack(logits, x: Tensor, y: Tensor, epsilon, step, steps, rng, start, loss) -> Tensor:
    """x_adv like x: misclassified where one of the four attacks succeeded, and else x itself.

    `step`, `steps`, `start` and `loss` are the standard version's own. The attacks draw from global generators, which
    are seeded by `rng` and put back. Raises Unavailable.
    """
    name = installed()
    if not name:
        raise Unavailable(REMEDY)
    seed = int(torch.randint(2**31, (1,), generator=rng, device=rng.device))
    run, network = {OWN: by_own_package, ART: by_art}[name], Network(logits).eval()
    with torch.random.fork_rng(), contextlib.redirect_stdout(sys.stderr):  # stdout is for rows of results
        adv = run(network, x, y, float(epsilon), seed)
    return adv.to(x).clamp((x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1))  # off the ball by rounding


class Network(nn.Module):
    """`logits` as the module that both packages take. Of a backward pass, the weights get no gradient."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        if x.requires_grad and torch.is_grad_enabled():
            return ToImages.apply(x, self.logits)
        with torch.no_grad():
            return self.logits(x)


class ToImages(torch.autograd.Function):
    """Logits whose backward pass ends at the images, and leaves no `.grad` in the network that is measured."""

    @staticmethod
    def forward(ctx, x: Tensor, logits) -> Tensor:
        with torch.enable_grad():
            ctx.x = x.detach().requires_grad_()
            ctx.outputs = logits(ctx.x)
        return ctx.outputs.detach()

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return torch.autograd.grad(ctx.outputs, ctx.x, gradient, retain_graph=True)[0], None


def by_own_package(network: Network, x: Tensor, y: Tensor, epsilon: float, seed: int) -> Tensor:
    from autoattack import AutoAttack

    with torch.no_grad():
        classes = network(x[:1]).shape[1]
    attack = AutoAttack(network, norm="Linf", eps=epsilon, seed=seed, device=x.device, verbose=False)
    attack.apgd_targeted.n_target_classes = attack.fab.n_target_classes = min(TARGETS, classes - 1)
    attack.square.n_queries = QUERIES
    if classes < LEAST_CLASSES:
        attack.attacks_to_run = [name for name in attack.attacks_to_run if name != "apgd-t"]
    return attack.run_standard_evaluation(x, y, bs=len(x))


def by_art(network: Network, x: Tensor, y: Tensor, epsilon: float, seed: int) -> Tensor:
    from bench.attacks.art import standard  # which imports ART, a matter of seconds

    return standard(network, x, y, epsilon, seed, STEPS, TARGETS, QUERIES)
