"""`export-model`: the program answers as the network, and the card says how to call it."""

import re

import onnx
import pytest
import torch

from bench import trial_manifest
from bench.errors import BadInput
from bench.models import onnx_export, resnet
from bench.run import export_command
from bench.run.export_command import FORMATS, export_network
from bench.spec.measurement import Measurement
from bench.spec.protocol_ledger import Protocol
from bench.spec.recipe import Recipe
from tests import recipes
from tests.random_network import SHAPE, write_network
from tests.recipes import lively, pgd_at

ROW = {"lam": 0.3, "n": 200, "clean_correct": 150, "robust_correct": 91, "attack": "pgd7"}


@pytest.fixture(scope="module", autouse=True)
def no_block():
    """ResNet-34 without its blocks, where a test does not add one: tracing takes long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "STAGES", ())
        yield


def oat(**fields) -> Recipe:
    return recipes.oat(arch="resnet34", **fields)


def write_measured_network(directory):
    """Write an OATS network that was measured at both widths, and return it."""
    recipe = oat(widths=(0.5, 1.0))
    net = write_network(recipe, directory, lively(recipe))
    measurement = Measurement(epsilon=0.1, step=0.02, lambdas=(0.3,), width=0.5)
    entry = {"measurement": measurement.model_dump(mode="json"), "rows": [ROW | {"width": 0.5}, ROW | {"width": 1.0}]}
    results = {"key": recipe.key, "recipe": recipe.model_dump(mode="json"), "measurements": {measurement.key: entry}}
    results |= {"heldout": None, "seconds": {"train": 1.0, "measure": 1.0}, "macs": {"forward": 1, "training": 1}}
    results |= {"provenance": {"trained_at": ["c" * 40]}}
    trial_manifest.write_json(directory, "results.json", results, recipe.key)
    return net


BLOCK = ((8, 1, 2),)  # a block of ResNet-34, with a convolution in its shortcut
EXPORTS = [
    (format, width, BLOCK if (format, width) == ("onnx", 0.5) else ()) for format in FORMATS for width in (0.5, 1.0)
]


@pytest.fixture(scope="module", params=EXPORTS, ids=lambda export: f"{export[0]}-{export[1]}")
def exported(request, tmp_path_factory):
    """(network, its program at a width, that width, path, card)."""
    (format, width, stages), folder = request.param, tmp_path_factory.mktemp("exported")
    directory, out, suffix = folder / "net", folder / "out", FORMATS[format].suffix
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "STAGES", stages)
        net = write_measured_network(directory)
        program, card = export_network(str(directory), format, out / f"oats{suffix}", width, directory)
    assert sorted(path.name for path in out.iterdir()) == [f"oats{suffix}", f"oats{suffix}.md"]
    return net, FORMATS[format].load(program), width, program, card.read_text("utf-8")


def assert_equal_at_all_lambdas(program, net, width: float, count: int) -> None:
    images = torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(3))
    for lam in (torch.zeros(count), torch.full((count,), 0.15), torch.ones(count), torch.linspace(0, 1, count)):
        with torch.no_grad():
            expected = net(images, net.condition(lam, width=width, training=False))
        torch.testing.assert_close(program(images, lam), expected, atol=1e-5, rtol=1e-5)
    assert (program(images, torch.zeros(count)) - program(images, torch.ones(count))).abs().max() > 1e-3


@pytest.mark.parametrize("count", [1, 2, 9])
def test_the_program_equals_the_network_for_any_number_of_images_and_lambdas(exported, count):
    net, program, width, *_ = exported
    assert_equal_at_all_lambdas(program, net, width, count)
    images, lam = torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(3)), torch.linspace(0, 1, count)
    with torch.no_grad():
        other = net(images, net.condition(lam, width=1.5 - width, training=False))
    assert (program(images, lam) - other).abs().max() > 1e-3  # the program is that of one width


def test_file_and_card_have_recipe_data_accuracy_and_licence_and_its_example_runs(exported, monkeypatch):
    net, _, width, path, card = exported
    recipe = recipe_in(path)
    assert recipe == net.recipe
    assert f"network {recipe.key}" in card and "| epsilon | 0.1 |" in card and recipe.data_hash in card
    assert "| pgd7 | 0.3 | 75.00 | 45.50 | 200 |" in card and card.count("| pgd7 |") == 1
    assert f"width {width:g}" in card and "Data: CC BY 4.0 (UCI" in card and "c" * 40 in card
    (example,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(path.parent)
    scope = {}
    exec(example, scope)
    assert scope["logits"].shape == (5, 10)


def recipe_in(path) -> Recipe:
    """The recipe that an exported file holds."""
    extra = {"recipe.json": ""}
    if path.suffix == ".onnx":
        extra = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    else:
        torch.export.load(path, extra_files=extra)
    return Recipe.model_validate_json(extra["recipe.json"])


def test_a_program_that_differs_is_not_written(tmp_path, monkeypatch):
    write_network(pgd_at(0.4, arch="resnet34"), tmp_path / "net")
    measured = []
    measure = export_command.largest_difference
    monkeypatch.setattr(export_command, "largest_difference", lambda *a: measured.append(measure(*a)) or 2e-5)
    with pytest.raises(BadInput, match="nothing is written: the program's logits differ by 2.0e-05"):
        export_network(str(tmp_path / "net"), "torch-export", tmp_path / "out" / "a.pt2", 1.0, tmp_path)
    assert not list((tmp_path / "out").iterdir()) and measured[0] < 1e-5  # it did not, of PGD-AT


def test_what_cannot_be_exported_is_one_line(tmp_path):
    write_network(pgd_at(0.4), tmp_path / "net")
    for options, message in (
        (("onx", None, 1.0), "unknown format 'onx'.*did you mean 'onnx'"),
        (("onnx", tmp_path / "a.pt2", 1.0), "named .onnx"),
        (("torch-export", tmp_path / "a.onnx", 1.0), "named .pt2"),
        (("torch-export", tmp_path / "a.pt2", 0.5), "width 0.5: this network has 1"),
    ):
        with pytest.raises(BadInput, match=message):
            export_network(str(tmp_path / "net"), *options, tmp_path)
    noise = {"method": "float", "encoding": "none", "lambdas": (0.0, 1.0), "protocol": Protocol(noise_draw="each-pass")}
    write_network(recipes.oat(**noise), tmp_path / "noisy")
    with pytest.raises(BadInput, match="noise is drawn at each pass"):
        export_network(str(tmp_path / "noisy"), "onnx", None, 1.0, tmp_path)


def test_missing_packages_are_one_line_with_the_remedy(tmp_path, monkeypatch):
    write_network(pgd_at(0.4), tmp_path / "net")
    monkeypatch.setattr(onnx_export, "PACKAGES", ("onnx", "no_onnxruntime"))
    with pytest.raises(BadInput, match=r"--format onnx needs no_onnxruntime, not installed here: `make setup`"):
        export_network(str(tmp_path / "net"), "onnx", None, 1.0, tmp_path)
