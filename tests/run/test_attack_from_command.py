"""`attack-from`: adversarial examples from elsewhere against the network itself, and files that do not fit."""

import json
import re

import pytest
import torch

from bench import cli
from bench.trial_dir import read_results
from tests.given_examples import first_test_images, perturbed, write_adversarial_images
from tests.random_network import write_network
from tests.recipes import lively, oat

N = 60
RECIPE = oat()


@torch.no_grad()
def fitted():
    """A network that has most of the test images right at λ = 0.3: its head is fitted to them by least squares."""
    net, features = lively(RECIPE).eval(), []
    x, y = first_test_images(RECIPE, 3 * N)
    hook = net.head.register_forward_pre_hook(lambda head, inputs: features.append(inputs[0]))
    net(x, net.condition(torch.tensor([0.3])))
    hook.remove()
    target = torch.nn.functional.one_hot(y, 10).float()
    net.head.weight.copy_(torch.linalg.lstsq(features[0], target, driver="gelsd").solution.T)
    net.head.bias.zero_()
    return net


NET = fitted()
EXAMPLES = perturbed(NET, RECIPE, N)


@pytest.fixture
def attack_from(tmp_path, capsys):
    """A function that calls the verb on the network: (exit code, stdout, stderr)."""
    write_network(RECIPE, tmp_path / "trials" / RECIPE.key, NET)

    def call(images=EXAMPLES, *options: str, name="adv.safetensors", **metadata):
        file = write_adversarial_images(tmp_path / name, RECIPE, images, **metadata)
        code = cli.run_command_line(["attack-from", RECIPE.key[:8], str(file), "--runs", str(tmp_path), *options])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@torch.no_grad()
def right(images: torch.Tensor, lam: float) -> torch.Tensor:
    labels = first_test_images(RECIPE, len(images))[1]
    return NET(images, NET.condition(torch.tensor([lam]))).argmax(1) == labels


def test_the_examples_are_a_further_attack_and_lower_the_best_known_ra(attack_from, tmp_path):
    x = first_test_images(RECIPE, N)[0]
    code, out, err = attack_from(x, "--lam", "0.3", "--lam", "1", "--lam", "0.3", "--name", "nothing")
    assert code == 0 and len(out.splitlines()) == 2, err
    clean, robust = right(x, 0.3), right(x, 0.3) & right(EXAMPLES, 0.3)
    assert f"λ = 0.3: RA {100 * clean.sum() / N:.2f} % of {N} images under from-nothing." in out
    assert "no other attack was made" in out and "λ = 1:" in out and 0 < robust.sum() < clean.sum()
    code, out, err = attack_from(EXAMPLES, "--lam", "0.3")
    assert code == 0, err
    best = f"best known {100 * robust.sum() / N:.2f} % ({100 * clean.sum() / N:.2f} without it)"
    assert best in out and re.search(r"decided by from-adv\.\w{8} \d+\n", out)
    results = read_results(tmp_path / "trials" / RECIPE.key, RECIPE.key)
    (row,) = list(results["measurements"].values())[-1]["rows"]
    assert row["robust_correct"] == right(EXAMPLES, 0.3).sum()
    assert row["package"].startswith("adv.safetensors, SHA-256 ")
    before = len(results["measurements"])
    assert attack_from(EXAMPLES, "--lam", "0.3")[0] == 0  # the same file again is the same measurement
    assert len(read_results(tmp_path / "trials" / RECIPE.key)["measurements"]) == before == 2


