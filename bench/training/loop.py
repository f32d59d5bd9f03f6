"""The training loop: epochs of OAT or PGD-AT with a checkpoint after each, so that a kill costs at most one epoch."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel

from bench.data import Dataset, augment
from bench.engines import Engine, engine_for
from bench.engines.precision import tf32_convolutions, weights_cast_once
from bench.measures.accuracy import accuracy
from bench.models import build
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.registry import ATTACKS, METHODS, resolve
from bench.training import checkpoint, checkpoint_selection, lambda_sampling, schedule
from bench.training.checkpoint import snapshot
from bench.training.objectives import Batch
from bench.training.optimiser import sgd
from bench.training.slimmable_loss import over_widths
from bench.training.weight_averaging import averaged


class TrainingFailed(Exception):
    """The recipe cannot train its network; a retry would end the same way."""


def train(recipe: Recipe, data: Dataset, directory: Path, device: torch.device) -> Iterator[dict]:
    """Train, and yield a row of metrics per epoch. Resumes from `directory/checkpoint/`; writes the selected weights
    last. Fine-tuning starts from the weights in the directory of its start, beside this one.

    A row: {"epoch" (from 1), "epochs", "loss", "lr", "train_sa", "train_ra" or None, "seconds"} and, on epochs that are
    candidates for selection, "heldout_sa", "heldout_ra", "score" (means over λ, fractions).
    Raises TrainingFailed when the loss is not finite, the training images are fewer than a batch, or the device lacks
    the precision, NotFinite when a
    weight or an output is not finite, and Damaged when the checkpoint is.
    """
    net = build(recipe, data.train.images.shape[1], data.classes).to(device)
    engine, optimiser = engine_for(net, device), sgd(net, recipe)
    engine.watch(optimiser)
    state = checkpoint.load(directory, recipe.key, net, optimiser)
    if len(data.train.images) < recipe.batch:
        raise TrainingFailed(f"{len(data.train.images)} training images are fewer than a batch of {recipe.batch}")
    if lacks(device, recipe.precision):
        raise TrainingFailed("a CPU has no TF32: --set precision=fp32, or train on a GPU")
    if recipe.start and not state.epoch:
        checkpoint_selection.load(net, directory.parent / recipe.start.key, owner=recipe.start.key)
    average = averaged(net, recipe.ema, state) if recipe.ema else None
    shown = engine_for(average.module.eval(), device) if average else engine  # of the network that is selected
    data = data.to(device)
    for epoch in range(state.epoch, recipe.epochs):
        started = time.perf_counter()
        with engine.training_memory(), tf32_convolutions(recipe.precision == "tf32"):
            row = {"epoch": epoch + 1, "epochs": recipe.epochs}
            row |= train_epoch(engine, optimiser, recipe, data, epoch, average)
            if recipe.is_candidate(epoch):
                row |= checkpoint_selection.consider(
                    state, shown.net, recipe, heldout_rows(shown, recipe, data), epoch + 1
                )
        row["seconds"] = round(time.perf_counter() - started, 3)
        state.epoch, state.average = epoch + 1, snapshot(average) if average else {}
        checkpoint.save(directory, recipe.key, net, optimiser, state, row)
        yield row
    checkpoint_selection.write(state, net, recipe, directory, tuple(data.train.images.shape[1:]))


def lacks(device: torch.device, precision: str) -> bool:
    """Whether a device cannot compute in a precision. bf16 is computed everywhere."""
    return precision == "tf32" and device.type == "cpu"


def train_epoch(
    engine: Engine, optimiser, recipe: Recipe, data: Dataset, epoch: int, average: AveragedModel | None = None
) -> dict:
    """Train for one pass over the images, in whole batches, and update the average of the weights after each step. All
    randomness comes from (recipe.seed, epoch)."""
    device, objective = data.train.images.device, resolve(METHODS[recipe.method])
    seeds = np.random.SeedSequence([recipe.seed, epoch]).generate_state(3).tolist()
    # Dropout draws from the global generator. On a CPU torch.manual_seed would spend time on recording its caller.
    (torch.default_generator if device.type == "cpu" else torch).manual_seed(seeds[0])
    rng = torch.Generator(device).manual_seed(seeds[1])
    cpu_rng = torch.Generator().manual_seed(seeds[2])
    order = torch.randperm(len(data.train.images), generator=cpu_rng).to(device)
    steps = len(order) // recipe.batch
    lam_of_step, rows_of_step, zeros = lambda_sampling.sample_epoch(recipe, steps, cpu_rng)
    lam_of_step, rows_of_step = (
        lam_of_step.to(device),
        rows_of_step if rows_of_step is None else rows_of_step.to(device),
    )
    peak = recipe.tuning_lr or recipe.lr
    total, correct = torch.zeros((), device=device), {"sa": [], "ra": []}
    if not engine.net.training:  # train() visits every module
        engine.net.train()
    for i in range(steps):
        lr = schedule.learning_rate(recipe.schedule, peak, epoch * steps + i, steps, recipe.epochs)
        for group in optimiser.param_groups:
            group["lr"] = lr
        index = order[i * recipe.batch : (i + 1) * recipe.batch]
        x = augment(data.train.images[index], recipe.augment, rng).to(torch.float32).div_(255)
        x, y = x.contiguous(memory_format=torch.channels_last), data.train.labels[index]
        rows = None if rows_of_step is None else rows_of_step[i]
        optimiser.zero_grad(set_to_none=True)
        batch = Batch(x, y, lam_of_step[i], zeros[i], rng, correct=correct, rows=rows)
        with weights_cast_once(device):
            for term in over_widths(objective, engine, recipe, batch):
                term.backward()
                total += term.detach()
        optimiser.step()
        if average:
            average.update_parameters(engine.net)
    loss = total.item() / steps / max(len(recipe.widths), 1)
    if not math.isfinite(loss):
        raise TrainingFailed(f"the loss became {loss} in epoch {epoch + 1} of {recipe.epochs} (lr {recipe.lr:g})")
    return {"loss": loss, "lr": lr} | {f"train_{metric}": share(pairs) for metric, pairs in correct.items()}


def share(pairs: list[tuple[torch.Tensor, int]]) -> float | None:
    """The fraction of correct images, or None where there were no images."""
    return sum(correct for correct, _ in pairs).item() / sum(n for _, n in pairs) if pairs else None


def heldout_rows(engine: Engine, recipe: Recipe, data: Dataset) -> list[dict]:
    """Measure SA and RA on the held-out images at every trained λ and width, under PGD-7, in the training precision."""
    lams, rows = recipe.lambdas or (recipe.lam,), []
    step = recipe.attack_step(steps=ATTACKS["pgd7"].steps)
    for width in recipe.widths or (1.0,):
        measurement = Measurement(attack="pgd7", epsilon=recipe.epsilon, step=step, lambdas=lams, width=width)
        rows += [accuracy(engine, data.heldout, measurement, lam, recipe.precision) for lam in lams]
    return rows
