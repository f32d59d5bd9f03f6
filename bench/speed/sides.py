"""The sides of a comparison: for each a function that makes a network and returns what does one step of a task.

All take (case, task, device), start from images on the device, and end with the loss on the host.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bench.data import Dataset, Images
from bench.engines.cpu import malloc
from bench.models import build
from bench.models.lambda_encoding import codebook
from bench.speed import authors, plain, reference
from bench.speed.cases import CLASSES, Case, images
from bench.training import lambda_sampling
from bench.training.loop import heldout_rows, sgd, train_epoch

PRECISION = {"ours-fp32": "fp32", "ours-bf16": "bf16", "authors": "fp32", "plain": "fp32"}


def of(side: str, case: Case, task: str, device: torch.device, root: Path | None) -> Callable[[], object]:
    """`root`: the authors' checkout."""
    if side == "authors":
        return of_the_authors(case, task, device, root)
    if side == "plain":
        return of_plain(case, task, device)
    return of_ours(case, task, device, PRECISION[side])


def of_ours(case: Case, task: str, device: torch.device, precision: str) -> Callable[[], object]:
    """The training loop's own epoch, of one batch; the loop's own evaluation of held-out images."""
    recipe = case.recipe(task, precision)
    net = build(recipe, case.shape[0], CLASSES).to(device)
    train, held = (Images(*images(case, n, device)) for n in (case.batch, case.evaluated))
    data = Dataset("random", CLASSES, train, held, held)
    if task == "evaluation":
        return malloc.kept()(lambda: heldout_rows(net, recipe, data))
    optimiser, epochs = sgd(net, recipe), itertools.count()
    return malloc.kept()(lambda: train_epoch(net, optimiser, recipe, data, next(epochs)))


def of_plain(case: Case, task: str, device: torch.device) -> Callable[[], object]:
    recipe = case.recipe(task, "fp32")
    book = codebook(recipe.encoding, recipe.lambdas).to(device) if task != "pgd_at" else None
    net = plain.Network(recipe, case.shape[0], 0 if book is None else book.shape[1], CLASSES).to(device)
    pixels, y = images(case, case.evaluated if task == "evaluation" else case.batch, device)

    def evaluate() -> list:
        x = pixels.to(torch.float32) / 255
        pairs = zip(recipe.lambdas, book, strict=True)
        return [plain.accuracy(net, x, y, row.expand(len(y), -1), len(y) * (lam == 0), recipe) for lam, row in pairs]

    optimiser, rng = plain_sgd(net, recipe), torch.Generator().manual_seed(0)

    def train() -> float:
        x = pixels.to(torch.float32) / 255
        lam, zeros = lambda_sampling.sample(recipe, len(y), rng)
        code = None if book is None else book[torch.searchsorted(torch.tensor(recipe.lambdas), lam).to(device)]
        optimiser.zero_grad()
        loss = plain.loss(net, x, y, lam.to(device), code, zeros, recipe)
        loss.backward()
        optimiser.step()
        return loss.item()

    return evaluate if task == "evaluation" else train


@dataclass
class Batch:
    """As OAT.py has it when its step begins: x (N, C, H, W) fp32, y and lam (N,), code (N, 1, d) or None."""

    x: Tensor
    y: Tensor
    lam: Tensor
    code: Tensor | None


def of_the_authors(case: Case, task: str, device: torch.device, root: Path) -> Callable[[], object]:
    """fp32 in torch's default memory format, SGD with momentum and weight decay, cuDNN's benchmark mode, and on a GPU
    DataParallel over the one device. λ are drawn and encoded before the step."""
    recipe = case.recipe(task, "fp32")
    film = None if task == "pgd_at" else {"use2BN": True, "FiLM_in_channels": 128}
    net = authors.network(root, case.arch, film).to(device)
    gamma_around_one(net)
    pixels, y = images(case, case.evaluated if task == "evaluation" else case.batch, device)
    x = pixels.to(torch.float32) / 255
    book = None if film is None else codebook(recipe.encoding, recipe.lambdas).to(device)
    if device.type == "cuda":
        net = torch.nn.DataParallel(net, device_ids=[torch.cuda.current_device()])
    if task == "evaluation":
        net.eval().requires_grad_(False)
        return as_theirs(device, lambda: authors.evaluate(root, net, x, y, book, recipe.lambdas))
    optimiser = plain_sgd(net, recipe)
    lam, zeros = lambda_sampling.sample(recipe, len(y), torch.Generator().manual_seed(0))
    code = None if book is None else book[torch.searchsorted(torch.tensor(recipe.lambdas), lam).to(device), None]
    batch = Batch(x, y, lam.to(device), code)
    net.train()

    def step() -> list[float]:
        if task == "pgd_at":
            return authors.update(optimiser, *authors.pgdat_loss(root, net, batch, recipe.lam), y)
        return authors.update(optimiser, *authors.oat_loss(root, net, batch, zeros, True), y)

    return as_theirs(device, step)


@torch.no_grad()
def gamma_around_one(net: torch.nn.Module) -> None:
    """See Case.recipe."""
    for name, parameter in net.named_parameters():
        if name.endswith("MLP.2.bias"):
            parameter[: len(parameter) // 2] += 1


def as_theirs(device: torch.device, step: Callable[[], object]) -> Callable[[], object]:
    """With cuDNN's benchmark mode, which OAT.py 54 sets, and which would hold for the other sides too if it stayed; on
    a CPU their `.cuda()` does nothing."""

    def run() -> object:
        before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
        try:
            return step()
        finally:
            torch.backends.cudnn.benchmark = before

    def run_on_a_cpu() -> object:
        with reference.on_the_cpu():
            return step()

    return run if device.type == "cuda" else run_on_a_cpu


def plain_sgd(net: torch.nn.Module, recipe) -> torch.optim.SGD:
    """As OAT.py 128 and PGDAT.py 88 have it."""
    return torch.optim.SGD(net.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
