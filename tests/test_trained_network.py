"""`bench.load`: a trained network that is used at any λ and width."""

import json
import re
import shutil

import numpy as np
import pytest
import torch

import bench
from bench import trial_manifest
from bench.errors import BadInput
from bench.training.checkpoint import snapshot
from tests.random_network import SHAPE, write_network
from tests.recipes import oat, pgd_at


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def images():
    return torch.rand(7, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_its_logits_are_the_network_s_at_every_lambda_and_width(runs, images):
    recipe = oat(widths=(0.5, 1.0))
    net = write_network(recipe, runs / "trials" / recipe.key)
    loaded = bench.load(recipe.key[:6], runs)
    assert (loaded.lambdas, loaded.widths, loaded.classes, loaded.shape) == (recipe.lambdas, (0.5, 1.0), 10, SHAPE)
    for width in loaded.widths:
        for lam in (0.0, 0.15, 1.0):
            with torch.no_grad():
                expected = net(images, net.condition(torch.full((7,), lam), width=width, training=False))
            assert torch.allclose(loaded(images, lam, width), expected, atol=1e-4)
            assert torch.equal(loaded.predict(images, lam, width), expected.argmax(1))


def test_each_image_can_have_its_own_lambda(runs, images):
    write_network(oat(), runs / "net")
    loaded = bench.load(runs / "net")
    lams = [0.0, 0.1, 0.2, 0.3, 0.4, 0.7, 1.0]
    one_by_one = torch.cat([loaded(images[i : i + 1], lam) for i, lam in enumerate(lams)])
    assert torch.allclose(loaded(images, lams), one_by_one, atol=1e-5)
    assert not torch.allclose(loaded(images, 0.0), loaded(images, 1.0), atol=1e-3)


def test_more_images_than_a_batch_arrays_and_bytes(runs):
    write_network(oat(), runs / "net")
    loaded = bench.load(runs / "net")
    pixels = np.random.default_rng(0).integers(0, 256, (1003, *SHAPE), dtype=np.uint8)
    assert torch.allclose(loaded(pixels, 0.3), loaded(pixels / 255, 0.3), atol=1e-5)
    assert loaded(pixels[:0], 0.3).shape == (0, 10)


def test_a_network_of_one_lambda_takes_no_other(runs, images):
    write_network(pgd_at(0.4), runs / "net")
    loaded = bench.load(runs / "net")
    assert torch.equal(loaded(images), loaded(images, 0.4))
    with pytest.raises(ValueError, match=r"λ=0.3: this network was trained for λ=0.4 alone"):
        loaded(images, 0.3)


@pytest.mark.parametrize(
    ("given", "lam", "width", "message"),
    [
        (torch.rand(2, 3, 8, 8), 0.3, 1.0, r"images of shape \(2, 3, 8, 8\): \(N, 1, 8, 8\) is expected"),
        (torch.rand(2, 1, 9, 8), 0.3, 1.0, r"\(N, 1, 8, 8\) is expected"),
        (torch.rand(1, 8, 8), 0.3, 1.0, r"images of shape \(1, 8, 8\)"),
        (255 * torch.rand(2, 1, 8, 8), 0.3, 1.0, r"neither uint8 nor floats in \[0,1\]"),
        (torch.full((2, 1, 8, 8), torch.nan), 0.3, 1.0, r"neither uint8 nor floats in \[0,1\]"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.int64), 0.3, 1.0, r"neither uint8 nor floats"),
        (torch.rand(2, 1, 8, 8), None, 1.0, r"choose lam, a number in \[0,1\]"),
        (torch.rand(2, 1, 8, 8), 1.01, 1.0, r"not a number in \[0,1\]"),
        (torch.rand(2, 1, 8, 8), float("nan"), 1.0, r"not a number in \[0,1\]"),
        (torch.rand(2, 1, 8, 8), [0.1, 0.2, 0.3], 1.0, r"nor one for each of 2 images"),
        (torch.rand(2, 1, 8, 8), 0.3, 0.75, r"width 0.75: this network has 1$"),
    ],
)
def test_what_it_cannot_take_is_one_clear_error(runs, given, lam, width, message):
    write_network(oat(), runs / "net")
    with pytest.raises(ValueError, match=message):
        bench.load(runs / "net")(given, lam, width)


def test_weights_of_an_earlier_version_take_any_size(runs, images):
    recipe = oat()
    net = write_network(recipe, runs / "net")
    trial_manifest.write_tensors(
        runs / "net", "weights.safetensors", snapshot(net), recipe.key, {"about": json.dumps({"heldout": {}})}
    )
    loaded = bench.load(runs / "net")
    assert loaded.shape == (1, None, None) and loaded(torch.rand(2, 1, 12, 12), 0.3).shape == (2, 10)
    with pytest.raises(ValueError, match=r"\(N, 1, any, any\) is expected"):
        loaded(torch.rand(2, 3, 12, 12), 0.3)


def test_the_example_of_the_readme_runs(runs, images, monkeypatch, capsys):
    recipe = oat()
    write_network(recipe, runs / "trials" / recipe.key)
    (example,) = re.findall(
        r"```python\n(import bench.*?)```", (bench.ROOT / "README.md").read_text("utf-8"), re.DOTALL
    )
    monkeypatch.setenv("BENCH_RUNS", str(runs))
    exec(example.replace("0dbc", recipe.key[:6]).replace("images = ...", ""), {"images": images})
    assert capsys.readouterr().out == f"{recipe.lambdas} (1.0,) {SHAPE} oat\n"


def test_a_network_that_is_not_there_or_damaged_is_one_line(runs):
    recipe = oat()
    directory = runs / "trials" / recipe.key
    with pytest.raises(BadInput, match="none of the 0 keys in"):
        bench.load(recipe.key, runs)
    write_network(recipe, directory)
    content = bytearray((directory / "weights.safetensors").read_bytes())
    content[-9] ^= 1
    (directory / "weights.safetensors").write_bytes(content)
    with pytest.raises(BadInput, match="it does not have its checksum"):
        bench.load(recipe.key, runs)
    shutil.rmtree(directory)
    trial_manifest.write_json(directory, "recipe.json", recipe.model_dump(mode="json"), recipe.key)
    with pytest.raises(BadInput, match="holds no trained network yet"):
        bench.load(recipe.key, runs)
