"""`ray start` without the helpers that tests do not need: a head's dashboard and server of ray://, and the web server
of a node's agent. The node's workers are forks of a warm process."""

import functools
from pathlib import Path

from ray._private import parameter, utils
from ray._private.node import Node
from ray.scripts import scripts


def main() -> None:
    Node.start_api_server = Node.start_ray_client_server = lambda self, **_: None
    utils.get_dashboard_dependency_error = lambda: ImportError("dashboard not wanted")
    worker = str(Path(__file__).with_name("warm_ray_worker.py"))
    parameter.RayParams = functools.partial(parameter.RayParams, setup_worker_path=worker)
    scripts.main()


if __name__ == "__main__":
    main()
