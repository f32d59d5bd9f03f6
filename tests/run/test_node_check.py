"""What a node checks before trials run on it, on this machine in the place of a node."""

import re
from importlib.metadata import version

import pytest
import torch

from bench.run import node_check
from bench.run.node_check import check_node, check_request, node_facts, why_unusable
from tests.recipes import DIGITS


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
