"""The entry by which `step_server` builds a step of this checkout, also when another checkout compares itself with it:
the name of this module and `build` with its arguments stay as they are."""

from pathlib import Path


def build(implementation: str, workload: str, task: str, device, batch: int | None, reference: str | None):
    """Callable that runs one step of a task and returns once its result is on the host.

    `implementation`: a key of implementations.PRECISION. `workload`: a key of WORKLOADS or any architecture.
    `batch`: images per step, None for the workload's own number. `reference`: a checkout of the authors' code.
    """
    from bench.speed import pydantic_stub

    pydantic_stub.install_if_missing()
    from bench.speed import implementations, workloads

    chosen = workloads.find_workload(workload, device, batch)
    return implementations.build_step(implementation, chosen, task, device, reference and Path(reference))
