"""Start a Ray worker process: a script that Ray runs as `python ray_worker_startup.py WORKER_SCRIPT ARGUMENTS…`.

Replaces Ray's own start-up script, which imports all of Ray to set up a runtime environment and then starts another
Python that imports it again. Local trials need no more of that environment than its variables (Tune sets one), so
the worker script runs in this process.
"""

import gc
import json
import os
import runpy
import sys

ENVIRONMENT_OPTION, LANGUAGE_OPTION = "--serialized-runtime-env-context=", "--language="

if __name__ == "__main__":
    arguments = sys.argv[1:]
    for argument in arguments:
        if argument.startswith(ENVIRONMENT_OPTION):
            os.environ.update(json.loads(argument.removeprefix(ENVIRONMENT_OPTION))["env_vars"])
    sys.argv[:] = [a for a in arguments if not a.startswith((ENVIRONMENT_OPTION, LANGUAGE_OPTION))]
    sys.path[0] = os.path.dirname(arguments[0])  # instead of this folder, whose modules belong to the package bench
    gc.disable()  # until the first trial: importing torch and Tune creates many objects and no garbage
    runpy.run_path(arguments[0], run_name="__main__")
