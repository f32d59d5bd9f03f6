"""A trial with a GPU never runs on the CPU."""

import json
from types import SimpleNamespace

import pytest
import torch

from bench.run.trial_device import NoCuda, trial_device
from bench.trial_dir import read_failure
from tests.recipes import pgd_at


def test_without_a_gpu_it_is_the_cpu():
    assert trial_device(0) == torch.device("cpu")


def test_a_gpu_that_torch_can_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert trial_device(0.25) == torch.device("cuda")


@pytest.mark.parametrize("cuda,reason", [(None, "is a build without CUDA"), ("13.2", r"\(CUDA 13.2\) says: ")])
def test_a_gpu_that_torch_cannot_use_is_refused_with_the_reason(monkeypatch, cuda, reason):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    with pytest.raises(NoCuda, match=f"a GPU is assigned, but torch .*{reason}.*--gpus-per-trial 0$") as caught:
        trial_device(1)
    assert len(str(caught.value).splitlines()) == 1


def test_the_worker_fails_such_a_trial_at_once(tmp_path, monkeypatch):
    from bench.run.ray_worker import TrialWorker  # imports Ray: not while tests are collected

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    key = pgd_at(0.4).key
    task = {"plugins": [], "threads": 1, "gpus": 1.0, "directory": str(tmp_path / key)}
    worker = SimpleNamespace()
    TrialWorker.setup(worker, {"task": task})
    first, last = TrialWorker.step(worker), TrialWorker.step(worker)
    assert "a GPU is assigned" in json.loads(first["row"])["failed"] and not first["done"] and last["done"]
    assert "a GPU is assigned" in read_failure(tmp_path / key)
    TrialWorker.cleanup(worker)
    assert not (tmp_path / key / "progress.jsonl").exists()
