"""`dial`: the probabilities are the network's, and the picture shows them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import bench
from bench.attacks.pgd import pgd
from bench.engines.eager import EagerEngine
from bench.errors import BadInput
from bench.run.dial_command import dial_of, draw_dial
from bench.run.predict_command import read_image
from reports.plots.class_probabilities import class_colors, draw, explanation, spread
from tests.random_network import write_network
from tests.recipes import lively, oat, pgd_at


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def network(tmp_path):
    recipe = oat(epsilon=0.3)
    write_network(recipe, tmp_path / "net", lively(recipe))
    return bench.load(tmp_path / "net")


@pytest.fixture
def dial(network, photo):
    return dial_of(network, read_image(photo, network), None, 1.0, "photo.png")


def test_the_attack_s_probabilities_are_those_of_autograd_s_pgd_at_each_lambda(dial, network, monkeypatch):
    assert set(network.lambdas) <= set(dial.lambdas) and {0.0, 1.0, 0.5} <= set(dial.lambdas)
    net, image = network.engine.net, torch.from_numpy(dial.image)[None]
    engine, labels = EagerEngine(net), torch.tensor([dial.label])
    start = torch.empty_like(image).uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(0))
    for lam in (0.0, 0.3, 1.0):
        (i,) = np.flatnonzero(np.isclose(dial.lambdas, lam))  # once
        cond = engine.condition(torch.tensor([lam]), training=False)
        at_lam = lambda x, cond=cond: engine.logits(x, cond)  # noqa: E731
        adv = pgd(at_lam, image, labels, 0.3, network.recipe.attack_step(steps=7), 7, None, start)
        with torch.no_grad():
            expected = [at_lam(x).softmax(1)[0].numpy() for x in (image, adv)]
        np.testing.assert_allclose([dial.clean[i], dial.attacked[i]], expected, atol=2e-3)
    assert np.abs(dial.adversarial - dial.image).max() <= 0.3 + 1e-6
    assert dial.attacked[:, dial.label].mean() < dial.clean[:, dial.label].mean()


def test_the_class_is_the_prediction_at_0_or_the_given_one(dial, network, photo):
    assert dial.label == dial.clean[0].argmax()
    assert dial_of(network, read_image(photo, network), 7, 1.0, "photo.png").label == 7


def test_the_picture_has_a_line_per_class_and_dots_at_0_for_a_branch_of_its_own(dial):
    figure = draw(dial)
    panels = [ax for ax in figure.axes if ax.get_xlabel() == "λ"]
    assert [ax.get_title() for ax in panels] == ["clean", "attacked at each λ by PGD-7, ε = 0.3"]
    for ax, values in zip(panels, (dial.clean, dial.attacked), strict=True):
        curves = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) == len(dial.lambdas) - 1]
        np.testing.assert_array_equal(curves, values[1:].T)
        dots = [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "o"]
        assert sorted(dots) == sorted(values[0, k] for k in class_colors(dial))
        texts = {text.get_text() for text in ax.texts}
        assert texts >= {f"class {k}" for k in class_colors(dial)}


def test_the_caption_names_the_colours_that_are_drawn(dial):
    two_likely = np.full((len(dial.lambdas), 3), (0.48, 0.48, 0.04))
    for clean, kinds in ((two_likely, ("Black", "Coloured", "Grey")), (two_likely[:, :2], ("Black", "Coloured"))):
        drawn = replace(dial, clean=clean, attacked=clean, label=0)
        colours = {line.get_color() for ax in draw(drawn).axes for line in ax.lines if len(line.get_ydata()) > 2}
        words = [word for word in ("Black", "Coloured", "Grey") if f"{word}: " in explanation(drawn)]
        assert words == list(kinds) and len(colours) == len(kinds)


def test_labels_move_apart_and_keep_their_order():
    heights = np.array([0.5, 0.51, 0.02, 0.5, 0.0, 0.9])
    moved = spread(heights, 0.1)
    ascending = moved[np.argsort(heights, kind="stable")]
    assert (np.diff(ascending) >= 0.1 - 1e-9).all() and ascending[0] >= 0 and moved[5] == pytest.approx(0.9)


def test_a_picture_is_written_and_what_has_no_dial_is_one_line(network, photo, tmp_path):
    directory = str(network.directory)
    assert draw_dial(directory, photo, tmp_path / "dial.png", None, 1.0, tmp_path).stat().st_size > 20_000
    fixed = pgd_at(0.4)
    write_network(fixed, tmp_path / "fixed")
    for arguments, message in (
        ((str(tmp_path / "fixed"), photo, tmp_path / "a.png", None, 1.0), "was trained for λ=0.4 alone"),
        ((directory, photo, tmp_path / "a.jpg", None, 1.0), "unknown format 'jpg'"),
        ((directory, photo, tmp_path / "a.png", 10, 1.0), "has 10 classes, from 0 on"),
        ((directory, photo, tmp_path / "a.png", None, 0.5), "width 0.5: this network has 1"),
        ((directory, tmp_path / "absent.png", tmp_path / "a.png", None, 1.0), "absent.png cannot be read"),
    ):
        with pytest.raises(BadInput, match=message):
            draw_dial(*arguments, tmp_path)
