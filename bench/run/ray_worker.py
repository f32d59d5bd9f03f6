"""The first lines of a worker of ray_local: a script, started by Ray as `python ray_worker.py WORKER ARGUMENTS…`.

Ray's own script of this place imports all of Ray to set up a runtime environment, then starts another Python, which
imports it again. Here the environment is at most variables (Tune sets one), and the worker goes on in this process.
"""

import gc
import json
import os
import runpy
import sys

ENVIRONMENT, LANGUAGE = "--serialized-runtime-env-context=", "--language="

if __name__ == "__main__":
    words = sys.argv[1:]
    for word in words:
        if word.startswith(ENVIRONMENT):
            os.environ.update(json.loads(word.removeprefix(ENVIRONMENT))["env_vars"])
    sys.argv[:] = [word for word in words if not word.startswith((ENVIRONMENT, LANGUAGE))]
    sys.path[0] = os.path.dirname(words[0])  # not this script's folder, whose modules are bench's
    gc.disable()  # until the first trial, when torch and Tune are imported, whose objects stay
    runpy.run_path(words[0], run_name="__main__")
