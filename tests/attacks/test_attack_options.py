"""Attacks as measurements select them: constraints, restarts, targets and losses."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.attacks.attack_options import attack_of, away, first_to_fool, restarted, wrong_classes
from bench.attacks.pgd import margin, pgd
from bench.engines.precision import autocast
from bench.spec.costs import attack_effort
from bench.spec.measurement import Measurement
from bench.spec.registry import ATTACK_DEFAULTS, ATTACKS, load, resolve
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


def measurement_of(attack="pgd7", epsilon=0.1, step=0.025, **fields):
    return Measurement(attack=attack, epsilon=epsilon, step=step, lambdas=(0.4,), **fields)


@torch.no_grad()
def guessed(logits, x):
    return logits(x).argmax(1)


def attack(measurement, x, y, logits=None, seed=0):
    return attack_of(measurement)(logits or conditioned(), x, y, seeded(seed))


def test_the_attacks_are_the_paper_s():
    """Sec. 4.1 and 4.5; MI-FGSM and FGSM start from the image, as in their own papers."""
    expected = {
        "pgd7": ("pgd", 7, "uniform"),
        "pgd20": ("pgd", 20, "uniform"),
        "mifgsm": ("mi_fgsm", 10, "image"),
        "fgsm": ("fgsm", 1, "image"),
        "square": ("square", 1000, "image"),
        "pgd50": ("pgd", 50, "uniform"),
        "cw50": ("pgd", 50, "uniform"),
    }
    for name, properties in expected.items():
        attack = ATTACKS[name]
        assert (resolve(attack).__name__, attack.steps, attack.start) == properties


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(sorted(set(ATTACKS) - {"autoattack"})),  # tested in tests/attacks/test_autoattack.py
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
    fixed = ATTACKS[name].fixed
    steps = None if "steps" in fixed else steps or (20 if name == "square" else None)  # not its thousand queries
    start = None if "start" in fixed else start
    measurement = measurement_of(name, epsilon, step, steps=steps, start=start, restarts=restarts, targeted=targeted)
    adv = attack(measurement, x, y, conditioned(lam, width, precision), seed)
    assert adv.dtype == torch.float32 and adv.shape == x.shape and not adv.requires_grad
    assert adv.min() >= 0 and adv.max() <= 1
    assert (adv.double() - x.double()).abs().max() <= epsilon + 1e-7  # half a unit in the last place of fp32


@pytest.mark.parametrize(("name", "steps"), [("pgd7", 7), ("pgd20", 20)])
def test_pgd_by_its_name_takes_its_steps_from_a_random_start(name, steps):
    x, y = images(4)
    expected = pgd(conditioned(), x, y, 0.1, 0.025, steps, seeded(), "uniform")
    assert torch.equal(attack(measurement_of(name), x, y), expected)


def test_a_measurement_may_change_steps_and_start():
    x, y = images(4)
    expected = pgd(conditioned(), x, y, 0.1, 0.025, 3, seeded(), "image")
    assert torch.equal(attack(measurement_of(steps=3, start="image"), x, y), expected)


# --- restarts


X = images(60)[0]
Y = guessed(conditioned(), X)


def unfooled(x):
    """Logits that classify every image of X correctly, however it is perturbed."""
    return 9.0 * torch.nn.functional.one_hot(Y, 10)[torch.cdist(x.flatten(1), X.flatten(1)).argmin(1)] + 0 * x.sum()


WEAK = {"epsilon": 0.03, "step": 0.01, "steps": 2}  # leaves a good part of the images robust


def test_more_restarts_leave_fewer_images_robust():
    """Each set of robust images lies within that of fewer restarts."""
    robust = [guessed(conditioned(), attack(measurement_of(**WEAK, restarts=n), X, Y)) == Y for n in range(1, 7)]
    assert all((more <= fewer).all() for fewer, more in zip(robust, robust[1:], strict=False))
    assert robust[0].sum() > robust[-1].sum() > 0  # so that some restarts succeed


def test_an_image_keeps_the_first_attempt_that_fools_or_else_the_first():
    attempts = [X + 0, X + 1, X + 2, X + 3]
    fooled_by = torch.arange(60) % 5  # 4: by none

    def logits(x):
        number, place = x.flatten(1).mean(1).floor(), torch.cdist(x.frac().flatten(1), X.flatten(1)).argmin(1)
        wrong = number >= fooled_by[place]
        return torch.nn.functional.one_hot(torch.where(wrong, (Y[place] + 1) % 10, Y[place]), 10).float()

    adv = first_to_fool(logits, X, Y, ((lambda part, index, images=images: images[index]) for images in attempts))
    number = (adv - X).flatten(1).mean(1).round()
    assert torch.equal(number, torch.where(fooled_by == 4, 0, fooled_by).float())


def test_the_next_images_are_attacked_from_the_same_start_however_many_restarts():
    """The generator advances alike for every number of restarts and every network, so the next batch starts alike."""
    states = []
    for restarts, logits in ((1, conditioned()), (3, conditioned()), (3, lambda x: x.flatten(1)[:, :10])):
        rng = seeded()
        attack_of(measurement_of(restarts=restarts, steps=1))(logits, X, Y, rng)
        states.append(rng.get_state())
    assert torch.equal(states[0], states[1]) and torch.equal(states[1], states[2])
    assert not torch.equal(states[0], seeded().get_state())


def test_square_too_starts_the_next_images_alike_and_first_as_if_alone():
    """Square draws within an attempt, and no attempt is made once all images are fooled."""
    states = []
    for logits in (conditioned(), lambda x: x.flatten(1)[:, :10]):
        for changes in ({}, {"restarts": 3}, {"targeted": True}, {"targeted": True, "restarts": 2}):
            rng = seeded()
            attack_of(measurement_of("square", steps=2, **changes))(logits, X, Y, rng)
            states.append(rng.get_state())
    assert all(torch.equal(state, states[0]) for state in states)
    once, thrice = (attack(measurement_of("square", steps=2, restarts=n), X, Y, unfooled) for n in (1, 3))
    assert torch.equal(once, thrice)


def test_each_restart_starts_elsewhere(monkeypatch):
    starts = []

    def spied(logits, x, y, rng, **rest):
        starts.append(pgd(logits, x, y, **rest | {"rng": rng, "steps": 0}))
        return x

    monkeypatch.setattr("bench.attacks.pgd.pgd", spied)
    attack(measurement_of(restarts=3), X, Y, logits=unfooled)
    assert len(starts) == 3 and not any(torch.equal(starts[i], starts[i - 1]) for i in range(3))


@pytest.fixture
def offsets(monkeypatch):
    """A function that attacks batches of `sizes` and returns, per batch, the start displacement of each attempt."""

    def of(logits, sizes, **fields):
        starts, rng = [], seeded()

        def spied(logits, x, y, rng, start, **rest):
            starts[-1].append(start)
            return x

        monkeypatch.setattr("bench.attacks.pgd.pgd", spied)
        for x, y in zip(X.split(sizes), Y.split(sizes), strict=True):
            starts.append([])
            attack_of(measurement_of(**fields))(logits, x, y, rng)
        return starts

    return of


def test_no_two_batches_share_the_starts_of_a_restart(offsets):
    """A former fault: images at the same place of different batches had the same starts after the first."""
    first, second = offsets(unfooled, [30, 30], restarts=3)
    assert len(first) == len(second) == 3
    assert not any(torch.equal(start, other_start) for start in first for other_start in second)
    again = offsets(unfooled, [30, 30], restarts=2)
    assert all(torch.equal(*pair) for pair in zip(again[1], second[:2], strict=True))  # whatever the restarts


def test_the_starts_of_an_image_depend_on_no_other_image(offsets):
    """A fooled image is not attacked again, and the start of the others does not depend on it."""

    def half(x):  # every other image is misclassified from the start
        wrong = torch.nn.functional.one_hot((Y + 1) % 10, 10).float()
        outputs = torch.where((torch.arange(60) % 2 == 0)[:, None], unfooled(X), wrong)
        return outputs[torch.cdist(x.flatten(1), X.flatten(1)).argmin(1)]

    (all_tries,), (fewer,) = (offsets(logits, [60], restarts=3) for logits in (unfooled, half))
    assert [len(starts) for starts in fewer] == [60, 30, 30]
    assert all(
        torch.equal(remaining, all_starts[::2]) for remaining, all_starts in zip(fewer[1:], all_tries[1:], strict=True)
    )


def test_attacking_only_robust_images_again_changes_no_count():
    """Compared with all attempts on all images, from the same starts."""
    measurement, logits = measurement_of(**WEAK, restarts=5), conditioned()
    robust = guessed(logits, attack(measurement, X, Y)) == Y
    budget, rng = {"epsilon": measurement.epsilon, "step": measurement.step, "steps": measurement.steps}, seeded()
    generators = [restarted(rng, i) for i in range(5)]
    attempts = [
        guessed(logits, pgd(logits, X, Y, rng=generator, start="uniform", **budget)) == Y for generator in generators
    ]
    assert torch.equal(robust, torch.stack(attempts).all(0)) and 0 < robust.sum() < 60


# --- targets


def test_the_targets_are_every_wrong_class_the_likeliest_first():
    outputs = torch.tensor([[0.1, 3.0, -1.0, 2.0], [5.0, 4.0, 6.0, 7.0]])
    targets = wrong_classes(lambda x: outputs, torch.zeros(2, 1), torch.tensor([1, 0]))
    assert targets.T.tolist() == [[3, 0, 2], [3, 2, 1]]


def test_a_targeted_attack_tries_each_target_on_each_restart(monkeypatch):
    targets = []
    spied = lambda logits, x, y, **rest: targets.append(y) or pgd(logits, x, y, **rest)  # noqa: E731
    monkeypatch.setattr("bench.attacks.pgd.pgd", spied)
    attack(measurement_of(restarts=2, targeted=True), X, Y, logits=unfooled)
    expected = wrong_classes(unfooled, X, Y)
    assert torch.equal(torch.stack(targets), torch.cat([expected, expected]))
    assert all((target != Y).all() for target in targets)


@pytest.mark.parametrize("name", ["pgd7", "cw50"])
def test_a_target_becomes_likelier(name):
    logits, entry = conditioned(), ATTACKS[name]
    target = wrong_classes(logits, X, Y)[3]
    run, loss = resolve(entry), away(load(entry.loss))
    adv = run(logits, X, target, 0.05, 0.0125, 7, seeded(), "uniform", loss)
    with torch.no_grad():
        before, after = (logits(images).log_softmax(1).gather(1, target[:, None]) for images in (X, adv))
    assert (after > before).float().mean() > 0.95


def test_targets_find_what_one_attack_does_not():
    plain, targeted = (
        (guessed(conditioned(), attack(measurement_of(**WEAK, targeted=t), X, Y)) == Y).sum() for t in (False, True)
    )
    assert targeted <= plain + 1  # the attempts have other starts, so one image may differ


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
    measurement = measurement_of(**fields)
    assert attack_effort(measurement, 10) == steps
    calls = []
    attack(measurement, X[:2], Y[:2], lambda x: calls.append(x.requires_grad) or unfooled(x))
    assert sum(calls) == steps  # on images that withstand all attempts


# --- losses, and options that an attack refuses


def test_the_margin_is_the_largest_wrong_logit_less_the_right_one():
    outputs = torch.tensor([[0.5, 3.0, -1.0, 2.0], [5.0, 4.0, 6.0, 7.0]], requires_grad=True)
    margins = margin(outputs, torch.tensor([1, 0]))
    assert margins.tolist() == [-1.0, 2.0]
    (grad,) = torch.autograd.grad(margins.sum(), outputs)
    assert grad.tolist() == [[0, -1, 0, 1], [-1, 0, 0, 1]]


def test_the_margin_attack_reaches_the_closed_form_of_a_linear_network():
    """Of two classes a linear network's margin is w·x + b, whose largest value in the ball is w·x + b + ε‖w‖₁ where no
    pixel meets the image's range."""
    rng = seeded(1)
    weight, bias = torch.randn(2, 64, generator=rng), torch.randn(2, generator=rng)
    x, y = X * 0.5 + 0.25, torch.arange(60) % 2

    def logits(images):
        return images.flatten(1) @ weight.T + bias

    adv = attack(measurement_of("cw50", epsilon=0.2, step=0.05), x, y, logits)
    expected = margin(logits(x), y) + 0.2 * (weight[0] - weight[1]).abs().sum()
    torch.testing.assert_close(margin(logits(adv), y), expected)


