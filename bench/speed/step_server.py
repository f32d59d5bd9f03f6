"""Child process that builds one step and runs it on request, so that code, memory and threads are that step's alone.

Started as a script by `step_process.StepProcess`, with the root of a checkout and a request. `bench` is imported from
that checkout, which need not be the one this file lies in: this file imports nothing else of the project.

Requests on stdin, one a line: `first` runs the step once and answers {"peak_bytes", "process_bytes", "seconds"}, see
`peak_memory`; `time S` repeats it for at least S seconds and answers {"seconds": per step}. The first answer, {}, says
that the step is built.
"""

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def build_step(implementation: str, workload: str, task: str, device, batch: int | None, reference: str | None):
    """Step of the checkout on sys.path. Commits without `bench.speed.checkout_step` have its parts by other names."""
    try:
        from bench.speed import checkout_step
    except ImportError:
        from bench.speed import bare

        bare.stand_in()
        from bench.speed import cases, sides

        return sides.of(implementation, cases.case(workload, device, batch), task, device, reference)
    return checkout_step.build(implementation, workload, task, device, batch, reference)


def peak_memory(step: Callable[[], object], device) -> dict[str, int]:
    """Run one step: {"peak_bytes": peak memory of the step, "process_bytes": of all that its process holds}.

    On a GPU both are torch.cuda.max_memory_allocated, weights and optimiser included. On a CPU process_bytes is the
    process's peak resident set during the step, and peak_bytes that less what was resident before: the set's growth,
    without Python and the weights, and without memory that the step takes over from what ran before it.
    """
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        step()
        return dict.fromkeys(("peak_bytes", "process_bytes"), torch.cuda.max_memory_allocated())
    before = resident_bytes("VmRSS")
    with contextlib.suppress(OSError):  # without a reset, building the network may count: little beside a step
        CLEAR_REFS.write_text("5", encoding="utf-8")
    step()
    peak = resident_bytes("VmHWM")
    return {"peak_bytes": max(0, peak - before), "process_bytes": peak}


def resident_bytes(field: str) -> int:
    """Resident memory of this process now (VmRSS) or its peak (VmHWM). Without /proc, the peak since its start."""
    try:
        line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(field))
        return int(line.split()[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def seconds_per_step(step: Callable[[], object], least: float) -> float:
    """Mean over at least one step, and as many as take `least` seconds. A step ends with its result on the host, so
    that a GPU has nothing left to do."""
    started, steps = time.perf_counter(), 0
    while steps == 0 or time.perf_counter() - started < least:
        step()
        steps += 1
    return (time.perf_counter() - started) / steps


def main(root: str, request: str) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints goes to stderr
    sys.path.insert(0, root)
    options = json.loads(request)
    import torch

    torch.set_num_threads(options.pop("threads"))
    options["device"] = device = torch.device(options["device"])
    step = build_step(**options)
    print("{}", file=answers)
    for line in sys.stdin:
        command, *arguments = line.split()
        started = time.perf_counter()
        if command == "first":
            answer = peak_memory(step, device) | {"seconds": time.perf_counter() - started}
        else:
            answer = {"seconds": seconds_per_step(step, float(arguments[0]))}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
