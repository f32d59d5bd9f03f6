"""`recipe`: the recipe of each network of a suite, without training."""

import io

import pytest
from rich.console import Console

from bench.errors import BadInput
from bench.run.job_array_files import read_trial_file
from bench.run.recipe_command import write_recipes
from bench.trial_dir import load_recipe
from tests.finished_runs import SUITE, request


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "first.yaml").write_text(SUITE.format(name="first"))
    return request(tmp_path)


def test_recipes_are_those_that_run_would_train(asked, tmp_path, capsys):
    out, folder = Console(file=io.StringIO()), tmp_path / "recipes"
    write_recipes(asked, folder, out)
    planned = {trial.key: trial.recipe for plan in asked.plans() for panel in plan.panels for trial in panel.trials}
    assert {path.name for path in folder.iterdir()} == planned.keys() and len(planned) == 2
    for key, recipe in planned.items():
        assert read_trial_file(folder / key / "recipe.json") == load_recipe(folder / key, key) == recipe
    lines = out.file.getvalue().splitlines()
    assert lines == [f"{folder / key / 'recipe.json'}  {recipe.name}" for key, recipe in planned.items()]
    first = folder / next(iter(planned))
    assert f"bench trial {first}/recipe.json --directory {first} --source digits" in capsys.readouterr().err
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    write_recipes(asked, folder, out)  # again
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_folder_of_something_else_is_refused(asked, tmp_path):
    key = asked.plans()[0].panels[0].trials[1].key
    (tmp_path / "recipes" / key).mkdir(parents=True)
    with pytest.raises(BadInput, match="holds no recipe.json of this network"):
        write_recipes(asked, tmp_path / "recipes", Console(file=io.StringIO()))
    assert [path.name for path in (tmp_path / "recipes").iterdir()] == [key]
