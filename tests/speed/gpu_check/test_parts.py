"""The parts of the check: the measuring ones with torch and numpy alone; what they do on a GPU, by mock."""

import json
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest
import torch

from bench.engines.gpu.graphs import NoGraph
from bench.errors import BadInput
from bench.speed.gpu_check import (
    attack_times,
    device_facts,
    recommendation,
    shared_device,
    step_times,
    suite_with_a_kill,
)
from bench.speed.gpu_check.parts import PARTS, Request, workloads
from bench.speed.step_process import FirstStep, StepFailed
from bench.speed.workloads import WORKLOADS
from tests.command import ROOT
from tests.speed.gpu_check.results import results_of
from tests.speed.test_benchmark_command import ABSENT

WITH_TORCH_ALONE = f"""
import sys
for name in {[*ABSENT.split(), "psutil"]}:
    sys.modules[name] = None  # importing it fails
from bench.speed import pydantic_stub
pydantic_stub.install_if_missing()
from bench.speed import interleaved_timing, machine_throughput, workloads
from bench.speed.gpu_check import attack_times, convolution_settings, loss_comparison, part_server, step_times
from bench.speed.gpu_check.parts import Request
interleaved_timing.LEAST_SECONDS = machine_throughput.LEAST_SECONDS = 0
for module in (attack_times, convolution_settings, step_times):
    module.ROUNDS = module.WARM_UP = 1
loss_comparison.STEPS = 2
recipe = workloads.Workload.recipe
workloads.Workload.recipe = lambda *arguments: recipe(*arguments).model_copy(update={{"attack_steps": 1}})
for name in ("device", "loss", "steps", "attack", "settings"):
    print(name)
    part_server.print_rows(name, Request("cpu", 60, ("digits",), 8), sys.stdout)
"""


def test_the_measuring_parts_with_torch_alone():
    done = subprocess.run([sys.executable, "-c", WITH_TORCH_ALONE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = {}
    for line in done.stdout.splitlines():
        if line in PARTS:
            rows[line] = []
        else:
            rows[list(rows)[-1]].append(json.loads(line))
    facts, rates = rows["device"]
    assert facts["type"] == "cpu" and all(rate > 0 for rate in rates["matrix_flops"].values())

    differences = recommendation.loss_differences(results_of(rows))
    assert [row["role"] for row, _ in differences] == ["yardstick", "compared", "compared"]
    assert 0 < differences[0][1] < 1e-3 and not recommendation.problems(results_of(rows))
    assert differences[1][1] < differences[2][1]  # bf16 rounds more

    (steps,), (attack, *evaluations), (settings,) = rows["steps"], rows["attack"], rows["settings"]
    assert [(side["engine"], side["precision"]) for side in steps["sides"].values()] == [
        ("eager", "fp32"),
        ("gpu", "fp32"),
        ("eager", "bf16"),
        ("gpu", "bf16"),
    ]
    base, fastest = (side["seconds"][0] for side in (*steps["sides"].values(),)[::3])
    assert steps["sides"]["gpu engine, bf16"]["speedup"]["median"] == pytest.approx(base / fastest)
    assert steps["kinds"].keys() == {"eager engine, bf16", "gpu engine, bf16"}
    assert attack["images"] == 6  # of 8, two have λ=0
    assert [row["images"] for row in evaluations] == list(attack_times.EVALUATED["cpu"])
    assert settings["benchmark"].keys() == {"fp32", "bf16"} and settings["tf32"] is None


def test_sides_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    labels = [(side.engine, side.precision) for side in step_times.sides("cuda", with_authors=True)]
    engines = [(engine, precision) for precision in ("fp32", "tf32", "bf16") for engine in ("eager", "gpu")]
    assert labels == [("authors", "tf32"), *engines, ("gpu-graphs", "bf16")]
    assert step_times.sides("cpu", with_authors=True)[0].precision == "fp32"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)  # before Ampere
    assert {side.precision for side in step_times.sides("cuda", with_authors=True)} == {"fp32"}
    assert shared_device.implementation("cuda") == "ours-fp32" and shared_device.implementation("cpu") == "ours-bf16"


def test_memory_and_kernels_on_a_gpu_and_a_side_without_memory(monkeypatch):
    """A side's memory is what its own step added; the device is a CPU's, called cuda."""
    order = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    for name, value in (("reset_peak_memory_stats", None), ("memory_allocated", 100), ("max_memory_allocated", 350)):
        monkeypatch.setattr(torch.cuda, name, lambda name=name, value=value: order.append(name) or value)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: order.append("empty_cache"))

    def build_side(side, *_):
        order.append("build")
        if side.engine == "gpu" and side.precision == "fp32":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return lambda: order.append("step")

    monkeypatch.setattr(step_times, "build_side", build_side)
    monkeypatch.setattr(step_times, "interleave", lambda steps, *_: {label: [2.0, 4.0, 6.0] for label in steps})
    monkeypatch.setattr(step_times, "profiled_events", lambda step, device: [])
    monkeypatch.setattr(step_times, "kernel_seconds", lambda events: 0.5)
    row = step_times.network_row(WORKLOADS["digits"], Request("cuda", 60))
    names = ["reset_peak_memory_stats", "memory_allocated", "build", "step", "max_memory_allocated"]
    assert order[:8] == [*names, *names[:3]] and order[8] == "empty_cache"
    assert row["sides"]["gpu engine, fp32"] == {"engine": "gpu", "precision": "fp32", "error": "out of memory"}
    side = row["sides"]["eager engine, bf16"]
    assert side["peak_bytes"] == 250 and side["kernel_seconds"] == 0.5 and side["speedup"]["median"] == 1