def test_the_margin_does_not_fade_where_the_cross_entropy_does():
    """A network whose cross-entropy has gradient 0 in fp32 withstands PGD, and is fooled by CW."""

    def logits(x):
        return 1000 * torch.stack([x.sum((1, 2, 3)) - 28.0, -x.sum((1, 2, 3)) + 28.0], 1)

    x, y = (
        torch.full((4, 1, 8, 8), 0.45),
        torch.zeros(4, dtype=torch.long),
    )  # sum 28.8, and 25.6 at the edge of the ball
    robust = {
        name: guessed(logits, attack(measurement_of(name, epsilon=0.05), x, y, logits)) == y
        for name in ("pgd50", "cw50")
    }
    assert robust["pgd50"].all() and not robust["cw50"].any()


@pytest.mark.parametrize(
    ("name", "fields", "named"),
    [("fgsm", {"steps": 3}, "steps"), ("autoattack", {"steps": 9, "restarts": 2}, "steps and no restarts")],
)
def test_an_option_that_an_attack_would_ignore_is_refused(name, fields, named):
    measurement = measurement_of(name, **fields)
    assert ATTACKS[name].objection(measurement) == f"{name} takes no {named}: leave that out"
    with pytest.raises(ValueError, match=named):
        attack_of(measurement)


def test_default_options_are_never_refused():
    assert all(ATTACKS[name].objection(measurement_of(name)) is None for name in ATTACKS)
    assert {field: getattr(measurement_of(), field) for field in ATTACK_DEFAULTS} == ATTACK_DEFAULTS
