"""The driver of a suite asks other processes about GPUs, and opens none itself. By mocks."""

import json
import subprocess
from types import SimpleNamespace

import pytest
import torch

from bench.run import gpu_detection, gpu_facts, image_pass_timing
from tests.recipes import oat

FACTS = {"count": 3, "name": "a GPU", "memory": 80 * 2**30, "precision": "bf16"}
INFO = SimpleNamespace(shape=(1, 8, 8), classes=10)


@pytest.fixture
def no_cuda_here(monkeypatch):
    """Any use of CUDA in this process fails the test."""

    def opened(*_):
        raise AssertionError("a GPU was opened in this process")

    for name in ("_lazy_init", "is_available", "device_count", "get_device_name", "get_device_properties"):
        monkeypatch.setattr(torch.cuda, name, opened)


@pytest.fixture
def driver(monkeypatch):
    """A machine with a GPU's driver. Returns the commands that are started. No facts stay cached."""
    commands = []

    def run(command, **options):
        commands.append(command[1:])
        return SimpleNamespace(stdout=json.dumps(FACTS))

    monkeypatch.setattr(gpu_detection, "has_driver", lambda: True)
    monkeypatch.setattr(subprocess, "run", run)
    caches = (gpu_detection.gpu_facts, gpu_detection.best_precision)
    for function in caches:
        function.cache_clear()
    yield commands
    for function in caches:
        function.cache_clear()


def test_one_process_is_asked_for_all_facts(driver, no_cuda_here):
    answers = [getattr(gpu_detection, name)() for name in ("gpu_count", "hardware_name", "device_memory")]
    assert answers + [gpu_detection.best_precision()] == list(FACTS.values()) and gpu_detection.device_type() == "cuda"
    assert driver == [["-m", "bench.run.gpu_facts"]]


@pytest.mark.parametrize("available", [True, False])
def test_that_process_asks_torch(available, monkeypatch):
    answers = {"is_available": available, "device_count": 3, "get_device_name": "a GPU", "is_bf16_supported": True}
    answers["get_device_properties"] = SimpleNamespace(total_memory=80 * 2**30)
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer, **options: answer)
    assert gpu_facts.gpu_facts() == (FACTS if available else {"count": 0})


def test_a_pass_is_timed_on_a_gpu_by_a_process_that_ends(monkeypatch, no_cuda_here):
    """The real process, but on the CPU: an argument is all that tells it so."""
    run, inputs = subprocess.run, []

    def on_cpu(command, **options):
        inputs.append(json.loads(options["input"]))
        return run(command, **options | {"input": json.dumps(inputs[0] | {"device": "cpu"})})

    monkeypatch.setattr(subprocess, "run", on_cpu)
    assert 1e-7 < image_pass_timing.time_image_pass(oat(), INFO, "fp32", 1.0, "cuda") < 1
    assert inputs[0]["device"] == "cuda" and inputs[0]["width"] == 1.0
