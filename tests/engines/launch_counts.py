"""Kernel launches of a training step on the pretend device: `python -m tests.engines.launch_counts` prints a table.

The networks have the layers of real ones, and few images, pixels and channels, on which the counts do not depend.
"""

import collections
import dataclasses
import os
from unittest import mock

from bench.data import Dataset, Images
from bench.engines import engine_for
from bench.models import build, resnet
from bench.spec.protocol_ledger import Protocol
from bench.spec.recipe import Recipe
from bench.training import loop
from bench.training.optimiser import sgd
from tests.engines.pretend_device import DEVICE, computing
from tests.recipes import images, oat, pgd_at

NARROW_STAGES = [(8 * (i + 1), *rest) for i, (_, *rest) in enumerate(resnet.STAGES)]
SMALL = {"batch": 12, "attack_steps": 7, "augment": "crop-flip", "encoding": "dct-128"}
MIXED = SMALL | {"protocol": Protocol(lam_sampling="fixed-zeros")}  # two λ=0 samples in each batch
# Launches of a step at most.
LAUNCHES = {
    "resnet34 oat dual": (oat(arch="resnet34", **MIXED), 4500),
    "resnet34 pgd_at": (pgd_at(1.0, arch="resnet34", **SMALL | {"encoding": "none"}), 3000),
    "wrn-16 oat_trades dual": (oat(arch="wrn-16-1", method="oat_trades", beta=6.0, **MIXED), 2500),
    "wrn-16 oat dual bf16": (oat(arch="wrn-16-1", precision="bf16", **MIXED), 2500),
}


@dataclasses.dataclass
class StepCost:
    """Of one training step: counts by operator, and by the line of bench/ that is the cause."""

    launches: collections.Counter
    waits: collections.Counter
    copies: collections.Counter


def step_cost(recipe: Recipe) -> StepCost:
    """The cost of an epoch's second step, on a batch of λ=0 samples and others. It does not depend on the numbers of
    images, pixels and channels, so all are small."""
    x, y = images(2 * recipe.batch, (3, 12, 12))
    part = Images((x * 255).byte(), y)
    with mock.patch.object(resnet, "STAGES", NARROW_STAGES):
        net = build(recipe, 3, 10)
    data, after = Dataset("noise", 10, part, part, part), []
    names = [field.name for field in dataclasses.fields(StepCost)]
    with computing() as counter:
        net = net.to(DEVICE)
        optimiser = sgd(net, recipe)
        optimiser.register_step_post_hook(
            lambda *_: after.append({name: getattr(counter, name).copy() for name in names})
        )
        loop.train_epoch(engine_for(net, DEVICE), optimiser, recipe, data.to(DEVICE), 0)
    first, second = after
    return StepCost(**{name: second[name] - first[name] for name in names})


def main() -> None:
    print("| training step | eager engine | gpu engine | budget |\n| --- | --- | --- | --- |")
    for name, (recipe, most) in LAUNCHES.items():
        counts = []
        for engine in ("eager", "gpu"):
            with mock.patch.dict(os.environ, BENCH_ENGINE=engine):
                counts.append(f"{step_cost(recipe).launches.total():,}")
        print(f"| {name} | {' | '.join(counts)} | {most:,} |", flush=True)


if __name__ == "__main__":
    main()
