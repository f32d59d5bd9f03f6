"""The example of every command's `--help` is run, where it is costly up to the function that does the work."""

import shlex
import shutil

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


@pytest.fixture(scope="module")
def first_world(tmp_path_factory):
    """(a folder with what the examples name: suites, runs with a report and a trained network, a photo; its key)."""
    folder, recipe = tmp_path_factory.mktemp("world"), oat()
    with pytest.MonkeyPatch.context() as patch:
        runs = write_runs(folder, patch)
    net = write_network(recipe, runs / "trials" / recipe.key)
    write_adversarial_images(folder / "adversarial.safetensors", recipe, perturbed(net, recipe, 4))
    (runs / "report").mkdir()
    (runs / "report" / "index.html").write_text("a report")
    (folder / "suites").symlink_to(ROOT / "suites")
    (folder / "path" / "to" / "folder").mkdir(parents=True)
    images = write_parquet(folder / "images.parquet", random_images(12), [0, 1, 2] * 4)
    for split in ("train", "test"):
        table = pq.read_table(images).rename_columns({"label": "fine_label"})
        pq.write_table(table, folder / "path" / "to" / "folder" / f"{split}.parquet")
    Image.fromarray(np.zeros(SHAPE[1:], np.uint8)).save(folder / "photo.png")
    return folder, recipe.key


@pytest.fixture
def world(first_world, tmp_path, monkeypatch):
    """A copy of `first_world` as the working directory; returns the network's key."""
    shutil.copytree(first_world[0], tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "BENCH_RUNS", "BENCH_DATA"):
        monkeypatch.delenv(variable, raising=False)
    return first_world[1]


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
