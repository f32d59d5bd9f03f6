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

# Loaded by every Python process of a node with HIDDEN: that folder is not there, as on a disk that is not shared.
BLIND = """
import os, sys
def hide(event, arguments):
    if event in ("open", "os.mkdir", "os.listdir") and str(arguments[0]).startswith(os.environ["HIDDEN"]):
        raise FileNotFoundError(2, "No such file or directory", str(arguments[0]))
if "HIDDEN" in os.environ:
    sys.addaudithook(hide)
"""


class LocalCluster:
    """A context that ends all nodes. Each has one CPU, and every call needs a token.

    folder: a short path, for sockets, with a space in it. `folder/hidden` is not there on nodes started with `blind`.
    variables: of the environment of nodes.
    """

    def __init__(self, **variables: str):
        self.folder = Path(tempfile.mkdtemp(prefix="oat c"))
        self.token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.variables = variables | self.token
        (self.folder / "sitecustomize.py").write_text(BLIND)
        with socket.socket() as free:
            free.bind(("127.0.0.2", 0))
            self.address = f"127.0.0.2:{free.getsockname()[1]}"

    def __enter__(self) -> "LocalCluster":
        return self

    def __exit__(self, *_) -> None:
        ray_cleanup.clean_up(self.folder / "ray")
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_node(self, number: int, *options: object, blind: bool = False) -> subprocess.Popen:
        """Start node 127.0.0.<number>, the head if it is 2. The returned process ends when the node is up."""
        place = ("--address", self.address)
        if number == 2:
            place = ("--head", "--port", self.address.split(":")[1], "--temp-dir", self.folder / "ray")
            place += ("--include-dashboard", "false")
        ray = (Path(sys.executable).with_name("ray"), "start", "--node-ip-address", f"127.0.0.{number}", *place)
        options = ("--num-cpus", 1, "--disable-usage-stats", "--include-log-monitor", "false", *options)
        variables = environment() | self.variables
        if blind:
            variables |= {"HIDDEN": str(self.folder / "hidden"), "PYTHONPATH": f"{self.folder}{os.pathsep}{ROOT}"}
        command = list(map(str, ray + options))
        return subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def processes(self, number: int) -> list[psutil.Process]:
        """The raylet of a node, its agents and its workers."""
        option = f"--node_ip_address=127.0.0.{number}"
        for pid in ray_cleanup.processes(self.folder / "ray"):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.name() == "raylet" and option in process.cmdline():
                    return [process, *process.children(recursive=True)]
        return []

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

    def bench(self, verb: str, *arguments: object) -> subprocess.Popen:
        """Start `python -m bench VERB … --address …`."""
        return start(verb, *arguments, "--address", self.address, **self.token)
