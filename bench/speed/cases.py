"""What is timed: a network at a batch size, a task, and the recipe that all sides follow."""

from dataclasses import dataclass, replace

import torch

from bench.errors import BadInput
from bench.models import parse_arch
from bench.spec.lambda_sets import S1
from bench.spec.recipe import PROTOCOLS, Protocol, Recipe

TASKS = {
    "oat": "training step of OAT, dual BN",
    "pgd_at": "training step of PGD-AT, λ=1",
    "evaluation": "SA and RA at the 6 λ of S1, PGD-7",
}
CLASSES = 10


@dataclass(frozen=True)
class Case:
    """`batch` images in a training step, `evaluated` in an evaluation. `threads` on a CPU, None for those asked for.
    `authors`: whether it can be compared with the authors' code, which has colour images of 32×32 and one ε."""

    name: str
    arch: str
    batch: int
    evaluated: int
    shape: tuple[int, int, int] = (3, 32, 32)
    epsilon: float = 8 / 255
    threads: int | None = None
    authors: bool = True

    def recipe(self, task: str, precision: str) -> Recipe:
        """The protocol is the authors' code's, so that all sides do the same work; for digits the laptop scale's own.
        The number of λ=0 in a batch is fixed, since it decides how many images are attacked. γ starts around 1: around
        0, where their code starts, deep activations of a fresh network could underflow, which CPUs handle slowly."""
        fields = {"dataset": "random", "data_hash": "none", "heldout": self.evaluated, "augment": "none"}
        fields |= {"arch": self.arch, "epsilon": self.epsilon, "lr": 1e-3, "epochs": 10**6, "batch": self.batch}
        fields |= {
            "precision": precision,
            "protocol": PROTOCOLS["authors-code"].model_copy(update={"film_init": "one"}),
        }
        if not self.authors:
            fields |= {"protocol": Protocol(lam_sampling="fixed-zeros"), "dropout": 0.0}
        if task == "pgd_at":
            return Recipe(**fields, method="pgd_at", lam=1.0)
        return Recipe(**fields, method="oat", lambdas=S1, norm="dual", encoding="ro-128")

    def zeros(self) -> int:
        """How many λ of a batch of OAT are 0."""
        return -(-self.batch // len(S1))


CASES = {
    case.name: case
    for case in (
        Case("resnet34", "resnet34", 64, 16),
        Case("wrn-16-8", "wrn-16-8", 32, 8),
        Case("wrn-10-2", "wrn-10-2", 128, 128),
        Case("digits", "wrn-10-1", 64, 256, (1, 8, 8), 0.3, threads=1, authors=False),
    )
}
GPU_BATCH, GPU_EVALUATED = 128, 256


def case(name: str, device: torch.device, batch: int | None) -> Case:
    """One of CASES, or any architecture at 32×32. Raises BadInput."""
    if name not in CASES:
        try:
            parse_arch(name)
        except ValueError as error:
            raise BadInput(f"{error}, or {', '.join(CASES)}") from None
    found = CASES.get(name, Case(name, name, 64, 64))
    if device.type == "cuda":
        found = replace(found, batch=GPU_BATCH, evaluated=GPU_EVALUATED)
    return found if batch is None else replace(found, batch=batch, evaluated=batch)


def images(case: Case, n: int, device: torch.device, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random (n, C, H, W) uint8 and labels (n,)."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randint(256, (n, *case.shape), generator=rng, dtype=torch.uint8)
    return x.to(device), torch.randint(CLASSES, (n,), generator=rng).to(device)
