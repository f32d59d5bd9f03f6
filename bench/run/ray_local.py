"""Start Ray on this machine alone, without the helper processes that only a cluster needs.

Each of Ray's helpers is a Python process that imports Ray; together they took 3 CPU seconds of a command of 20 s.
`ray.init` has no option to leave them out, so this module changes internals of the Ray release in requirements.lock;
any other release is started unchanged. tests/run/test_ray_local.py checks which processes run.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.run import ray_environment  # noqa: F401, sets variables that Ray reads on import

# isort: split
import ray

KNOWN_RELEASE = "2.60."
NODE_PARAMETERS = {
    "include_log_monitor": False,  # it would send the workers' output to the driver, which ignores it
    "no_monitor": True,  # the autoscaler's: there are no further machines to start
    "setup_worker_path": str(Path(__file__).with_name("ray_worker_startup.py")),  # Ray's own imports Ray twice
}
OBJECT_STORE_BYTES = 100 * 2**20  # trials exchange almost no data


def init(cpus: int, **options) -> None:
    """Call ray.init with this many CPUs of this machine."""
    with without_helpers():
        ray.init("local", num_cpus=cpus, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **options)


@contextmanager
def without_helpers() -> Iterator[None]:
    """A context in which a Ray node starts without log monitor, autoscaler and dashboard.

    Ray would start the dashboard's server for its usage statistics alone. Its agent starts as in a Ray installed
    without the dashboard's dependencies, that is without a web server.
    """
    if not ray.__version__.startswith(KNOWN_RELEASE):
        yield
        return
    from ray._private import node, parameter, utils

    patches = [
        (parameter, "RayParams", functools.partial(parameter.RayParams, **NODE_PARAMETERS)),
        (node.Node, "start_api_server", lambda self, **_: None),
        (utils, "get_dashboard_dependency_error", lambda: ImportError("dashboard not wanted")),
    ]
    originals = [getattr(owner, name) for owner, name, _ in patches]
    for owner, name, replacement in patches:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for (owner, name, _), original in zip(patches, originals, strict=True):
            setattr(owner, name, original)
