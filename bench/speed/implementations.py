"""The implementations that are compared: for each a function that builds a network and returns a step of a task.

A step is a callable that starts from images on the device and ends with its result on the host. On a GPU all steps run
in cuDNN's benchmark mode, which OAT.py 54 sets: the shapes of a workload are constant.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from bench.data import Dataset, Images
from bench.engines import Engine, engine_class
from bench.engines.eager import EagerEngine
from bench.engines.precision import cudnn_flag, tf32_convolutions
from bench.models import build
from bench.models.lambda_encoding import codebook
from bench.speed import authors_checkout, authors_steps
from bench.speed.workloads import CLASSES, Workload, random_images
from bench.training import lambda_sampling
from bench.training.loop import heldout_rows, train_epoch
from bench.training.optimiser import sgd

Step = Callable[[], object]
OURS = {"ours-fp32": "fp32", "ours-bf16": "bf16"}
PRECISION = OURS | {"authors": "fp32", "eager": "fp32"}


def build_step(
    implementation: str, workload: Workload, task: str, device: torch.device, reference: Path | None = None
) -> Step:
    """Step of a key of PRECISION. `reference`: the checkout of the authors' code, needed by `authors` alone."""
    if implementation == "authors":
        step = authors_step(workload, task, device, reference)
    elif implementation == "eager":
        step = suite_step(workload, task, device, "fp32", EagerEngine)
    else:
        step = suite_step(workload, task, device, OURS[implementation], engine_class(device))
    return in_benchmark_mode(step)


def in_benchmark_mode(step: Step) -> Step:
    """The step in cuDNN's benchmark mode, which has no effect on a CPU."""

    def step_in_benchmark_mode() -> object:
        with cudnn_flag("benchmark"):
            return step()

    return step_in_benchmark_mode


def suite_step(workload: Workload, task: str, device: torch.device, precision: str, engine_type: type[Engine]) -> Step:
    """The training loop's own epoch, of one batch, or its evaluation of held-out images, on an engine of the type."""
    recipe = workload.recipe(task, precision)
    net = build(recipe, workload.shape[0], CLASSES).to(device)
    train, heldout = (Images(*random_images(workload, n, device)) for n in (workload.batch, workload.evaluated))
    data = Dataset("random", CLASSES, train, heldout, heldout)
    engine = engine_type(net)
    if task == "evaluation":
        compute = partial(heldout_rows, engine, recipe, data)
    else:
        optimiser, epochs = sgd(net, recipe), itertools.count()
        engine.watch(optimiser)

        def compute() -> object:
            return train_epoch(engine, optimiser, recipe, data, next(epochs))

    def step() -> object:
        with engine.training_memory(), tf32_convolutions(precision == "tf32"):
            return compute()

    return step


@dataclass
class Batch:
    """A batch as OAT.py has it when its step begins: x (N, C, H, W) fp32, y and lam (N,), code (N, 1, d) or None."""

    x: Tensor
    y: Tensor
    lam: Tensor
    code: Tensor | None


def authors_step(workload: Workload, task: str, device: torch.device, reference: Path) -> Step:
    """fp32 in torch's default memory format, SGD with momentum and weight decay, and on a GPU DataParallel over the one
    device. λ are sampled and encoded before the step."""
    recipe = workload.recipe(task, "fp32")
    film = None if task == "pgd_at" else {"use2BN": True, "FiLM_in_channels": 128}
    net = authors_steps.build_network(reference, workload.arch, film).to(device)
    start_gamma_around_one(net)
    pixels, y = random_images(workload, workload.images(task), device)
    x = pixels.to(torch.float32) / 255
    codes = None if film is None else codebook(recipe.encoding, recipe.lambdas).to(device)
    if device.type == "cuda":
        net = torch.nn.DataParallel(net, device_ids=[torch.cuda.current_device()])
    if task == "evaluation":
        net.eval().requires_grad_(False)
        evaluate = authors_steps.evaluate
        return without_cuda_calls(device, lambda: evaluate(reference, net, x, y, codes, recipe.lambdas))
    options = {"lr": recipe.lr, "momentum": recipe.momentum, "weight_decay": recipe.weight_decay}
    optimiser = torch.optim.SGD(net.parameters(), **options)  # OAT.py 128, PGDAT.py 88
    lam, zeros = lambda_sampling.sample(recipe, len(y), torch.Generator().manual_seed(0))
    code = None if codes is None else codes[torch.searchsorted(torch.tensor(recipe.lambdas), lam).to(device), None]
    batch = Batch(x, y, lam.to(device), code)
    net.train()

    def step() -> list[float]:
        if task == "pgd_at":
            return authors_steps.update(optimiser, *authors_steps.pgdat_loss(reference, net, batch, recipe.lam), y)
        return authors_steps.update(optimiser, *authors_steps.oat_loss(reference, net, batch, zeros, True), y)

    return without_cuda_calls(device, step)


@torch.no_grad()
def start_gamma_around_one(net: torch.nn.Module) -> None:
    """Add 1 to the biases that become FiLM's γ, for the reason that Workload.recipe gives."""
    for name, parameter in net.named_parameters():
        if name.endswith("MLP.2.bias"):
            parameter[: len(parameter) // 2] += 1


def without_cuda_calls(device: torch.device, step: Step) -> Step:
    """The step; on a CPU with `.cuda()`, which the authors' code calls, doing nothing."""

    def on_a_cpu() -> object:
        with authors_checkout.on_the_cpu():
            return step()

    return step if device.type == "cuda" else on_a_cpu
