"""Which engine computes, by BENCH_ENGINE and by what the machine has; and who may know of engines."""

import re

import pytest

from bench.engines import engine_class
from bench.engines.cpu.engine import CpuEngine
from bench.engines.eager import EagerEngine
from bench.engines.gpu.autotune import AutotunedGpuEngine
from bench.engines.gpu.engine import GpuEngine
from bench.engines.gpu.graphs import GraphedGpuEngine
from bench.errors import BadInput
from bench.spec.engine_choice import ENGINES
from tests.command import ROOT, start
from tests.engines.cpu.exact import needs_kernels

SOURCES = [path for path in (ROOT / "bench").rglob("*.py") if "engines/cpu" not in path.as_posix()]


@needs_kernels
@pytest.mark.parametrize(
    ("variables", "device", "engine"),
    [
        ({}, "cpu", CpuEngine),
        ({"BENCH_ENGINE": "auto"}, "cpu", CpuEngine),
        ({"BENCH_ENGINE": "cpu"}, "cpu", CpuEngine),
        ({"BENCH_ENGINE": "eager"}, "cpu", EagerEngine),
        ({"BENCH_KERNELS": "off"}, "cpu", EagerEngine),
        ({"BENCH_KERNELS": "avx2"}, "cpu", CpuEngine),
        ({}, "cuda", GpuEngine),
        ({"BENCH_ENGINE": "gpu"}, "cpu", GpuEngine),
        ({"BENCH_ENGINE": "eager"}, "cuda", EagerEngine),
        ({"BENCH_ENGINE": "gpu-autotune"}, "cuda", AutotunedGpuEngine),
        ({"BENCH_ENGINE": "gpu-graphs"}, "cuda", GraphedGpuEngine),
    ],
)
def test_the_environment_chooses(variables, device, engine, monkeypatch):
    for name in ("BENCH_ENGINE", "BENCH_KERNELS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert engine_class(device) is engine


def test_an_engine_that_cannot_run_says_why(monkeypatch):
    monkeypatch.setenv("BENCH_ENGINE", "cpu")
    with pytest.raises(BadInput, match="BENCH_ENGINE=cpu: it computes on CPUs alone"):
        engine_class("cuda")
    monkeypatch.setenv("BENCH_KERNELS", "off")
    with pytest.raises(BadInput, match="BENCH_ENGINE=cpu: BENCH_KERNELS=off"):
        engine_class("cpu")


def test_an_unknown_engine_is_bad_input_to_the_command():
    process = start("data", "list", BENCH_ENGINE="cp")
    output, _ = process.communicate(timeout=60)
    line = f"BENCH_ENGINE: unknown engine 'cp', did you mean 'cpu'? (allowed: {', '.join(ENGINES)})"
    assert process.returncode == 2 and line in output


def test_the_models_name_no_engine():
    """tests/training/test_imports.py looks what they import."""
    for path in (ROOT / "bench" / "models").glob("*.py"):
        assert not re.search(r"kernels|engines", path.read_text("utf-8")), path.name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_cpu_engine_handles_addresses(path):
    assert not re.search(r"\bctypes\b|\bdata_ptr\b", path.read_text("utf-8"))
