"""What runs on a machine while trials do: nothing that only a cluster has a use for."""

import json
import subprocess
import sys

from tests.command import ROOT, environment

LOOK = """
import json, os, sys, psutil, ray
from bench.run import ray_local

def seen():
    return sys.argv[0], sys.path, os.environ.get("OF_ITS_OWN")

ray_local.init(1, **json.loads(sys.argv[1]))
asked = ray.remote(seen).options(runtime_env={"env_vars": {"OF_ITS_OWN": "yes"}}).remote()
found = ray.get(asked)
names = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
print(json.dumps({"worker": found, "processes": names}))
"""


def test_a_local_ray_has_no_helpers_that_serve_nobody():
    options = {"log_to_driver": False, "logging_level": "CRITICAL"}
    command = [sys.executable, "-c", LOOK, json.dumps(options)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    for helper in ("dashboard/dashboard.py", "log_monitor.py", "autoscaler/_private/monitor.py"):
        assert not any(helper in line for line in found["processes"])
    assert any("raylet" in line for line in found["processes"])
    script, path, variable = found["worker"]
    assert script.endswith("default_worker.py") and variable == "yes"
    assert str(ROOT / "bench") not in path  # or its modules would pass for others of the same name
    assert sum(line.startswith("ray::") for line in found["processes"]) <= 4  # two agents, this worker; none idle
