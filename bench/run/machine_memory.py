"""How much memory trials can have: that of the GPU, or of the machine or container."""

import os
from pathlib import Path

from bench.run import gpu_detection

LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of a container, in cgroup versions 2 and 1


def memory_bytes(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of memory of the device that trials compute on."""
    if gpu_detection.gpu_count():
        import torch

        return torch.cuda.get_device_properties(0).total_memory
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *container_limits(groups)])


def container_limits(groups: Path) -> list[int]:
    """The limits that the container sets, if any."""
    limits = []
    for name in LIMITS:
        try:
            limits.append(int((groups / name).read_text(encoding="utf-8")))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return limits
