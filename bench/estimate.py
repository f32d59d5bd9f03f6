"""What a plan will cost on this machine: image passes counted from the recipes, times what a pass was measured to take.

A pass is a forward or a backward of one image through the network. Its time is measured once per network, image shape
and precision on one trial's share of the machine, and kept in `runs/machine.json`.
"""

import contextlib
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from bench.attacks import effort
from bench.data import Info
from bench.directory import missing, read_progress, write_json
from bench.measures.cost import cost
from bench.measures.masking import passes as masking_passes
from bench.measures.transfer import passes as transfer_passes
from bench.models import build
from bench.models.precision import autocast
from bench.provenance import cpu_name
from bench.specs import Measurement, Recipe, Trial
from bench.training.budget import measuring_passes, training_passes

LEAST_SECONDS = 0.25  # of a timing
PASSES = {"transfer": transfer_passes, "masking": masking_passes}  # of the whole network, per image and λ
STEP_OVERHEAD = 1.15  # augmentation, optimiser, batch statistics, FiLM: seen on digits and on CIFAR-10


class Estimator:
    """Seconds of trials, from timings that are measured when first asked for."""

    def __init__(self, runs: Path, device: torch.device):
        self.runs, self.device, self.path = runs, device, runs / "machine.json"
        try:
            self.timings = json.loads(self.path.read_text())
        except (OSError, json.JSONDecodeError):
            self.timings = {}

    def pass_seconds(self, recipe: Recipe, info: Info, precision: str) -> float:
        name = torch.cuda.get_device_name() if self.device.type == "cuda" else cpu_name()
        shape = "x".join(map(str, info.shape))
        key = f"{name} · {recipe.arch} · {shape} · batch {recipe.batch} · {precision}"
        if key not in self.timings:
            self.timings[key] = time_pass(recipe, info, precision, self.device)
            with contextlib.suppress(OSError):  # a plan may be asked for where nothing can be written
                self.runs.mkdir(parents=True, exist_ok=True)
                write_json(self.path, self.timings)
        return self.timings[key]

    def trial(self, trial: Trial, info: Info) -> dict:
        """{"macs", "seconds", "seconds_left"}: of the whole trial, and of what its directory lacks."""
        recipe, directory = trial.recipe, self.runs / "trials" / trial.key
        passes = training_passes(recipe, info.train) * slimming(recipe, info)
        train = passes * self.pass_seconds(recipe, info, recipe.precision) * STEP_OVERHEAD
        fp32 = self.pass_seconds(recipe, info, "fp32")
        measure = {what.key: self._passes(recipe, what, info) for what in trial.measurements}
        done = 1.0 if (directory / "weights.safetensors").exists() else len(read_progress(directory)) / recipe.epochs
        left = train * (1 - min(done, 1)) + fp32 * sum(measure[what.key] for what in missing(trial, directory))
        total = macs(recipe, info) * (passes + sum(measure.values()))
        return {"macs": total, "seconds": train + fp32 * sum(measure.values()), "seconds_left": left}

    @staticmethod
    def _passes(recipe: Recipe, what: Measurement, info: Info) -> float:
        """Passes of the whole network that a measurement is worth."""
        images = min(what.test_images or info.test, info.test)
        if what.probe == "saliency":
            return 2 * len(what.lambdas) * images
        if what.probe in ("transfer", "masking"):
            return len(what.lambdas) * images * PASSES[what.probe](what, recipe)
        if what.probe != "accuracy":
            return 0
        share = macs(recipe, info, what.width) / macs(recipe, info)
        return share * measuring_passes(len(what.lambdas), effort(what, info.classes), images)


def slimming(recipe: Recipe, info: Info) -> float:
    """What all widths of a network cost together, its full width counted 1."""
    return sum(macs(recipe, info, width) for width in recipe.widths or (1.0,)) / macs(recipe, info)


def macs(recipe: Recipe, info: Info, width: float = 1.0) -> int:
    return cost(recipe, info.shape, info.classes, width).macs


def time_pass(recipe: Recipe, info: Info, precision: str, device: torch.device) -> float:
    """Seconds of one image's forward or input-backward pass, in batches as training has them (smaller where a batch of
    a large network would take a CPU seconds)."""
    batch = recipe.batch if device.type == "cuda" else int(max(2, min(recipe.batch, 10e9 / macs(recipe, info))))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    net = build(recipe, info.shape[0], info.classes).to(device).eval()
    x = torch.rand(batch, *info.shape, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.zeros(batch, dtype=torch.int64, device=device)
    cond = net.condition(torch.full((batch,), 0.5, device=device))

    def attack_step() -> None:
        x.requires_grad_()
        with autocast(precision, device):
            logits = net(x, cond)
        torch.autograd.grad(F.cross_entropy(logits.float(), y), x)
        if device.type == "cuda":
            torch.cuda.synchronize()

    attack_step()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < LEAST_SECONDS:
        attack_step()
        count += 1
    torch.set_num_threads(threads)
    return (time.perf_counter() - started) / (2 * count * batch)


def trials_on(gpus: float, share: float) -> int:
    """Trials at once on so many GPUs. Ray packs fractions within one GPU: at 0.3, three fit on each."""
    return int(gpus) * int(1 / share + 1e-9) if share < 1 else int(gpus / share)


def wall_seconds(seconds: list[float], slots: int) -> float:
    """Wall-clock time of independent trials, longest first onto the slot that is free first."""
    free = [0.0] * max(1, slots)
    for duration in sorted(seconds, reverse=True):
        free.sort()
        free[0] += duration
    return max(free)
