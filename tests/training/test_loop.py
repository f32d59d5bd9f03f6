"""Training loop: exact resuming, named failures, selection by held-out images alone."""

import pytest
import torch
from safetensors.torch import load_file

from bench import trial_manifest
from bench.spec.protocol_ledger import Protocol
from bench.training import checkpoint_selection, loop
from bench.training.checkpoint import State
from bench.training.checkpoint_selection import nearest_tag
from bench.training.loop import TrainingFailed, train
from tests.recipes import digits, oat, pgd_at

CPU = torch.device("cpu")
SMALL = {"batch": 32, "train_images": 64, "heldout": 16}


def quick(recipe_of=oat, **fields):
    """A recipe of three short epochs, with dropout, whose randomness is thus tested too."""
    return recipe_of(**({"epochs": 3, "attack_steps": 1, "schedule": "one-cycle"} | SMALL | fields))


def without_time(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def all_tensors(directory):
    return {
        f"{path.name}/{name}": tensor
        for path in sorted(directory.rglob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


RESUMED = {"oat": quick(), "pgd-at": quick(pgd_at, epochs=2)}
RESUMED["oats"] = quick(widths=(0.5, 1.0), lambdas=(0.0, 1.0), epochs=2, protocol=Protocol(selection="each"))
RESUMED["pgd-ats"] = quick(pgd_at, widths=(0.5, 1.0), epochs=2)
RESUMED["continuous"] = quick(lam_density="continuous", epochs=2)
RESUMED["bf16-each"] = quick(precision="bf16", epochs=2, protocol=Protocol(selection="each"), lambdas=(0.0, 1.0))


@pytest.mark.parametrize("recipe", RESUMED.values(), ids=RESUMED)
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(recipe, tmp_path):
    data = digits(recipe)
    whole = list(train(recipe, data, tmp_path / "whole", CPU))
    rows = []
    for _ in range(recipe.epochs):  # stopped after each epoch and resumed in a new network
        torch.manual_seed(1234)
        rows.append(next(train(recipe, data, tmp_path / "parts", CPU)))
    assert list(train(recipe, data, tmp_path / "parts", CPU)) == []
    assert without_time(rows) == without_time(whole)
    expected, resumed = all_tensors(tmp_path / "whole"), all_tensors(tmp_path / "parts")
    assert expected.keys() == resumed.keys()
    assert any("momentum/" in name for name in expected) and "weights.safetensors/stem.weight" in expected
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)


def test_the_state_after_an_epoch_carries_its_momentum(tmp_path):
    recipe = quick()
    next(train(recipe, digits(recipe), tmp_path, CPU))
    state = load_file(tmp_path / "checkpoint" / "state.safetensors")
    momenta = [tensor for name, tensor in state.items() if name.startswith("momentum/")]
    assert momenta and all(momentum.abs().sum() > 0 for momentum in momenta)


def test_small_batches_train_dual_bn_although_some_have_no_zero(tmp_path):
    recipe = quick(batch=2, epochs=1, train_images=32)  # λ=0 is in a third of such batches
    (row,) = train(recipe, digits(recipe), tmp_path, CPU)
    assert row["loss"] > 0


def test_a_kill_while_writing_leaves_the_state_before(tmp_path):
    recipe = quick()
    data = digits(recipe)
    next(train(recipe, data, tmp_path, CPU))
    (tmp_path / "checkpoint" / "state.999.tmp").write_bytes(b"half a file")
    assert next(train(recipe, data, tmp_path, CPU))["epoch"] == 2


def test_a_diverging_network_fails_and_names_the_epoch(tmp_path):
    recipe = quick(pgd_at, lr=1e30, schedule="cosine")
    with pytest.raises(TrainingFailed, match=r"in epoch 1 of 3 \(lr 1e\+30\)"):
        list(train(recipe, digits(recipe), tmp_path, CPU))
    assert not (tmp_path / "weights.safetensors").exists()


def test_fewer_images_than_a_batch_fail(tmp_path):
    recipe = quick(train_images=16)
    with pytest.raises(TrainingFailed, match="16 training images are fewer than a batch of 32"):
        list(train(recipe, digits(recipe), tmp_path, CPU))


def test_training_learns(tmp_path):
    """Loss falls, and clean accuracy is far above chance, with the plain network in six epochs."""
    recipe = pgd_at(0.0, epochs=6, schedule="one-cycle", dropout=0, train_images=512)
    rows = list(train(recipe, digits(recipe), tmp_path, CPU))
    assert rows[-1]["loss"] < rows[0]["loss"] / 2
    assert rows[-1]["train_sa"] > 0.8 and rows[-1]["train_ra"] is None and rows[-1]["heldout_sa"] > 0.6


def test_another_seed_is_another_network_and_another_order(tmp_path):
    first, other = (list(train(quick(seed=s, epochs=1), digits(quick()), tmp_path / str(s), CPU)) for s in (0, 1))
    assert first[0]["loss"] != other[0]["loss"]


def test_each_epoch_sees_every_image_once(tmp_path, monkeypatch):
    recipe, batches = quick(epochs=2), []
    monkeypatch.setattr(loop, "augment", lambda images, *_: batches.append(images) or images)
    data = digits(recipe)
    list(train(recipe, data, tmp_path, CPU))
    epochs = [torch.cat(batches[:2]), torch.cat(batches[2:])]
    for images in epochs:
        assert torch.equal(images.flatten(1).float().unique(dim=0), data.train.images.flatten(1).float().unique(dim=0))
    assert not torch.equal(*epochs)


def test_a_row_has_its_documented_fields(tmp_path):
    rows = list(train(quick(epochs=1), digits(quick()), tmp_path, CPU))
    fields = {"epoch", "epochs", "loss", "lr", "train_sa", "train_ra", "heldout_sa", "heldout_ra", "score", "seconds"}
    assert rows[0].keys() == fields
    assert rows[0]["score"] == pytest.approx((rows[0]["heldout_sa"] + rows[0]["heldout_ra"]) / 2)


# Held-out counts of four epochs at λ = 0 and 1, of 100 images: (SA, RA) each. The mean is best in epoch 2.
SCRIPT = [
    ((50, 0), (40, 10)),
    ((60, 9), (50, 30)),
    ((70, 1), (45, 20)),
    ((65, 5), (30, 35)),
]


def scripted(kind: str, tmp_path):
    """Write the weights of a run whose held-out rows are SCRIPT: {file name: epoch of its weights}."""
    recipe = oat(lambdas=(0.0, 1.0), protocol=Protocol(selection=kind))
    net, state = torch.nn.Linear(1, 1), State()
    for epoch, counts in enumerate(SCRIPT, 1):
        torch.nn.init.constant_(net.weight, epoch)
        rows = [
            {"lam": lam, "width": 1.0, "n": 100, "clean_correct": sa, "robust_correct": ra}
            for lam, (sa, ra) in zip((0.0, 1.0), counts, strict=True)
        ]
        checkpoint_selection.consider(state, net, recipe, rows, epoch)
    checkpoint_selection.write(state, net, recipe, tmp_path, (1, 8, 8))
    return {path.name: int(load_file(path)["weight"]) for path in tmp_path.glob("*.safetensors")}


def test_one_network_is_the_best_mean_over_lambda(tmp_path):
    assert scripted("one", tmp_path) == {"weights.safetensors": 2}
    assert checkpoint_selection.selected(tmp_path) == {"score": pytest.approx((60 + 9 + 50 + 30) / 400), "epoch": 2}


def test_each_lambda_and_metric_may_have_its_own_epoch(tmp_path):
    assert scripted("each", tmp_path) == {
        "weights.safetensors": 2,
        "weights-SA@0.safetensors": 3,
        "weights-RA@0.safetensors": 2,
        "weights-SA@1.safetensors": 2,
        "weights-RA@1.safetensors": 4,
    }


def test_last_is_the_last(tmp_path):
    assert scripted("last", tmp_path) == {"weights.safetensors": 4}
    assert checkpoint_selection.selected(tmp_path)["epoch"] == 4


def test_the_one_network_is_written_after_all_others(tmp_path, monkeypatch):
    """weights.safetensors marks a complete training, so it must be written last."""
    files = []
    real = trial_manifest.write_tensors
    monkeypatch.setattr(trial_manifest, "write_tensors", lambda *args: files.append(args[1]) or real(*args))
    scripted("each", tmp_path)
    assert files[-1] == "weights.safetensors" and len(files) == 5


def test_an_unseen_lambda_takes_the_weights_of_the_nearest_trained_one():
    each = oat(protocol=Protocol(selection="each"))
    assert [nearest_tag("SA", lam, each) for lam in (0.1, 0.26, 0.9)] == ["SA@0.1", "SA@0.3", "SA@1"]
    assert nearest_tag("RA", 0.9, oat()) == "one"


def test_selection_never_sees_a_test_image(tmp_path, monkeypatch):
    recipe, parts = quick(epochs=1), []
    real = loop.accuracy
    monkeypatch.setattr(loop, "accuracy", lambda engine, part, *rest: parts.append(part) or real(engine, part, *rest))
    data = digits(recipe)
    list(train(recipe, data, tmp_path, CPU))
    assert len(parts) == 6 and all(part.images is data.heldout.images for part in parts)


def test_selection_attacks_with_seven_steps_of_their_own_size(monkeypatch):
    """PGD-7 with a step size for 7 steps, for any number of steps in training."""
    recipe, measurements = oat(attack_steps=2, protocol=Protocol(step_rule="authors")), []
    monkeypatch.setattr(loop, "accuracy", lambda engine, part, measurement, *rest: measurements.append(measurement))
    loop.heldout_rows(None, recipe, digits(recipe))
    assert [measurement.step for measurement in measurements] == [pytest.approx((0.1 + 4 / 255) / 7)] * 6
