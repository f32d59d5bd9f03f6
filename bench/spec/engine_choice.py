"""Read which engine computes the networks: the environment variable BENCH_ENGINE. Needs no torch."""

import os

from bench.errors import BadInput, unknown

ENGINES = ("auto", "eager", "cpu", "gpu", "gpu-autotune", "gpu-graphs")


def chosen_engine() -> str:
    """A name in ENGINES. BENCH_KERNELS=off, an older name, selects eager. Raises BadInput for an unknown value."""
    choice = os.environ.get("BENCH_ENGINE") or ("eager" if os.environ.get("BENCH_KERNELS") == "off" else "auto")
    if choice not in ENGINES:
        raise BadInput(f"BENCH_ENGINE: {unknown('engine', choice, ENGINES)}")
    return choice
