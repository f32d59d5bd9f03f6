"""Start Ray on this machine, or join a running cluster."""

import logging
import os
import warnings
from pathlib import Path

from bench.run import ray_environment  # noqa: F401, sets variables that Ray reads on import

# isort: split
import ray

from bench import ROOT
from bench.interruption import catch_signals
from bench.run import ray_local
from bench.run.machine_limits import cpu_count

OPTIONS = {"log_to_driver": False, "logging_level": logging.CRITICAL}


def start_local(cpus: int, folder: Path) -> None:
    """Start Ray on this machine, with at most this many of its CPUs and its files in `folder`."""
    be_silent()
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    ray_local.init(min(cpu_count(), cpus), folder, **OPTIONS)
    catch_signals()  # again: Ray's C++ code has replaced the handlers


def join(address: str) -> None:
    """Join the cluster at the address. Its workers get the code from here; they must see the runs directory under the
    same path. Raises ConnectionError or ValueError."""
    be_silent()
    ray.init(address=address, runtime_env={"py_modules": [str(ROOT / "bench")]}, **OPTIONS)
    catch_signals()


def be_silent() -> None:
    """The command reports failures itself."""
    warnings.filterwarnings("ignore", module="ray")
    for name in ("ray", "ray.tune", "ray.data", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