def test_show_has_the_best_known_ra(attack_from, tmp_path, capsys):
    for images in (EXAMPLES, first_test_images(RECIPE, 10)[0]):
        attack_from(images, "--lam", "0.3")
    assert cli.run_command_line(["show", RECIPE.key[:8], "--runs", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    x = first_test_images(RECIPE, 10)[0]
    robust = right(x, 0.3) & right(EXAMPLES[:10], 0.3)
    assert re.search(rf"0\.3 +1 +0\.1 +10 +{100 * robust.sum() / 10:.2f} +from-adv", text)


def test_uint8_examples_are_taken_too(attack_from):
    rounded = (EXAMPLES * 255).round().to(torch.uint8)
    x = first_test_images(RECIPE, N)[0]
    near = ((rounded / 255 - x).abs() <= 0.1).all()
    code, out, err = attack_from(rounded, "--lam", "0.3", "--epsilon", "26/255")
    assert code == 0 and not near, err
    assert f"RA {100 * right(rounded / 255, 0.3).sum() / N:.2f} %" in out


CASES = {
    "too far": ((EXAMPLES + 0.01).clamp(0, 1), {}, r"of 60 images are farther than ε = 0.1 .*farthest is image \d+"),
    "another order": (EXAMPLES.flip(0), {}, "farther than"),
    "outside": (EXAMPLES - 0.01, {}, r"neither uint8 nor floats in \[0,1\]"),
    "NaN": (torch.full_like(EXAMPLES, torch.nan), {}, r"neither uint8 nor floats in \[0,1\]"),
    "fp8": (EXAMPLES.to(torch.float8_e4m3fn), {}, "farther than"),
    "complex": (EXAMPLES.to(torch.complex64), {}, r"neither uint8 nor floats in \[0,1\]"),
    "integers": (EXAMPLES.long(), {}, r"neither uint8 nor floats in \[0,1\]"),
    "other shape": (EXAMPLES[:, :, 1:], {}, r"images of shape \(60, 1, 7, 8\): \(N, 1, 8, 8\) with N from 1 to \d+"),
    "too many": (torch.zeros(2000, 1, 8, 8), {}, "with N from 1 to"),
    "none": (EXAMPLES[:0], {}, "with N from 1 to"),
    "other data": (EXAMPLES, {"data_hash": "0" * 64}, f"data_hash in its metadata is 0+: {RECIPE.data_hash}, "),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_does_not_fit_is_one_line(case, attack_from, tmp_path):
    images, metadata, message = CASES[case]
    code, out, err = attack_from(images, "--lam", "0.3", **metadata)
    assert code == 2 and len(err.strip().splitlines()) == 1 and re.search(message, err) and not out
    assert not (tmp_path / "trials" / RECIPE.key / "results.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lam", "1.5"), "lam is not a number"),
        (("--width", "0.5"), "width 0.5: this network has 1"),
        (("--epsilon", "8"), r"--epsilon 8: a number in \(0,1\] or 8/255"),
        (("--epsilon", "8/0"), r"--epsilon 8/0: a number"),
        (("--source", "fashion-mnist-8k"), "is not the data of network"),
    ],
)
def test_an_option_that_does_not_fit_is_one_line(options, message, attack_from):
    code, _, err = attack_from(EXAMPLES, *options)
    assert code == 2 and len(err.strip().splitlines()) == 1 and re.search(message, err)


def of_unknown_type(name: str = "F8_E8M0") -> bytes:
    """A safetensors file with a tensor of a type that the package's torch part lacks."""
    header = json.dumps({"images": {"dtype": name, "shape": [1], "data_offsets": [0, 1]}}).encode()
    return len(header).to_bytes(8, "little") + header + b"\0"


def test_a_file_that_is_no_safetensors_file_is_one_line(attack_from, tmp_path, capsys):
    broken = ((content, "no whole safetensors file") for content in (b"no tensors", of_unknown_type()))
    for content, message in (*broken, (None, "no such file")):
        file = tmp_path / "adv.safetensors"
        file.write_bytes(content) if content else file.unlink()
        code = cli.run_command_line(["attack-from", RECIPE.key[:8], str(file), "--runs", str(tmp_path)])
        err = capsys.readouterr().err
        assert code == 2 and message in err and len(err.strip().splitlines()) == 1
