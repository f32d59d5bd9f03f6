"""The workloads that are timed: a network at a batch size, and the recipe that every implementation follows."""

from dataclasses import dataclass, replace

import torch

from bench.errors import BadInput
from bench.models import parse_arch
from bench.spec.lambda_sets import S1
from bench.spec.protocol_ledger import PROTOCOLS, Protocol
from bench.spec.recipe import Recipe

TASKS = {
    "oat": "training step of OAT, dual BN",
    "pgd_at": "training step of PGD-AT, λ=1",
    "evaluation": "SA and RA at the 6 λ of S1, PGD-7",
}
CLASSES = 10
GPU_BATCH, GPU_EVALUATED = 128, 256


@dataclass(frozen=True)
class Workload:
    """A network on random images.

    `batch`: images of a training step. `evaluated`: images of an evaluation. `threads`: on a CPU, None for torch's own
    number. `authors`: whether the authors' code can run it, which takes colour images of 32×32 and one ε."""

    name: str
    arch: str
    batch: int
    evaluated: int
    shape: tuple[int, int, int] = (3, 32, 32)
    epsilon: float = 8 / 255
    threads: int | None = None
    authors: bool = True

    def recipe(self, task: str, precision: str) -> Recipe:
        """Recipe with the protocol of the authors' code, so that all implementations do the same work; digits have the
        smoke scale's. The number of λ=0 in a batch is fixed, since it decides how many images are attacked. γ starts
        around 1: around 0, where the authors' code starts, deep activations of an untrained network could underflow,
        which CPUs handle slowly."""
        fields = {"dataset": "random", "data_hash": "none", "heldout": self.evaluated, "augment": "none"}
        fields |= {"arch": self.arch, "epsilon": self.epsilon, "lr": 1e-3, "epochs": 10**4, "batch": self.batch}
        protocol = PROTOCOLS["authors-code"].model_copy(update={"film_init": "one"})
        fields |= {"precision": precision, "protocol": protocol}
        if not self.authors:
            fields |= {"protocol": Protocol(lam_sampling="fixed-zeros"), "dropout": 0.0}
        if task == "pgd_at":
            return Recipe(**fields, method="pgd_at", lam=1.0)
        return Recipe(**fields, method="oat", lambdas=S1, norm="dual", encoding="ro-128")

    def images(self, task: str) -> int:
        """Images of one step of the task."""
        return self.evaluated if task == "evaluation" else self.batch

    def zeros(self) -> int:
        """How many λ of a training batch of OAT are 0."""
        return -(-self.batch // len(S1))


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("resnet34", "resnet34", 64, 16),
        Workload("wrn-16-8", "wrn-16-8", 32, 8),
        Workload("wrn-10-2", "wrn-10-2", 128, 128),
        Workload("digits", "wrn-10-1", 64, 256, (1, 8, 8), 0.3, threads=1, authors=False),
    )
}


def find_workload(name: str, device: torch.device, batch: int | None) -> Workload:
    """An entry of WORKLOADS, or any architecture at 32×32; on a GPU with GPU_BATCH images, and with `batch` if given.
    Raises BadInput for an unknown name."""
    if name not in WORKLOADS:
        try:
            parse_arch(name)
        except ValueError as error:
            raise BadInput(f"{error}, or {', '.join(WORKLOADS)}") from None
    workload = WORKLOADS.get(name, Workload(name, name, 64, 64))
    if device.type == "cuda":
        workload = replace(workload, batch=GPU_BATCH, evaluated=GPU_EVALUATED)
    return workload if batch is None else replace(workload, batch=batch, evaluated=batch)


def random_images(workload: Workload, n: int, device: torch.device, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images (n, C, H, W) uint8 and labels (n,)."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (n, *workload.shape), generator=rng, dtype=torch.uint8)
    return images.to(device), torch.randint(CLASSES, (n,), generator=rng).to(device)
