"""Out of memory on a GPU: one line with the remedy and no retry; memory goes back between trials. By mocks."""

import json
from types import SimpleNamespace

import pytest
import torch

from bench.run import gpu_memory
from bench.run import trial as trial_module
from bench.run.gpu_memory import out_of_memory_line
from bench.trial_dir import read_failure
from tests.recipes import oat
from tests.run.test_trial import accuracy_trial, run_to_end

MESSAGE = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.06 GiB is free."
    " Process 1 has 60.00 GiB memory in use.\nOf the allocated memory 7 GiB is allocated by PyTorch"
)


def test_the_line_says_what_was_wanted_and_the_remedy():
    line = out_of_memory_line(torch.OutOfMemoryError(MESSAGE))
    assert line.startswith("out of GPU memory: 2.50 GiB more were wanted, and 1.06 GiB of 79.15 GiB are free: ")
    assert "--gpus-per-trial 1" in line and "--set batch=" in line and "\n" not in line


@pytest.mark.parametrize("message", ["", "HIP error\nmore"])
def test_a_message_of_another_kind_is_one_line_too(message):
    line = out_of_memory_line(torch.OutOfMemoryError(message))
    assert "\n" not in line and "--gpus-per-trial 1" in line and message.split("\n")[0] in line


@pytest.mark.parametrize("place", ["train", "accuracy"])
def test_a_trial_fails_once_with_that_line(place, tmp_path, monkeypatch):
    def out_of_memory(*_, **__):
        raise torch.OutOfMemoryError(MESSAGE)

    trial = accuracy_trial(oat(epochs=1, attack_steps=1, lambdas=(0.0, 1.0)))
    monkeypatch.setattr(trial_module, place, out_of_memory)
    *epochs, last = run_to_end(trial, tmp_path)
    assert len(epochs) == (place == "accuracy")
    assert last["failed"].startswith("out of GPU memory: 2.50 GiB") and read_failure(tmp_path) == last["failed"]


@pytest.mark.parametrize("initialised", [True, False])
def test_memory_goes_back_if_the_process_has_any(initialised, monkeypatch):
    emptied = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: initialised)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    gpu_memory.return_memory()
    assert bool(emptied) == initialised


def test_a_reused_worker_returns_memory_after_the_old_trial_and_before_the_new(monkeypatch):
    from bench.run.ray_worker import TrialWorker  # imports Ray: not while tests are collected

    order = []
    monkeypatch.setattr(gpu_memory, "return_memory", lambda: order.append("return"))
    worker = SimpleNamespace(cleanup=lambda: order.append("end"), setup=lambda config: order.append(json.dumps(config)))
    assert TrialWorker.reset_config(worker, {})
    assert order == ["end", "return", "{}"]
