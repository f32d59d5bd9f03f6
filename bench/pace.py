"""How fast this machine is at a network: what a pass of one image takes, forward or backward."""

import time

import torch
import torch.nn.functional as F

from bench.data import Info
from bench.measures.cost import cost
from bench.models import build
from bench.models.precision import autocast
from bench.specs import Recipe

LEAST_SECONDS = 0.25  # of a timing


def time_pass(recipe: Recipe, info: Info, precision: str, device: str) -> float:
    """Seconds of one image's forward or input-backward pass, in batches as training has them (smaller where a batch of
    a large network would take a CPU seconds)."""
    macs = cost(recipe, info.shape, info.classes).macs
    batch = recipe.batch if device == "cuda" else int(max(2, min(recipe.batch, 30e9 / macs)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    net = build(recipe, info.shape[0], info.classes).to(device).eval()
    x = torch.rand(batch, *info.shape, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.zeros(batch, dtype=torch.int64, device=device)
    cond = net.condition(torch.full((batch,), 0.5, device=device))

    def attack_step() -> None:
        x.requires_grad_()
        with autocast(precision, torch.device(device)):
            logits = net(x, cond)
        torch.autograd.grad(F.cross_entropy(logits.float(), y), x)
        if device == "cuda":
            torch.cuda.synchronize()

    attack_step()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < LEAST_SECONDS:
        attack_step()
        count += 1
    torch.set_num_threads(threads)
    return (time.perf_counter() - started) / (2 * count * batch)
