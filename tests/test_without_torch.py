"""Which commands import torch and other heavy packages; names known without torch are those known with it."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.run import gpu_detection
from bench.spec.registry import TABLES, load, resolve
from tests.command import FRONTIERS, ROOT, bench
from tests.warm_client import modules_of_the_driver

EXTENDING = (ROOT / "docs" / "extending.md").read_text()
HEAVY = {"torch", "torchvision", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "mlflow", "ray"}
NO_GPU = pytest.mark.skipif(gpu_detection.has_driver(), reason="torch reports the name and number of GPUs")


def output_and_imports(*arguments: object) -> tuple[str, set[str]]:
    """(stdout, imported modules) of a command."""
    done = bench(*arguments, PYTHONPROFILEIMPORTTIME="1")
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return done.stdout, {line.rpartition("|")[2].strip() for line in lines}


SMALL_PLAN = ("plan", FRONTIERS, "--scale", "smoke", "--seeds", 1, "--json", "--runs")


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> tuple[Path, str]:
    """(runs directory, stdout) of a small plan that has timed the machine, in a process that has imported torch."""
    runs = tmp_path_factory.mktemp("runs")
    return runs, bench(*SMALL_PLAN, runs).stdout


@NO_GPU
def test_a_plan_of_timed_networks_imports_nothing_heavy(planned):
    runs, before = planned
    stdout, modules = output_and_imports(*SMALL_PLAN, runs)
    assert "bench.run.cost_estimate" in modules and not modules & HEAVY
    assert stdout == before
    options = ("--scale", "smoke", "--seeds", 2, "--set", "weight_decay=0", "--runs", runs)
    stdout, modules = output_and_imports("plan", FRONTIERS, *options)
    assert "16 networks" in stdout and not modules & HEAVY  # other networks with the same layers


@NO_GPU
def test_a_plan_with_a_plugin_that_imports_torch_in_its_functions_imports_nothing_heavy(planned, tmp_path):
    runs, before = planned
    (tmp_path / "signs.py").write_text(re.search(r"```python\n# signs.py\n(.*?)```", EXTENDING, re.DOTALL)[1])
    output, modules = output_and_imports(*SMALL_PLAN, runs, "--plugin", tmp_path / "signs.py")
    assert "bench.spec.plugins" in modules and not modules & HEAVY
    assert output == before


@NO_GPU
def test_a_plan_of_image_folders_seen_before_imports_nothing_heavy_but_numpy(planned, tmp_path):
    for i in range(120):
        (tmp_path / "dots" / f"class {i % 2}").mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "dots" / f"class {i % 2}" / f"{i}.png")
    shutil.copytree(planned[0], tmp_path / "runs")
    arguments = ("plan", FRONTIERS, "--only", "svhn", "--dataset", f"svhn={tmp_path / 'dots'}", "--json")
    arguments += ("--scale", "smoke", "--seeds", 1, "--runs", tmp_path / "runs", "--data", tmp_path / "data")
    before, modules = output_and_imports(*arguments)
    assert "torch" in modules  # otherwise these tests would show nothing
    stdout, modules = output_and_imports(*arguments)
    assert stdout == before and "dots" in stdout and not modules & (HEAVY - {"numpy"})


@pytest.mark.parametrize(
    "arguments", [("--help",), ("plan", FRONTIERS, "--only", "cifar"), ("status",), ("data", "list")]
)
def test_verbs_that_only_read_import_nothing_heavy(arguments, tmp_path):
    _, modules = output_and_imports(*arguments, *(("--runs", tmp_path) if arguments[0] in ("plan", "status") else ()))
    assert "bench.cli" in modules and not modules & HEAVY


def test_the_driver_and_the_report_import_no_torch():
    """Only workers need torch; a report uses the parts of scipy that import quickly."""
    modules = modules_of_the_driver()
    assert {"bench.run.ray_scheduler", "bench.tracking.mlflow_writer", "reports.build", "mlflow", "ray"} <= modules
    assert not modules & {"torch", "torchvision", "sklearn", "scipy.stats"}


def test_a_driver_s_device_files_are_found(tmp_path):
    (tmp_path / "nvme0").touch()
    assert not gpu_detection.has_driver(tmp_path)
    (tmp_path / "nvidiactl").touch()
    assert gpu_detection.has_driver(tmp_path)


ENTRIES = [entry for table in TABLES.values() for entry in table.values()]
FUNCTIONS = ("cost", "loss", "effort", "lacking", "package", "sizes", "row", "network")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind} {entry.name}")
def test_every_function_of_the_registry_exists(entry):
    assert callable(resolve(entry))
    assert all(callable(load(value)) for name in FUNCTIONS if (value := getattr(entry, name, None)) is not None)
