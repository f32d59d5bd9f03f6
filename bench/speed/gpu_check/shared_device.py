"""Training steps by 1, 2 and 4 processes at a time on one device: whether several trials on a GPU pay."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from bench import ROOT
from bench.speed.gpu_check.parts import Request, precisions, workloads
from bench.speed.step_process import StepFailed, StepProcess
from bench.speed.workloads import Workload

COUNTS = (1, 2, 4)
LEAST_SECONDS = {"cpu": 0.5, "cuda": 3.0}  # of a timing: long beside the moments in which not all processes run


def time_processes(request: Request) -> Iterator[dict]:
    """{"network", "processes", "images_per_s" of all together, "peak_bytes" of one, or "error"}: of the first network,
    which does not fill a GPU, and the last, which does; on a CPU of the last."""
    chosen = workloads(request)
    for workload in dict.fromkeys(chosen[-1:] if request.device == "cpu" else [chosen[0], chosen[-1]]):
        yield from network_rows(workload, request)


def implementation(device: str) -> str:
    """Ours in bf16 where the device has that, else in fp32."""
    return "ours-bf16" if "bf16" in precisions(device) else "ours-fp32"


def network_rows(workload: Workload, request: Request) -> Iterator[dict]:
    """All processes start at once; of these 1, 2 and 4 compute at a time."""
    step = {
        "implementation": implementation(request.device),
        "workload": workload.name,
        "task": "oat",
        "batch": workload.batch,
    }
    step |= {"device": request.device, "reference": None, "threads": 1}
    with ExitStack() as stack, ThreadPoolExecutor(max(COUNTS)) as pool:
        processes = [stack.enter_context(StepProcess(ROOT, **step)) for _ in range(max(COUNTS))]
        time_one = partial(StepProcess.seconds_per_step, least=LEAST_SECONDS[request.device])
        for count in COUNTS:
            row, members = {"network": workload.name, "processes": count}, processes[:count]
            try:
                first_steps = list(pool.map(StepProcess.first_step, members))
                seconds = list(pool.map(time_one, members))
            except StepFailed as error:
                yield row | {"error": str(error)}
                return
            yield row | {
                "images_per_s": sum(workload.batch / each for each in seconds),
                "peak_bytes": max(step.peak_bytes for step in first_steps),
            }
