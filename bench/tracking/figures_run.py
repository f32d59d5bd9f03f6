"""MLflow's run `figures` of each experiment: the drawn figures and the report's page as artifacts."""

import base64
import mimetypes
import re
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.damaged_files import Damaged, read_sealed
from bench.tracking import experiment_page
from bench.tracking.run_tags import LAYOUT, LAYOUT_TAG, NOTE_TAG, REPORT_KEY, RUNS_ID_TAG, figure_order, joined_words

if TYPE_CHECKING:
    from bench.tracking.mlflow_writer import MlflowWriter

IMAGE = re.compile(r'(?<=<img src=")([\w.-]+)(?=")')


def log_report(
    writer: "MlflowWriter", report: Path, plans: Iterable[dict], figures: Collection[str] | None = None
) -> None:
    """Add drawn figures to the runs `figures` of the experiments of the plans that mention them.

    report: the folder of a report. figures: their names; None: all that were drawn.
    """
    mentioned: dict[tuple[str, str], set[str]] = {}
    for plan in plans:
        for panel in plan["panels"]:
            mentioned.setdefault((panel["dataset"], plan["scale"]), set()).update(panel["figures"])
    for (dataset, scale), names in mentioned.items():
        names = names if figures is None else names & set(figures)
        drawn = [name for name in sorted(names, key=figure_order) if scale_of(report, name) == scale]
        if drawn:
            log_figures(writer, dataset, scale, report, drawn)


def scale_of(report: Path, figure: str) -> str | None:
    """The scale at which a figure was drawn; None where it was not, or its JSON is damaged."""
    try:
        return (read_sealed(report / f"{figure}.json") or {}).get("scale")
    except Damaged:
        return None


def log_figures(writer: "MlflowWriter", dataset: str, scale: str, report: Path, names: list[str]) -> None:
    """Add figures and the report's page to one experiment's run `figures`, and link to them at its top."""
    client, experiment_id = writer.client, writer.experiment_id(dataset, scale)
    run = writer.runs_in(experiment_id).get(REPORT_KEY)
    if run is None:
        tags = {RUNS_ID_TAG: writer.runs_id, LAYOUT_TAG: LAYOUT, "key": REPORT_KEY, "method": "report", "scale": scale}
        run = client.create_run(experiment_id, run_name="figures", tags=tags)
        writer.runs_in(experiment_id)[REPORT_KEY] = run
    paths = [report / "claims.csv", *(report / f"{name}{suffix}" for name in names for suffix in (".png", ".csv"))]
    writer.log_artifacts(run, [path for path in paths if path.is_file()], "figures", hard_links=False)
    if (report / "index.html").is_file():
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "index.html"
            page.write_text(with_images((report / "index.html").read_text("utf-8"), report), "utf-8")
            writer.log_artifacts(run, [page], "report", hard_links=False)
    client.set_tag(run.info.run_id, "figure", joined_words([run.data.tags.get("figure", ""), *names]))
    run = writer.runs_in(experiment_id)[REPORT_KEY] = client.get_run(run.info.run_id)
    client.set_experiment_tag(experiment_id, NOTE_TAG, experiment_page.note(experiment_id, run))
    client.set_terminated(run.info.run_id, "FINISHED", run.info.start_time)


def with_images(page: str, folder: Path) -> str:
    """The page with its images in itself, as MLflow shows a page apart from its folder."""

    def embedded(match: re.Match) -> str:
        path = folder / match[1]
        if not path.is_file():
            return match[1]
        return f"data:{mimetypes.guess_type(path)[0]};base64,{base64.b64encode(path.read_bytes()).decode()}"

    return IMAGE.sub(embedded, page)
