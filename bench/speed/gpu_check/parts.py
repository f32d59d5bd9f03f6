"""The parts of the check, in their order, and what a part is asked."""

from dataclasses import dataclass

NETWORKS = ("wrn-10-2", "wrn-16-8", "resnet34")  # the smallest first
CPU_NETWORKS, CPU_BATCH = ("digits", "wrn-10-1", "wrn-10-2"), 4  # there the check only exercises its code


@dataclass(frozen=True)
class Part:
    """`target`: "module:function", a generator of rows that takes a Request. `share`: of the time that is left when the
    part begins, relative to the shares of the parts after it."""

    title: str
    target: str
    share: float


FOLDER = "bench.speed.gpu_check"
PARTS = {
    "device": Part("Device and driver", f"{FOLDER}.device_facts:device_facts", 6),
    "loss": Part("Loss on this device and on the CPU", f"{FOLDER}.loss_comparison:compare_losses", 10),
    "steps": Part("Training steps of OAT", f"{FOLDER}.step_times:time_steps", 30),
    "attack": Part("The attack alone", f"{FOLDER}.attack_times:time_attacks", 10),
    "settings": Part("cuDNN's benchmark mode and TF32", f"{FOLDER}.convolution_settings:time_settings", 14),
    "processes": Part("Several processes on the device", f"{FOLDER}.shared_device:time_processes", 12),
    "suite": Part("A suite with a killed worker", f"{FOLDER}.suite_with_a_kill:run_suite", 22),
}


@dataclass(frozen=True)
class Request:
    """`device`: cpu or cuda. `seconds`: after which the part's process is ended. `networks`: names of workloads,
    the smallest first, or empty for the device's own. `batch`: images of a step, None for the device's own number.
    `reference`: a checkout of the authors' code."""

    device: str
    seconds: float
    networks: tuple[str, ...] = ()
    batch: int | None = None
    reference: str | None = None


def workloads(request: Request) -> list:
    """The Workload of each network."""
    import torch  # the command itself needs no torch

    from bench.speed.workloads import find_workload

    device, cpu = torch.device(request.device), request.device == "cpu"
    batch = request.batch or (CPU_BATCH if cpu else None)
    names = request.networks or (CPU_NETWORKS if cpu else NETWORKS)
    return [find_workload(name, device, batch) for name in names]


def precisions(device: str) -> tuple[str, ...]:
    """Precisions that are timed, fp32 first. GPUs have TF32 and bf16 since Ampere; on a CPU TF32 would be fp32."""
    from bench.engines.precision import best_precision  # imports torch

    if device == "cpu":
        return "fp32", "bf16"
    return ("fp32", "tf32", "bf16") if best_precision(cuda=True) == "bf16" else ("fp32",)
