"""The `ingest` verb: bring trials home, and rebuild MLflow's index from the trials' directories."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from bench.errors import BadInput
from bench.run.bring_trials_home import bring_home
from bench.run.damage_lines import print_damages
from bench.run.driver_lock import driver_lock
from bench.stored_plans import read_plans
from bench.tracking.run_tags import UNPLANNED, tags_by_key
from bench.trial_dir import damaged_files, load_recipe, undamaged

if TYPE_CHECKING:
    from bench.tracking.mlflow_writer import MlflowWriter


def ingest(runs: Path, console: Console, folders: Sequence[Path] = ()) -> int:
    """Copy the trials and plans of the folders into `runs`, then index every trial's directory.

    Returns the number of MLflow runs in the index. Raises BadInput.
    """
    if not folders and not (runs / "trials").is_dir():
        raise BadInput(f"{runs} has no trials: give the directory that contains trials/ with --runs")
    with driver_lock(runs):
        for folder in folders:
            for line in bring_home(folder, runs):
                console.print(Text(line), soft_wrap=True)
        return renew_index(runs, console)


def renew_index(runs: Path, console: Console) -> int:
    """Index every trial's directory anew. Returns the number of MLflow runs in the index. Raises BadInput.

    Call with the driver's lock held.
    """
    from bench.tracking.mlflow_writer import MlflowWriter  # slow to import

    try:
        writer = MlflowWriter(runs, repair=True)
    except ConnectionError as error:
        raise BadInput(str(error)) from None
    writer.close_abandoned_runs()
    return index_all_directories(runs, writer, console)


def index_all_directories(runs: Path, writer: "MlflowWriter", console: Console) -> int:
    """Index every trial's directory, whatever the plan, and the drawn figures. Returns the number of trials."""
    if writer.set_aside:
        line = f"MLflow's store could not be opened: set aside as {writer.set_aside}, and made anew from the trials"
        console.print(Text(line, style="yellow"), soft_wrap=True)
    plans, damages = read_plans(runs)
    tags, count = tags_by_key(plans), 0
    for directory in sorted((runs / "trials").glob("*")):
        damages += damaged_files(directory, directory.name)
        recipe = undamaged(load_recipe, directory, directory.name)
        if recipe is None:
            console.print(f"{directory.name}: no recipe.json of this network, skipped", style="yellow")
            continue
        writer.index_trial(recipe, tags.get(recipe.key, UNPLANNED))
        count += 1
    writer.complete(plans)
    print_damages(damages, console)
    return count
