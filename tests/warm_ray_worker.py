"""Run a Ray worker in a fork of a warm process (tests/warm_commands.py): a script that Ray runs as
`python warm_ray_worker.py WORKER_SCRIPT ARGUMENTS…`, in place of bench/run/ray_worker_startup.py and of Ray's own.

A new Python takes 4 s of processor time to import torch and Tune. This script ends with the worker. The file
NODE_WORKERS/<process id of the raylet>/<that of the worker> tells tests/local_cluster.py the worker's node.
"""

import json
import os
import socket
import sys

SERVER, NODE_WORKERS = "WARM_WORKERS", "NODE_WORKERS"  # environment variables
CONTEXT, LANGUAGE = "--serialized-runtime-env-context=", "--language="

if __name__ == "__main__":
    env = dict(os.environ)
    for argument in sys.argv[1:]:
        if argument.startswith(CONTEXT):
            env |= json.loads(argument.removeprefix(CONTEXT))["env_vars"]
    script = [argument for argument in sys.argv[1:] if not argument.startswith((CONTEXT, LANGUAGE))]
    server = socket.socket(socket.AF_UNIX)
    server.connect(env[SERVER])
    request = {"arguments": script, "env": env, "output": os.devnull, "errors": ""}
    server.sendall(json.dumps(request).encode() + b"\n")
    answers = server.makefile()
    worker = answers.readline().strip()
    if NODE_WORKERS in env:
        folder = f"{env[NODE_WORKERS]}/{os.getppid()}"
        os.makedirs(folder, exist_ok=True)
        open(f"{folder}/{worker}", "w").close()
    _, code = answers.readline().split()
    os._exit(int(code) & 0xFF)
