"""The hardware that trials compute on: this machine, or the nodes of a Ray cluster (bench/run/cluster_workers.py).

Keys (`precision: auto`), estimates and numbers of trials at once are theirs, and not those of the driver.
"""

from typing import Protocol

from bench.data import DatasetInfo
from bench.errors import BadInput
from bench.run import gpu_detection, machine_limits
from bench.spec.recipe import Recipe


class Workers(Protocol):
    place: str  # as in "2 h left on this machine"
    notes: tuple[str, ...]  # lines for the user

    def device_type(self) -> str:
        """torch's name of the device that trials compute on: cuda or cpu."""

    def hardware_name(self) -> str:
        """The model of the GPU, or of the CPU."""

    def device_memory(self) -> int:
        """Bytes of memory of the device."""

    def available_memory(self) -> int | None:
        """Bytes that all trials at once may use; None where that is not limited."""

    def best_precision(self) -> str:
        """The precision that `precision: auto` stands for."""

    def slots(self, cpus_per_trial: int, gpus_per_trial: float | None) -> int:
        """Trials at once."""

    def time_image_pass(self, recipe: Recipe, info: DatasetInfo, precision: str, width: float) -> float:
        """Seconds of one image's pass (bench/run/image_pass_timing.py)."""


class ThisMachine:
    place = "this machine"
    notes = ()

    def device_type(self) -> str:
        return gpu_detection.device_type()

    def hardware_name(self) -> str:
        return gpu_detection.hardware_name()

    def device_memory(self) -> int:
        return gpu_detection.device_memory()

    def available_memory(self) -> int | None:
        return machine_limits.available_memory()

    def best_precision(self) -> str:
        return gpu_detection.best_precision()

    def slots(self, cpus_per_trial: int, gpus_per_trial: float | None) -> int:
        cpus, gpus = machine_limits.cpu_count(), gpu_detection.gpu_count()
        share = default_share(gpus) if gpus_per_trial is None else gpus_per_trial
        return max(1, slots_of(cpus, gpus, cpus_per_trial, share))

    def require_room(self, cpus_per_trial: int, gpus_per_trial: float | None) -> None:
        """Raise BadInput where not one trial fits: a plan may be made here for another machine, a run may not."""
        cpus, gpus = machine_limits.cpu_count(), gpu_detection.gpu_count()
        share = default_share(gpus) if gpus_per_trial is None else gpus_per_trial
        if not slots_of(cpus, gpus, cpus_per_trial, share):
            needs = f"a trial needs {cpus_per_trial} CPUs and {share:g} GPUs, and this machine has {cpus} and {gpus}"
            raise BadInput(f"{needs}: lower --cpus-per-trial or --gpus-per-trial")

    def time_image_pass(self, recipe: Recipe, info: DatasetInfo, precision: str, width: float) -> float:
        from bench.run.image_pass_timing import time_image_pass  # imports torch

        return time_image_pass(recipe, info, precision, width, self.device_type())


def default_share(gpus: float) -> float:
    """GPUs of a trial where --gpus-per-trial is not given."""
    return 1.0 if gpus else 0.0


def slots_of(cpus: float, gpus: float, cpus_per_trial: int, gpus_per_trial: float) -> int:
    """Trials at once on this many CPUs and GPUs. Ray never splits a trial's fraction over GPUs: at 0.3, three fit on
    each."""
    by_cpus = int(cpus // cpus_per_trial)
    if not gpus_per_trial:
        return by_cpus
    if gpus_per_trial < 1:
        return min(by_cpus, int(gpus) * int(1 / gpus_per_trial + 1e-9))
    return min(by_cpus, int(gpus / gpus_per_trial))