def test_graphs_that_fail_are_no_time(monkeypatch):
    chosen = [step_times.Side(engine, "fp32") for engine in ("gpu", "gpu-graphs")]
    monkeypatch.setattr(step_times, "sides", lambda *_: chosen)
    fail = lambda: warnings.warn("no CUDA graphs: a wait", NoGraph, stacklevel=1)  # noqa: E731
    monkeypatch.setattr(step_times, "build_side", lambda side, *_: fail if side.engine == "gpu-graphs" else list)
    monkeypatch.setattr(step_times, "interleave", lambda steps, *_: {label: [1.0] for label in steps})
    sides = step_times.network_row(WORKLOADS["digits"], Request("cpu", 60))["sides"]
    assert sides["gpu-graphs engine, fp32"]["error"] == "no CUDA graphs: a wait"
    assert sides["gpu engine, fp32"]["seconds"] == [1.0]


def test_facts_of_a_gpu(monkeypatch, tmp_path):
    properties = SimpleNamespace(major=9, minor=0, multi_processor_count=132)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (60, 80))
    monkeypatch.setattr(device_facts, "driver_version", lambda: "999.1")
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    facts = device_facts.gpu_facts("cuda")
    assert facts["capability"] == "9.0" and (facts["free_bytes"], facts["memory_bytes"]) == (60, 80)
    assert not facts["mps"]
    (tmp_path / "control").touch()
    assert device_facts.gpu_facts("cuda")["mps"] and "why_no_cuda" in device_facts.gpu_facts("cpu")


def test_a_device_or_a_network_that_there_is_not(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match="--device cpu"):
        next(device_facts.device_facts(Request("cuda", 60)))
    with pytest.raises(BadInput, match="unknown architecture 'vgg'"):
        next(device_facts.device_facts(Request("auto", 60, ("vgg",))))


class RecordedProcess:
    """Stands in for StepProcess: the fourth one has no memory left."""

    number = 0

    def __init__(self, root, **request):
        type(self).number += 1
        self.index, self.request = type(self).number, request

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def first_step(self):
        if self.index == 4:
            raise StepFailed("OutOfMemoryError: CUDA out of memory")
        return FirstStep(10 * self.index, 10 * self.index, 1.0)

    def seconds_per_step(self, least):
        return 0.5 * self.index


def test_rates_of_processes_add_up(monkeypatch):
    monkeypatch.setattr(shared_device, "StepProcess", RecordedProcess)
    rows = list(shared_device.time_processes(Request("cpu", 60, ("wrn-16-8", "digits"), batch=8)))
    where = {"network": "digits"}
    assert rows == [
        where | {"processes": 1, "images_per_s": 16.0, "peak_bytes": 10},
        where | {"processes": 2, "images_per_s": 16.0 + 8.0, "peak_bytes": 20},
        where | {"processes": 4, "error": "OutOfMemoryError: CUDA out of memory"},
    ]


RUN = """#!/bin/sh
# Stands in for `python -m bench run … --runs RUNS`: it goes on once its worker has been killed.
for runs; do :; done
mkdir -p "$runs/trials/1"
(exec 9> "$runs/trials/1/lock"; exec sleep 60) &
echo '{"epoch": 1}' > "$runs/trials/1/progress.jsonl"
wait $!
for trial in 1 2 3 4; do
  mkdir -p "$runs/trials/$trial"
  for epoch in 1 2 3 4 5 6 7 8; do echo '{"epoch": '$epoch'}'; done > "$runs/trials/$trial/progress.jsonl"
  echo '{"provenance": {"device": "NVIDIA T0"}}' > "$runs/trials/$trial/results.json"
done
echo "$@"
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Make a script stand in for Python."""

    def write(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(script)
        path.chmod(0o755)
        monkeypatch.setattr(suite_with_a_kill.sys, "executable", str(path))

    return write


def test_the_suite_loses_a_worker_and_is_complete(stand_in):
    stand_in(RUN)
    (row,) = suite_with_a_kill.run_suite(Request("cuda", 60))
    assert row["killed_workers"] == 1 and row["exit_code"] == 0 and not recommendation.suite_problems(row)
    assert row["devices"] == ["NVIDIA T0"] and "--gpus-per-trial 0.25" in row["last_line"]


def test_a_suite_whose_time_is_over_is_ended(stand_in):
    stand_in("#!/bin/sh\nexec sleep 60\n")
    (row,) = suite_with_a_kill.run_suite(Request("cpu", suite_with_a_kill.RESERVE_SECONDS + 0.3))
    assert row["exit_code"] is None and row["finished"] == row["killed_workers"] == 0 and row["seconds"] < 30


def test_the_suite_needs_its_packages(monkeypatch):
    monkeypatch.setattr(suite_with_a_kill.importlib.util, "find_spec", lambda name: None if name == "ray" else name)
    assert list(suite_with_a_kill.run_suite(Request("cpu", 60))) == [{"skipped": "ray not installed (make setup)"}]


def test_the_networks_of_a_device():
    assert [(w.name, w.batch) for w in workloads(Request("cpu", 60))] == [
        ("digits", 4),
        ("wrn-10-1", 4),
        ("wrn-10-2", 4),
    ]
    on_a_gpu = [("wrn-10-2", 128), ("wrn-16-8", 128), ("resnet34", 128)]
    assert [(w.name, w.batch) for w in workloads(Request("cuda", 60))] == on_a_gpu
    assert [(w.name, w.batch) for w in workloads(Request("cuda", 60, ("digits",), 8))] == [("digits", 8)]
