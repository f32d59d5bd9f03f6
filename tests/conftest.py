from pathlib import Path

import hypothesis
import pytest
import torch

from bench.engines.cpu.engine import CpuEngine, why_unavailable
from bench.engines.eager import EagerEngine

# A busy machine is no fault of a test: examples have no deadline, and may be made slowly.
hypothesis.settings.register_profile(
    "shared-machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("shared-machine")

# Each worker of pytest-xdist takes a whole file, in this order (--no-loadscope-reorder): the longest first, so that
# none is left for one worker at the end.
LONGEST = ("test_end_to_end", "test_kill", "test_extending", "test_cli", "test_mlflow_server", "test_benchmark_command")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(params=["eager", "cpu"])
def make_engine(request):
    """The class of each engine that runs on a CPU: network → engine."""
    if request.param == "eager":
        return EagerEngine
    if reason := why_unavailable(torch.device("cpu")):
        pytest.skip(reason)
    return CpuEngine


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images beside the checkout; skips the test where it is absent."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("real images are absent: ../shared/data, relative to the repository root")
    return path
