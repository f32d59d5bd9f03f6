"""Losses of the first training steps on the device and on the CPU, from the same weights, images and attack starts.

A step of OAT multiplies differences: a rounding changes the sign of a pixel's gradient, and so the adversarial image.
How much of a difference is rounding is therefore measured too: by a training on the CPU whose first weights are one
rounding apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from bench.engines.eager import EagerEngine
from bench.engines.gpu.engine import GpuEngine
from bench.engines.precision import tf32_convolutions, weights_cast_once
from bench.measures.accuracy import to_input
from bench.models import build
from bench.speed.gpu_check.parts import Request, precisions, workloads
from bench.speed.workloads import CLASSES, Workload, random_images
from bench.training import lambda_sampling
from bench.training.objectives import Batch, oat
from bench.training.optimiser import sgd

STEPS, MOST_IMAGES, LEARNING_RATE = 20, 32, 0.01
ROUNDING = 2.0**-23  # of fp32
ENGINES = {"eager": EagerEngine, "gpu": GpuEngine}


@dataclass(frozen=True)
class Training:
    """`role`: reference; yardstick, whose weights start one rounding apart from the reference's; or compared."""

    role: str
    device: str
    engine: str
    precision: str = "fp32"


def trainings(device: str) -> list[Training]:
    """The reference, its yardstick, and what is compared with it on the device."""
    compared = [("eager", "fp32")] * (device != "cpu") + [("gpu", precision) for precision in precisions(device)]
    return [
        Training("reference", "cpu", "eager"),
        Training("yardstick", "cpu", "eager"),
        *(Training("compared", device, engine, precision) for engine, precision in compared),
    ]


def compare_losses(request: Request) -> Iterator[dict]:
    """{"role", "device", "engine", "precision", "network", "batch", "losses": [of each step]} of each training of the
    first network."""
    workload = workloads(request)[0]
    workload = replace(workload, batch=min(workload.batch, MOST_IMAGES))
    for training in trainings(request.device):
        row = vars(training) | {"network": workload.name, "batch": workload.batch}
        yield row | {"losses": losses(training, workload)}


def losses(training: Training, workload: Workload) -> list[float]:
    """The loss of each of the first steps of OAT with dual BN, without dropout, whose generators differ by device."""
    device, rng = torch.device(training.device), torch.Generator().manual_seed(0)  # all is drawn on the CPU
    changes = {"dropout": 0.0, "lr": LEARNING_RATE, "precision": training.precision}
    recipe = workload.recipe("oat", training.precision).model_copy(update=changes)
    net = build(recipe, workload.shape[0], CLASSES)
    if training.role == "yardstick":
        nudge(net, rng)
    net = net.to(device).train()
    engine, optimiser, results = ENGINES[training.engine](net), sgd(net, recipe), []
    engine.watch(optimiser)
    rng.manual_seed(1)
    for step in range(STEPS):
        pixels, y = random_images(workload, workload.batch, device, seed=step)
        lam, zeros = lambda_sampling.sample(recipe, workload.batch, rng)
        rows = torch.searchsorted(torch.tensor(recipe.lambdas), lam)
        batch = Batch(to_input(pixels), y, lam.to(device), zeros, rng, rows=rows.to(device))
        optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=device)
        with weights_cast_once(device), tf32_convolutions(training.precision == "tf32"):
            for term in oat(engine, recipe, batch):
                term.backward()
                loss += term.detach()
        optimiser.step()
        results.append(loss.item())
    return results


@torch.no_grad()
def nudge(net: torch.nn.Module, rng: torch.Generator) -> None:
    """Multiply each weight by 1 ± a rounding."""
    for parameter in net.parameters():
        signs = torch.randint(2, parameter.shape, generator=rng) * 2 - 1
        parameter.mul_(1 + ROUNDING * signs)
