"""The attacks that a measurement may ask for: their constraints, restarts, and targets."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.attacks import ATTACKS, Attack, attack_of, effort, pgd
from bench.attacks.named import first_to_fool, wrong_classes
from bench.models.precision import autocast
from bench.specs import Measurement
from tests.recipes import images, lively, oat

NET = lively(oat(widths=(0.5, 1.0))).eval()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def conditioned(lam: float = 0.4, width: float = 1.0, precision: str = "fp32"):
    cond = NET.condition(torch.tensor([lam]), width=width)

    def logits(x):
        with autocast(precision, x.device):
            return NET(x, cond)

    return logits


def asked(attack="pgd7", epsilon=0.1, step=0.025, **fields):
    return Measurement(attack=attack, epsilon=epsilon, step=step, lambdas=(0.4,), **fields)


@torch.no_grad()
def guessed(logits, x):
    return logits(x).argmax(1)


def attack(what, x, y, logits=None, seed=0):
    return attack_of(what)(logits or conditioned(), x, y, seeded(seed))


def test_the_attacks_are_the_paper_s():
    """Sec. 4.1 and 4.5; MI-FGSM and FGSM start from the image, as in their own papers."""
    expected = {
        "pgd7": ("pgd", 7, "uniform"),
        "pgd20": ("pgd", 20, "uniform"),
        "mifgsm": ("mi_fgsm", 10, "image"),
        "fgsm": ("fgsm", 1, "image"),
        "square": ("square", 1000, "image"),
    }
    for name, said in expected.items():
        attack = ATTACKS[name]
        assert (attack.run.__name__, attack.steps, attack.start) == said


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(ATTACKS)),
    epsilon=st.floats(1 / 512, 1),
    step=st.floats(1 / 512, 2),
    steps=st.sampled_from([None, 1, 2]),
    start=st.sampled_from([None, "uniform", "image"]),
    restarts=st.integers(1, 2),
    targeted=st.booleans(),
    lam=st.sampled_from([0.0, 0.3, 1.0]),
    width=st.sampled_from([0.5, 1.0]),
    precision=st.sampled_from(["fp32", "bf16"]),
    extreme=st.booleans(),
    seed=st.integers(0, 999),
)
def test_every_attack_stays_in_the_ball_and_the_image_range(
    name, epsilon, step, steps, start, restarts, targeted, lam, width, precision, extreme, seed
):
    x, y = images(2, seed=seed)
    x = x.round() if extreme else x
    steps = steps or (20 if name == "square" else None)  # and not its thousand queries
    what = asked(name, epsilon, step, steps=steps, start=start, restarts=restarts, targeted=targeted)
    adv = attack(what, x, y, conditioned(lam, width, precision), seed)
    assert adv.dtype == torch.float32 and adv.shape == x.shape and not adv.requires_grad
    assert adv.min() >= 0 and adv.max() <= 1
    assert (adv.double() - x.double()).abs().max() <= epsilon + 1e-7  # half a unit in the last place of fp32


@pytest.mark.parametrize(("name", "steps"), [("pgd7", 7), ("pgd20", 20)])
def test_pgd_by_its_name_takes_its_steps_from_a_random_start(name, steps):
    x, y = images(4)
    expected = pgd(conditioned(), x, y, 0.1, 0.025, steps, seeded(), "uniform")
    assert torch.equal(attack(asked(name), x, y), expected)


def test_a_measurement_may_change_steps_and_start():
    x, y = images(4)
    expected = pgd(conditioned(), x, y, 0.1, 0.025, 3, seeded(), "image")
    assert torch.equal(attack(asked(steps=3, start="image"), x, y), expected)


# --- restarts


X, CLASS = images(60)
Y = guessed(conditioned(), X)
WEAK = {"epsilon": 0.03, "step": 0.01, "steps": 2}  # leaves a good part of the images robust


def test_more_restarts_leave_fewer_images_robust():
    """Each set of robust images lies within that of fewer restarts."""
    robust = [guessed(conditioned(), attack(asked(**WEAK, restarts=n), X, Y)) == Y for n in range(1, 7)]
    assert all((more <= fewer).all() for fewer, more in zip(robust, robust[1:], strict=False))
    assert robust[0].sum() > robust[-1].sum() > 0  # and they do find something


def test_an_image_keeps_the_first_try_that_fools_or_else_the_first():
    tries = [X + 0, X + 1, X + 2, X + 3]
    fooled_by = torch.arange(60) % 5  # 4: by none

    def logits(x):
        number = (x - X).flatten(1).mean(1).round()
        wrong = number >= fooled_by
        return torch.nn.functional.one_hot(torch.where(wrong, (Y + 1) % 10, Y), 10).float()

    adv = first_to_fool(logits, X, Y, iter(tries))
    number = (adv - X).flatten(1).mean(1).round()
    assert torch.equal(number, torch.where(fooled_by == 4, 0, fooled_by).float())


def test_the_next_images_are_attacked_from_the_same_start_however_many_restarts():
    """Or more restarts could leave more images of a later batch robust; nor may it matter how the network did."""
    states = []
    for restarts, logits in ((1, conditioned()), (3, conditioned()), (3, lambda x: x.flatten(1)[:, :10])):
        rng = seeded()
        attack_of(asked(restarts=restarts, steps=1))(logits, X, Y, rng)
        states.append(rng.get_state())
    assert torch.equal(states[0], states[1]) and torch.equal(states[1], states[2])
    assert not torch.equal(states[0], seeded().get_state())


def test_each_restart_starts_elsewhere(monkeypatch):
    starts = []

    def spied(logits, x, y, rng, **rest):
        starts.append(pgd(logits, x, y, **rest | {"rng": rng, "steps": 0}))
        return x

    monkeypatch.setitem(ATTACKS, "pgd7", Attack(spied, 7, "uniform"))
    attack(asked(restarts=3), X, Y)
    assert len(starts) == 3 and not any(torch.equal(starts[i], starts[i - 1]) for i in range(3))


# --- targets


def test_the_targets_are_every_wrong_class_the_likeliest_first():
    outputs = torch.tensor([[0.1, 3.0, -1.0, 2.0], [5.0, 4.0, 6.0, 7.0]])
    found = wrong_classes(lambda x: outputs, torch.zeros(2, 1), torch.tensor([1, 0]))
    assert found.T.tolist() == [[3, 0, 2], [3, 2, 1]]


def test_a_targeted_attack_tries_each_target_on_each_restart(monkeypatch):
    targets = []
    spied = Attack(lambda logits, x, y, **rest: targets.append(y) or pgd(logits, x, y, **rest), 7, "uniform")
    monkeypatch.setitem(ATTACKS, "pgd7", spied)
    attack(asked(restarts=2, targeted=True), X, Y)
    expected = wrong_classes(conditioned(), X, Y)
    assert torch.equal(torch.stack(targets), torch.cat([expected, expected]))
    assert all((target != Y).all() for target in targets)


def test_a_target_becomes_likelier():
    target = wrong_classes(conditioned(), X, Y)[3]
    before, run = conditioned()(X).log_softmax(1), attack_of(asked(targeted=True, epsilon=0.05, step=0.0125))
    seen = []

    def logits(x):
        seen.append(x)
        return conditioned()(x)

    run(logits, X, Y, seeded())
    # one forward for the order of targets; then for each target 7 for the steps and 1 to judge: the fourth's last
    last = seen[8 * 4]
    after = conditioned()(last).log_softmax(1)
    gain = (after - before).gather(1, target[:, None])
    assert (gain > 0).float().mean() > 0.95


def test_targets_find_what_one_attack_does_not():
    plain, targeted = (
        (guessed(conditioned(), attack(asked(**WEAK, targeted=t), X, Y)) == Y).sum() for t in (False, True)
    )
    assert targeted <= plain + 1  # its tries start elsewhere, so an image may go the other way


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({}, 7),
        ({"attack": "mifgsm"}, 10),
        ({"steps": 50, "restarts": 10}, 500),
        ({"attack": "pgd20", "targeted": True, "restarts": 2}, 20 * 2 * 9),
    ],
)
def test_effort_counts_the_gradient_steps_that_are_made(fields, steps):
    what = asked(**fields)
    assert effort(what, 10) == steps
    calls = []
    attack(what, X[:2], Y[:2], lambda x: calls.append(x.requires_grad) or x.flatten(1)[:, :10])
    assert sum(calls) == steps
