"""Which device trials compute on, found without importing torch where there is no GPU.

Importing torch takes longer than planning a whole suite. Where no GPU driver has left a file under /dev there is no
GPU, and torch is not asked. Else another process asks torch and ends: a process that has opened a GPU keeps some
hundred MB of its memory, and a suite's driver lives as long as the suite.
"""

import functools
import json
import sys
from pathlib import Path

from bench.run.child_python import last_line_of
from bench.run.machine_limits import total_memory
from bench.run.provenance import cpu_name

# Device files of NVIDIA's cards and boards, of GPUs under WSL, and of AMD's cards.
DRIVER_FILES = ("nvidia*", "nvhost*", "nvgpu*", "nvmap", "dxg", "kfd")


def has_driver(folder: Path = Path("/dev")) -> bool:
    """Whether torch might find a GPU. Always True on systems other than Linux, where only torch can tell."""
    return sys.platform != "linux" or any(next(folder.glob(pattern), None) for pattern in DRIVER_FILES)


@functools.cache
def gpu_facts() -> dict:
    """{"count"} of this machine's GPUs, and of the first one "name", "memory" (bytes) and "precision".

    Raises BadInput where the process that asks torch fails.
    """
    if not has_driver():
        return {"count": 0}
    return json.loads(last_line_of("bench.run.gpu_facts"))


def gpu_count() -> int:
    return gpu_facts()["count"]


def device_type() -> str:
    """torch's name of the device that trials compute on: cuda or cpu."""
    return "cuda" if gpu_count() else "cpu"


def hardware_name() -> str:
    """The GPU's model name, or the CPU's."""
    return gpu_facts()["name"] if gpu_count() else cpu_name()


def device_memory() -> int:
    """Bytes of memory of the device that trials compute on: the GPU's, or the machine's or container's."""
    return gpu_facts()["memory"] if gpu_count() else total_memory()


@functools.cache
def best_precision() -> str:
    """The precision that `precision: auto` stands for on this machine.

    Part of recipe keys, so that torch always decides.
    """
    if gpu_count():
        return gpu_facts()["precision"]
    from bench.engines import precision

    return precision.best_precision(cuda=False)
