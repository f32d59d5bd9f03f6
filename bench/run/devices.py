"""What would compute on this machine. torch knows, but importing it takes longer than a whole plan: where no GPU's
driver has left a file under /dev, there is no GPU, and torch is not asked.
"""

import functools
import sys
from pathlib import Path

from bench.run.provenance import cpu_name

DRIVERS = ("nvidia*", "nvhost*", "nvgpu*", "nvmap", "dxg", "kfd")  # of NVIDIA's cards and boards, under WSL, and AMD's


def has_driver(folder: Path = Path("/dev")) -> bool:
    """Whether torch might find a GPU. On other systems than Linux, torch alone can tell."""
    return sys.platform != "linux" or any(next(folder.glob(pattern), None) for pattern in DRIVERS)


@functools.cache
def gpu_count() -> int:
    if not has_driver():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device() -> str:
    """torch's name of the device that a trial computes on: cuda or cpu."""
    return "cuda" if gpu_count() else "cpu"


@functools.cache
def name() -> str:
    """The GPU's name, or the CPU's."""
    if not gpu_count():
        return cpu_name()
    import torch

    return torch.cuda.get_device_name()


@functools.cache
def best_precision() -> str:
    """What `precision: auto` becomes here. It enters keys, so that torch, which decides, is always asked."""
    from bench.engines import precision

    return precision.best_precision(bool(gpu_count()))
