"""What a plan will cost on this machine: image passes counted from the recipes, times what a pass was measured to take.

A pass is a forward or a backward of one image through the network. Its time is measured once per network, width, image
shape and precision on one trial's share of the machine (half the width is not half the time); its multiply–accumulates
are counted once per network and width. Both are kept in `runs/machine.json`, so that a later plan need not wait for
torch.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

from bench.atomic_write import write_json
from bench.data import DatasetInfo
from bench.run import devices
from bench.spec.architectures import layers_only
from bench.spec.costs import probe_passes, training_passes
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.trial import Trial
from bench.trial_dir import read_json_object, read_progress

STEP_OVERHEAD = 1.3  # BN, FiLM, the way to the weights, updates: 1.2 for ResNet-34 to 1.5 for digits were seen on a CPU
PACE = 4  # one more whenever this code itself becomes faster or slower: what was timed before no longer holds


class Estimator:
    """Costs of trials, from what is known of this machine or found out when first asked for."""

    def __init__(self, runs: Path):
        self.runs, self.path = runs, runs / "machine.json"
        self.known = read_json_object(self.path)

    def trial(self, trial: Trial, info: DatasetInfo, unmeasured: list[Measurement]) -> dict:
        """{"macs", "seconds", "seconds_left"}: of the whole trial, and of what its directory lacks: the measurements
        `unmeasured`, and epochs."""
        recipe, directory = trial.recipe, self.runs / "trials" / trial.key
        widths, passes = recipe.widths or (1.0,), training_passes(recipe, info.train)  # at each width
        train = (
            passes * sum(self.pass_seconds(recipe, info, recipe.precision, width) for width in widths) * STEP_OVERHEAD
        )
        measure = {what.key: self.measuring(recipe, what, info) for what in trial.measurements}
        done = 1.0 if (directory / "weights.safetensors").exists() else len(read_progress(directory)) / recipe.epochs
        left = train * (1 - min(done, 1)) + sum(measure[what.key]["seconds"] for what in unmeasured)
        return {
            "macs": passes * sum(self.macs(recipe, info, width) for width in widths)
            + sum(one["macs"] for one in measure.values()),
            "seconds": train + sum(one["seconds"] for one in measure.values()),
            "seconds_left": left,
        }

    def measuring(self, recipe: Recipe, what: Measurement, info: DatasetInfo) -> dict:
        """{"macs", "seconds"} of a measurement, which is made in fp32. Other probes than accuracy take all widths at
        once, and hardly any time."""
        passes = measuring_passes(recipe, what, info)
        width = what.width if what.probe == "accuracy" else 1.0
        seconds = self.pass_seconds(recipe, info, "fp32", width)
        return {"macs": passes * self.macs(recipe, info, width), "seconds": passes * seconds}

    def pass_seconds(self, recipe: Recipe, info: DatasetInfo, precision: str, width: float) -> float:
        def timed() -> float:
            from bench.run.pass_timing import (
                time_pass,  # not at the top: it imports torch, which known timings do without
            )

            return time_pass(recipe, info, precision, width, devices.device())

        key = f"{devices.name()} · pace {PACE} · {recipe.arch} · {shape_of(info)} · batch {recipe.batch} · {precision}"
        key += f" · width {width:g}"
        return self.found(key, timed)

    def macs(self, recipe: Recipe, info: DatasetInfo, width: float) -> int:
        """Of a forward pass of one image."""

        def counted() -> int:
            from bench.measures.cost import cost  # as above

            return cost(recipe, info.shape, info.classes, width).macs

        key = f"MACs · {layers_only(recipe).key} · {shape_of(info)} · {info.classes} classes · width {width:g}"
        return self.found(key, counted)

    def found(self, key: str, find: Callable[[], float]) -> float:
        """What is known under the key, or is found now and kept."""
        if key not in self.known:
            self.known[key] = find()
            with contextlib.suppress(OSError):  # a plan may be asked for where nothing can be written
                self.runs.mkdir(parents=True, exist_ok=True)
                write_json(self.path, self.known)
        return self.known[key]


def measuring_passes(recipe: Recipe, what: Measurement, info: DatasetInfo) -> float:
    """Passes of an image that a measurement is worth."""
    images = min(what.test_images or info.test, info.test)
    return len(what.lambdas) * images * probe_passes(what, recipe, info.classes)


def shape_of(info: DatasetInfo) -> str:
    return "x".join(map(str, info.shape))


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
