"""A server that runs `python -m bench …` in forks of one process, which has imported all libraries once:
`python -m tests.warm_commands SOCKET`.

A command still is a process of its own, with its own output, exit code and signals, and starts in milliseconds
instead of seconds. tests/warm_client.py is the client.

A second server, at SOCKET-workers, runs the scripts of Ray's workers in forks of a process that has imported neither
Ray, which reads its environment when it is imported, nor this project, of which a cluster's workers have a copy.
tests/warm_ray_worker.py is its client.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.warm_ray_worker import SERVER

ROOT = Path(__file__).resolve().parent.parent
BEFORE = dict(os.environ)
# Imported first, so that what they import is known: the driver of a run and the report, which need no torch.
DRIVER = ("bench.run.ray_scheduler", "bench.run.run_command", "bench.tracking.mlflow_writer", "reports.build")
# What Ray, Tune and trials import of other packages: 3.5 s of a worker's 4.
OF_WORKERS = ("fsspec", "jsonschema", "pandas", "psutil", "pyarrow.compute", "pyarrow.fs", "pydantic", "requests")
OF_WORKERS += ("rich", "safetensors.torch", "torch", "yaml")


class Client:
    """A connection. Each line from it, {"arguments", "env", "output", "errors"}, is answered by the line "PID", and the
    end of each command by the line "PID CODE". Where `errors` is empty, they go to the output."""

    def __init__(self, connection: socket.socket):
        self.connection, self.lines = connection, connection.makefile(encoding="utf-8")

    def next_line(self) -> str:
        """The line that has come; empty where the connection has ended."""
        try:
            return self.lines.readline()
        except ConnectionError:
            return ""

    def answer(self, *numbers: int) -> None:
        with contextlib.suppress(OSError):  # it has ended before its command
            self.connection.sendall(" ".join(map(str, numbers)).encode() + b"\n")


def serve(listener: socket.socket, modules: tuple[str, ...], call: Callable[[list[str]], None]) -> None:
    """Serve until the last client has gone. modules: imported before the first request. call: what a fork does with the
    arguments of a request."""
    selector, clients = selectors.DefaultSelector(), 0
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                client = Client(listener.accept()[0])
                selector.register(client.connection, selectors.EVENT_READ, client)
                clients += 1
            elif isinstance(key.data, Client):
                if line := key.data.next_line():
                    import_forever(modules)
                    pid = os.fork()
                    if not pid:
                        os._exit(run(json.loads(line), call))
                    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, key.data))
                    key.data.answer(pid)
                else:
                    selector.unregister(key.data.connection)
                    clients -= 1
                    if not clients:
                        return
            else:
                pid, client = key.data
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                selector.unregister(key.fileobj)
                os.close(key.fileobj)
                client.answer(pid, code)


def import_forever(modules: tuple[str, ...]) -> None:
    """Import modules that are never garbage."""
    if not all(name in sys.modules for name in modules):
        gc.disable()
        for name in modules:
            importlib.import_module(name)
        gc.freeze()
        gc.enable()


def open_to_write(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def draw_few_pixels() -> None:
    importlib.import_module("reports.plots.style").RC["savefig.dpi"] = 50  # as in tests/reports/conftest.py


def run(request: dict, call: Callable[[list[str]], None]) -> int:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(open_to_write(request["output"]), 1)
    os.dup2(open_to_write(request["errors"]) if request["errors"] else 1, 2)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, encoding="utf-8")
    set_on_import = {name: value for name, value in os.environ.items() if BEFORE.get(name) != value}
    os.environ.clear()
    os.environ.update(set_on_import | request["env"])
    tempfile.tempdir = None  # of the request's environment
    try:
        call(request["arguments"])
        return 0
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def call_bench(arguments: list[str]) -> None:
    sys.argv = ["bench", *arguments]
    if "--plugin" in arguments:  # whose figures are registered before the report's are imported
        for name in [name for name in sys.modules if name.partition(".")[0] == "reports"]:
            del sys.modules[name]
        draw_few_pixels()
    importlib.import_module("bench.cli").main()


def run_worker(arguments: list[str]) -> None:
    """Run a worker's script as a new Python does, with the modules that PYTHONPATH leads to."""
    gc.disable()  # as bench/run/ray_worker_startup.py does
    sys.argv = arguments
    sys.path[:] = os.environ.get("PYTHONPATH", "").split(os.pathsep) + [p for p in sys.path if p != str(ROOT)]
    sys.modules.pop("sitecustomize", None)
    with contextlib.suppress(ImportError):
        importlib.import_module("sitecustomize")
    runpy.run_path(arguments[0], run_name="__main__")


def listening(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    return listener


def main() -> None:
    address = sys.argv[1]
    workers = f"{address}-workers"
    listener = listening(workers)
    if not os.fork():
        serve(listener, OF_WORKERS, run_worker)
        os.unlink(workers)
        return
    listener.close()
    lasting = socket.socket(socket.AF_UNIX)
    lasting.connect(workers)  # so that its server ends with this process
    os.environ[SERVER] = workers
    listener = listening(address)
    os.environ["RAY_AUTH_MODE"] = "token"  # as a local Ray chooses, and tests/local_cluster.py; read on Ray's import
    import_forever(DRIVER)
    Path(f"{address}.modules").write_text("\n".join(sys.modules), "utf-8")
    verbs = (f"bench.run.{verb}_command" for verb in ("ingest", "plan", "predict", "show", "trial"))
    import_forever((*verbs, "bench.run.preflight", "bench.run.ray_session", "bench.cli"))
    draw_few_pixels()
    worker = str(Path(__file__).with_name("warm_ray_worker.py"))
    importlib.import_module("bench.run.ray_local").NODE_PARAMETERS["setup_worker_path"] = worker
    serve(listener, (), call_bench)
    for path in (address, f"{address}.lock", f"{address}.modules"):
        os.unlink(path)


if __name__ == "__main__":
    main()
