"""Ask another Python process, which ends afterwards: the driver of a suite opens no GPU."""

import subprocess
import sys

from bench import ROOT
from bench.errors import BadInput


def last_line_of(module: str, text: str = "") -> str:
    """The last line that `python -m module` prints, with `text` on its standard input. Plugins may print before it.

    Raises BadInput, with the last line of the process's standard error, where the process fails.
    """
    command = [sys.executable, "-m", module]
    options = {"input": text, "capture_output": True, "encoding": "utf-8", "errors": "replace", "cwd": ROOT}
    try:
        return subprocess.run(command, check=True, **options).stdout.strip().splitlines()[-1]
    except subprocess.CalledProcessError as error:
        reason = ([line.strip() for line in error.stderr.splitlines() if line.strip()] or [f"exit {error.returncode}"])[
            -1
        ]
        raise BadInput(f"python -m {module} failed: {reason}") from None
