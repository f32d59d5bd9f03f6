"""Estimate what trials cost: image passes counted from the recipes × the measured time of one pass.

A pass is a forward or a backward of one image through the network. Its time is measured once per architecture, width,
image shape, batch size and precision, and for each method with networks of its own, such as FLOAT, on one trial's share
of the machine (half the width does not take half the time); its multiply–accumulates are counted once per network and
width. Both are stored in `runs/machine.json`, so that later plans need not import torch.
"""

import contextlib
import math
from collections.abc import Callable
from pathlib import Path

from bench.damaged_files import Damaged, read_sealed, set_aside, write_sealed
from bench.data import DatasetInfo
from bench.errors import BadInput
from bench.human_units import format_bytes
from bench.run.missing_work import has_weights
from bench.run.workers import ThisMachine, Workers
from bench.spec.architectures import layers_only
from bench.spec.costs import probe_passes, training_passes
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.registry import Method, lookup
from bench.spec.trial import Trial
from bench.trial_dir import is_number, read_progress

STEP_OVERHEAD = 1.3  # BN, FiLM, weight gradients, updates: measured on a CPU, 1.2 for ResNet-34 to 1.5 for digits
TIMING_VERSION = 6  # increase when a change of the code makes passes faster or slower: stored timings are then ignored
# Memory of a trial's process: torch and Ray, and per image of a batch the activations that a training step keeps.
WORKER_BYTES, GPU_WORKER_BYTES = 600 * 2**20, 3 * 2**30
MACS_PER_ACTIVATION = 800  # of ResNet-34 1,200, of WRN-16-8 1,300, of WRN-10-1 150
ACTIVATION_BYTES = 12  # fp32: of a layer before and after its norm, and the gradient


