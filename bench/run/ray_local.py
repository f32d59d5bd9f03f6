"""Ray on this machine alone, without the processes that only a cluster has a use for.

Each of Ray's helpers is a Python of its own that imports Ray; together they took 3 CPU seconds of a command of 20 s.
`ray.init` has no option for these, so this file is written against the Ray of requirements.lock, another one is started
as it comes, and tests/test_ray_local.py looks at the processes.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

KNOWN = "2.60."  # the Ray whose insides `lean` changes
WITHOUT = {
    "include_log_monitor": False,  # it sends the workers' output to the driver, which does not listen
    "no_monitor": True,  # the autoscaler's: there is no other machine to start
    "setup_worker_path": str(Path(__file__).with_name("ray_worker.py")),  # Ray's own imports Ray a second time
}


def init(cpus: int, **options) -> None:
    """ray.init for so many CPUs of this machine."""
    memory = 100 * 2**20  # of the object store, which holds next to nothing
    with lean():
        ray.init("local", num_cpus=cpus, include_dashboard=False, object_store_memory=memory, **options)


@contextmanager
def lean() -> Iterator[None]:
    """Within, a node starts without what WITHOUT names, without the dashboard's server, which Ray would start for its
    usage statistics alone, and its agent is that of a Ray installed without the dashboard's extras: no web server."""
    if not ray.__version__.startswith(KNOWN):
        yield
        return
    from ray._private import node, parameter, utils

    changes = [
        (parameter, "RayParams", functools.partial(parameter.RayParams, **WITHOUT)),
        (node.Node, "start_api_server", lambda self, **_: None),
        (utils, "get_dashboard_dependency_error", lambda: ImportError("not wanted")),
    ]
    before = [getattr(owner, name) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for (owner, name, _), value in zip(changes, before, strict=True):
            setattr(owner, name, value)
