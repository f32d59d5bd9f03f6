"""The `list` verb: a line on every experiment, figure, scale, attack, method, blend and data set."""

import os
from collections.abc import Callable
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bench.data.official_archives import OFFICIAL_DATASETS, is_available
from bench.errors import BadInput, unknown
from bench.spec.paper_diagrams import DIAGRAMS
from bench.spec.registry import ATTACKS, BLENDS, METHODS
from bench.spec.scale import read_scale, scale_names
from bench.spec.suite import read_suite, suite_paths

Lines = list[tuple[str, str]]  # name and text of each


def print_list(kind: str | None, data_root: Path, out: Console) -> None:
    """Print the entries of a kind, or of all kinds. Raises BadInput for an unknown kind."""
    if kind and kind not in KINDS:
        raise BadInput(f"list: {unknown('kind', kind, KINDS)}")
    for name, lines_of in KINDS.items():
        if kind in (None, name):
            print_kind(name, lines_of(data_root), out, with_heading=kind is None)


def print_kind(name: str, lines: Lines, out: Console, with_heading: bool) -> None:
    """Print a kind's entries, and its name above them where other kinds follow."""
    width = max(cell_len(entry) for entry, _ in lines)
    if with_heading:
        out.print(Text(name, style="bold"))
    for entry, text in lines:
        padding = " " * (width - cell_len(entry))
        out.print(Text("  " * with_heading + f"{entry}{padding}  {text}".rstrip()), soft_wrap=True)


def experiment_lines() -> Lines:
    """How `run` is told each experiment, and what it is."""
    lines = []
    for path in suite_paths():
        suite, _ = read_suite(path)
        for name, experiment in suite.experiments.items():
            figures = f"figures {', '.join(experiment.figures)}" if experiment.figures else "no figure"
            text = f"{experiment.about or suite.about}; {experiment.dataset}; {figures}"
            lines.append((f"{os.path.relpath(path)} --only {name}", text))
    return lines


def figure_lines() -> Lines:
    """Every figure of the report with its suite, and the paper's diagrams."""
    from reports.figures import FIGURES  # slow to import

    lines = [(name, f"{figure.title} (suites/{figure.suite}.yaml)") for name, figure in FIGURES.items()]
    return [*lines, *DIAGRAMS.items()]


def scale_lines() -> Lines:
    return [(name, read_scale(name)[0].about) for name in scale_names()]


def dataset_lines(data_root: Path) -> Lines:
    """Whether each data set is here, or the command that downloads it."""
    lines = [
        (name, "here" if is_available(name, data_root) else f"absent: python -m bench data fetch {name}")
        for name in OFFICIAL_DATASETS
    ]
    embedded = [
        ("fashion-mnist-8k", "here (embedded in this repository)"),
        ("digits", "here (embedded in scikit-learn)"),
    ]
    return lines + embedded


KINDS: dict[str, Callable[[Path], Lines]] = {
    "experiments": lambda _: experiment_lines(),
    "figures": lambda _: figure_lines(),
    "scales": lambda _: scale_lines(),
    "attacks": lambda _: [(attack.name, attack.about) for attack in ATTACKS.values()],
    "methods": lambda _: [(method.name, method.about) for method in METHODS.values()],
    "blends": lambda _: [(blend.name, blend.about) for blend in BLENDS.values()],
    "datasets": dataset_lines,
}
