"""Every `python -m bench …` of README.md and docs/ is run; where costly, up to the function that does the work."""

import glob
import re
import shlex
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import cli
from bench.run.request import Request
from bench.spec.recipe_fields import parse_settings
from bench.spec.scale import read_scale
from tests.data.image_files import random_images, write_folder
from tests.finished_runs import write_runs
from tests.given_examples import perturbed, write_adversarial_images
from tests.page_examples import write_examples
from tests.random_network import SHAPE, write_network
from tests.recipes import oat
from tests.test_docs import PAGES, ROOT
from tests.test_help_examples import KEY, REPLACED, RETURNED

COMMAND = re.compile(r"python -m bench ((?:[a-z]|--version)[^#|`\n]*)")
SHELL_VARIABLE = "$"  # in job scripts, which tests/run/test_cluster.py runs
KEYS = {"KEY", "306d", "7c73", KEY}  # of a network that the test makes
STAND_INS = {  # for words of a page that a reader replaces
    "SUITES": "suites/*.yaml",
    "PLAN": "second",
    "SUITE": "suites/frontiers.yaml",
    "SCALE": "smoke",
    "COPY.yaml": "smoke",
    "mine.py": "signs.py",
    "FILE.py": "signs.py",
    "PATH": "path/to/folder",
    "epsilon=E": "epsilon=0.1",
    "batch=B": "batch=32",
    "epochs=N": "epochs=3",
}
MORE_REPLACED = {  # function that a verb calls → what it returns; besides those of `--help`'s examples
    "bench.run.dial_command.draw_dial": "dial.png",
    "reports.compare.compare": [],
    "reports.page.latex.write_latex": Path("numbers.tex"),
    "bench.archive.unpacked": nullcontext(Path("runs")),
}


def commands() -> list[str]:
    """The commands of code blocks and code spans of all pages, without comments and pipes."""
    pages = [*PAGES, ROOT / "docs" / "results" / "laptop-search.md"]
    text = "\n".join(page.read_text("utf-8") for page in pages).replace("\\\n", " ")
    matches = (match.split(" && ")[0].strip() for match in COMMAND.findall(text) if SHELL_VARIABLE not in match)
    return sorted({" ".join(match.split()) for match in matches})


def check_request(request: Request, *others) -> int:
    """In place of `run` and `plan`: everything that is named exists."""
    assert request.selected_experiments()
    scale, _ = read_scale(request.scale)
    parse_settings(request.settings)
    for name, _, path in (dataset.partition("=") for dataset in request.datasets):
        assert name in scale.datasets and (path in ("", "fashion-mnist") or Path(path).exists())
    return 0


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with what the commands name: suites, runs, a trained network, own images. Yields its folder and key."""
    folder, recipe = tmp_path_factory.mktemp("world"), oat()
    with pytest.MonkeyPatch.context() as patch:
        runs = write_runs(folder, patch)
        net = write_network(recipe, runs / "trials" / recipe.key)
        write_adversarial_images(folder / "adversarial.safetensors", recipe, perturbed(net, recipe, 4))
        (runs / "report").mkdir()
        (runs / "report" / "index.html").write_text("a report")
        for name in ("suites", "tests", "docs"):
            (folder / name).symlink_to(ROOT / name)
        for split in ("train", "test"):
            classes = {name: random_images(4) for name in ("daisy", "rose", "tulip")}
            write_folder(folder / "path" / "to" / "folder" / split, classes)
        Image.fromarray(np.zeros(SHAPE[1:], np.uint8)).save(folder / "photo.png")
        write_examples(PAGES, folder)
        patch.chdir(folder)
        for variable in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "BENCH_RUNS", "BENCH_DATA"):
            patch.delenv(variable, raising=False)
        yield recipe.key


def arguments(command: str, key: str) -> list[str]:
    words = (key if word in KEYS else STAND_INS.get(word, word) for word in shlex.split(command))
    return [name for word in words for name in (sorted(glob.glob(word)) if "*" in word else [word])]


@pytest.mark.parametrize("command", commands())
def test_the_command_runs(command, world, registry_restored, monkeypatch, capsys):
    returned = {function: RETURNED.get(verb) for verb, function in REPLACED.items()} | MORE_REPLACED
    for name, value in returned.items():
        monkeypatch.setattr(name, lambda *_, value=value, **__: value)
    for verb in ("run", "plan"):
        monkeypatch.setattr(REPLACED[verb], check_request)
    assert cli.run_command_line(arguments(command, world)) == 0, capsys.readouterr().err
