import functools
import gc
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest-xdist has a worker per core; read when torch is imported
# Threads of a worker with two CPUs would spin on the cores of the other tests while they wait for each other.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# isort: split
import pytest  # and nothing slow: pytest-xdist's main process, which waits for its workers, imports this file too
from filelock import FileLock

from tests.command import FINISHED, JUPYTER_IN_C, SMALL, bench

# Each worker of pytest-xdist takes a whole file, in this order (--no-loadscope-reorder): the longest first, so that
# none is left for one worker at the end. Files that wait for Ray's processes take turns with files that compute.
LONGEST = (
    "test_cluster",
    "test_pretend_device",
    "test_end_to_end",
    "test_conformance",
    "test_kill",
    "test_extending",
    "test_report_from_archive",
    "test_mlflow_server",
    "test_simulation",
    "test_judge",
    "test_browser",
    "test_build",
    "test_checkout_comparison",
    "test_benchmark_command",
)


@functools.cache
def be_patient_with_examples() -> None:
    """A busy machine is no fault of a test: Hypothesis's examples have no deadline, and may be made slowly."""
    import hypothesis

    slow = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture]
    hypothesis.settings.register_profile("shared-machine", deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("shared-machine")


def pytest_collectstart():
    gc.disable()  # until all tests are collected: imported modules are no garbage
    be_patient_with_examples()


def pytest_collection_finish():
    gc.freeze()  # imported modules and collected tests are never garbage
    gc.enable()


def pytest_sessionfinish():
    gc.unfreeze()  # otherwise triton, which torch.export imports, reports what is frozen as leaked


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(params=["eager", "cpu", "gpu"])
def make_engine(request):
    """The class of each engine that runs on a CPU: network → engine."""
    import torch

    from bench.engines.cpu.engine import CpuEngine, why_unavailable
    from bench.engines.eager import EagerEngine
    from bench.engines.gpu.engine import GpuEngine

    if request.param != "cpu":
        return {"eager": EagerEngine, "gpu": GpuEngine}[request.param]
    if reason := why_unavailable(torch.device("cpu")):
        pytest.skip(reason)
    return CpuEngine


@pytest.fixture
def short_resnet(monkeypatch) -> None:
    """Three blocks in place of ResNet-34's sixteen, of each kind: with and without a shortcut's convolution."""
    from bench.models import resnet

    monkeypatch.setattr(resnet, "STAGES", ((64, 2, 1), (128, 1, 2)))


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory, worker_id) -> Path:
    """The runs directory of a finished command: all 8 networks of Figure 4, trained for two epochs each and tested for
    masked gradients, in an environment that is hard on the command.

    One for all workers of pytest-xdist, so a test that changes it works on a copy.
    """
    base = tmp_path_factory.getbasetemp()
    runs = (base if worker_id == "master" else base.parent) / "finished" / "runs"
    runs.parent.mkdir(exist_ok=True)
    with FileLock(runs.with_suffix(".lock")):
        if not (runs.parent / "done").exists():
            done = bench("run", *FINISHED, *SMALL, "--runs", runs, **JUPYTER_IN_C)
            assert done.returncode == 0, done.stderr
            assert "done 8/8" in done.stderr and "0 failed" in done.stderr
            (runs.parent / "done").touch()
    return runs


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images beside the checkout; skips the test where it is absent."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("real images are absent: ../shared/data, relative to the repository root")
    return path


@pytest.fixture
def registry_restored(monkeypatch):
    """Forget the plugins that a test loads: their entries, modules and hashes."""
    from bench.spec import plugins, registry

    entries = {kind: dict(table) for kind, table in registry.TABLES.items()}
    modules = set(sys.modules)
    monkeypatch.setattr(plugins, "LOADED", {})
    yield
    for kind, table in registry.TABLES.items():
        table.clear()
        table.update(entries[kind])
    for name in set(sys.modules) - modules:
        if name.startswith("bench_plugin_"):
            del sys.modules[name]
