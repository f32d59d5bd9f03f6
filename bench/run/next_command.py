"""The command that a message names as the next one."""

import os
import shlex
from pathlib import Path


def next_command(verb: str, runs: Path) -> str:
    """`python -m bench VERB`, with --runs where the verb would not find this runs directory by itself."""
    default = Path(os.environ.get("BENCH_RUNS", "runs")).resolve()
    option = "" if runs.resolve() == default else f" --runs {shlex.quote(str(runs))}"
    return f"python -m bench {verb}{option}"
