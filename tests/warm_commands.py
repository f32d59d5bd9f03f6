"""A server that runs `python -m bench …` in forks of one process, which has imported all libraries once:
`python -m tests.warm_commands SOCKET`.

A command still is a process of its own, with its own output, exit code and signals, and starts in milliseconds
instead of seconds. tests/warm_client.py is the client.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import socket
import sys
import tempfile
import traceback
from pathlib import Path

BEFORE = dict(os.environ)
# Imported first, so that what they import is known: the driver of a run and the report, which need no torch.
DRIVER = ("bench.run.ray_scheduler", "bench.run.run_command", "bench.tracking.mlflow_writer", "reports.build")


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


def serve(listener: socket.socket) -> None:
    """Serve until the last client has gone."""
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
                    pid = os.fork()
                    if not pid:
                        os._exit(run(json.loads(line)))
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


def open_to_write(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def draw_few_pixels() -> None:
    importlib.import_module("reports.plots.style").RC["savefig.dpi"] = 50  # as in tests/reports/conftest.py


def run(request: dict) -> int:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(open_to_write(request["output"]), 1)
    os.dup2(open_to_write(request["errors"]) if request["errors"] else 1, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", encoding="utf-8"), os.fdopen(2, "w", 1, encoding="utf-8")
    set_on_import = {name: value for name, value in os.environ.items() if BEFORE.get(name) != value}
    os.environ.clear()
    os.environ.update(set_on_import | request["env"])
    tempfile.tempdir = None  # of the request's environment
    sys.argv = ["bench", *request["arguments"]]
    if "--plugin" in sys.argv:  # whose figures are registered before the report's are imported
        for name in [name for name in sys.modules if name.partition(".")[0] == "reports"]:
            del sys.modules[name]
        draw_few_pixels()
    try:
        importlib.import_module("bench.cli").main()
        return 0
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def main() -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    gc.disable()  # imported modules are no garbage
    os.environ["RAY_AUTH_MODE"] = "token"  # as a local Ray chooses, and tests/local_cluster.py; read on Ray's import
    for module in DRIVER:
        importlib.import_module(module)
    Path(f"{sys.argv[1]}.modules").write_text("\n".join(sys.modules), "utf-8")
    for verb in ("ingest", "plan", "predict", "show", "trial"):
        importlib.import_module(f"bench.run.{verb}_command")
    for module in ("bench.run.preflight", "bench.run.ray_session", "bench.cli"):
        importlib.import_module(module)
    draw_few_pixels()
    gc.freeze()
    gc.enable()
    serve(listener)
    for path in (sys.argv[1], f"{sys.argv[1]}.lock", f"{sys.argv[1]}.modules"):
        os.unlink(path)


if __name__ == "__main__":
    main()
