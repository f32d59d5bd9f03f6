"""The processes that a local Ray starts, none that only a cluster needs, and where they listen and write."""

import ipaddress
import json
import shutil
import subprocess
import sys
import tempfile

import pytest

from tests.command import ROOT, environment

START_RAY = """
import json, os, sys, psutil, ray
from pathlib import Path
from bench.run import ray_cleanup, ray_local

def describe_worker():
    return sys.argv[0], sys.path, os.environ.get("FOR_ONE_TASK")

folder = Path(sys.argv[2])
ray_local.init(1, folder, **json.loads(sys.argv[1]))
task = ray.remote(describe_worker).options(runtime_env={"env_vars": {"FOR_ONE_TASK": "yes"}}).remote()
worker = ray.get(task)
children = psutil.Process().children(recursive=True)
listening = [c.laddr.ip for p in [psutil.Process(), *children] for c in p.net_connections() if c.status == "LISTEN"]
processes, pids = [" ".join(child.cmdline()) for child in children], [child.pid for child in children]
result = {"worker": worker, "processes": processes, "listening": listening, "pids": pids}
print(json.dumps(result | {"found": ray_cleanup.processes(folder)}))
"""


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> dict:
    """What a script prints that has started Ray."""
    home, folder = tmp_path_factory.mktemp("home"), tempfile.mkdtemp(prefix="oat-")  # a short path, for sockets
    command = [
        sys.executable,
        "-c",
        START_RAY,
        json.dumps({"log_to_driver": False, "logging_level": "CRITICAL"}),
        folder,
    ]
    env = environment() | {"HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=True)
    shutil.rmtree(folder)
    return json.loads(done.stdout.splitlines()[-1]) | {"home": home}


def test_a_local_ray_starts_without_a_cluster_s_helpers(output):
    for helper in ("dashboard/dashboard.py", "log_monitor.py", "autoscaler/_private/monitor.py"):
        assert not any(helper in line for line in output["processes"])
    assert any("raylet" in line for line in output["processes"])
    script, path, variable = output["worker"]
    assert script.endswith("default_worker.py") and variable == "yes"
    assert str(ROOT / "bench" / "run") not in path  # its modules would shadow others of the same name
    assert sum(line.startswith("ray::") for line in output["processes"]) <= 4  # two agents and this worker; none idle


def test_ray_listens_on_this_machine_alone(output):
    assert output["listening"]
    assert all(ipaddress.ip_address(ip.removeprefix("::ffff:")).is_loopback for ip in output["listening"])


def test_ray_keeps_no_token_in_a_file(output):
    assert not (output["home"] / ".ray").exists()


def test_every_process_of_ray_is_found_by_its_folder(output):
    assert sorted(output["found"]) == sorted(output["pids"])
