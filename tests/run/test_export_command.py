"""`export-model`: the program answers as the network, and the card says how to call it."""

import re

import pytest
import torch

from bench import trial_manifest
from bench.errors import BadInput
from bench.run import export_command
from bench.run.export_command import export_network
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from tests.random_network import SHAPE, write_network
from tests.recipes import lively, oat, pgd_at

ROW = {"lam": 0.3, "n": 200, "clean_correct": 150, "robust_correct": 91, "attack": "pgd7"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(network, its program at width 0.5, the recipe that the file holds, its path, card), of a slimmable network."""
    folder, recipe = tmp_path_factory.mktemp("exported"), oat(widths=(0.5, 1.0))
    net = write_network(recipe, folder / "net", lively(recipe))
    measurement = Measurement(epsilon=0.1, step=0.02, lambdas=(0.3,), width=0.5)
    entry = {"measurement": measurement.model_dump(mode="json"), "rows": [ROW | {"width": 0.5}, ROW | {"width": 1.0}]}
    results = {"key": recipe.key, "recipe": recipe.model_dump(mode="json"), "measurements": {measurement.key: entry}}
    results |= {"heldout": None, "seconds": {"train": 1.0, "measure": 1.0}, "macs": {"forward": 1, "training": 1}}
    results |= {"provenance": {"trained_at": ["c" * 40]}}
    trial_manifest.write_json(folder / "net", "results.json", results, recipe.key)
    program, card = export_network(str(folder / "net"), "torch-export", folder / "out" / "oats.pt2", 0.5, folder)
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["oats.pt2", "oats.pt2.md"]
    extra = {"recipe.json": ""}
    loaded = torch.export.load(program, extra_files=extra).module()
    return net, loaded, Recipe.model_validate_json(extra["recipe.json"]), program, card.read_text("utf-8")


@pytest.mark.parametrize("count", [1, 2, 9])
def test_the_program_equals_the_network_for_any_number_of_images_and_lambdas(exported, count):
    net, program, *_ = exported
    images = torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(3))
    for lam in (torch.zeros(count), torch.full((count,), 0.15), torch.ones(count), torch.linspace(0, 1, count)):
        with torch.no_grad():
            expected = net(images, net.condition(lam, width=0.5, training=False))
        torch.testing.assert_close(program(images, lam), expected, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        wide = net(images, net.condition(lam, training=False))
    assert (program(images, lam) - wide).abs().max() > 1e-3  # the program is that of the sub-network
    assert (program(images, torch.zeros(count)) - program(images, torch.ones(count))).abs().max() > 1e-3


def test_file_and_card_have_recipe_data_accuracy_and_licence_and_its_example_runs(exported, monkeypatch):
    net, _, recipe, path, card = exported
    assert recipe == net.recipe
    assert f"network {recipe.key}" in card and "| epsilon | 0.1 |" in card and recipe.data_hash in card
    assert "| pgd7 | 0.3 | 75.00 | 45.50 | 200 |" in card and card.count("| pgd7 |") == 1
    assert "width 0.5" in card and "Data: CC BY 4.0 (UCI" in card and "c" * 40 in card
    (example,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(path.parent)
    scope = {}
    exec(example, scope)
    assert scope["logits"].shape == (5, 10)


def test_a_program_that_differs_is_not_written(tmp_path, monkeypatch):
    write_network(pgd_at(0.4), tmp_path / "net")
    measured = []
    measure = export_command.largest_difference
    monkeypatch.setattr(export_command, "largest_difference", lambda *a: measured.append(measure(*a)) or 2e-5)
    with pytest.raises(BadInput, match="nothing is written: the program's logits differ by 2.0e-05"):
        export_network(str(tmp_path / "net"), "torch-export", tmp_path / "out" / "a.pt2", 1.0, tmp_path)
    assert not list((tmp_path / "out").iterdir()) and measured[0] < 1e-5  # it did not, of PGD-AT


def test_what_cannot_be_exported_is_one_line(tmp_path):
    write_network(pgd_at(0.4), tmp_path / "net")
    for options, message in (
        (("onnx", None, 1.0), "unknown format 'onnx'"),
        (("torch-export", tmp_path / "a.onnx", 1.0), "named .pt2"),
        (("torch-export", tmp_path / "a.pt2", 0.5), "width 0.5: this network has 1"),
    ):
        with pytest.raises(BadInput, match=message):
            export_network(str(tmp_path / "net"), *options, tmp_path)
