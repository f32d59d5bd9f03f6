"""Saliency maps against finite differences, and the alignment against its closed form."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from bench.data import Images
from bench.engines import engine_for
from bench.measures import accuracy
from bench.measures.saliency import alignment, saliency
from bench.spec.measurement import Measurement
from tests.recipes import images, lively, oat, pgd_at

WIDTHS = (0.5, 1.0)
X, Y = images(12)
IMAGES = Images((X * 255).to(torch.uint8), Y)


def measurement_of(**fields) -> Measurement:
    return Measurement(**{"probe": "saliency", "lambdas": (0.0, 0.35), "images": (4, 1, 99)} | fields)


def run_probe(net, directory, make_engine=None, **fields):
    """Run the probe. Returns its rows and the file's tensors."""
    measurement = measurement_of(**fields)
    engine = make_engine(net) if make_engine else engine_for(net, "cpu")
    rows = list(saliency(engine, IMAGES, measurement, directory))
    return rows, load_file(directory / f"saliency-{measurement.key}.safetensors")


def differences(logits, x, y, h=1e-5):
    """∇x of the cross-entropy of fp64 images by central differences, a forward pass for all pixels at once."""
    shifts = torch.eye(x[0].numel(), dtype=x.dtype).reshape(-1, *x.shape[1:]) * h
    with torch.no_grad():
        gradients = [
            F.cross_entropy(logits(image + shifts), label.expand(len(shifts)), reduction="none")
            - F.cross_entropy(logits(image - shifts), label.expand(len(shifts)), reduction="none")
            for image, label in zip(x, y, strict=True)
        ]
    return torch.stack(gradients).reshape(x.shape) / (2 * h)


@pytest.mark.parametrize("width", WIDTHS)
def test_maps_are_the_gradients_of_the_cross_entropy(width, tmp_path, make_engine):
    net = lively(oat(widths=WIDTHS)).eval()
    _, tensors = run_probe(net, tmp_path, make_engine, width=width)
    x, exact = tensors["images"].double() / 255, lively(oat(widths=WIDTHS)).double().eval()
    for lam in (0.0, 0.35):
        cond = exact.condition(torch.tensor([lam], dtype=torch.float64), width=width)
        expected = differences(lambda z, cond=cond: exact(z, cond), x, tensors["labels"])
        actual = tensors[f"map/{lam:g}"].double()
        assert (actual - expected).norm() < 1e-3 * expected.norm()


def test_the_file_holds_its_documented_tensors(tmp_path):
    rows, tensors = run_probe(lively(oat()).eval(), tmp_path)
    assert tensors.keys() == {"images", "labels", "index", "map/0", "map/0.35", "alignment/0", "alignment/0.35"}
    assert tensors["index"].tolist() == [4, 1]  # in the order of the measurement; there is no image 99
    assert torch.equal(tensors["images"], IMAGES.images[[4, 1]]) and tensors["images"].dtype == torch.uint8
    assert torch.equal(tensors["labels"], Y[[4, 1]])
    for row, lam in zip(rows, (0.0, 0.35), strict=True):
        scores = tensors[f"alignment/{lam:g}"]
        assert scores.shape == (12,) and tensors[f"map/{lam:g}"].shape == (2, 1, 8, 8)
        assert tensors[f"map/{lam:g}"].dtype == scores.dtype == torch.float32
        mean, sd = scores.double().mean().item(), scores.double().std().item()
        assert row == {
            "lam": lam,
            "width": 1.0,
            "n": 12,
            "file": next(tmp_path.glob("*.safetensors")).name,
            "alignment": pytest.approx(mean),
            "alignment_sd": pytest.approx(sd),
        }
    assert not torch.equal(tensors["map/0"], tensors["map/0.35"])


def test_maps_may_be_of_no_image(tmp_path):
    rows, tensors = run_probe(lively(pgd_at()).eval(), tmp_path, images=(99,), lambdas=(0.5,))
    assert tensors["map/0.5"].shape == (0, 1, 8, 8) and rows[0]["n"] == 12


def test_the_file_is_there_before_the_first_row(tmp_path):
    engine = engine_for(lively(oat()).eval(), "cpu")
    assert next(saliency(engine, IMAGES, measurement_of(), tmp_path))["file"] in {p.name for p in tmp_path.iterdir()}


def test_batches_change_no_result_and_the_network_stays_unchanged(tmp_path, monkeypatch):
    net = lively(oat()).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    _, whole = run_probe(net, tmp_path)
    monkeypatch.setattr(accuracy, "BATCH", 5)
    _, parts = run_probe(net, tmp_path)
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, atol=1e-5, rtol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


# --- alignment


def test_the_alignment_of_a_linear_classifier():
    """Etmann et al., ICML 2019, Definition 3: |⟨x, w_k⟩| / ‖w_k‖, with w_k the row of the winning class."""
    torch.manual_seed(0)
    head = torch.nn.Linear(64, 10)
    weight, bias, x = head.weight.detach(), head.bias.detach(), X.flatten(1)
    winner = (x @ weight.T + bias).argmax(1)
    assert len(set(winner.tolist())) > 1
    expected = [abs(x[i] @ weight[k]) / weight[k].norm() for i, k in enumerate(winner)]
    torch.testing.assert_close(alignment(lambda z: head(z.flatten(1)), X), torch.stack(expected))


def test_an_alignment_is_at_most_the_image_s_norm():
    """Cauchy–Schwarz; reached where the gradient is the image itself, and 0 where it vanishes."""
    net = lively(oat()).eval()
    cond = net.condition(torch.tensor([0.3]))
    norms = X.flatten(1).norm(dim=1)
    assert (alignment(lambda z: net(z, cond), X) < norms).all()

    def half_square(z):
        return (z.flatten(1) ** 2).sum(1, keepdim=True) / 2

    torch.testing.assert_close(alignment(half_square, X), norms)
    assert torch.equal(alignment(lambda z: z.flatten(1)[:, :3] * 0, X), torch.zeros(12))
