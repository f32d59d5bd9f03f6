"""Which device trials compute on, found without importing torch where there is no GPU.

Importing torch takes longer than planning a whole suite. Where no GPU driver has left a file under /dev there is no
GPU, and torch is not imported.
"""

import functools
import sys
from pathlib import Path

from bench.run.machine_limits import total_memory
from bench.run.provenance import cpu_name

# Device files of NVIDIA's cards and boards, of GPUs under WSL, and of AMD's cards.
DRIVER_FILES = ("nvidia*", "nvhost*", "nvgpu*", "nvmap", "dxg", "kfd")


def has_driver(folder: Path = Path("/dev")) -> bool:
    """Whether torch might find a GPU. Always True on systems other than Linux, where only torch can tell."""
    return sys.platform != "linux" or any(next(folder.glob(pattern), None) for pattern in DRIVER_FILES)


@functools.cache
def gpu_count() -> int:
    if not has_driver():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device_type() -> str:
    """torch's name of the device that trials compute on: cuda or cpu."""
    return "cuda" if gpu_count() else "cpu"


@functools.cache
def hardware_name() -> str:
    """The GPU's model name, or the CPU's."""
    if not gpu_count():
        return cpu_name()
    import torch

    return torch.cuda.get_device_name()


def device_memory() -> int:
    """Bytes of memory of the device that trials compute on: the GPU's, or the machine's or container's."""
    if not gpu_count():
        return total_memory()
    import torch

    return torch.cuda.get_device_properties(0).total_memory


@functools.cache
def best_precision() -> str:
    """The precision that `precision: auto` stands for on this machine.

    Part of recipe keys, so that torch, which decides, is always imported.
    """
    from bench.engines import precision

    return precision.best_precision(bool(gpu_count()))
