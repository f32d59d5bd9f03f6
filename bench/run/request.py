"""What the verbs `plan` and `run` are asked: their arguments, checked, with absolute paths."""

from dataclasses import dataclass
from pathlib import Path

from bench.data import Columns, with_columns
from bench.errors import NO_TEXT, BadInput, unknown
from bench.run.workers import ThisMachine, Workers
from bench.spec.expand import Options, Plan, plan
from bench.spec.suite import experiment_names


@dataclass(frozen=True)
class Request:
    """The arguments that the verbs `plan` and `run` share, as they were typed."""

    suites: tuple[Path, ...]
    scale: str
    only: tuple[str, ...]
    datasets: tuple[str, ...]
    seeds: int | None
    settings: tuple[str, ...]
    runs: Path
    data_root: Path
    cpus_per_trial: int
    gpus_per_trial: float | None
    workers: Workers = ThisMachine()

    def plans(self) -> list[Plan]:
        """One plan per suite file. Raises BadInput or DataError."""
        sources = {}
        for argument in self.datasets:
            name, equals, path = argument.partition("=")
            if equals and not path:
                raise BadInput(f"--dataset {argument}: a path is expected after `=`")
            sources[name] = path or name
        common = (sources, self.seeds, self.settings, self.workers.best_precision, self.data_root)
        return [plan(path, self.scale, Options(only, *common)) for path, only in self.selected_experiments()]

    def selected_experiments(self) -> list[tuple[Path, tuple[str, ...]]]:
        """(suite, experiments that --only selects in it) for each suite that has any; () stands for all experiments."""
        if not self.only:
            return [(path, ()) for path in self.suites]
        names_by_suite = {path: experiment_names(path) for path in self.suites}
        all_names = [name for names in names_by_suite.values() for name in names]
        for name in self.only:
            if name not in all_names:
                raise BadInput(f"--only: {unknown('experiment', name, dict.fromkeys(all_names))}")
        selected = [(path, tuple(n for n in self.only if n in names)) for path, names in names_by_suite.items()]
        return [(path, only) for path, only in selected if only]

    @property
    def slots(self) -> int:
        """Trials at once, computed without starting Ray."""
        return self.workers.slots(self.cpus_per_trial, self.gpus_per_trial)


def checked_folder(path: Path, option: str) -> Path:
    """The absolute path. Raises BadInput for a path that is no text, which no record could hold."""
    try:
        absolute = path.resolve()
        str(absolute).encode()
    except (ValueError, OSError) as error:  # ValueError: a NUL, or bytes that are not in the locale's encoding
        raise BadInput(f"{option} {path}: {getattr(error, 'strerror', None) or NO_TEXT}") from None
    return absolute


def add_columns(datasets: list[str], label_column: str, image_column: str) -> list[str]:
    """The values of --dataset with the columns of their Parquet files. Raises BadInput where no path is given."""
    columns = Columns(label_column, image_column)
    for option, column in zip(("--label-column", "--image-column"), columns, strict=True):
        if column and not any("=" in dataset for dataset in datasets):
            raise BadInput(f"{option} {column}: is for the Parquet files of --dataset NAME=PATH: give them too")
    return [with_columns(dataset, columns) if "=" in dataset else dataset for dataset in datasets]


def request_of(
    suites: list[Path],
    scale: str,
    only: list[str],
    datasets: list[str],
    columns: tuple[str, str],
    seeds: int | None,
    settings: list[str],
    runs: Path,
    data_root: Path,
    cpus_per_trial: int,
    gpus_per_trial: float | None,
) -> Request:
    """The Request of typed arguments. columns: --label-column and --image-column. Paths become absolute, since workers
    run in other folders. Raises BadInput."""
    sources = tuple(add_columns(datasets, *columns))
    folders = checked_folder(runs, "--runs"), checked_folder(data_root, "--data")
    options = tuple(only), sources, seeds, tuple(settings)
    return Request(tuple(suites), scale, *options, *folders, cpus_per_trial, gpus_per_trial)
