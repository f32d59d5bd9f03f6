"""The device, its driver, and how fast it multiplies matrices."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from bench.errors import BadInput
from bench.run import provenance
from bench.run.trial_device import why_no_cuda
from bench.speed.gpu_check.parts import Request, precisions, workloads
from bench.speed.machine_throughput import DTYPES, matrix_product_rate

CPU_MATRIX_SIZE = 256  # a CPU without bf16 takes seconds for a large product


def device_facts(request: Request) -> Iterator[dict]:
    """Facts of the device, then {"matrix_flops": {precision: FLOP/s of a large matrix product}}.

    `request.device`: cpu, cuda, or auto, which is cuda where torch can use it. Raises BadInput where it cannot, and for
    an unknown network.
    """
    name = request.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"{why_no_cuda()}: --device cpu")
    workloads(replace(request, device=name))
    device = torch.device(name)
    yield {"type": name} | provenance.hardware(device, "") | provenance.git() | gpu_facts(name)
    yield {"matrix_flops": matrix_rates(device)}


def gpu_facts(device_type: str) -> dict:
    """Facts of the first GPU that torch sees; on a CPU why torch sees none."""
    if device_type == "cpu":
        return {} if torch.cuda.is_available() else {"why_no_cuda": why_no_cuda()}
    properties, (free, total) = torch.cuda.get_device_properties(0), torch.cuda.mem_get_info(0)
    return {
        "driver": driver_version(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": total,
        "free_bytes": free,
        "mps": mps_is_running(),
    }


def driver_version() -> str | None:
    """NVIDIA's driver; None without nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.split()), None)


def mps_is_running() -> bool:
    """Whether CUDA MPS serves this user: its control daemon has a pipe in its folder."""
    return (Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or "/tmp/nvidia-mps") / "control").exists()


def matrix_rates(device: torch.device) -> dict[str, float]:
    """FLOP/s by precision."""
    size = CPU_MATRIX_SIZE if device.type == "cpu" else None
    rates = {}
    for precision in precisions(device.type):
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        rates[precision] = matrix_product_rate(DTYPES.get(precision, torch.float32), device, size)
    torch.backends.cuda.matmul.allow_tf32 = False
    return rates
