"""A plan waits for no torch, and what it is told of attacks, methods and probes instead is what there is."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.run import gpu_detection
from bench.run.provenance import cpu_name
from bench.spec.registry import TABLES, load, resolve
from tests.command import FRONTIERS, ROOT, bench

HEAVY = {"torch", "torchvision", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "mlflow", "ray"}
NO_GPU = pytest.mark.skipif(gpu_detection.has_driver(), reason="a GPU's name and number are asked of torch")


def imported(*words: object) -> tuple[str, set[str]]:
    """What a command writes to stdout, and what it imports."""
    done = bench(*words, PYTHONPROFILEIMPORTTIME="1")
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return done.stdout, {line.rpartition("|")[2].strip() for line in lines}


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> tuple[Path, str]:
    """A runs directory in which a small plan has timed the machine, and what it wrote."""
    runs = tmp_path_factory.mktemp("runs")
    found, modules = imported("plan", FRONTIERS, "--seeds", 1, "--runs", runs, "--json")
    assert "torch" in modules  # or the tests below would show nothing
    return runs, found


@NO_GPU
def test_a_plan_of_what_is_timed_imports_nothing_heavy(planned):
    runs, before = planned
    found, modules = imported("plan", FRONTIERS, "--seeds", 1, "--runs", runs, "--json")
    assert "bench.run.cost_estimate" in modules and not modules & HEAVY
    assert found == before
    found, modules = imported("plan", FRONTIERS, "--seeds", 2, "--set", "weight_decay=0", "--runs", runs)
    assert "16 networks" in found and not modules & HEAVY  # other networks with the same layers


@NO_GPU
def test_nor_does_a_plan_of_images_that_were_counted_before(planned, tmp_path):
    for i in range(120):
        (tmp_path / "dots" / f"class {i % 2}").mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "dots" / f"class {i % 2}" / f"{i}.png")
    shutil.copytree(planned[0], tmp_path / "runs")
    words = ("plan", FRONTIERS, "--only", "svhn", "--dataset", f"svhn={tmp_path / 'dots'}", "--json")
    words += ("--seeds", 1, "--runs", tmp_path / "runs", "--data", tmp_path / "data")
    before, modules = imported(*words)
    assert "torch" in modules
    found, modules = imported(*words)
    assert found == before and "dots" in found and not modules & (HEAVY - {"numpy"})


@pytest.mark.parametrize("words", [("--help",), ("plan", FRONTIERS, "--only", "cifar"), ("status",), ("data", "list")])
def test_nor_does_what_only_looks(words, tmp_path):
    _, modules = imported(*words, *(("--runs", tmp_path) if words[0] in ("plan", "status") else ()))
    assert "bench.cli" in modules and not modules & HEAVY


def test_nor_does_what_drives_and_draws():
    """Torch is the workers'; a report takes of scipy what is quick."""
    modules = "bench.run.ray_scheduler, bench.run.session, bench.tracking.mlflow_writer, reports.build"
    look = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "torchvision", "sklearn", "scipy.stats"}


def test_a_gpu_is_looked_for_where_there_is_a_driver(tmp_path):
    (tmp_path / "nvme0").touch()
    assert not gpu_detection.has_driver(tmp_path)
    (tmp_path / "nvidiactl").touch()
    assert gpu_detection.has_driver(tmp_path)


@pytest.fixture
def driver(monkeypatch):
    """A machine with a GPU's driver; its answers are forgotten before and after."""
    monkeypatch.setattr(gpu_detection, "has_driver", lambda: True)
    remembered = (gpu_detection.gpu_count, gpu_detection.hardware_name)
    for answer in remembered:
        answer.cache_clear()
    yield
    for answer in remembered:
        answer.cache_clear()


@pytest.mark.parametrize(("available", "said"), [(True, (3, "cuda", "a GPU")), (False, (0, "cpu", cpu_name()))])
def test_torch_decides_what_a_driver_gives(available, said, driver, monkeypatch):
    answers = {"is_available": available, "device_count": 3, "get_device_name": "a GPU"}
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda answer=answer: answer)
    assert (gpu_detection.gpu_count(), gpu_detection.device_type(), gpu_detection.hardware_name()) == said


ENTRIES = [entry for table in TABLES.values() for entry in table.values()]
FUNCTIONS = ("cost", "loss", "effort", "lacking", "package", "sizes", "row")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind} {entry.name}")
def test_every_function_of_the_registry_exists(entry):
    assert callable(resolve(entry))
    assert all(callable(load(value)) for name in FUNCTIONS if (value := getattr(entry, name, None)) is not None)
