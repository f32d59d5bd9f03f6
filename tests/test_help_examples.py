"""The example of every command's `--help` is run, where it is costly up to the function that does the work."""

import shlex

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from PIL import Image

from bench import ROOT, cli
from tests.data.image_files import random_images, write_parquet
from tests.finished_runs import write_runs
from tests.given_examples import perturbed, write_adversarial_images
from tests.random_network import SHAPE, write_network
from tests.recipes import oat

KEY = "0dbc"  # of the examples, Figure 4's OAT with dual BN at scale laptop; stands for a network that the test makes
# Examples that take long or need a network: the function that the verb calls, in whose place another notes the call.
REPLACED = {
    "run": "bench.run.run_command.execute",
    "plan": "bench.run.plan_command.print_plan",
    "trial": "bench.run.trial_command.run_trial_command",
    "ingest": "bench.run.ingest_command.ingest",
    "report": "reports.build.build",
    "ui": "bench.tracking.mlflow_server.serve",
    "export-model": "bench.run.export_command.export_network",
    "import": "bench.run.import_command.import_archive",
    "log-models": "bench.run.log_models_command.log_models",
    "data fetch": "bench.data.fetch.fetch",
}
RETURNED = {"run": 0, "ingest": 8, "report": [], "ui": 0, "trial": 0, "export-model": [], "import": 2}


def examples() -> dict[str, str]:
    """Command, such as `run` or `data fetch` → the example of its help."""
    lines = {}
    for name, command in typer.main.get_command(cli.app).commands.items():
        for subname, each in (getattr(command, "commands", None) or {"": command}).items():
            lines[f"{name} {subname}".strip()] = (each.epilog or "").removeprefix("Example: python -m bench ")
    return lines


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A working directory with what the examples name: suites, runs with a report and a trained network, a photo."""
    monkeypatch.chdir(tmp_path)
    runs, recipe = write_runs(tmp_path, monkeypatch), oat()
    net = write_network(recipe, runs / "trials" / recipe.key)
    write_adversarial_images(tmp_path / "adversarial.safetensors", recipe, perturbed(net, recipe, 4))
    (runs / "report").mkdir()
    (runs / "report" / "index.html").write_text("a report")
    (tmp_path / "suites").symlink_to(ROOT / "suites")
    (tmp_path / "path" / "to" / "folder").mkdir(parents=True)
    images = write_parquet(tmp_path / "images.parquet", random_images(12), [0, 1, 2] * 4)
    for split in ("train", "test"):
        table = pq.read_table(images).rename_columns({"label": "fine_label"})
        pq.write_table(table, tmp_path / "path" / "to" / "folder" / f"{split}.parquet")
    Image.fromarray(np.zeros(SHAPE[1:], np.uint8)).save(tmp_path / "photo.png")
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "BENCH_RUNS", "BENCH_DATA"):
        monkeypatch.delenv(variable, raising=False)
    return recipe.key


@pytest.mark.parametrize("name", examples())
def test_the_example_runs(name, world, monkeypatch, capsys):
    example = examples()[name]
    assert example.startswith(name), f"{name} has no example"
    calls = []
    if name in REPLACED:
        monkeypatch.setattr(REPLACED[name], lambda *given, **named: calls.append((given, named)) or RETURNED.get(name))
    code = cli.run_command_line(shlex.split(example.replace(KEY, world[:6])))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert len(calls) == (name in REPLACED)
    assert captured.out or name in REPLACED
