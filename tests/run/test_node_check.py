"""What a node checks before trials run on it, on this machine in the place of a node."""

import json
import re
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bench.run import node_check
from bench.run.node_check import check_node, check_request, node_facts, why_unusable
from bench.spec.measurement import Measurement
from bench.spec.trial import Trial
from tests.recipes import DIGITS, oat

MEASUREMENT = Measurement(epsilon=0.1, step=0.025, lambdas=oat().lambdas, test_images=100)
TRIAL = Trial(recipe=oat(), measurements=(MEASUREMENT,), source="digits")


@pytest.fixture(autouse=True)
def sleeps(monkeypatch) -> list[float]:
    """The seconds between looks at the runs directory, not slept."""
    seconds = []
    monkeypatch.setattr(node_check.time, "sleep", seconds.append)
    return seconds


@pytest.fixture
def request_of_driver(tmp_path) -> dict:
    folder = tmp_path / "runs" / "preflight"
    folder.mkdir(parents=True)
    (folder / "nonce").write_text("7")
    return check_request(folder, "7", {"digits": DIGITS}, tmp_path / "data")


def test_a_node_like_the_driver_is_usable_and_answers_in_the_runs_directory(request_of_driver, tmp_path):
    answer = check_node(request_of_driver, "node", None)
    assert answer["problem"] is None and answer["free"] == []
    assert (tmp_path / "runs" / "preflight" / "node").read_text() == "7"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"nonce": "8"}, "does not see the files that the command writes to .*runs: put --runs on"),
        ({"folder": "/nowhere/preflight"}, "does not see the files .* /nowhere: "),
        ({"torch": "1.0"}, "has torch .*, and the command 1.0: install requirements.lock"),
        ({"code": "0"}, "runs another version of this code, from .*: take that off the PYTHONPATH"),
        ({"plugins": {"/nowhere/mine.py": "0"}}, "has another plugin /nowhere/mine.py, or none: "),
        ({"sources": {"digits": "0"}}, "has other images at digits: "),
        ({"sources": {"cifar10": node_check.data.describe("cifar10", None).fingerprint}}, "lacks data: .*data fetch"),
        ({"sources": {"/nowhere": "0"}}, "lacks data: .*/nowhere"),
    ],
)
def test_what_would_fail_later_is_named_with_the_remedy(request_of_driver, change, problem):
    assert re.search(problem, why_unusable(request_of_driver | change))
    answer = check_node(request_of_driver | change, "node", None)
    assert answer["problem"] == why_unusable(request_of_driver | change)


def test_a_moment_in_which_the_file_system_fails_is_waited_for(request_of_driver, sleeps, monkeypatch):
    def come_back(seconds):
        sleeps.append(seconds)
        if len(sleeps) == 3:
            nonce.write_text("7")

    nonce = Path(request_of_driver["folder"]) / "nonce"
    nonce.unlink()
    monkeypatch.setattr(node_check.time, "sleep", come_back)
    assert why_unusable(request_of_driver) is None and len(sleeps) == 3
    nonce.unlink()
    assert "does not see the files" in why_unusable(request_of_driver)
    assert sum(sleeps[3:]) == 2


def test_a_worker_process_checks_its_node_once(request_of_driver, monkeypatch, tmp_path):
    from bench.run import ray_worker, trial  # imports Ray: not while tests are collected

    monkeypatch.setattr(ray_worker, "passed_checks", set())
    monkeypatch.setattr(trial, "run_trial", lambda *_: iter(()))
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    task = {"plugins": [], "threads": 1, "gpus": 0, "directory": str(tmp_path), "data_root": str(tmp_path)}
    task |= {"code_version": {}, "trial": TRIAL.model_dump_json()}
    rows = []
    for change in ({"code": "0"}, {}, {"code": "0"}):  # the worker stays usable once its node was
        worker = SimpleNamespace()
        ray_worker.TrialWorker.setup(worker, {"task": task | {"node_check": request_of_driver | change}})
        rows.append(json.loads(ray_worker.TrialWorker.step(worker)["row"]))
    assert "runs another version of this code" in rows[0]["unusable_node"] and rows[1:] == [None, None]


def test_another_build_of_the_same_torch_is_no_other_release(request_of_driver):
    assert why_unusable(request_of_driver | {"torch": version("torch").partition("+")[0] + "+cu999"}) is None


def test_a_gpu_without_room_for_its_trials_is_named(request_of_driver, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: ((80, 3)[gpu] * 10**9, 80 * 10**9))
    assert check_node(request_of_driver, "node", 2 * 10**9)["problem"] is None
    answer = check_node(request_of_driver, "node", 4 * 10**9)
    assert answer["free"] == [80 * 10**9, 3 * 10**9]
    assert answer["problem"].startswith("3.0 GB are free on GPU 1, and its trials take 4.0 GB: end other programs")


def test_a_gpu_that_torch_cannot_use_is_named(request_of_driver, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "is a build without CUDA: mend the node" in check_node(request_of_driver, "node", 1)["problem"]
    facts = node_facts()
    assert "is a build without CUDA" in facts["no_cuda"] and facts["cpu_precision"] in ("fp32", "bf16")
    assert "gpu" not in facts and facts["memory"] > 0


def test_the_facts_of_a_node_with_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda gpu: type("P", (), {"total_memory": 5}))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    facts = node_facts()
    assert (facts["gpu"], facts["gpu_memory"], facts["gpu_precision"], facts["no_cuda"]) == ("H200", 5, "bf16", None)
