"""Keep MLflow current while trials run."""

from collections.abc import Callable

from mlflow.exceptions import MlflowException

from bench.spec.recipe import Recipe
from bench.tracking.mlflow_writer import MlflowWriter, first_line


class MlflowListener:
    """Listener of the Ray scheduler that writes each trial's events to MLflow.

    A store that fails costs a warning and no training: `bench ingest` can fill the index later.
    """

    def __init__(
        self,
        writer: MlflowWriter,
        recipes: dict[str, Recipe],
        tags: dict[str, dict[str, str]],
        warn: Callable[[str], None],
    ):
        self.writer, self.recipes, self.tags, self.warn = writer, recipes, tags, warn
        self.run_ids: dict[str, str] = {}  # by trial key

    def started(self, key: str) -> None:
        def open_run() -> None:
            self.run_ids[key] = self.writer.open_run(self.recipes[key], self.tags[key])

        self.safely(open_run)

    def row(self, key: str, row: dict) -> None:
        if "epoch" in row and key in self.run_ids:
            self.safely(lambda: self.writer.log_epochs(self.run_ids[key], [row]))

    def finished(self, key: str, failure: str | None) -> None:
        self.safely(lambda: self.writer.index_trial(self.recipes[key], self.tags[key]))

    def safely(self, write: Callable[[], object]) -> None:
        """Call `write`; an error of the store becomes a warning."""
        try:
            write()
        except (MlflowException, OSError) as error:
            self.warn(f"MLflow: {first_line(error)} (the results are safe; `python -m bench ingest` adds them later)")
