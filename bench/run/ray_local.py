"""Start Ray on this machine alone, without the helper processes that only a cluster needs.

Each of Ray's helpers is a Python process that imports Ray; together they took 3 CPU seconds of a command of 20 s.
`ray.init` has no option to leave them out, so this module changes internals of the Ray release in requirements.lock;
any other release is started unchanged. tests/run/test_ray_local.py checks which processes run.
"""

import functools
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.run import ray_environment  # noqa: F401, sets variables that Ray reads on import

# isort: split
import ray
from ray._private import services, utils

KNOWN_RELEASE = "2.60."
NODE_PARAMETERS = {
    "include_log_monitor": False,  # it would send the workers' output to the driver, which ignores it
    "no_monitor": True,  # the autoscaler's: there are no further machines to start
    "setup_worker_path": str(Path(__file__).with_name("ray_worker_startup.py")),  # Ray's own imports Ray twice
}
OBJECT_STORE_BYTES = 100 * 2**20  # trials exchange almost no data


def init(cpus: int, folder: Path, **options) -> None:
    """Call ray.init with this many CPUs of this machine, its sockets and logs in `folder`, reachable through the
    loopback interface alone."""
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray keeps one in a file that all can read
    options |= {"_temp_dir": str(folder), "_node_ip_address": "127.0.0.1"}
    with on_loopback(), without_helpers():
        ray.init("local", num_cpus=cpus, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **options)


@contextmanager
def on_loopback() -> Iterator[None]:
    """A context in which Ray takes 127.0.0.1 as it is; it would replace it by the machine's own address, and listen on
    all interfaces. Nor does Ray replace the handler of SIGTERM in it."""
    patches = [
        (services, "resolve_ip_for_localhost", lambda host: host),
        (utils, "set_sigterm_handler", lambda handler: None),
    ]
    with patched([patch for patch in patches if hasattr(*patch[:2])]):
        yield


@contextmanager
def without_helpers() -> Iterator[None]:
    """A context in which a Ray node starts without log monitor, autoscaler and dashboard.

    Ray would start the dashboard's server for its usage statistics alone. Its agent starts as in a Ray installed
    without the dashboard's dependencies, that is without a web server.
    """
    if not ray.__version__.startswith(KNOWN_RELEASE):
        yield
        return
    from ray._private import node, parameter

    patches = [
        (parameter, "RayParams", functools.partial(parameter.RayParams, **NODE_PARAMETERS)),
        (node.Node, "start_api_server", lambda self, **_: None),
        (utils, "get_dashboard_dependency_error", lambda: ImportError("dashboard not wanted")),
    ]
    with patched(patches):
        yield


@contextmanager
def patched(patches: list[tuple]) -> Iterator[None]:
    """A context in which each (owner, name, replacement) is set."""
    originals = [getattr(owner, name) for owner, name, _ in patches]
    for owner, name, replacement in patches:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for (owner, name, _), original in zip(patches, originals, strict=True):
            setattr(owner, name, original)