class CostEstimator:
    """Estimates the cost of trials from runs/machine.json; measures what that file lacks and adds it."""

    def __init__(self, runs: Path, workers: Workers | None = None):
        self.runs, self.path, self.workers = runs, runs / "machine.json", workers or ThisMachine()
        try:
            self.known = load_timings(runs)
        except Damaged:
            self.known = {}

    def trial_cost(self, trial: Trial, info: DatasetInfo, missing: list[Measurement]) -> dict:
        """{"macs", "seconds"} of the whole trial and "seconds_left" of what its directory lacks.

        `missing` are the measurements that it lacks; the epochs are read from the directory. Raises BadInput for a
        network that does not fit into memory.
        """
        recipe, directory = trial.recipe, self.runs / "trials" / trial.key
        if missing:
            self.check_memory(recipe, info)
        widths, passes = recipe.widths or (1.0,), training_passes(recipe, info.train)  # passes at each width
        pass_seconds = sum(self.pass_seconds(recipe, info, recipe.precision, width) for width in widths)
        training_seconds = passes * pass_seconds * STEP_OVERHEAD
        training_macs = passes * sum(self.forward_macs(recipe, info, width) for width in widths)
        measuring = {m.key: self.measurement_cost(recipe, m, info) for m in trial.measurements}
        trained = 1.0 if has_weights(directory) else min(len(read_progress(directory, trial.key)) / recipe.epochs, 1)
        return {
            "macs": training_macs + sum(cost["macs"] for cost in measuring.values()),
            "seconds": training_seconds + sum(cost["seconds"] for cost in measuring.values()),
            "seconds_left": training_seconds * (1 - trained) + sum(measuring[m.key]["seconds"] for m in missing),
        }

    def check_memory(self, recipe: Recipe, info: DatasetInfo) -> None:
        """Raise BadInput where the least memory that a training needs is more than there is."""
        most = self.workers.device_memory()
        needed = self.training_bytes(recipe, info, most)
        if needed > most:
            has = f"training takes at least {format_bytes(needed)} of memory, and here are {format_bytes(most)}"
            raise BadInput(f"{recipe.name}: {has}: take a smaller arch, batch or images (--set pool=2)")

    def training_bytes(self, recipe: Recipe, info: DatasetInfo, most: float = math.inf) -> int:
        """The least memory that a training needs: parameters, gradients and momentum, and the outputs of convolutions,
        which the backward pass of a batch reads.

        The latter are counted in a pass, so only of a network whose parameters fit into `most` bytes.
        """

        def activations() -> int:
            from bench.measures.cost import cost

            return cost(recipe, info.shape, info.classes).activations

        needed = 3 * 4 * self.parameters(recipe, info)
        if needed <= most:
            bytes_each = 2 if recipe.precision == "bf16" else 4
            key = f"activations · {layers_only(recipe).key} · {shape_text(info)} · {info.classes} classes"
            needed += bytes_each * recipe.batch * self.look_up(key, activations)
        return needed

    def measurement_cost(self, recipe: Recipe, measurement: Measurement, info: DatasetInfo) -> dict:
        """{"macs", "seconds"} of a measurement, which is always made in fp32.

        Probes other than `accuracy` take hardly any time and are counted at full width.
        """
        passes = measurement_passes(recipe, measurement, info)
        width = measurement.width if measurement.probe == "accuracy" else 1.0
        seconds = self.pass_seconds(recipe, info, "fp32", width)
        return {"macs": passes * self.forward_macs(recipe, info, width), "seconds": passes * seconds}

    def pass_seconds(self, recipe: Recipe, info: DatasetInfo, precision: str, width: float) -> float:
        """Seconds of one image's pass."""

        def measure() -> float:
            return self.workers.time_image_pass(recipe, info, precision, width)

        key = f"{self.workers.hardware_name()} · pace {TIMING_VERSION} · {recipe.arch} · {shape_text(info)}"
        key += f" · batch {recipe.batch} · {precision} · width {width:g}"
        key += f" · {recipe.method}" if lookup(Method, recipe.method).network else ""
        return self.look_up(key, measure)

    def forward_macs(self, recipe: Recipe, info: DatasetInfo, width: float) -> int:
        """Multiply–accumulates of one image's forward pass."""

        def count() -> int:
            from bench.measures.cost import cost  # imports torch

            return cost(recipe, info.shape, info.classes, width).macs

        key = f"MACs · {layers_only(recipe).key} · {shape_text(info)} · {info.classes} classes · width {width:g}"
        return self.look_up(key, count)

    def parameters(self, recipe: Recipe, info: DatasetInfo) -> int:
        """The number of parameters of the whole network."""

        def count() -> int:
            from bench.measures.cost import parameter_count  # imports torch

            return parameter_count(recipe, info.shape[0], info.classes)

        key = f"parameters · {layers_only(recipe).key} · {shape_text(info)} · {info.classes} classes"
        return self.look_up(key, count)

    def trial_bytes(self, recipe: Recipe, info: DatasetInfo) -> int:
        """Memory of the process that trains and measures the network, roughly."""
        images = math.prod(info.shape) * (info.train + info.test)
        if self.workers.device_type() == "cuda":
            return GPU_WORKER_BYTES + 2 * images
        activations = recipe.batch * self.forward_macs(recipe, info, 1.0) / MACS_PER_ACTIVATION
        return int(WORKER_BYTES + 2 * images + ACTIVATION_BYTES * activations)

    def look_up(self, key: str, compute: Callable[[], float]) -> float:
        """The number stored under the key, computed and stored if need be."""
        if key not in self.known:
            self.known[key] = compute()
            with contextlib.suppress(OSError):  # `plan` also works where nothing can be written
                self.runs.mkdir(parents=True, exist_ok=True)
                self.set_aside_if_damaged()
                write_sealed(self.path, self.known)
        return self.known[key]

    def set_aside_if_damaged(self) -> None:
        try:
            load_timings(self.runs)
        except Damaged as damage:
            set_aside(damage.path)


def load_timings(runs: Path) -> dict[str, float]:
    """The numbers in runs/machine.json, by what they count or time. Raises Damaged."""
    path = runs / "machine.json"
    known = read_sealed(path) or {}
    if not all(is_number(value) and value > 0 for value in known.values()):
        raise Damaged(path, "one of its values is not a number above 0")
    return known


def measurement_passes(recipe: Recipe, measurement: Measurement, info: DatasetInfo) -> float:
    """Image passes that a measurement takes."""
    images = min(measurement.test_images or info.test, info.test)
    return len(measurement.lambdas) * images * probe_passes(measurement, recipe, info.classes)


def shape_text(info: DatasetInfo) -> str:
    return "x".join(map(str, info.shape))


def wall_seconds(trial_seconds: list[float], slots: int) -> float:
    """Wall-clock time of independent trials: longest first, each on the slot that is free first."""
    busy_until = [0.0] * max(1, slots)
    for seconds in sorted(trial_seconds, reverse=True):
        busy_until.sort()
        busy_until[0] += seconds
    return max(busy_until)
