"""The processes that a local Ray starts: none that only a cluster needs."""

import json
import subprocess
import sys

from tests.command import ROOT, environment

START_RAY = """
import json, os, sys, psutil, ray
from bench.run import ray_local

def describe_worker():
    return sys.argv[0], sys.path, os.environ.get("FOR_ONE_TASK")

ray_local.init(1, **json.loads(sys.argv[1]))
task = ray.remote(describe_worker).options(runtime_env={"env_vars": {"FOR_ONE_TASK": "yes"}}).remote()
worker = ray.get(task)
processes = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
print(json.dumps({"worker": worker, "processes": processes}))
"""


def test_a_local_ray_starts_without_a_cluster_s_helpers():
    options = {"log_to_driver": False, "logging_level": "CRITICAL"}
    command = [sys.executable, "-c", START_RAY, json.dumps(options)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=True)
    output = json.loads(done.stdout.splitlines()[-1])
    for helper in ("dashboard/dashboard.py", "log_monitor.py", "autoscaler/_private/monitor.py"):
        assert not any(helper in line for line in output["processes"])
    assert any("raylet" in line for line in output["processes"])
    script, path, variable = output["worker"]
    assert script.endswith("default_worker.py") and variable == "yes"
    assert str(ROOT / "bench" / "run") not in path  # its modules would shadow others of the same name
    assert sum(line.startswith("ray::") for line in output["processes"]) <= 4  # two agents and this worker; none idle
