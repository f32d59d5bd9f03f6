"""The `import` verb: add the plans, results and weights of an archive to a runs directory."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.archive import compression, unpacked
from bench.atomic_write import write_json
from bench.errors import BadInput
from bench.run.bring_trials_home import bring_home
from bench.run.driver_lock import driver_lock
from bench.run.ingest_command import renew_index
from bench.trial_dir import read_results


def import_archive(archive: Path, runs: Path, console: Console) -> int:
    """Unpack an archive of `export` or `report --archive`, and bring its trials home as `ingest` does.

    Files that lack their checksum are named and left out, and trials of other weights than those that are here stay as
    they are. Returns the number of MLflow runs in the index. Raises BadInput.
    """
    compression(archive)
    if not archive.is_file():
        raise BadInput(f"{archive}: no such file")
    with driver_lock(runs), unpacked(archive, weights=True, folder=runs) as folder:
        for directory in (folder / "trials").glob("*"):
            add_recipe(directory)
        for line in bring_home(folder, runs):
            console.print(Text(line.replace(str(folder), str(archive))), soft_wrap=True)
        return renew_index(runs, console)


def add_recipe(directory: Path) -> None:
    """Write the recipe.json of a trial in an archive of an earlier version, which had it in results.json alone."""
    recipe = read_results(directory).get("recipe")
    if recipe and not (directory / "recipe.json").exists():
        write_json(directory / "recipe.json", recipe)
