"""The driver of a suite asks other processes about GPUs, and opens none itself. By mocks."""

import io
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from bench.errors import BadInput
from bench.run import child_python, gpu_detection, gpu_facts, image_pass_timing
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


def test_what_a_plugin_prints_before_the_answer_is_ignored(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **options: SimpleNamespace(stdout="hello\n0.5\n"))
    assert image_pass_timing.time_image_pass(oat(), INFO, "fp32", 1.0, "cuda") == 0.5


@pytest.mark.parametrize(
    ("stderr", "reason"), [("Traceback\n  …\nOutOfMemoryError: 9 GB\n\n", "OutOf.* 9 GB"), ("", "exit -9")]
)
def test_a_process_that_fails_is_a_line(stderr, reason, monkeypatch):
    def fail(command, **options):
        raise subprocess.CalledProcessError(-9, command, "", stderr)

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(BadInput, match=f"^python -m bench.run.gpu_facts failed: {reason}$"):
        child_python.last_line_of("bench.run.gpu_facts")


@pytest.fixture
def tf32_by_default():
    """torch's default on a GPU; what the test changes is put back."""
    switches = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [switch.allow_tf32 for switch in switches]
    for switch in switches:
        switch.allow_tf32 = True
    yield
    for switch, allowed in zip(switches, before, strict=True):
        switch.allow_tf32 = allowed


def test_that_process_computes_fp32_as_trials_do(monkeypatch, tf32_by_default, capsys):
    def time_here(recipe, shape, **arguments):
        return float(torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)

    arguments = {"plugins": [], "recipe": oat().model_dump(mode="json"), "shape": INFO.shape}
    monkeypatch.setattr(image_pass_timing, "time_here", time_here)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(arguments)))
    image_pass_timing.main()
    assert capsys.readouterr().out == "0.0\n"


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_the_warm_up_has_the_precision_of_the_timed_passes(precision, monkeypatch, tf32_by_default):
    torch.backends.cudnn.allow_tf32, allowed = False, []
    monkeypatch.setattr(image_pass_timing, "take_steps", lambda *_: allowed.append(torch.backends.cudnn.allow_tf32))
    monkeypatch.setattr(image_pass_timing, "MIN_SECONDS", 1e-6)
    image_pass_timing.time_here(oat(), INFO.shape, INFO.classes, precision, 1.0, "cpu")
    assert len(allowed) >= 2 and set(allowed) == {precision == "tf32"}
