"""What a shell offers for an argument after TAB: suites, scales, experiments, figures, keys of networks."""

import os
from pathlib import Path
from typing import Any

from bench.errors import BadInput
from bench.spec import scale, suite


def suites() -> list[str]:
    return [os.path.relpath(path) for path in suite.suite_paths()]


def scales() -> list[str]:
    return scale.scale_names()


def experiments(ctx: Any) -> list[str]:
    """The experiments of the suites that the command line has so far."""
    names: list[str] = []
    for path in (*(ctx.params.get("suites") or ()), *ctx.args):  # args: while an option lacks its value
        try:
            names += suite.experiment_names(Path(path))
        except BadInput:
            continue
    return list(dict.fromkeys(names))


def figures() -> list[str]:
    """The figures that the suites of this checkout draw."""
    experiments = [e for path in suite.suite_paths() for e in suite.read_suite(path)[0].experiments.values()]
    return sorted({figure for experiment in experiments for figure in experiment.figures})


def keys(ctx: Any) -> list[str]:
    """The keys of the networks in the runs directory."""
    runs = Path(ctx.params.get("runs") or os.environ.get("BENCH_RUNS", "runs"))
    return sorted(path.name for path in (runs / "trials").glob("*") if path.is_dir())


def kinds_of_entries() -> list[str]:
    """What `list` can list."""
    from bench.run.list_command import KINDS

    return list(KINDS)


def kinds_of_files() -> list[str]:
    """What `clean` can delete."""
    from bench.run.clean_command import KINDS

    return list(KINDS)
