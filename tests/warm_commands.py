"""A server that runs `python -m bench …` in forks of one process, which has imported all libraries once.

A command still is a process of its own, with its own output, exit code and signals, and starts in milliseconds
instead of seconds. `warm_bench` in tests/command.py is the client.
"""

import json
import os
import sys
import traceback


def serve() -> None:
    """Answer each line of stdin, {"arguments", "env", "stdout", "stderr"}, by a line of stdout, the exit code."""
    answers = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            os._exit(run(request))
        status = os.waitpid(child, 0)[1]
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def run(request: dict) -> int:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["bench", *request["arguments"]]
    try:
        main()
        return 0
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    # what the verbs import
    import bench.run.ingest_command
    import bench.run.plan_command
    import bench.run.predict_command
    import bench.run.show_command
    import bench.run.status_command  # noqa: F401
    import reports.build  # noqa: F401
    from bench.cli import main

    serve()
