"""`predict` on image files."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from bench.trained_network import TrainedNetwork
from tests.command import bench
from tests.random_network import write_network
from tests.recipes import oat


@pytest.fixture
def directory(tmp_path):
    recipe = oat()
    write_network(recipe, tmp_path / "runs" / "trials" / recipe.key)
    return tmp_path / "runs" / "trials" / recipe.key


def test_an_image_of_any_size_gets_the_training_images_size(tmp_path, directory):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    Image.fromarray(pixels.repeat(3, 0).repeat(3, 1)).convert("RGB").save(tmp_path / "large.png")
    words = (tmp_path / "small.png", tmp_path / "large.png", "--lam", 0.3, "--runs", tmp_path / "runs")
    done = bench("predict", directory.name[:5], *words, "--json")
    assert done.returncode == 0, done.stderr
    small, large = map(json.loads, done.stdout.splitlines())
    network = TrainedNetwork(directory)
    expected = network(torch.from_numpy(pixels)[None, None], 0.3).softmax(1)[0]
    assert (small["class"], small["probability"]) == (expected.argmax(), pytest.approx(float(expected.max()), abs=1e-4))
    assert large == small | {"image": str(tmp_path / "large.png")}
    table = bench("predict", directory, *words)
    assert table.returncode == 0 and "probability" in table.stdout and str(tmp_path / "large.png") in table.stdout


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        ("absent.png", ("--lam", 0.3), "cannot be read (No such file or directory)"),
        ("text.png", ("--lam", 0.3), "is not an image that Pillow can read"),
        ("good.png", (), "choose --lam, λ in [0,1]"),
        ("good.png", ("--lam", 2), "not a number in [0,1]"),
        ("good.png", ("--lam", 0.3, "--width", 0.5), "width 0.5: this network has 1"),
    ],
)
def test_what_cannot_be_predicted_is_one_line(tmp_path, directory, image, options, message):
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "good.png")
    done = bench("predict", directory, tmp_path / image, *options)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
