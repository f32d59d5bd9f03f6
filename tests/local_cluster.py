"""A Ray cluster whose nodes are processes of this machine, with the addresses 127.0.0.2 and up."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from bench.run import ray_cleanup
from tests.command import ROOT, environment, start
from tests.warm_client import WarmCommand, warm_server
from tests.warm_ray_worker import NODE_WORKERS, SERVER

OTHER_CPU = "Processor of another node"
# Loaded by every Python process of an odd node: the folder HIDDEN is not there, as on a disk that is not shared, and
# Linux names another processor.
ODD = f"""
import os, pathlib, re, sys
def hide(event, arguments):
    if event in ("open", "os.mkdir", "os.listdir") and str(arguments[0]).startswith(os.environ["HIDDEN"]):
        raise FileNotFoundError(2, "No such file or directory", str(arguments[0]))
read_text = pathlib.Path.read_text
def read_other(path, *arguments, **options):
    text = read_text(path, *arguments, **options)
    return re.sub("(model name.*: ).*", r"\\1{OTHER_CPU}", text) if str(path) == "/proc/cpuinfo" else text
if "HIDDEN" in os.environ:
    sys.addaudithook(hide)
    pathlib.Path.read_text = read_other
"""
NODE = {"RAY_prestart_worker_first_driver": "0", "RAY_worker_niceness": "0"}


class LocalCluster:
    """A context that ends all nodes. Each has one CPU, and every call needs a token.

    folder: a short path, for sockets, with a space in it. `folder/hidden` is not there on nodes started with `odd`.
    variables: of the environment of nodes.
    """

    def __init__(self, **variables: str):
        self.folder = Path(tempfile.mkdtemp(prefix="oat c"))
        self.token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.workers = self.folder / "workers"
        self.variables = (
            NODE | variables | self.token | {SERVER: warm_server().workers, NODE_WORKERS: str(self.workers)}
        )
        self.raylets: dict[int, psutil.Process] = {}
        (self.folder / "sitecustomize.py").write_text(ODD)
        with socket.socket() as free:
            free.bind(("127.0.0.2", 0))
            self.address = f"127.0.0.2:{free.getsockname()[1]}"

    def __enter__(self) -> "LocalCluster":
        return self

    def __exit__(self, *_) -> None:
        ray_cleanup.clean_up(self.folder / "ray")
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_node(self, number: int, *options: object, odd: bool = False) -> subprocess.Popen:
        """Start node 127.0.0.<number>, the head if it is 2. The returned process ends when the node is up."""
        place = ("--address", self.address)
        if number == 2:
            place = ("--head", "--port", self.address.split(":")[1], "--temp-dir", self.folder / "ray")
            place += ("--include-dashboard", "false", "--no-monitor")
        ray = (sys.executable, "-m", "tests.ray_start", "start", "--node-ip-address", f"127.0.0.{number}", *place)
        options = ("--num-cpus", 1, "--disable-usage-stats", "--include-log-monitor", "false", *options)
        variables = environment() | self.variables
        if odd:
            variables |= {"HIDDEN": str(self.folder / "hidden"), "PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}"}
        command, null = list(map(str, ray + options)), subprocess.DEVNULL
        return subprocess.Popen(command, cwd=ROOT, env=variables, stdout=null, stderr=null)

    def processes(self, number: int) -> list[psutil.Process]:
        """The raylet of a node, its agents and its workers."""
        options = {f"--node_ip_address=127.0.0.{number}", f"--gcs-address={self.address}"}
        if number not in self.raylets:
            processes = psutil.process_iter(["name", "cmdline"])  # None where a process has ended meanwhile
            raylets = [process for process in processes if process.info["name"] == "raylet"]
            self.raylets[number] = next(r for r in raylets if options <= set(r.info["cmdline"] or ()))
        raylet = self.raylets[number]
        processes = [raylet, *raylet.children(recursive=True)]
        for worker in self.workers.glob(f"{raylet.pid}/*"):
            with contextlib.suppress(psutil.NoSuchProcess):
                processes.append(psutil.Process(int(worker.name)))
        return processes

    def worker(self, number: int, runs: Path) -> tuple[psutil.Process, Path] | None:
        """(worker, directory of the trial that it runs) of a node, or None."""
        for process in self.processes(number):
            for directory in runs.glob("trials/*"):
                if ray_cleanup.writes_to(process.pid, directory):
                    return process, directory
        return None

    def kill(self, number: int) -> None:
        """Kill all processes of a node at once."""
        for process in self.processes(number):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def bench(self, verb: str, *arguments: object) -> WarmCommand:
        """Start `bench VERB … --address …` with the token, in a fork of the warm process, which has RAY_AUTH_MODE."""
        return start(verb, *arguments, "--address", self.address, RAY_AUTH_TOKEN=self.token["RAY_AUTH_TOKEN"])
